"""Finds labelled pictures: labels.csv, class folders, simulated-patient folders, videos.

It never opens a picture. Labels leave here in the PATIENT's frame, whatever frame they came in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from training.common import TrainingError, read_table
from training.tasks import GRADES

LABELS = ('left', 'none', 'right')
SKIP = 'skip'
REGIONS = ('', 'mouth', 'eye')
LABEL_FRAMES = ('patient', 'image')
PICTURES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm')
# Written by augmentation scripts; the picture behind it is the same.
_AUGMENTED = re.compile(r'(^(aug|augmented|flip|rot)\d*[_-])|([_-](aug|augmented|copy)[_-]?\d*$)',
                        re.IGNORECASE)
_SUBGROUPS = ('age', 'gender', 'ethnicity')


@dataclass(frozen=True)
class Item:
    """One picture, or one video, with its label.

    label: 'left', 'none' or 'right', the PATIENT's. subject: '' when not stated.
    severity: '', a number 0–1 or a grade's name. region: '', 'mouth' or 'eye'.
    split: '' or a split that the input itself demands.
    """

    path: Path
    label: str
    subject: str = ''
    severity: str = ''
    region: str = ''
    source: str = ''
    split: str = ''
    age: str = ''
    gender: str = ''
    ethnicity: str = ''

    @property
    def origin(self) -> str:
        """Name of the picture it was made from: the file's, without marks of augmentation."""
        stem = self.path.stem
        while (bare := _AUGMENTED.sub('', stem)) != stem and bare:
            stem = bare
        return stem

    @property
    def person(self) -> str:
        """Who it is, or else the picture it was made from."""
        return self.subject or self.origin


@dataclass(frozen=True)
class Rejection:
    """A row that cannot be used, and why."""

    file: str
    reason: str


def read_source(folder: Path, label_frame: str | None) -> tuple[list[Item], list[Rejection]]:
    """List one folder's pictures.

    Args:
        folder: holds truth.csv (simulated patients), labels.csv, or one folder per class.
        label_frame: 'patient', or 'image' when left means the left of the picture; simulated
            patients state the patient's own side and need none.

    Raises:
        TrainingError: nothing usable there, or label_frame is not stated.
    """
    if not folder.is_dir():
        raise TrainingError(f'{folder} is not a folder; give the one that holds labels.csv')
    if (folder / 'truth.csv').is_file():
        return _sorted_out(_truth_rows(folder))
    if label_frame not in LABEL_FRAMES:
        raise TrainingError(
            f'{folder}: say whose left the labels mean: --label-frame patient, or '
            '--label-frame image when left is the left of the picture')
    rows = _label_rows(folder) if (folder / 'labels.csv').is_file() else _class_folders(folder)
    items, rejected = _sorted_out(rows)
    if label_frame == 'image':
        items = [replace(item, label=mirrored(item.label)) for item in items]
    return items, rejected


def mirrored(label: str) -> str:
    """The label of the mirrored picture."""
    return {'left': 'right', 'right': 'left'}.get(label, label)


def _label_rows(folder: Path) -> Iterator[Item]:
    for row in _rows_with(folder / 'labels.csv', ('filename', 'label'),
                          'filename,label[,subject][,severity][,region]'):
        yield Item(folder / row['filename'], row['label'].lower(), row.get('subject', ''),
                   row.get('severity', ''), row.get('region', '').lower(),
                   row.get('source', '') or folder.name, row.get('split', ''),
                   *(row.get(name, '') for name in _SUBGROUPS))


def _rows_with(path: Path, columns: tuple[str, ...], needed: str) -> list[dict[str, str]]:
    rows = [{name.lower(): value for name, value in row.items()} for row in read_table(path)]
    if not rows:
        raise TrainingError(f'{path} has no row below its first line; one per picture is needed')
    missing = sorted(set(columns) - set(rows[0]))
    if missing:
        raise TrainingError(f'{path} lacks the column(s) {", ".join(missing)}; it needs {needed}')
    return rows


def _truth_rows(folder: Path) -> Iterator[Item]:
    path = folder / 'truth.csv'
    for row in _rows_with(path, ('side',), 'file,side,severity_mouth,severity_eye'):
        name = row.get('filename') or row.get('file', '')
        try:
            mouth, eye = (float(row.get(f'severity_{part}') or 0) for part in ('mouth', 'eye'))
        except ValueError as error:
            raise TrainingError(f'{path}: a severity of {name} is no number ({error}); '
                                'simulate again') from error
        side = row['side'].lower()
        if row.get('mirrored') == '1':
            side = mirrored(side)
        yield Item(folder / name, side, row.get('subject', '') or folder.name,
                   row.get('severity', '') or f'{max(mouth, eye):.4f}',
                   row.get('region', '') or ('eye' if eye > mouth else 'mouth'),
                   row.get('source', '') or folder.name, '',
                   *(row.get(name, '') for name in _SUBGROUPS))


def _class_folders(folder: Path) -> Iterator[Item]:
    found = [folder / name for name in (*LABELS, SKIP) if (folder / name).is_dir()]
    if not found:
        raise TrainingError(f'{folder} holds neither labels.csv nor truth.csv nor folders named '
                            f'{", ".join(LABELS)}; add one of them')
    for label in found:
        for path in sorted(label.rglob('*')):
            if path.is_file() and path.suffix.lower() in PICTURES + VIDEOS:
                yield Item(path, label.name, source=folder.name)


def _sorted_out(rows: Iterator[Item]) -> tuple[list[Item], list[Rejection]]:
    items, rejected = [], []
    for item in rows:
        reason = _fault(item)
        if reason:
            rejected.append(Rejection(str(item.path), reason))
        else:
            items.append(item)
    return items, rejected


def _fault(item: Item) -> str:
    if item.label == SKIP:
        return 'labelled skip'
    if item.label not in LABELS:
        return f'unknown label "{item.label}"; known: {", ".join((*LABELS, SKIP))}'
    if not item.path.is_file():
        return 'no such file'
    if item.path.suffix.lower() not in PICTURES + VIDEOS:
        return f'unknown kind of file "{item.path.suffix}"'
    if not _is_severity(item.severity):
        return f'unknown severity "{item.severity}"; a number 0 to 1, or {", ".join(GRADES)}'
    if item.region not in REGIONS:
        return f'unknown region "{item.region}"; mouth, eye or nothing'
    return ''


def _is_severity(text: str) -> bool:
    try:
        return 0.0 <= float(text) <= 1.0
    except ValueError:
        return not text or text.lower().replace(' ', '_') in GRADES
