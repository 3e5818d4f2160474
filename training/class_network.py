"""An exported network of classes: one face crop → a probability for each.

LiteRT and numpy only: the evaluation and the clinic page run the same file in the same way. It
never trains, and it is nothing that the robot runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from stroke_side_monitor.perception import crop
from training.common import TrainingError

FORMAT = 'stroke-side-network-1'
_NEEDED = ('name', 'sha256', 'labels', 'label_frame', 'crop_version', 'figures')


class Network:
    """A quantised network that takes one crop and gives class probabilities."""

    def __init__(self, path: Path) -> None:
        try:
            self._interpreter = Interpreter(model_content=path.read_bytes(), num_threads=1)
            self._interpreter.allocate_tensors()
        except (OSError, ValueError, RuntimeError) as error:
            raise TrainingError(f'cannot load {path} ({error}); run train again') from error
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of one picture and of its answer, as the file has them."""
        return tuple(self._input['shape']), tuple(self._output['shape'])

    def probabilities(self, face_crop: NDArray[np.uint8]) -> NDArray[np.float64]:
        """float64 (classes,); a single sigmoid output p becomes (1 - p, p)."""
        scale, zero = self._input['quantization']
        value = face_crop.astype(np.float32)
        if self._input['dtype'] == np.uint8:
            value = np.clip(np.round(value / scale + zero), 0, 255).astype(np.uint8)
        self._interpreter.set_tensor(self._input['index'], value[None])
        self._interpreter.invoke()
        seen = self._interpreter.get_tensor(self._output['index'])[0].astype(np.float64)
        if self._output['dtype'] == np.int8:
            scale, zero = self._output['quantization']
            seen = (seen - zero) * scale
        return np.array([1 - seen[0], seen[0]]) if len(seen) == 1 else seen


class SidelessNetwork:
    """An export whose classes name no side (severity, region), with its card.

    name, sha256: from the card. labels: the classes in order.
    """

    def __init__(self, path: Path) -> None:
        """Load a .tflite file and the .json card beside it.

        Raises:
            TrainingError: missing, damaged, not fitting each other, made for other crops, or its
                classes name sides.
        """
        try:
            content = path.read_bytes()
            card: Any = json.loads(path.with_suffix('.json').read_text())
        except (OSError, ValueError) as error:
            raise TrainingError(f'network {path}: cannot be read with its card ({error}); export '
                                'it again') from error
        _check(path, content, card)
        self.name, self.sha256 = str(card['name']), str(card['sha256'])
        self.labels = tuple(str(label) for label in card['labels'])
        self._network = Network(path)
        if self._network.shapes != ((1, crop.SIZE, crop.SIZE, 3), (1, len(self.labels))):
            raise TrainingError(f'network {path} and its card do not belong together; export both '
                                'again')

    def probabilities(self, face_crop: NDArray[np.uint8]) -> dict[str, float]:
        """Probability by class; the same for the mirrored crop, bit for bit.

        Args:
            face_crop: uint8 (224, 224, 3), RGB, from crop.aligned_crop.
        """
        seen = self._network.probabilities(face_crop)
        mirrored = self._network.probabilities(cv2.flip(face_crop, 1))  # type: ignore[arg-type]
        return dict(zip(self.labels, ((seen + mirrored) / 2).tolist(), strict=True))


def _check(path: Path, content: bytes, card: Any) -> None:
    if not isinstance(card, Mapping) or card.get('format') != FORMAT:
        raise TrainingError(f'network {path}: its card is not of format {FORMAT}; export it with '
                            'training.export')
    missing = [name for name in _NEEDED if not card.get(name)]
    if missing:
        raise TrainingError(f'network {path}: its card lacks {missing[0]}; evaluate and export it')
    if hashlib.sha256(content).hexdigest() != card['sha256']:
        raise TrainingError(f'network {path} and its card do not belong together; export both '
                            'again')
    if card['crop_version'] != crop.VERSION:
        raise TrainingError(f'network {path} was trained on crops {card["crop_version"]}, these '
                            f'are {crop.VERSION}; prepare and train again')
    if {'left', 'right'} & set(card['labels']):
        raise TrainingError(f'network {path} names sides; only the side classifier of the robot '
                            'does that here (docs/training.md)')
