"""Tells a mouth that something hides from one that is seen: a mask, a towel, a hand, a cup, a tube.

FaceMesh draws a mouth where it expects one, and what it draws behind a mask is symmetrical: a
complete palsy reads as healthy. A small network looks at the lower face. It never says what hides
the mouth, never changes a picture, and a mirror changes none of its answers.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks
from stroke_side_monitor.perception import crop, tflite
from stroke_side_monitor.perception.face_mesh import FaceLandmarks
from stroke_side_monitor.perception.face_tracker import Sighting

# The square that the network sees, around the middle of the mouth as the mesh draws it: of the
# aligned crop, pixels, and at its own size.
_REACH, SIZE = 128, 64
_MEND = 'restore models/hidden_mouth.tflite'


def window(face_crop: NDArray[np.uint8], face: FaceLandmarks) -> NDArray[np.uint8]:
    """What the network sees of a face: nose to chin, the mouth in the middle.

    Of a crop and its mirror image always the same view, so that the window of a mirrored picture
    is the mirrored window, bit for bit, or the very same one.

    Args:
        face_crop: uint8 (224, 224, 3), from crop.aligned_crop.
        face: the landmarks that it was cut out by.

    Returns:
        uint8 (64, 64, 3).
    """
    across, down = crop.place_in_crop(face, landmarks.COMMISSURE_RIGHT, landmarks.COMMISSURE_LEFT)
    # round() is odd: the mirrored mouth's window begins at the mirrored place.
    left = _within(crop.SIZE // 2 - _REACH // 2 + round(across))
    top = _within(round(down) - _REACH // 2)
    seen, _ = crop.canonical_view(face_crop[top:top + _REACH, left:left + _REACH])
    small: NDArray[Any] = cv2.resize(seen, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return small


def _within(start: int) -> int:
    return min(max(start, 0), crop.SIZE - _REACH)


class HiddenMouth:
    """Whether the mouth of the face in view is hidden. Use it from one thread."""

    # How often a followed face is looked at while nothing changes.
    LOOK_EVERY_S = 0.2
    # A mouth that was seen is hidden when so many of the last looks are sure, or more of them only
    # say so: a mouth that speaks is wide open, and may look hidden, for a syllable, while a mask
    # stays (docs/measurement.md, "Hidden mouths").
    _SURE, _SURELY, _PROBABLY = 2.0, (2, 3), (4, 5)
    # So many of the last looks show one that was hidden. There each frame is looked at while in
    # doubt: nobody is told anything meanwhile. One noisy frame changes nothing.
    _SHOW = 2, 3
    # A mouth once hidden is seen again only from here on, log odds.
    _SEEN_BELOW = -1.0

    def __init__(self, model_path: Path) -> None:
        """Load the network.

        Raises:
            ModelError: the file is missing or another network, or no runtime is installed.
        """
        try:
            content = model_path.read_bytes()
        except OSError as error:
            raise tflite.ModelError(f'model: cannot read {model_path} ({error.strerror}); {_MEND}'
                                    ) from error
        self._interpreter, _ = tflite.load(content, model_path, _MEND)
        given, found = (details[0] for details in (self._interpreter.get_input_details(),
                                                   self._interpreter.get_output_details()))
        if tuple(given['shape']) != (2, SIZE, SIZE, 3) or given['dtype'] != np.uint8 \
                or tuple(found['shape']) != (2, 1) or found['dtype'] != np.int8:
            raise tflite.ModelError(f'model: {model_path} is another network; {_MEND}')
        self._input, self._output = given['index'], found['index']
        scale, zero = found['quantization']
        self._scale, self._zero = float(scale), int(zero)
        self._views = np.empty((2, SIZE, SIZE, 3), np.uint8)
        self._recent: deque[float] = deque(maxlen=self._PROBABLY[1])
        self.reset()

    def reset(self) -> None:
        """Forget the face; the next one is judged by its first picture alone."""
        self._recent.clear()
        self._looked_s = -math.inf
        self._hidden = self._doubtful = False

    def is_hidden(self, face_crop: NDArray[np.uint8], sighting: Sighting, stamp_s: float) -> bool:
        """Whether the mouth is hidden; looked at now and then, else as last seen.

        Args:
            face_crop: uint8 (224, 224, 3), from crop.aligned_crop.
            sighting: at least one opinion on the face in it.
            stamp_s: seconds; where they go back, it is looked at again at once.
        """
        if not sighting.same_face:
            self.reset()
        if self._doubtful or not 0.0 <= stamp_s - self._looked_s < self.LOOK_EVERY_S:
            self._looked_s = stamp_s
            self._take(self.score(window(face_crop, sighting.face)))
        return self._hidden

    def _take(self, newest: float) -> None:
        first = not self._recent
        self._recent.append(newest)
        if first:
            self._hidden = newest >= 0.0
        elif self._hidden:
            self._hidden = not self._holds(self._SHOW, [
                score < self._SEEN_BELOW for score in self._recent])
        else:
            self._hidden = (
                self._holds(self._SURELY, [score >= self._SURE for score in self._recent])
                or self._holds(self._PROBABLY, [score >= 0.0 for score in self._recent]))
        self._doubtful = self._hidden and newest < self._SEEN_BELOW

    @staticmethod
    def _holds(rule: tuple[int, int], said: list[bool]) -> bool:
        enough, looks = rule
        return sum(said[-looks:]) >= enough

    def score(self, seen: NDArray[np.uint8]) -> float:
        """How surely a mouth is hidden, log odds: from 0 on it is.

        Args:
            seen: uint8 (64, 64, 3), from window().
        """
        self._views[0], self._views[1] = seen, cv2.flip(seen, 1)
        self._interpreter.set_tensor(self._input, self._views)
        self._interpreter.invoke()
        # A sum of two integers does not depend on which view came first.
        both = int(self._interpreter.get_tensor(self._output).sum(dtype=np.int64))
        return self._scale * (both / 2 - self._zero)
