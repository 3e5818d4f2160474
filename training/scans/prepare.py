"""Labelled scans → prepared slices by patient in train / validation / test.

The part of `training.prepare` that knows heads. It never changes its input, and never lets one
patient or one picture stand on two sides of the split.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training import splits
from training.common import (
    TrainingError,
    appearing_folder,
    check_replaceable,
    log,
    write_json,
    write_table,
)
from training.scans.dataset import FORMAT, PREPROCESSING
from training.scans.head import PreparedSlice, enough_brain, prepare_slice
from training.scans.reading import (
    UNKNOWN,
    WINDOW_TEXT,
    ScanError,
    Series,
    Slice,
    read_files,
)
from training.scans.sources import LABELS, Patients, Refusal, Scan, by_patient, read_source

COLUMNS = ('file', 'split', 'label', 'group', 'patient', 'source', 'slice', 'share', 'window',
           'original', 'to_original', 'exact')


@dataclass(frozen=True)
class _Prepared:
    """One slice of a patient that shows enough brain."""

    scan: Scan
    patient: str
    source: str
    original: str
    window: str
    exact: str
    seen: PreparedSlice


def prepare_scans(folders: list[Path], out: Path, *, patients: Patients, made_by: str,
                  salt: str = '', earlier: Path | None = None) -> None:
    """Read all sources and write the dataset folder `out`, replacing an older one.

    Args:
        earlier: an older dataset folder, whose patients stay on their sides.

    Raises:
        TrainingError: training on what is left would be meaningless; `out` is untouched.
    """
    check_replaceable(out, made_by, folders)
    before = splits.earlier_sides(earlier, FORMAT, lambda row: row['patient']) if earlier else {}
    scans, refused = [], []
    for folder in folders:
        found, unusable = read_source(folder, patients)
        scans += found
        refused += unusable
    with appearing_folder(out, made_by) as folder:
        rows = _write(folder, scans, refused, salt, before)
        write_table(folder / 'dataset.csv', COLUMNS, rows)
        write_table(folder / 'rejected.csv', ('file', 'reason'), [asdict(one) for one in refused])
        write_json(folder / 'manifest.json', _manifest(rows, refused))
    _report(out, rows, refused)


def _write(folder: Path, scans: Sequence[Scan], refused: list[Refusal], salt: str,
           before: Mapping[str, str]) -> list[dict[str, Any]]:
    """Write the slices as they come (a thousand patients do not fit into memory), then sort out."""
    rows: list[dict[str, Any]] = []
    for number, one in enumerate(_all_slices(scans, refused)):
        file = Path('slices') / f'{number // 1000:03d}' / f'{number:06d}.png'
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / file), np.dstack([one.seen.picture[..., ::-1],
                                                   255 * one.seen.inside.astype(np.uint8)]),
                    [cv2.IMWRITE_PNG_COMPRESSION, 1])
        rows.append({'file': file.as_posix(), 'split': one.scan.split, 'label': one.scan.label,
                     'patient': one.patient, 'source': one.source, 'slice': number,
                     'share': f'{one.seen.share:.4f}', 'window': one.window,
                     'original': one.original, 'exact': one.exact,
                     # prepared (x, y) → the original's pixels, row by row
                     'to_original': ' '.join(f'{v:.6g}' for v in one.seen.to_original.ravel())})
    rows, ties = _without_twins(rows, refused)
    if not rows:
        raise TrainingError('no slice that shows a brain is left: '
                            f'{_reasons(refused) or "the folders hold no scan"}')
    _split(rows, ties, salt, before)
    _one_label_each(rows)
    _check_meaningful(rows)
    return rows


def _all_slices(scans: Sequence[Scan], refused: list[Refusal]) -> Iterator[_Prepared]:
    grouped = by_patient(scans)
    with tqdm(total=len(scans), desc='scans', unit='scan') as bar:
        for patient, mine in grouped.items():
            yield from _of_patient(patient, mine, refused, bar)


def _of_patient(patient: str, scans: Sequence[Scan], refused: list[Refusal], bar: Any
                ) -> Iterator[_Prepared]:
    """The slices of one patient that show enough brain, against his own largest."""
    found: list[_Prepared] = []
    for scan in scans:
        bar.update()
        try:
            found += _of_scan(patient, scan, refused)
        except (ScanError, OSError) as error:
            refused.append(Refusal(scan.name, str(error)))
    # Files that state their patient themselves may be of several.
    for name in dict.fromkeys(one.patient for one in found):
        mine = [one for one in found if one.patient == name]
        for one, enough in zip(mine, enough_brain([one.seen.share for one in mine]), strict=True):
            if enough:
                yield one
            else:
                refused.append(Refusal(one.original, 'hardly any brain'))


def _of_scan(patient: str, scan: Scan, refused: list[Refusal]) -> Iterator[_Prepared]:
    series = _readable(scan, refused)
    largest = max(series, key=lambda one: len(one.slices))
    refused += [Refusal(scan.name, 'another series of the same study, the larger one is taken')
                for one in series if one is not largest]
    refused += [Refusal(scan.name, note) for note in largest.notes]
    if largest.gaps:
        refused.append(Refusal(scan.name, f'slices seem to be missing at {largest.gaps} place(s)'))
    stated = patient or (f'dicom-{largest.patient_key[:16]}' if largest.patient_key else '')
    if not stated:
        raise ScanError('the file states no patient; add a column patient to labels.csv')
    for index, one in enumerate(largest.slices):
        original = scan.name if len(largest.slices) == 1 else f'{scan.name}#{index}'
        seen = prepare_slice(one.channels)
        if seen is None:
            refused.append(Refusal(original, 'hardly any brain'))
        else:
            yield _Prepared(scan, stated, scan.source or largest.device or scan.folder,
                            original, _window(largest.window), _exact(one), seen)


def _readable(scan: Scan, refused: list[Refusal]) -> list[Series]:
    """The series in these files; a file that cannot be read costs itself."""
    # Under their whole path: two folders may hold files of one name.
    files = {str(path): path.read_bytes() for path in scan.files}
    try:
        return read_files(files, windowed=scan.windowed)
    except ScanError:
        if len(files) == 1:
            raise
    for name in list(files):
        try:
            read_files({name: files[name]})
        except ScanError as error:
            refused.append(Refusal(name, str(error)))
            del files[name]
    return read_files(files, windowed=scan.windowed)


def _window(text: str) -> str:
    return 'known' if text == WINDOW_TEXT else UNKNOWN


def _exact(one: Slice) -> str:
    pixels: NDArray[Any] = one.channels
    return hashlib.sha256(pixels.tobytes() + str(pixels.shape).encode()).hexdigest()


def _without_twins(rows: list[dict[str, Any]], refused: list[Refusal]
                   ) -> tuple[list[dict[str, Any]], list[tuple[dict[str, Any], dict[str, Any]]]]:
    """One row per picture, and each pair that shares one; one under both labels goes altogether."""
    alike: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        alike[row['exact']].append(row)
    kept, ties = [], []
    for same in alike.values():
        ties += [(same[0], row) for row in same[1:]]
        if len({row['label'] for row in same}) > 1:
            refused += [Refusal(row['original'], 'same picture under both labels') for row in same]
            continue
        kept.append(same[0])
        refused += [Refusal(row['original'], f'exact duplicate of {same[0]["original"]}')
                    for row in same[1:]]
    return kept, ties


def _one_label_each(rows: list[dict[str, Any]]) -> None:
    """A label is the patient's: with any slice labelled stroke the patient had one."""
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        labels[row['group']].add(row['label'])
    both = [patient for patient, found in labels.items() if len(found) > 1]
    if both:
        log.warning('%d patients have slices of both labels; a patient is judged, so they count '
                    'as stroke: %s', len(both), ', '.join(both[:5]))
    for row in rows:
        row['label'] = 'stroke' if 'stroke' in labels[row['group']] else row['label']


