"""Reads what prepare wrote of scans: slices, masks and labels by patient.

It never changes a picture; it runs in both environments.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.common import TrainingError, read_json, read_table
from training.scans import head, measure

FORMAT = 'stroke-scan-dataset-1'
# What a prepared slice depends on; a model is used with the same only.
PREPROCESSING = f'{head.VERSION}, {measure.VERSION}'
Row = dict[str, str]


@dataclass(frozen=True)
class Patient:
    """One head. rows: its slices in dataset.csv, feet to head."""

    name: str
    stroke: bool
    split: str
    source: str
    window: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class ScanDataset:
    """A prepared folder. manifest: manifest.json."""

    folder: Path
    patients: tuple[Patient, ...]
    manifest: dict[str, Any]

    def of(self, *splits: str) -> tuple[Patient, ...]:
        """The patients of these splits."""
        return tuple(one for one in self.patients if one.split in splits)

    def slice(self, row: Row) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """A prepared picture, uint8 (224, 224, 3), and what its skull encloses, bool (224, 224)."""
        read = cv2.imread(str(self.folder / row['file']), cv2.IMREAD_UNCHANGED)
        if read is None or read.shape[2:] != (4,):
            raise TrainingError(f'{self.folder / row["file"]} is gone or damaged; '
                                'run prepare again')
        return np.ascontiguousarray(read[..., 2::-1], np.uint8), read[..., 3] > 127


def to_original(row: Row) -> NDArray[np.float64]:
    """Affine from a prepared slice's (x, y) to the original's pixels, float64 (2, 3)."""
    return np.array(row['to_original'].split(), np.float64).reshape(2, 3)


def is_scan_dataset(folder: Path) -> bool:
    """Whether prepare found scans rather than faces.

    Raises:
        TrainingError: it was not made by prepare.
    """
    return bool(read_json(folder / 'manifest.json', 'prepare').get('format') == FORMAT)


def load(folder: Path) -> ScanDataset:
    """Open a prepared folder.

    Raises:
        TrainingError: it was not made by prepare, or by another version of it.
    """
    manifest = read_json(folder / 'manifest.json', 'prepare')
    if manifest.get('format') != FORMAT:
        raise TrainingError(f'{folder} does not hold prepared head scans; run prepare on some')
    if manifest['preprocessing'] != PREPROCESSING:
        raise TrainingError(f'{folder} was prepared by {manifest["preprocessing"]}, this is '
                            f'{PREPROCESSING}; run prepare again')
    slices: dict[str, list[Row]] = defaultdict(list)
    for row in read_table(folder / 'dataset.csv'):
        slices[row['group']].append(row)
    return ScanDataset(folder, tuple(
        Patient(name, any(row['label'] == 'stroke' for row in rows), rows[0]['split'],
                rows[0]['source'], rows[0]['window'],
                tuple(sorted(rows, key=lambda row: int(row['slice']))))
        for name, rows in sorted(slices.items())), manifest)
