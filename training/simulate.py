"""simulate: healthy photographs → a folder of simulated palsies with truth.csv, for prepare.

Four generators that err differently (see docs/training.md), so that one can be held out. It
never claims that its pictures are patients.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline import inputs
from stroke_side_monitor.perception.crop import eye_distance_px
from stroke_side_monitor.perception.face_mesh import FaceMesh
from stroke_side_monitor.simulation.palsy import random_palsy
from stroke_side_monitor.simulation.portrait import PictureError, Portrait, portrait
from stroke_side_monitor.simulation.still import camera_faults, random_still
from training import simulators
from training.common import (
    TrainingError,
    appearing_folder,
    check_replaceable,
    log,
    read_table,
    run_command,
    write_table,
)
from training.sources import PICTURES

GENERATORS = ('healthy', 'spline', 'bump', 'half', 'mesh')
MADE_BY = 'training.simulate'
COLUMNS = ('file', 'side', 'severity', 'severity_mouth', 'severity_eye', 'severity_brow',
           'subject', 'source', 'age', 'gender', 'ethnicity')
# What people.csv may tell of a person, and in which column.
_ABOUT = {'age': 'face_age', 'gender': 'face_gender', 'ethnicity': 'face_eth'}
_EYE_DISTANCE_PX = 110.0
_SHARE_HEALTHY = 0.3


@dataclass(frozen=True)
class Person:
    """A healthy photograph: file, the same person's smiling one or None, and who it is."""

    file: Path
    smiling: Path | None
    subject: str
    source: str
    about: dict[str, str]


@dataclass(frozen=True)
class Photograph:
    """A face about 110 px between the eyes. rgb: uint8 (H, W, 3). points: float (478, 2) pixels."""

    rgb: NDArray[np.uint8]
    points: NDArray[np.float64]


def find_people(folder: Path) -> list[Person]:
    """Pictures of a folder, with people.csv where there is one; neutral/ and smiling/ are paired.

    The subject is <top folder's first word>_<file stem>, alike in neutral/ and smiling/.
    """
    prefix = folder.name.split('_')[0]
    neutral = folder / 'neutral' if (folder / 'neutral').is_dir() else folder
    about = _about(folder / 'people.csv')
    people = []
    for place in (neutral, folder / 'smiling'):
        files = sorted(place.iterdir()) if place.is_dir() else []
        for file in (f for f in files if f.suffix.lower() in PICTURES):
            other = folder / 'smiling' / file.name
            paired = other if place is neutral and other.is_file() else None
            source = f'{prefix}_{place.name}' if place is not folder else prefix
            people.append(Person(file, paired, f'{prefix}_{file.stem}', source,
                                 about.get(file.stem, {})))
    if not people:
        raise TrainingError(f'{folder}: no pictures in it')
    return people


def _about(table: Path) -> dict[str, dict[str, str]]:
    rows = read_table(table) if table.is_file() else []
    missing = sorted({'face_id', *_ABOUT.values()} - set(rows[0])) if rows else []
    if missing:
        raise TrainingError(f'{table} lacks the column(s) {", ".join(missing)}; it needs face_id,'
                            f'{",".join(_ABOUT.values())}, or another name')
    return {row['face_id']: {name: row[column] for name, column in _ABOUT.items()}
            for row in rows}


def people_of(folders: list[Path], largest: int) -> list[Person]:
    """The photographs of all folders, at most of `largest` (0: all) people of each.

    Raises:
        TrainingError: people of two folders, or two photographs, would have one name.
    """
    people: list[Person] = []
    homes: dict[str, tuple[int, Path]] = {}
    names: dict[tuple[str, str], Path] = {}
    for number, folder in enumerate(folders):
        for person in some(find_people(folder), largest):
            home, other = homes.setdefault(person.subject, (number, person.file))
            if home != number:
                raise TrainingError(
                    f'{other} and {person.file} would be one person, {person.subject}: give '
                    'the folders names with different first words (up to "_"), or, if they '
                    'are one person, put both as neutral/ and smiling/ into one folder')
            other = names.setdefault((person.subject, person.source), person.file)
            if other != person.file:
                raise TrainingError(f'{other} and {person.file} differ in their ending only: '
                                    'rename one')
            people.append(person)
    return people


