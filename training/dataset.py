"""Reads what prepare wrote: crops, labels and metrics as arrays.

It never shuffles or changes a picture; it runs in both environments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.common import TrainingError, read_json, read_table
from training.tasks import Row, Task


@dataclass(frozen=True)
class Dataset:
    """A prepared folder. rows: dataset.csv. manifest: manifest.json."""

    folder: Path
    rows: tuple[Row, ...]
    manifest: dict[str, Any]

    def split(self, name: str) -> tuple[Row, ...]:
        """Rows of 'train', 'validation' or 'test'."""
        return tuple(row for row in self.rows if row['split'] == name)

    def crop(self, row: Row) -> NDArray[np.uint8]:
        """uint8 (224, 224, 3), RGB."""
        bgr = cv2.imread(str(self.folder / row['file']), cv2.IMREAD_COLOR)
        if bgr is None:
            raise TrainingError(f'{self.folder / row["file"]} is gone or damaged; '
                                'run prepare again')
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]

    def crops(self, rows: Sequence[Row]) -> Iterator[NDArray[np.uint8]]:
        """Crops one after the other; a dataset may be larger than memory."""
        return (self.crop(row) for row in rows)

    def metrics(self) -> tuple[dict[str, NDArray[np.float64]], tuple[str, ...]]:
        """Landmark metrics: file → float64 (n,), and the n names."""
        table = read_table(self.folder / 'metrics.csv')
        names = tuple(name for name in table[0] if name != 'file')
        return {row['file']: np.array([float(row[name]) for name in names]) for row in table}, names


def load(folder: Path) -> Dataset:
    """Open a prepared folder.

    Raises:
        TrainingError: it was not made by prepare, or files are missing.
    """
    manifest = read_json(folder / 'manifest.json', 'prepare')
    if manifest.get('format') != 'stroke-side-dataset-1':
        raise TrainingError(f'{folder} was not made by prepare; run it again')
    return Dataset(folder, tuple(read_table(folder / 'dataset.csv')), manifest)


def answerable(rows: Sequence[Row], task: Task, least_classes: int = 2
               ) -> tuple[tuple[Row, ...], NDArray[np.int64]]:
    """The rows that have an answer to the task, and their class numbers.

    Raises:
        TrainingError: fewer classes than needed among them.
    """
    labels = [task.label(row) for row in rows]
    kept = tuple(row for row, label in zip(rows, labels, strict=True) if label is not None)
    numbers = np.array([label for label in labels if label is not None], np.int64)
    present = sorted({task.classes[n] for n in numbers})
    if len(present) < least_classes:
        raise TrainingError(
            f'task {task.name} needs {least_classes} classes or more, the pictures hold '
            f'{", ".join(present) or "none"}; state side, severity or region for more of them')
    return kept, numbers
