"""A trained scan model over one patient's slices → stroke, normal, or flagged for review.

LiteRT and numpy only: the evaluation and the clinic page run the same file in the same way. It
never answers where the model is unsure or the pictures are unlike those it was trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from training.common import TrainingError
from training.scans.dataset import PREPROCESSING, Patient, ScanDataset
from training.scans.head import SIZE
from training.scans.measure import NAMES, group, maps, measurements
from training.scans.pooling import carried

FORMAT = 'stroke-scan-model-2'
NORMAL, STROKE, REVIEW = 'normal', 'stroke', 'review'
LOW_CONFIDENCE, UNLIKE_TRAINING = 'low_confidence', 'unlike_training'
NO_BRAIN, WINDOW_UNKNOWN = 'no_brain', 'window_unknown'
SOURCE_UNKNOWN = 'source_unknown'
_FULL_RED = 2.0
_NEEDED = ('name', 'sha256', 'preprocessing', 'measurements', 'pooling', 'top_share',
           'calibration', 'threshold', 'features_threshold')


class ScanModelError(ValueError):
    """The model cannot be used; one line: what was wrong and how to mend it."""


@dataclass(frozen=True)
class Look:
    """What the model says of one slice.

    logit, attention: before pooling. activation: float32 (h, w), Grad-CAM over the prepared
    picture, 0 where nothing speaks for a stroke. shares: float32 (1 + measurements,), what the
    network and each measurement add to the logit (gradient times input). features: float32 (n,),
    whitened.
    """

    logit: float
    attention: float
    activation: NDArray[np.float32]
    shares: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass(frozen=True)
class Verdict:
    """One patient's answer.

    answer: 'stroke', 'normal' or 'review'. probability: of a stroke, calibrated on held-out
    patients; NaN without slices. leaning: 'stroke' or 'normal', whatever the confidence.
    confidence: of the leaning. weights: what each slice weighed, float64 (n,). scores: the slices'
    own, sigmoid of the calibrated logit, float64 (n,). distance: from the training patients, 1 on
    the border of the known. reasons: why it is flagged; limits: what trust in it lacks.
    """

    answer: str
    probability: float
    weights: NDArray[np.float64]
    scores: NDArray[np.float64]
    distance: float
    looks: tuple[Look, ...]
    reasons: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def leaning(self) -> str:
        """The likelier class."""
        return STROKE if self.probability >= 0.5 else NORMAL

    @property
    def confidence(self) -> float:
        """Probability of the likelier class."""
        return max(self.probability, 1 - self.probability)


class ScanModel:
    """An exported model and its card."""

    def __init__(self, path: Path) -> None:
        """Load a .tflite file and the .json card beside it.

        Raises:
            ScanModelError: missing, damaged, not fitting each other, or made for other slices.
        """
        try:
            content = path.read_bytes()
            self.card: dict[str, Any] = json.loads(path.with_suffix('.json').read_text())
        except (OSError, ValueError) as error:
            raise ScanModelError(f'scan model {path}: cannot be read with its card ({error}); '
                                 'export it again') from error
        self._check(path, content)
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._look = self._interpreter.get_signature_runner('look')
        except (ValueError, RuntimeError) as error:
            raise ScanModelError(f'scan model {path} cannot be loaded ({error}); export it again'
                                 ) from error

    def _check(self, path: Path, content: bytes) -> None:
        card = self.card
        missing = [] if not isinstance(card, dict) else [n for n in _NEEDED if n not in card]
        if not isinstance(card, dict) or card.get('format') != FORMAT or missing:
            raise ScanModelError(f'scan model {path}: its card is not of format {FORMAT}'
                                 f'{" (lacks " + missing[0] + ")" if missing else ""}; export it '
                                 'again')
        if hashlib.sha256(content).hexdigest() != card['sha256']:
            raise ScanModelError(f'scan model {path} and its card do not belong together; export '
                                 'both again')
        if card['preprocessing'] != PREPROCESSING:
            raise ScanModelError(f'scan model {path} was trained on slices of '
                                 f'{card["preprocessing"]}, these are {PREPROCESSING}; train again')

    def look(self, picture: NDArray[np.uint8], inside: NDArray[np.bool_]) -> Look:
        """Look at one prepared slice: uint8 (224, 224, 3), bool (224, 224).

        Raises:
            ScanModelError: the file is damaged in a way that its card does not show.
        """
        given: dict[str, Any] = {'picture': picture.astype(np.float32)[None]}
        if self.card['measurements']:
            given['measured'] = measurements(picture, inside)[None]
        seen = self._look(**given)
        if not all(np.isfinite(value).all() for value in seen.values()):
            raise ScanModelError(f'scan model {self.card["name"]} gives no numbers; train it again')
        return Look(float(seen['logit'].ravel()[0]), float(seen['attention'].ravel()[0]),
                    seen['activation'][0].astype(np.float32), seen['shares'][0],
                    seen['features'][0])

    def judge(self, looks: Sequence[Look], *, source: str = '', window_known: bool = True
              ) -> Verdict:
        """One patient from the looks at those slices of his that show enough brain.

        Args:
            source: the device, as the training patients' is called in `labels.csv`.
        """
        if not looks:
            empty = np.zeros(0)
            return Verdict(REVIEW, float('nan'), empty, empty, float('nan'), (), (NO_BRAIN,))
        card = self.card
        calibration = card['calibration']
        logits = np.array([one.logit for one in looks])
        weights = carried(logits, np.array([one.attention for one in looks]), card['pooling'],
                          card['top_share'])
        slope, offset = calibration['slope'], offset_of(calibration, source)
        probability = float(_sigmoid(slope * float((weights * logits).sum()) + offset))
        away = distance(np.stack([one.features for one in looks])) / card['features_threshold']
        reasons = []
        if away > 1:
            reasons.append(UNLIKE_TRAINING)
        if max(probability, 1 - probability) < card['threshold']:
            reasons.append(LOW_CONFIDENCE)
        answer = REVIEW if reasons else STROKE if probability >= 0.5 else NORMAL
        limits = (() if window_known else (WINDOW_UNKNOWN,)) + (
            () if source in calibration.get('sources', (source,)) else (SOURCE_UNKNOWN,))
        return Verdict(answer, probability, weights, _sigmoid(slope * logits + offset), away,
                       tuple(looks), tuple(reasons), limits)


def offset_of(calibration: Mapping[str, Any], source: str) -> float:
    """What is added to the scaled logit: the source's own where it had enough patients."""
    return float(calibration.get('sources', {}).get(source, calibration)['offset'])