def simulate(folders: list[Path], out: Path, *, generators: tuple[str, ...], per_photo: int,
             largest: int, seed: int) -> None:
    """Write `per_photo` pictures per photograph and generator into `out`, with truth.csv.

    Args:
        largest: most photographs taken per folder (0: all), spread over the folder.

    Raises:
        TrainingError: a folder cannot be used, or see people_of; `out` is untouched.
    """
    check_replaceable(out, MADE_BY, folders)
    people = people_of(folders, largest)
    mesh = FaceMesh(tracking=False, max_faces=2)
    rows: list[dict[str, Any]] = []
    refused = 0
    with appearing_folder(out, MADE_BY) as folder:
        for person in tqdm(people, desc='people', unit='photo'):
            try:
                for number, (rgb, truth) in enumerate(
                        _pictures(person, mesh, generators, per_photo, seed)):
                    file = f'{person.subject}_{person.source}_{number:03d}.jpg'
                    cv2.imwrite(str(folder / file), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR),
                                [cv2.IMWRITE_JPEG_QUALITY, 95])
                    rows.append({'file': file, 'subject': person.subject, **truth, **person.about,
                                 'source': f'{truth["generator"]}/{person.source}'})
            except PictureError as error:
                refused += 1
                log.info('left out: %s', error)
        write_table(folder / 'truth.csv', COLUMNS, rows)
    mesh.close()
    log.info('%d pictures of %d photographs (%d left out): %s', len(rows), len(people), refused,
             out)


def some(people: list[Person], largest: int) -> list[Person]:
    """At most `largest` (0: all), whole persons only, in an order that no file name decides."""
    subjects = sorted({p.subject for p in people},
                      key=lambda name: hashlib.sha256(f'some {name}'.encode()).hexdigest())
    chosen = set(subjects[:largest] if largest else subjects)
    return [person for person in people if person.subject in chosen]


def _pictures(person: Person, mesh: FaceMesh, generators: tuple[str, ...], per_photo: int,
              seed: int) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    photograph = _photograph(person.file, mesh)
    for generator in generators:
        name = f'{seed} {generator} {person.source} {person.subject}'
        rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
        if generator == 'mesh':
            drawn = _mesh_stills(person, mesh, rng, per_photo)
        elif generator == 'half':
            drawn = _half_smiles(person, photograph, mesh, rng, per_photo)
        else:
            drawn = _warps(generator, photograph, rng, per_photo)
        for rgb, truth in drawn:
            yield rgb, {'generator': generator, **truth}


def _warps(generator: str, photograph: Photograph, rng: np.random.Generator, count: int
           ) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    healthy = simulators.Palsy('none', 0.0, 0.0, 0.0, 0.0)
    for number in range(count):
        palsy = healthy if generator == 'healthy' else simulators.random_palsy(rng, _SHARE_HEALTHY)
        rgb = photograph.rgb if generator == 'healthy' else simulators.WARPS[generator](
            photograph.rgb, photograph.points, palsy, rng)
        untouched = generator == 'healthy' and number == 0
        yield rgb if untouched else simulators.rephotograph(rgb, rng), _truth(palsy)


def _half_smiles(person: Person, neutral: Photograph, mesh: FaceMesh, rng: np.random.Generator,
                 count: int) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    if person.smiling is None:
        return
    smiling = _photograph(person.smiling, mesh)
    for _ in range(count):
        drawn = simulators.random_palsy(rng, _SHARE_HEALTHY)
        mouth = 0.0 if drawn.side == 'none' else drawn.mouth
        palsy = simulators.Palsy(drawn.side, mouth, 0.0, 0.0, 0.0)
        rgb, _ = simulators.half_smile(neutral.rgb, neutral.points, smiling.rgb, smiling.points,
                                       palsy, rng)
        yield simulators.rephotograph(rgb, rng), _truth(palsy)


