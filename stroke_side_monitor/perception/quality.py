"""Can this face be assessed? Reason codes from pose, size, light, sharpness and framing.

It never changes a picture and never decides about a side.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.perception.face_mesh import FaceLandmarks
from stroke_side_monitor.perception.frame import NormalisedFace


@dataclass(frozen=True)
class QualityLimits:
    """A face outside these limits is not assessed.

    min_interocular_px: eye centre distance, pixels. Of real palsied faces shrunk to 36 px M
        correlates .999 with that of full size (docs/measurement.md, "Small and turned faces").
    max_yaw_deg, max_pitch_deg, max_roll_deg: head pose, degrees. Real healthy people turned
        beyond 10 degrees are hardly more asymmetrical, once the norms have taken off what the
        turn itself shows; a face turned aside by 25 reads as up to 30. Pitch is against an
        average face: many frontal ones read 10 to 18.
    min_luminance, max_luminance: mean grey of the face crop, 0..255.
    min_sharpness: variance of the Laplacian of the 224 px crop's grey values, for faces from 65 px
        between the eyes on; in proportion less for smaller ones, whose crop holds fewer details.
        Small faces seen by ordinary cameras are as well measured below 8 as above it, those out
        of focus are not (docs/measurement.md, "Small and blurred faces").
    """

    min_interocular_px: float = 35.0
    max_yaw_deg: float = 30.0
    max_pitch_deg: float = 25.0
    max_roll_deg: float = 30.0
    min_luminance: float = 40.0
    max_luminance: float = 220.0
    min_sharpness: float = 8.0


@dataclass(frozen=True)
class FaceQuality:
    """luminance: mean grey 0..255; sharpness: Laplacian variance; reasons: empty when good."""

    luminance: float
    sharpness: float
    reasons: tuple[str, ...]


_ALL_DETAILS_PX = 65.0


def judge(face: FaceLandmarks, normalised: NormalisedFace, crop: NDArray[np.uint8],
          limits: QualityLimits) -> FaceQuality:
    """Collect every reason why this face must not be assessed.

    Args:
        face: landmarks in the picture.
        normalised: the same face in the head-fixed frame.
        crop: uint8 (224, 224, 3), its aligned crop.
        limits: what is still acceptable.
    """
    grey: NDArray[Any] = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    luminance = float(cv2.mean(grey)[0])
    sharpness = _laplacian_variance(grey)
    checks = (
        ('too_small', normalised.interocular_px < limits.min_interocular_px),
        ('yaw', abs(normalised.yaw_deg) > limits.max_yaw_deg),
        ('pitch', abs(normalised.pitch_deg) > limits.max_pitch_deg),
        ('roll', abs(normalised.roll_deg) > limits.max_roll_deg),
        ('cut_by_border', _is_cut(face)),
        ('too_dark', luminance < limits.min_luminance),
        ('too_bright', luminance > limits.max_luminance),
        ('blurred', sharpness < limits.min_sharpness * min(
            normalised.interocular_px / _ALL_DETAILS_PX, 1.0)),
    )
    return FaceQuality(luminance, sharpness, tuple(reason for reason, failed in checks if failed))


def _laplacian_variance(grey: NDArray[np.uint8]) -> float:
    # Sums of integers are exact, so a mirrored crop gives the same variance to the last bit.
    deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1]
    return float(deviation[0, 0]) ** 2


# How far the face may reach beyond the picture, in its own width and height. The mesh
# continues a face well up to there; one cut at one side only is read askew beyond it
# (docs/measurement.md).
_LARGEST_CUT_ACROSS = 0.03
_LARGEST_CUT_UPRIGHT = 0.10


def _is_cut(face: FaceLandmarks) -> bool:
    left, right, bottom, top = face.extremes
    across = max(right, -left) - face.width / 2
    upright = max(top, -bottom) - face.height / 2
    return (across > _LARGEST_CUT_ACROSS * face.width_px
            or upright > _LARGEST_CUT_UPRIGHT * face.height_px)


# Between the eyes from which the lids' edges are seen well enough to be compared: of real palsied
# faces shrunk to 45 and 36 px the lids stray where the mouth does not.
MIN_LIDS_PX = 50.0
# Lids nearer to each other than this, canonical mm, are shut or squinting: of 80 smiling portraits
# (London) 1 % are; at rest none.
SQUINT_MM = 5.6


def lids_tell(interocular_px: float, lid_gaps: tuple[float, float]) -> bool:
    """Whether the two eyes' openings can be compared: open, and large enough in the picture.

    Args:
        interocular_px: eye centre distance, pixels.
        lid_gaps: right, left, canonical mm.
    """
    return interocular_px >= MIN_LIDS_PX and min(lid_gaps) >= SQUINT_MM


# Turned up further, of M of a palsy of severity .75 half is left (docs/measurement.md, "Turned
# faces"); turned aside further, movements cannot be compared, though rest can (docs/clinical.md).
FROM_BELOW_DEG = 18.0
TURNED_DEG = 25.0


def pose_limits(face: NormalisedFace) -> tuple[str, ...]:
    """What limits trust in a face whose pose can be assessed: from_below, turned."""
    checks = (('from_below', face.pitch_deg > FROM_BELOW_DEG),
              ('turned', abs(face.yaw_deg) > TURNED_DEG))
    return tuple(limit for limit, applies in checks if applies)


class BlinkDetector:
    """Tells a blink from an open eye by the person's own usual lid gaps."""

    CLOSED_SHARE = 0.5
    _MEMORY = 300
    _WARM_UP = 30
    _REFRESH = 15

    def __init__(self) -> None:
        self._gaps: deque[tuple[float, float]] = deque(maxlen=self._MEMORY)
        self._seen = 0
        self._usual = (0.0, 0.0)

    def reset(self) -> None:
        """Forget the person."""
        self._gaps.clear()
        self._seen = 0

    def add(self, right_mm: float, left_mm: float) -> bool:
        """Take one frame's lid gaps (mm); True when either eye is less than half as open as usual.
        """
        self._gaps.append((right_mm, left_mm))
        self._seen += 1
        # A median over ten seconds needs no refresh at every frame.
        if self._seen < self._WARM_UP or self._seen % self._REFRESH == 0:
            self._usual = (median(gap[0] for gap in self._gaps),
                           median(gap[1] for gap in self._gaps))
        return (right_mm < self.CLOSED_SHARE * self._usual[0]
                or left_mm < self.CLOSED_SHARE * self._usual[1])
