"""The picture classifier: aligned face crop → which side looks weaker, by an int8 MobileNetV2.

It never sees landmarks and never decides alone. Left and right are the PATIENT's;
a mirrored crop gets the negated score, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.perception import crop, tflite
from stroke_side_monitor.perception.tflite import ModelError

CARD_FORMAT = 'stroke-side-classifier-1'
LABELS = ('left', 'none', 'right')
_CALIBRATION = ('dead_band', 'slope', 'none_band')
_MEND = 'restore both files from one export (training/export.py), or set use_classifier to false'


@dataclass(frozen=True)
class SideScore:
    """What the picture alone says. Positive and `left`: the patient's LEFT side looks weaker.

    score: in units of the dead band; between -1 and 1 the picture decides nothing.
    probability_left, probability_none, probability_right: 0–1, summing to 1; calibrated on
        the data that the model card names.
    """

    score: float
    probability_left: float
    probability_none: float
    probability_right: float


class SideClassifier:
    """One loaded model. Use it from one thread.

    name: from the card. sha256: of the model file, hex digits. runtime: 'LiteRT' or
    'tflite_runtime'. threads: of the interpreter. card: the whole card.
    """

    def __init__(self, model_path: Path, threads: int = 1) -> None:
        """Load a .tflite file and the card (.json) of the same name beside it.

        Raises:
            ModelError: a file is missing, altered or made for another crop, or no
                runtime is installed.
        """
        model = _read(model_path)
        self.card = _read_card(model_path)
        self.sha256 = hashlib.sha256(model).hexdigest()
        _check_card(self.card, self.sha256, model_path)
        self.name = str(self.card['name'])
        self.threads = threads
        self._dead_band, self._slope, self._none_band = (
            float(self.card['calibration'][name]) for name in _CALIBRATION)
        self._interpreter, self.runtime = tflite.load(model, model_path, _MEND, threads)
        self._bind(model_path)

    def score(self, face_crop: NDArray[np.uint8]) -> SideScore:
        """Look at a crop and at its mirror image, and compare.

        Args:
            face_crop: uint8 (224, 224, 3), RGB, from crop.aligned_crop.

        Raises:
            ValueError: another shape or type.
        """
        expected = (crop.SIZE, crop.SIZE, 3)
        if face_crop.shape != expected or face_crop.dtype != np.uint8:
            raise ValueError(f'crop must be uint8 {expected}, not '
                             f'{face_crop.dtype} {face_crop.shape}')
        return self._calibrated(self._raw(face_crop) / self._dead_band)

    def _raw(self, face_crop: NDArray[np.uint8]) -> float:
        # Of crop and mirror image the same one is always resized and the other view is
        # flipped from it: so mirroring the crop only swaps the views, and their
        # difference, one of integers, is exactly negated.
        seen, swapped = crop.canonical_view(face_crop)
        view = self._resized(seen)
        self._views[int(swapped)] = view
        self._views[1 - int(swapped)] = cv2.flip(view, 1)
        self._interpreter.set_tensor(self._input, self._views)
        self._interpreter.invoke()
        direct, mirrored = self._interpreter.get_tensor(self._output).sum(axis=1, dtype=np.int64)
        return float(int(direct) - int(mirrored)) * self._unit

    def _resized(self, face_crop: NDArray[Any]) -> NDArray[Any]:
        return cv2.resize(face_crop, self._size, interpolation=cv2.INTER_AREA)

    def _calibrated(self, score: float) -> SideScore:
        left = _logistic(self._slope * (score - self._none_band))
        right = _logistic(self._slope * (-score - self._none_band))
        return SideScore(score, left, 1.0 - (left + right), right)

    def _bind(self, model_path: Path) -> None:
        inputs = self._interpreter.get_input_details()[0]
        outputs = self._interpreter.get_output_details()[0]
        shape, out_shape = tuple(inputs['shape']), tuple(outputs['shape'])
        declared = (2, *self.card['input']['size'], 3)
        if (shape != declared or inputs['dtype'] != np.uint8 or outputs['dtype'] != np.int8
                or len(out_shape) != 2 or out_shape[0] != 2):
            raise ModelError(
                f'model: {model_path} takes {np.dtype(inputs["dtype"]).name} {shape} and gives '
                f'{np.dtype(outputs["dtype"]).name} {out_shape}, not uint8 {declared} and '
                f'int8 (2, n); {_MEND}')
        self._input, self._output = inputs['index'], outputs['index']
        self._views = np.empty(declared, np.uint8)
        self._size = (declared[2], declared[1])  # OpenCV: width first
        # The output repeats one number with staggered rounding; its mean is
        # n times finer than a single int8 step.
        self._unit = float(outputs['quantization'][0]) / out_shape[1]


def _logistic(value: float) -> float:
    if value < -500.0:  # exp would overflow
        return 0.0
    return 1.0 / (1.0 + math.exp(-value))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f'model: cannot read {path} ({error.strerror}); {_MEND}') from error


def _read_card(model_path: Path) -> Mapping[str, Any]:
    path = model_path.with_suffix('.json')
    try:
        card = json.loads(_read(path))
        calibration = [float(card['calibration'][name]) for name in _CALIBRATION]
        size = [int(side) for side in card['input']['size']]
        texts = [card[name] for name in
                 ('format', 'name', 'sha256', 'labels', 'label_frame', 'crop_version')]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f'model: {path} is not a model card ({error!r}); {_MEND}') from error
    usable = all(math.isfinite(value) and value >= 0 for value in calibration)
    if not usable or not calibration[0] > 0 or len(size) != 2 or not all(texts):
        raise ModelError(f'model: {path} has an impossible calibration or size; {_MEND}')
    return dict(card)


def _check_card(card: Mapping[str, Any], sha256: str, model_path: Path) -> None:
    found_and_needed = {
        'format': (card['format'], CARD_FORMAT),
        'sha256': (sha256, card['sha256']),
        'labels': (tuple(card['labels']), LABELS),
        'label_frame': (card['label_frame'], 'patient'),
        'crop_version': (card['crop_version'], crop.VERSION),
        'input scaling': (card['input'].get('scaling'), 'uint8'),
    }
    for name, (found, needed) in found_and_needed.items():
        if found != needed:
            raise ModelError(f'model: {model_path} does not fit: {name} is {found}, '
                             f'needed {needed}; {_MEND}')
