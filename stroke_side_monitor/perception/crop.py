"""The aligned face crop that the side classifier sees, on the robot and in training alike.

The only crop in this project: the trainer imports it, and the model card repeats
its version. It never normalises pixel values; that belongs to the classifier.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks

if TYPE_CHECKING:  # the trainer reads VERSION and SIZE where mediapipe cannot be installed
    from stroke_side_monitor.perception.face_mesh import FaceLandmarks

VERSION = 'eye-aligned-brow-to-chin-1'
SIZE = 224
# In units of the distance between the eye centres (63 mm on the canonical face):
# 35 mm above the eye line shows the brows, 117 mm below it the chin.
_EXTENT = 152.0 / 63.0
_ABOVE_EYES = 35.0 / 63.0


def aligned_crop(rgb: NDArray[np.uint8], face: FaceLandmarks) -> NDArray[np.uint8]:
    """Cut out the face, eyes level, eye distance fixed, brow to chin.

    Parts outside the picture are black. The crop of a mirrored picture is the
    mirrored crop, bit for bit: a face in the picture's left half is cut out of
    the mirror image, so that interpolation meets every face in the same half
    and cannot favour a side.

    Args:
        rgb: uint8 (H, W, 3).
        face: landmarks in that picture.

    Returns:
        uint8 (224, 224, 3), the patient's left on the right of the crop.
    """
    right, left = _eye_centres(face)
    off_centre = float(right[0] + left[0])
    if off_centre > 0.0:
        return _warp(rgb, face)
    through_mirror = cv2.flip(_warp(cv2.flip(rgb, 1), face.mirrored()), 1)
    if off_centre < 0.0:
        return through_mirror  # type: ignore[return-value]
    # Exactly in the middle neither half is the face's own: take both.
    mean: NDArray[Any] = cv2.addWeighted(_warp(rgb, face), 0.5, through_mirror, 0.5, 0.0)
    return mean


def eye_distance_px(face: FaceLandmarks) -> float:
    """Distance between the eye centres in the picture plane, pixels."""
    right, left = _eye_centres(face)
    return float(np.hypot(*(left - right)))


def _eye_centres(face: FaceLandmarks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = face.points[:, :2]
    right = (points[landmarks.OUTER_CANTHUS_RIGHT] + points[landmarks.INNER_CANTHUS_RIGHT]) / 2
    left = (points[landmarks.OUTER_CANTHUS_LEFT] + points[landmarks.INNER_CANTHUS_LEFT]) / 2
    return right, left


def _warp(rgb: NDArray[Any], face: FaceLandmarks) -> NDArray[Any]:
    right, left = _eye_centres(face)
    across = left - right
    distance = math.hypot(*across)
    cosine, sine = across / distance
    scale = SIZE / (_EXTENT * distance)
    # A face much larger than the crop is warped at a multiple of the size and
    # averaged down; sampling it directly would alias.
    multiple = max(1, round(1.0 / scale))
    scale *= multiple
    size = SIZE * multiple

    # Landmarks are y-up from the picture's centre; OpenCV wants y-down pixel centres.
    middle = (right + left) / 2
    column = middle[0] + face.width / 2 - 0.5
    row = face.height / 2 - middle[1] - 0.5
    linear = scale * np.array([[cosine, -sine], [sine, cosine]])
    target = np.array([size / 2 - 0.5, size * _ABOVE_EYES / _EXTENT - 0.5])
    offset = target - linear @ np.array([column, row])
    crop: NDArray[Any] = cv2.warpAffine(rgb, np.column_stack([linear, offset]), (size, size))
    if multiple > 1:
        crop = cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return crop
