"""Draws what the mouth network is trained and chosen on: windows of faces, hidden and clear.

It runs where mediapipe is (.venv); the network is trained where TensorFlow is (hidden_mouth.py).
Run: .venv/bin/python -m training.occlusion.draw --data ../shared/data --out out/hidden_mouth
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline.inputs import read_picture
from stroke_side_monitor.perception import crop
from stroke_side_monitor.perception.face_tracker import StillFaceFinder
from stroke_side_monitor.perception.hidden_mouth import window
from stroke_side_monitor.simulation.face import HeadMotion, SimulatedFace
from stroke_side_monitor.simulation.palsy import Expression, random_palsy, random_style
from stroke_side_monitor.simulation.portrait import PictureError, Portrait, portrait
from stroke_side_monitor.simulation.session import minimum_jerk
from stroke_side_monitor.simulation.talk import Talk
from training.common import appearing_folder, check_replaceable, log, run_command, write_whole
from training.occlusion import people
from training.occlusion.face import DrawnFace
from training.occlusion.people import Drawn, Photograph

MADE_BY = 'training.occlusion.draw'
SPLITS = ('train', 'validation')
# Of one person: pictures of the photograph itself, opened mouths and simulated patients, and how
# many things are drawn before each. Congress portraits are many, grey and small.
_COUNTS = {'congress': (22, 3, 4), 'others': (60, 7, 14)}
_PER_VARIANT = 8


def draw(photograph: Photograph, split: str, data: Path, seed: int
         ) -> list[tuple[NDArray[np.uint8], str, bool]]:
    """All windows of one photograph: uint8 (64, 64, 3), what is before the face, whether hidden."""
    rng = np.random.default_rng([seed, *photograph.person.encode(), *photograph.source.encode()])
    finder = _finder()
    windows = []
    for face, count in _variants(photograph, finder, data, rng):
        for _ in range(count):
            drawn = one(face, photograph.source == 'congress', split, rng)
            sighting = finder.look(drawn.rgb, 0.0)
            if sighting.opinions:
                seen = window(crop.aligned_crop(drawn.rgb, sighting.face), sighting.face)
                windows.append((seen, drawn.kind, drawn.hidden))
    return windows


def one(base: DrawnFace, grey: bool, split: str, rng: np.random.Generator) -> Drawn:
    """One picture of a face: its size, skin and light drawn at random, and what is before it."""
    size = float(np.exp(rng.uniform(np.log(36.0), np.log(60.0 if grey else 120.0))))
    face = people.framed(base, size, float(rng.normal(0.0, 8.0)), float(rng.uniform(0.92, 1.08)))
    rgb = face.rgb
    if grey and rng.random() < 0.65:
        rgb, grey = people.tinted(rgb, face.lips, rng), False
    if rng.random() < 0.3:
        rgb = people.darker(rgb, rng)
    face = DrawnFace(rgb, face.points)
    drawn = _with_something(face, split, rng)
    rgb = drawn.rgb
    if grey:  # else colour alone would tell what was drawn
        rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return Drawn(people.photographed(rgb, rng), drawn.kind, drawn.hidden)


def _with_something(face: DrawnFace, split: str, rng: np.random.Generator) -> Drawn:
    things = people.SETS[split]
    kinds, harmless = list(things.HIDING), list(things.CLEAR)
    weights = np.array([things.WEIGHTS[kind] for kind in kinds], float)
    kind = str(rng.choice(kinds, p=weights / weights.sum()))
    if rng.random() < 0.25:
        also = people.clear(face, split, str(rng.choice(harmless)), rng)
        face = DrawnFace(also.rgb, face.points)
    choice = rng.random()
    if choice < 0.45:
        return people.hiding(face, split, kind, rng)
    if choice < 0.65:
        return people.beside(face, split, kind, rng)
    if choice < 0.82:
        return people.clear(face, split, str(rng.choice(harmless)), rng)
    return Drawn(face.rgb, 'clear', False)


def _variants(photograph: Photograph, finder: StillFaceFinder, data: Path,
              rng: np.random.Generator) -> Iterator[tuple[DrawnFace, int]]:
    """The photographed face, with its mouth opened, and as simulated patients."""
    rgb = read_picture(photograph.path)
    face = people.find(finder, rgb)
    if face is None:
        return
    grey = photograph.source == 'congress'
    plain, opened, simulated = _COUNTS['congress' if grey else 'others']
    yield face, plain
    for _ in range(opened):
        small = people.framed(face, 46.0 if grey else 70.0, 0.0)
        found = people.find(finder, people.opened(small, rng))
        if found is not None:
            yield found, _PER_VARIANT
    patient = _patient(photograph, rgb, data)
    for _ in range(simulated if patient is not None else 0):
        found = people.find(finder, _palsied(patient, rng))
        if found is not None:
            yield found, _PER_VARIANT


def _patient(photograph: Photograph, rgb: NDArray[np.uint8], data: Path) -> Portrait | None:
    smiling = None
    if photograph.source == 'london_neutral':
        smiling = read_picture(data / people.FOLDERS['london_smiling'] / photograph.path.name)
    try:
        person = portrait(rgb, photograph.path.name, smiling_rgb=smiling)
    except PictureError:
        return None
    return person if photograph.source == 'congress' else person.framed(480, 520, 90.0)


def _palsied(patient: Portrait | None, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A palsied or healthy face at rest, in movement or in speech, turned as robots see people.

    Half of them from nearby, by a camera below or above, beyond what the quality gate lets by:
    the lips of somebody who looks down are all but hidden by nothing but perspective.
    """
    assert patient is not None
    palsy = random_palsy(rng) if rng.random() < 0.7 else random_palsy(rng, Side.NONE)
    spread = (5.0, 4.0, 3.0) if rng.random() < 0.5 else (12.0, 7.0, 4.0)
    yaw, pitch, roll = np.clip(rng.normal(0.0, spread), (-24, -15, -10), (24, 15, 10))
    if rng.random() < 0.5:
        patient = replace(patient, camera_mm=float(rng.uniform(500.0, 2000.0)))
        yaw, pitch = rng.uniform((-28.0, -38.0), (28.0, 38.0))
    face = SimulatedFace(patient, palsy, random_style(rng))
    rgb, _ = face.draw(_expression(rng), HeadMotion(float(yaw), float(pitch), float(roll)))
    return rgb


