"""prepare: labelled pictures, folders, videos → face crops in train / validation / test.

Labels stroke and normal are those of head scans: `training.scans.prepare` takes them.

Runs in the runtime environment, with the mesh, crop and metrics that the robot uses. It never
changes its input, and never lets one person or one picture stand on two sides of the split.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor.assessment import metrics
from stroke_side_monitor.offline import inputs
from stroke_side_monitor.perception import crop
from stroke_side_monitor.perception.face_mesh import FaceLandmarks, FaceMesh
from stroke_side_monitor.perception.frame import DegenerateFaceError, normalise
from stroke_side_monitor.perception.image import ImageDecodeError
from training import splits
from training.common import (
    TrainingError,
    appearing_folder,
    check_replaceable,
    claim,
    log,
    run_command,
    write_json,
    write_table,
)
from training.scans.prepare import prepare_scans
from training.scans.sources import Patients, holds_scans
from training.sources import LABELS, VIDEOS, Item, Rejection, read_source

SMALLEST_EYE_DISTANCE_PX = 30.0
# A second face of at least this share of the largest one's area makes the label ambiguous.
SECOND_FACE_SHARE = 0.25
MADE_BY = 'training.prepare'
FORMAT = 'stroke-side-dataset-1'
COLUMNS = ('file', 'split', 'label', 'group', 'subject', 'severity', 'region', 'source', 'age',
           'gender', 'ethnicity', 'original', 'exact')


@dataclass(frozen=True)
class Prepared:
    """One face: where its crop was put, what it is, and how it measured."""

    item: Item
    original: str
    crop_file: Path
    print_: splits.Fingerprint
    measured: Mapping[str, float]


def prepare(folders: list[Path], out: Path, *, label_frame: str | None, fps: float,
            salt: str = '', earlier: Path | None = None) -> None:
    """Read all sources and write the dataset folder `out`, replacing an older one.

    Args:
        earlier: an older dataset folder, whose people stay on their sides.

    Raises:
        TrainingError: training on what is left would be meaningless; `out` is untouched.
    """
    out = out.resolve()  # "." has no name to put another beside
    check_replaceable(out, MADE_BY, folders)
    before = splits.earlier_sides(earlier, FORMAT, _person) if earlier else {}
    items, rejected = _read_all(folders, label_frame)
    work = out.with_name(f'.{out.name}.work')
    claim(work, MADE_BY)
    seen = list(_look_at_all(items, work, rejected, fps))
    kept = _without_duplicates(seen, rejected)
    if not kept:
        if not rejected:
            raise TrainingError(f'{", ".join(map(str, folders))}: no picture below the class '
                                'folders; name the folder above left/, none/ and right/')
        raise TrainingError(f'no usable picture among {len(rejected)}: {_reasons(rejected)}; '
                            f'the first is {rejected[0].file}')
    # Also a copy that is left out says that two people are one.
    pairs, twins = _alike(seen)
    groups = splits.groups([face.item.subject for face in seen],
                           [face.item.origin for face in seen],
                           [(i, j) for i, j, _ in pairs] + twins)
    chosen = set(kept)
    drawn = splits.assign(
        groups, [face.item.split if i in chosen else '' for i, face in enumerate(seen)], salt,
        [{before[key] for key in (face.print_.exact, face.item.person) if key in before}
         for face in seen])
    prepared = [seen[i] for i in kept]
    names, sides = [groups[i] for i in kept], [drawn[i] for i in kept]
    splits.check_disjoint(names, [face.print_.exact for face in prepared], sides)
    check_meaningful([face.item.label for face in prepared], sides)
    with appearing_folder(out, MADE_BY) as folder:
        rows = _write_crops(folder, prepared, names, sides)
        write_table(folder / 'dataset.csv', COLUMNS, rows)
        write_table(folder / 'metrics.csv', ('file', *metrics.UNITS),
                    [{'file': row['file'], **face.measured}
                     for row, face in zip(rows, prepared, strict=True)])
        write_table(folder / 'rejected.csv', ('file', 'reason'), [asdict(r) for r in rejected])
        write_table(folder / 'near_duplicates.csv', ('first', 'second', 'correlation'),
                    [{'first': seen[i].original, 'second': seen[j].original,
                      'correlation': f'{c:.4f}'} for i, j, c in pairs])
        write_json(folder / 'manifest.json', _manifest(rows, rejected, len(pairs)))
    _clear(work)
    _report(out, rows, rejected, len(pairs))


def check_meaningful(labels: list[str], sides: list[str]) -> None:
    """Raise TrainingError unless training and test hold both sides."""
    for split in splits.SPLITS:
        found = Counter(label for label, side in zip(labels, sides, strict=True) if side == split)
        missing = [label for label in ('left', 'right') if not found[label]]
        if missing:
            raise TrainingError(
                f'{split} holds no picture labelled {" or ".join(missing)} '
                f'(it has {dict(found) or "none at all"}); add pictures of more people, or '
                'state splits in a column split')


def _read_all(folders: list[Path], label_frame: str | None) -> tuple[list[Item], list[Rejection]]:
    items: list[Item] = []
    rejected: list[Rejection] = []
    for folder in folders:
        found, refused = read_source(folder, label_frame)
        items += found
        rejected += refused
    return items, rejected


def _look_at_all(items: list[Item], work: Path, rejected: list[Rejection], fps: float
                 ) -> Iterator[Prepared]:
    mesh = FaceMesh(tracking=False, max_faces=2)
    for item in tqdm(items, desc='faces', unit='file'):
        for original, rgb in _pictures(item, fps, rejected):
            try:
                yield _look_at(item, original, rgb, mesh, work)
            except _UnusableError as unusable:
                rejected.append(Rejection(original, str(unusable)))
    mesh.close()


class _UnusableError(ValueError):
    """Why one picture cannot be used."""


def _pictures(item: Item, fps: float, rejected: list[Rejection]
              ) -> Iterator[tuple[str, NDArray[Any]]]:
    try:
        if item.path.suffix.lower() in VIDEOS:
            yield from _frames(item, fps, rejected)
        else:
            yield str(item.path), inputs.read_picture(item.path)
    except inputs.InputError as error:
        rejected.append(Rejection(str(item.path), str(error)))


# Most containers keep whole milliseconds.
_ROUNDED_S = 0.002


def _frames(item: Item, fps: float, rejected: list[Rejection]
            ) -> Iterator[tuple[str, NDArray[Any]]]:
    """The first frame of each 1 / fps seconds, as `assess` sees it: upright, none mirrored."""
    number, taken = 0, -1
    for frame in inputs.read_video(item.path):
        if isinstance(frame, inputs.Note):
            log.info('%s: %s', item.path, frame.text)
            continue
        original, due = f'{item.path}#{number}', math.floor((frame.stamp_s + _ROUNDED_S) * fps)
        number += 1
        if due <= taken:
            continue
        taken = due
        try:
            yield original, frame.decode()
        except ImageDecodeError as error:
            rejected.append(Rejection(original, str(error)))


def _look_at(item: Item, original: str, rgb: NDArray[np.uint8], mesh: FaceMesh, work: Path
             ) -> Prepared:
    print_ = splits.fingerprint(rgb)
    crop_file = work / f'{print_.exact[:24]}.png'
    measured_file = crop_file.with_suffix('.json')
    if not measured_file.is_file():  # else an interrupted run has done this one
        face = _the_face(rgb, mesh)
        measured = _measure(rgb, face, mesh)
        aligned = cv2.cvtColor(crop.aligned_crop(rgb, face), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(crop_file), aligned, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        write_json(measured_file, {'crop_version': crop.VERSION, 'metrics': measured})
    measured = json.loads(measured_file.read_text())
    if measured['crop_version'] != crop.VERSION:
        raise TrainingError(f'{work} holds crops of version {measured["crop_version"]}; delete it')
    return Prepared(item, original, crop_file, print_, measured['metrics'])


def _the_face(rgb: NDArray[np.uint8], mesh: FaceMesh) -> FaceLandmarks:
    faces = mesh.detect(rgb)
    if not faces:
        raise _UnusableError('no face found')
    if len(faces) > 1 and faces[1].box_area > SECOND_FACE_SHARE * faces[0].box_area:
        raise _UnusableError('several faces; crop the picture to the one that the label means')
    distance = crop.eye_distance_px(faces[0])
    if distance < SMALLEST_EYE_DISTANCE_PX:
        raise _UnusableError(f'face too small: {distance:.0f} px between the eyes, '
                             f'at least {SMALLEST_EYE_DISTANCE_PX:.0f}')
    return faces[0]


def _measure(rgb: NDArray[np.uint8], face: FaceLandmarks, mesh: FaceMesh) -> dict[str, float]:
    # Both passes averaged: FaceMesh alone has a left/right bias (metrics of record do the same).
    seen = [face, *mesh.detect(rgb, through_mirror=True)[:1]]
    try:
        measured = [metrics.measure_all(normalise(one).points) for one in seen]
    except DegenerateFaceError as error:
        raise _UnusableError(str(error)) from error
    return {name: float(np.mean([one[name] for one in measured])) for name in metrics.UNITS}


def _without_duplicates(seen: list[Prepared], rejected: list[Rejection]) -> list[int]:
    """The faces to be trained on or tested with, by number."""
    kept: dict[str, int] = {}
    contradicting: set[str] = set()
    for number, face in enumerate(seen):
        first = seen[kept.setdefault(face.print_.exact, number)]
        if first is face:
            continue
        if first.item.label == face.item.label:
            rejected.append(Rejection(face.original, f'exact duplicate of {first.original}'))
        else:
            contradicting.add(face.print_.exact)
            rejected.append(Rejection(face.original, f'same picture as {first.original}, which is '
                                      f'labelled {first.item.label}; both left out'))
    rejected += [Rejection(seen[kept[key]].original, 'same picture under another label; both left '
                           'out') for key in sorted(contradicting)]
    return [number for key, number in kept.items() if key not in contradicting]


def _alike(seen: list[Prepared]) -> tuple[list[tuple[int, int, float]], list[tuple[int, int]]]:
    """Numbers of near duplicates with their correlation, and of exact ones."""
    first: dict[str, int] = {}
    twins = [(first.setdefault(face.print_.exact, number), number)
             for number, face in enumerate(seen)]
    single = list(first.values())
    return ([(single[i], single[j], correlation) for i, j, correlation in
             splits.near_pairs([seen[number].print_ for number in single])],
            [(i, j) for i, j in twins if i != j])


def _write_crops(folder: Path, prepared: list[Prepared], names: list[str], sides: list[str]
                 ) -> list[dict[str, Any]]:
    rows = []
    for number, (face, group, split) in enumerate(zip(prepared, names, sides, strict=True)):
        file = Path(split) / face.item.label / f'{number:06d}.png'
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(face.crop_file.read_bytes())
        rows.append({**asdict(replace(face.item, split=split)), 'file': file.as_posix(),
                     'group': group, 'original': face.original, 'exact': face.print_.exact})
    return rows


def _person(row: Mapping[str, str]) -> str:
    """Whose picture a row of dataset.csv is; a video's frame is called after its file."""
    return Item(Path(re.sub(r'#\d+$', '', row['original'])), '', row['subject']).person


