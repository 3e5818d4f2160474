"""Finds labelled head scans: labels.csv or class folders; which files belong to which patient.

It never opens a picture. A label is a patient's; a slice without a patient is refused, because
slices of one head on both sides of a split make any recogniser look good.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.common import TrainingError, read_table
from training.scans.reading import WINDOW_TEXT, natural

LABELS = ('normal', 'stroke')
_SKIP = 'skip'
_PICTURES = ('.png', '.jpg', '.jpeg')
_ENDINGS = (*_PICTURES, '.dcm', '.dicom', '.ima', '.nii', '.gz', '')
_PATIENT_COLUMNS = ('patient', 'subject')


@dataclass(frozen=True)
class Scan:
    """Files that are read together: one series, one volume, or one picture.

    patient, source: '' where not stated. split: '' or what the input demands. folder: the name of
    the whole input's. windowed: as in `reading.read_files`.
    """

    files: tuple[Path, ...]
    label: str
    patient: str = ''
    source: str = ''
    split: str = ''
    folder: str = ''
    windowed: bool = False

    @property
    def name(self) -> str:
        """What it is called in messages: its file, or the folder of its files."""
        return str(self.files[0] if len(self.files) == 1 else self.files[0].parent)


@dataclass(frozen=True)
class Refusal:
    """A file that cannot be used, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Patients:
    """How files without a stated patient get one.

    one_each: every file is a patient of its own. pattern: its first group in the file's name is
    the patient.
    """

    one_each: bool = False
    pattern: str = ''

    def of(self, path: Path) -> str:
        """The patient by the file's name, or ''."""
        if self.pattern:
            found = re.search(self.pattern, path.name)
            return found[1] if found and found.groups() else ''
        return path.stem if self.one_each else ''


def holds_scans(folder: Path) -> bool:
    """Whether the labels there are those of scans.

    Raises:
        TrainingError: labels.csv cannot be read.
    """
    if (folder / 'labels.csv').is_file():
        found = {row['label'] for row in _rows(folder / 'labels.csv') if 'label' in row}
        return bool({one.lower() for one in found} & set(LABELS))
    return bool(_class_folders(folder))


def read_source(folder: Path, patients: Patients) -> tuple[list[Scan], list[Refusal]]:
    """List one folder's scans.

    Args:
        folder: holds labels.csv (filename, label and patient; a file name may be a folder's), or
            folders stroke/ and normal/ with a folder per patient, or files of known patients.

    Raises:
        TrainingError: nothing usable there, or files whose patient nobody states.
    """
    found = list(_listed(folder, patients) if (folder / 'labels.csv').is_file()
                 else _by_class(folder, patients))
    scans, refused = [], []
    for scan in found:
        reason = _fault(scan)
        if reason:
            refused.append(Refusal(scan.name, reason))
        else:
            scans.append(scan)
    # A DICOM file states its patient itself.
    loose = [scan for scan in scans if not scan.patient and _may_be_anyones(scan)]
    if loose:
        raise TrainingError(
            f'{len(loose)} files without a patient, the first is {loose[0].name}; slices of one '
            'head must not stand on both sides of the split: add a column patient, a folder per '
            'patient, --patient-pattern, or say --one-picture-per-patient if it is so')
    return scans, refused


def _may_be_anyones(scan: Scan) -> bool:
    return all(path.suffix.lower() in _PICTURES for path in scan.files)


def _fault(scan: Scan) -> str:
    if scan.label == _SKIP:
        return 'labelled skip'
    if scan.label not in LABELS:
        return f'unknown label "{scan.label}"; known: {", ".join((*LABELS, _SKIP))}'
    missing = [path for path in scan.files if not path.is_file()]
    if missing or not scan.files:
        return 'no such file'
    return ''


def _rows(path: Path) -> list[dict[str, str]]:
    return [{name.lower(): value for name, value in row.items()} for row in read_table(path)]


def _listed(folder: Path, patients: Patients) -> Iterator[Scan]:
    path = folder / 'labels.csv'
    rows = _rows(path)
    missing = sorted({'filename', 'label'} - set(rows[0] if rows else ()))
    if missing:
        raise TrainingError(f'{path} lacks the column {missing[0]}; its first line must be like '
                            'filename,label,patient[,source][,split]')
    for row in rows:
        target = folder / row['filename']
        patient = next((row[name] for name in _PATIENT_COLUMNS if row.get(name)), '')
        yield Scan(_files(target), row['label'].lower(),
                   patient or (target.name if target.is_dir() else patients.of(target)),
                   row.get('source', ''), row.get('split', ''), folder.name,
                   _is_windowed(row, path))


def _is_windowed(row: dict[str, str], path: Path) -> bool:
    stated = row.get('window', '')
    if stated not in ('', WINDOW_TEXT):
        raise TrainingError(f'{path}: window is "{stated}"; leave it empty, or "{WINDOW_TEXT}" for '
                            'pictures whose three channels are these windows')
    return stated == WINDOW_TEXT


def _files(target: Path) -> tuple[Path, ...]:
    if not target.is_dir():
        return (target,)
    return tuple(sorted((path for path in target.rglob('*') if _is_scan(path)),
                        key=lambda path: natural(str(path))))


def _is_scan(path: Path) -> bool:
    return path.is_file() and not path.name.startswith('.') and path.suffix.lower() in _ENDINGS \
        and path.name != 'DICOMDIR'


def _class_folders(folder: Path) -> dict[str, Path]:
    return {path.name.lower(): path for path in sorted(folder.iterdir())
            if path.is_dir() and path.name.lower() in LABELS} if folder.is_dir() else {}


def _by_class(folder: Path, patients: Patients) -> Iterator[Scan]:
    classes = _class_folders(folder)
    if len(classes) < len(LABELS):
        raise TrainingError(f'{folder} holds neither labels.csv nor folders named '
                            f'{" and ".join(LABELS)}; add one of them')
    for label, place in classes.items():
        for path in sorted(place.iterdir(), key=lambda path: natural(path.name)):
            if path.is_dir():
                files = _files(path)
                if files:
                    yield Scan(files, label, path.name, folder=folder.name)
            elif _is_scan(path):
                yield Scan((path,), label, patients.of(path), folder=folder.name)


def by_patient(scans: Sequence[Scan]) -> dict[str, list[Scan]]:
    """The scans of each stated patient, in the natural order of their files."""
    grouped: dict[str, list[Scan]] = defaultdict(list)
    for scan in sorted(scans, key=lambda one: natural(str(one.files[0]))):
        grouped[scan.patient].append(scan)
    return grouped