def _split(rows: list[dict[str, Any]], ties: Sequence[tuple[dict[str, Any], dict[str, Any]]],
           salt: str, before: Mapping[str, str]) -> None:
    # Those who are tied may have no row of their own.
    everybody = [*rows, *(row for tie in ties for row in tie)]
    same = [(i, i + 1) for i in range(len(rows), len(everybody), 2)]
    names = splits.groups([row['patient'] for row in everybody], [''] * len(everybody), same)
    drawn = splits.assign(
        names, [row['split'] if i < len(rows) else '' for i, row in enumerate(everybody)], salt,
        [{before[key] for key in (row['exact'], row['patient']) if key in before}
         for row in everybody])
    names, sides = names[:len(rows)], drawn[:len(rows)]
    splits.check_disjoint(names, [row['exact'] for row in rows], sides)
    for row, name, side in zip(rows, names, sides, strict=True):
        row.update(group=name, split=side)


def _check_meaningful(rows: Sequence[dict[str, Any]]) -> None:
    for split in ('train', 'test'):
        there = {row['label'] for row in rows if row['split'] == split}
        missing = [label for label in LABELS if label not in there]
        if missing:
            raise TrainingError(f'{split} holds no patient labelled {" or ".join(missing)}; add '
                                'more patients, or state splits in a column split')


def _manifest(rows: Sequence[dict[str, Any]], refused: Sequence[Refusal]) -> dict[str, Any]:
    people = {row['group']: row for row in rows}.values()
    return {
        'format': FORMAT, 'labels': list(LABELS), 'preprocessing': PREPROCESSING,
        'windows': WINDOW_TEXT,
        'patients': {split: dict(Counter(one['label'] for one in people if one['split'] == split))
                     for split in splits.SPLITS},
        'slices': {split: sum(row['split'] == split for row in rows) for split in splits.SPLITS},
        'window': dict(Counter(row['window'] for row in rows)),
        'sources': dict(Counter(one['source'] for one in people)),
        'rejected': dict(Counter(_kind(one.reason) for one in refused))}


def _kind(reason: str) -> str:
    return reason.split(':')[0].split(' of /')[0].split(' of ')[0]


def _reasons(refused: Sequence[Refusal]) -> str:
    return ', '.join(f'{n} × {reason}' for reason, n in
                     Counter(_kind(one.reason) for one in refused).most_common())


def _report(out: Path, rows: Sequence[dict[str, Any]], refused: Sequence[Refusal]) -> None:
    people = {row['group']: row for row in rows}.values()
    for split in splits.SPLITS:
        mine = Counter(one['label'] for one in people if one['split'] == split)
        log.info('%-10s %4d patients (stroke %d, normal %d), %d slices', split, sum(mine.values()),
                 mine['stroke'], mine['normal'], sum(row['split'] == split for row in rows))
    if refused:
        log.info('left out   %4d: %s (each named in %s)', len(refused), _reasons(refused),
                 out / 'rejected.csv')
    log.info('dataset: %s', out)