def _mesh_stills(person: Person, mesh: FaceMesh, rng: np.random.Generator, count: int
                 ) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    face = _portrait(person, mesh, with_smile=rng.random() < 0.5)
    exercises: tuple[str, ...] = ('rest', 'rest', 'smile', 'smile', 'brow_raise', 'pucker',
                                  'eye_close')
    if 'smiling' in person.source:
        exercises = ('rest',)  # the face smiles already
    for _ in range(count):
        palsy = random_palsy(rng, Side.NONE if rng.random() < _SHARE_HEALTHY else None)
        rgb, _ = random_still(face, rng, palsy=palsy, exercises=exercises)
        mouth, eye, brow = palsy.mouth, palsy.eye, palsy.brow
        yield camera_faults(rgb, rng), _truth(
            simulators.Palsy(palsy.side.name.lower(), mouth, eye, brow, 0.0))


def _portrait(person: Person, mesh: FaceMesh, with_smile: bool) -> Portrait:
    smiling = _read(person.smiling) if person.smiling and with_smile else None
    face = portrait(_read(person.file), str(person.file), smiling_rgb=smiling, mesh=mesh)
    return face.framed(400, 430, _EYE_DISTANCE_PX)


def _truth(palsy: simulators.Palsy) -> dict[str, Any]:
    shown = palsy.side != 'none'
    return {'side': palsy.side, 'severity': f'{abs(palsy.signed):.4f}',
            'severity_mouth': f'{palsy.mouth * shown:.4f}',
            'severity_eye': f'{palsy.eye * shown:.4f}',
            'severity_brow': f'{palsy.brow * shown:.4f}'}


def _photograph(file: Path, mesh: FaceMesh) -> Photograph:
    rgb = _read(file)
    faces = mesh.detect(rgb)
    if not faces:
        raise PictureError(f'{file}: no face found')
    factor = _EYE_DISTANCE_PX / eye_distance_px(faces[0])
    scaled = cv2.resize(rgb, None, fx=factor, fy=factor,
                        interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    points = faces[0].pixels() * factor
    middle = (points[33] + points[263]) / 2
    height, width = scaled.shape[:2]
    left, top = (np.maximum(middle - np.array([1.9, 1.7]) * _EYE_DISTANCE_PX, 0)).astype(int)
    right, bottom = np.minimum(middle + np.array([1.9, 2.6]) * _EYE_DISTANCE_PX,
                               (width, height)).astype(int)
    return Photograph(np.ascontiguousarray(scaled[top:bottom, left:right]), points - (left, top))


def _read(file: Path) -> NDArray[np.uint8]:
    try:
        return inputs.read_picture(file)
    except inputs.InputError as error:
        raise PictureError(f'{file}: {error}') from error


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.simulate', description=__doc__)
    parser.add_argument('photographs', nargs='+', type=Path,
                        help='folders of healthy frontal photographs (or neutral/ and smiling/)')
    parser.add_argument('--out', type=Path, required=True, help='folder to write; rebuilt')
    parser.add_argument('--generators', nargs='+', choices=GENERATORS, default=list(GENERATORS))
    parser.add_argument('--per-photo', type=int, default=3, help='pictures per generator')
    parser.add_argument('--most', type=int, default=0, help='most people per folder; 0: all')
    parser.add_argument('--seed', type=int, default=7, help='same seed, same pictures')
    given = parser.parse_args()
    return run_command(lambda: simulate(
        given.photographs, given.out, generators=tuple(given.generators),
        per_photo=given.per_photo, largest=given.most, seed=given.seed))


if __name__ == '__main__':
    raise SystemExit(main())