def _manifest(rows: list[dict[str, Any]], rejected: list[Rejection], pairs: int
              ) -> dict[str, Any]:
    return {
        'format': FORMAT, 'label_frame': 'patient', 'labels': list(LABELS),
        'crop_version': crop.VERSION, 'crop_size': crop.SIZE,
        'pictures': {split: dict(Counter(r['label'] for r in rows if r['split'] == split))
                     for split in splits.SPLITS},
        'people': {split: len({r['group'] for r in rows if r['split'] == split})
                   for split in splits.SPLITS},
        'sources': dict(Counter(r['source'] for r in rows)),
        'rejected': dict(Counter(_kind(r.reason) for r in rejected)),
        'near_duplicate_pairs': pairs}


def _kind(reason: str) -> str:
    return re.split(r'[:;]| of | as ', reason)[0]


def _reasons(rejected: list[Rejection]) -> str:
    return ', '.join(f'{n} × {reason}' for reason, n in
                     Counter(_kind(r.reason) for r in rejected).most_common())


def _clear(work: Path) -> None:
    for path in work.iterdir():
        path.unlink()
    work.rmdir()


def _report(out: Path, rows: list[dict[str, Any]], rejected: list[Rejection], pairs: int) -> None:
    for split in splits.SPLITS:
        mine = [r for r in rows if r['split'] == split]
        counts = Counter(r['label'] for r in mine)
        log.info('%-10s %5d pictures of %4d people  left %d  none %d  right %d', split, len(mine),
                 len({r['group'] for r in mine}), counts['left'], counts['none'], counts['right'])
    if rejected:
        log.info('left out   %5d: %s (each named in %s)', len(rejected), _reasons(rejected),
                 out / 'rejected.csv')
    log.info('near-duplicate pairs kept together: %d. Dataset: %s', pairs, out)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog='python -m training.prepare', description=__doc__)
    parser.add_argument('sources', nargs='+', type=Path,
                        help='folders with labels.csv, truth.csv, or left/ none/ right/ inside')
    parser.add_argument('--out', type=Path, required=True, help='dataset folder; rebuilt')
    parser.add_argument('--label-frame', choices=('patient', 'image'),
                        help="whose left the labels mean: the patient's or the picture's")
    parser.add_argument('--fps', type=float, default=3.0, help='frames taken per second of video')
    parser.add_argument('--salt', default='', help='another word draws another split')
    parser.add_argument('--earlier', type=Path, metavar='PREPARED',
                        help='an older dataset folder: its people stay on their sides, also where '
                        'a new copy ties them to others')
    parser.add_argument('--one-picture-per-patient', action='store_true',
                        help='scans: every file without a patient is a patient of its own')
    parser.add_argument('--patient-pattern', default='', metavar='REGEX',
                        help='scans: its first group in a file name is the patient, e.g. "^(\\d+)"')
    return run_command(lambda: _prepare_what_it_is(parser.parse_args()))


def _prepare_what_it_is(given: argparse.Namespace) -> None:
    scans = [holds_scans(folder) for folder in given.sources]
    if not any(scans):
        prepare(given.sources, given.out, label_frame=given.label_frame, fps=given.fps,
                salt=given.salt, earlier=given.earlier)
    elif all(scans):
        try:
            re.compile(given.patient_pattern)
        except re.error as error:
            raise TrainingError(f'--patient-pattern is no regular expression: {error}') from error
        prepare_scans(given.sources, given.out.resolve(), made_by=MADE_BY, salt=given.salt,
                      earlier=given.earlier,
                      patients=Patients(given.one_picture_per_patient, given.patient_pattern))
    else:
        raise TrainingError('some folders hold faces, some head scans: prepare them one by one')


if __name__ == '__main__':
    raise SystemExit(main())
