"""Tells that something covers one eye: a patch, gauze, a plaster, a hand, hair.

FaceMesh draws an eye where it expects one, narrower than the seen one, and tilts the whole face:
a healthy person with a patch is named one-sided. What covers an eye shows less than an eye does.
Eyes covered alike (dark glasses) favour no side and are not told. It never says which eye, never
changes a picture, and a mirror changes none of its answers.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.perception.face_tracker import Sighting

# Where the patient's right eye stands in the aligned crop; the left one's place is the mirror
# image of it. The rim serves the filters only.
_ROWS, _COLUMNS = slice(30, 74), slice(36, 96)
_WITHIN = slice(8, 36), slice(10, 50)
# Grey values; below it a difference is noise.
_NOISE = 1.0
# An eye that shows less than this of what the other one does, natural logarithm, is covered
# (docs/measurement.md, "Covered eyes").
BORDER = -0.7


class HiddenEye:
    """Whether one eye of the face in view is covered. Use it from one thread."""

    # How often a followed face is looked at, and of how many looks the median decides: a wink, or
    # an eye that closes alone, is over by then or opens again.
    LOOK_EVERY_S = 0.2
    _LOOKS = 5

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=self._LOOKS)
        self.reset()

    def reset(self) -> None:
        """Forget the face; the next one is judged by its first picture alone."""
        self._recent.clear()
        self._looked_s = -math.inf

    def is_hidden(self, face_crop: NDArray[np.uint8], sighting: Sighting, stamp_s: float) -> bool:
        """Whether one eye is covered; looked at now and then, else as last seen.

        Args:
            face_crop: uint8 (224, 224, 3), from crop.aligned_crop.
            sighting: at least one opinion on the face in it.
            stamp_s: seconds; where they go back, it is looked at again at once.
        """
        if not sighting.same_face:
            self.reset()
        if not 0.0 <= stamp_s - self._looked_s < self.LOOK_EVERY_S:
            self._looked_s = stamp_s
            self._recent.append(unevenness(face_crop))
        return median(self._recent) < BORDER


def unevenness(face_crop: NDArray[np.uint8]) -> float:
    """How much less one eye shows than the other: log of the ratio of their fine contrasts, <= 0.

    Args:
        face_crop: uint8 (224, 224, 3), from crop.aligned_crop.
    """
    grey = cv2.cvtColor(face_crop[_ROWS], cv2.COLOR_RGB2GRAY)
    # Both seen as a right eye: a mirrored picture swaps the two and changes neither.
    shown = [_fine_contrast(view[:, _COLUMNS]) for view in (grey, cv2.flip(grey, 1))]
    return math.log((min(shown) + _NOISE) / (max(shown) + _NOISE))


def _fine_contrast(eye: NDArray[Any]) -> float:
    eye = eye.astype(np.float32)
    fine, coarse = cv2.GaussianBlur(eye, (0, 0), 1.5), cv2.GaussianBlur(eye, (0, 0), 6.0)
    return float((fine - coarse)[_WITHIN].std())