def open_model(folder: Path) -> ScanModel:
    """The model of a finished run; see open_model_file."""
    return open_model_file(folder / 'model.tflite')


def open_model_file(path: Path) -> ScanModel:
    """A model for the trainer's own commands.

    Raises:
        TrainingError: it cannot be used.
    """
    try:
        return ScanModel(path)
    except ScanModelError as error:
        raise TrainingError(str(error)) from error


def judge_patient(model: ScanModel, data: ScanDataset, patient: Patient) -> Verdict:
    """One patient of a prepared dataset, by his device's own calibration."""
    return model.judge([model.look(*data.slice(row)) for row in patient.rows],
                       source=patient.source, window_known=patient.window == 'known')


def distance(features: NDArray[np.floating[Any]]) -> float:
    """How far a patient's slices lie from the training slices: median over slices of the mean
    square of whitened features, the rest included (Mahalanobis 1936, in the components)."""
    return float(np.median(np.square(features, dtype=np.float64).mean(axis=1)))


def heat(look: Look, picture: NDArray[np.uint8], inside: NDArray[np.bool_]
         ) -> NDArray[np.float32]:
    """Where on the prepared slice the evidence for a stroke lies, float32 (224, 224), unscaled.

    Grad-CAM of the network and the maps that the measurements are taken from, each at its largest
    what its part adds to the logit; what speaks against a stroke shows nowhere.
    """
    found = np.zeros((SIZE, SIZE), np.float32)
    groups: dict[str, float] = defaultdict(float)
    if len(look.shares) > 1:
        for name, share in zip(NAMES, look.shares[1:], strict=True):
            groups[group(name)] += float(share)
    parts = {**maps(picture, inside), 'network': cv2.resize(look.activation, (SIZE, SIZE))}
    groups['network'] = float(look.shares[0])
    for name, one in parts.items():
        seen = np.where(inside, one, 0)
        if groups[name] > 0 and seen.max() > 0:
            found += groups[name] * seen / seen.max()
    return found


def overlaid(picture: NDArray[np.uint8], inside: NDArray[np.bool_], seen: NDArray[np.float32]
             ) -> NDArray[np.uint8]:
    """A prepared slice with its heat map in red over what the skull encloses; RGB uint8.

    Weak evidence stays pale: full red is what adds `_FULL_RED` to the logit, or the most there is.
    """
    top = max(float(seen[inside].max()), _FULL_RED) if inside.any() else _FULL_RED
    strength = np.clip(seen / top, 0, 1) * inside
    share = (0.55 * strength)[..., None]
    grey = picture[..., :1].astype(np.float32)
    return np.rint(grey * (1 - share) + np.array([255, 40, 0]) * share).astype(np.uint8)


def _sigmoid(value: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(value, -50, 50)))