def _expression(rng: np.random.Generator) -> Expression:
    choice = str(rng.choice(['rest', 'smile', 'pucker', 'talk']))
    if choice == 'talk':
        return Talk(_TALK_S, rng).at(float(rng.uniform(0.0, _TALK_S)), minimum_jerk)
    return Expression.of(choice, float(rng.uniform(0.4, 1.1)))


_TALK_S = 20.0
_FINDERS: list[StillFaceFinder] = []


def _finder() -> StillFaceFinder:
    """One for each process."""
    if not _FINDERS:
        cv2.setNumThreads(1)
        _FINDERS.append(StillFaceFinder())
    return _FINDERS[0]


def write(data: Path, out: Path, jobs: int, seed: int, every: int = 1) -> None:
    """Write out/train.npz and out/validation.npz.

    Args:
        every: only each so-manieth photograph, for a trial.
    """
    check_replaceable(out, MADE_BY, [data])
    with appearing_folder(out, MADE_BY) as folder, ProcessPoolExecutor(
            jobs, initializer=_leave_signals_to_the_command) as pool:
        for split in SPLITS:
            chosen = [one for one in people.photographs(data)
                      if people.split_of(one.person) == split][::every]
            found = pool.map(partial(draw, split=split, data=data, seed=seed), chosen, chunksize=4)
            _save(folder / f'{split}.npz', chosen, list(found))


def _leave_signals_to_the_command() -> None:
    for one in (signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _save(path: Path, chosen: Sequence[Photograph],
          found: Sequence[list[tuple[NDArray[np.uint8], str, bool]]]) -> None:
    rows = [(one.person, *row) for one, rows in zip(chosen, found, strict=True) for row in rows]
    person, windows, kind, hidden = zip(*rows, strict=True)
    np.savez(path, window=np.stack(windows), kind=kind, hidden=hidden, person=person)
    write_whole(path.with_suffix('.txt'), f'{len(rows)} windows of {len(set(person))} people\n')
    log.info('%s: %d windows of %d people, %d hidden', path.name, len(rows), len(set(person)),
             sum(hidden))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog=f'python -m {MADE_BY}', description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='folder of healthy portraits')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--every', type=int, default=1, help='each so-manieth photograph only')
    given = parser.parse_args()
    return run_command(lambda: write(given.data, given.out, given.jobs, given.seed, given.every))


if __name__ == '__main__':
    raise SystemExit(main())
