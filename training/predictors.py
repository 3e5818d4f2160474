"""Runs a finished run's SAVED file over crops, exactly as a user of that file would.

It never touches the float model unless asked for parity, and never trains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor.perception.side_classifier import SideClassifier
from stroke_side_monitor.perception.tflite import ModelError
from training.class_network import Network
from training.common import TrainingError, read_json
from training.dataset import Dataset
from training.tasks import TASKS, Row, Task

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What a model said about n pictures.

    probabilities: float64 (n, classes). mirrored: the same for the mirrored pictures.
    scores: float64 (n,), signed, in dead bands, positive = left; None where the model has none.
    """

    probabilities: Probabilities
    mirrored: Probabilities
    scores: NDArray[np.float64] | None = None
    mirrored_scores: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Run:
    """A run folder that train finished. task.classes are the columns of its probabilities."""

    folder: Path
    about: dict[str, Any]
    task: Task

    @property
    def name(self) -> str:
        """The configuration's name."""
        return str(self.about['config']['name'])

    @property
    def kind(self) -> str:
        """'antisymmetric', 'probabilities' or 'landmarks'."""
        return str(self.about['kind'])


def open_run(folder: Path) -> Run:
    """Open a run folder.

    Raises:
        TrainingError: train has not finished there.
    """
    about = read_json(folder / 'run.json', 'train')
    return Run(folder, about, TASKS[about['config']['task']])


def answers(run: Run, dataset: Dataset, rows: Sequence[Row]) -> Answers:
    """Ask the saved file about every row and its mirror image.

    Raises:
        TrainingError: the file is missing or does not fit its card.
    """
    return {'antisymmetric': _antisymmetric, 'probabilities': _network,
            'landmarks': _landmarks}[run.kind](run, dataset, rows)


def _antisymmetric(run: Run, dataset: Dataset, rows: Sequence[Row]) -> Answers:
    try:
        classifier = SideClassifier(run.folder / 'model.tflite')
    except ModelError as error:
        raise TrainingError(str(error)) from error
    seen: tuple[list[Any], list[Any]] = ([], [])
    for crop in tqdm(dataset.crops(rows), desc=run.name, total=len(rows), unit='face'):
        seen[0].append(classifier.score(crop))
        seen[1].append(classifier.score(_flipped(crop)))
    table, scores = zip(*((np.array([[s.probability_left, s.probability_none, s.probability_right]
                                     for s in part]), np.array([s.score for s in part]))
                          for part in seen), strict=True)
    return Answers(table[0], table[1], scores[0], scores[1])


def _flipped(crop: NDArray[np.uint8]) -> NDArray[Any]:
    return cv2.flip(crop, 1)


def _network(run: Run, dataset: Dataset, rows: Sequence[Row]) -> Answers:
    network = Network(run.folder / 'model.tflite')
    both = [(network.probabilities(crop), network.probabilities(_flipped(crop)))
            for crop in tqdm(dataset.crops(rows), desc=run.name, total=len(rows), unit='face')]
    return Answers(np.array([direct for direct, _ in both]),
                   np.array([mirrored for _, mirrored in both]))


def _landmarks(run: Run, dataset: Dataset, rows: Sequence[Row]) -> Answers:
    model = joblib.load(run.folder / 'model.joblib')
    table, _ = dataset.metrics()
    values = np.stack([table[row['file']] for row in rows])
    # Every metric is exactly negated by mirroring the face (test/assessment).
    return Answers(_of_every_class(model, values, run.task),
                   _of_every_class(model, -values, run.task))


def _of_every_class(model: Any, values: NDArray[np.float64], task: Task) -> Probabilities:
    """float64 (n, classes of the task); 0 for those that the training pictures did not hold."""
    spread = np.zeros((len(values), len(task.classes)))
    spread[:, model.classes_] = model.predict_proba(values)
    return spread
