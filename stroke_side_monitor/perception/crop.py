"""The aligned face crop that the side classifier sees, on the robot and in training alike.

The only crop in this project: the trainer imports it, and the model card repeats
its version. Beside it stands the crop of the face with its surroundings, in which a head
upside down can be told from one upright. It never normalises pixel values; that belongs to
whoever looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks

if TYPE_CHECKING:  # the trainer reads VERSION and SIZE where mediapipe cannot be installed
    from stroke_side_monitor.perception.face_mesh import FaceLandmarks

VERSION = 'eye-aligned-brow-to-chin-1'
SIZE = 224


@dataclass(frozen=True)
class _Cut:
    """A square with the eyes level: its size in pixels, the rest in eye distances.

    extent: its side. above_eyes: how far it reaches above the eye line.
    finest: most samples across one of its pixels. A face much larger than the crop is warped at
        a multiple of the size and averaged down; sampling it directly would alias.
    """

    size: int
    extent: float
    above_eyes: float
    finest: int


# The distance between the eye centres is 63 mm on the canonical face: 35 mm above the eye line
# shows the brows, 117 mm below it the chin.
_FACE = _Cut(SIZE, 152.0 / 63.0, 35.0 / 63.0, 64)


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
    return _cut_out(rgb, face, _FACE)


def surroundings(rgb: NDArray[np.uint8], face: FaceLandmarks, reach_mm: float, size: int
                 ) -> NDArray[np.uint8]:
    """Cut out the eyes and what lies around them, as far upwards as downwards; else as above.

    Args:
        rgb: uint8 (H, W, 3).
        face: landmarks in that picture.
        reach_mm: from the middle between the eyes to each edge, canonical millimetres.
        size: of the crop, pixels.

    Returns:
        uint8 (size, size, 3).
    """
    reach = reach_mm / 63.0
    return _cut_out(rgb, face, _Cut(size, 2.0 * reach, reach, 2))


def canonical_view(face_crop: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], bool]:
    """Of a crop and its mirror image always the same one, and whether that is the mirror image.

    What is computed from it is the same for a mirrored picture to the last bit.
    """
    mirrored: NDArray[Any] = cv2.flip(face_crop, 1)
    swapped = face_crop.tobytes() < mirrored.tobytes()
    return (mirrored, True) if swapped else (face_crop, False)


def _cut_out(rgb: NDArray[np.uint8], face: FaceLandmarks, cut: _Cut) -> NDArray[np.uint8]:
    right, left = _eye_centres(face)
    if not eye_distance_px(face) > 0.0:
        # The mesh has failed, and is refused for it: no eyes are there to be level.
        return np.zeros((cut.size, cut.size, 3), np.uint8)
    off_centre = float(right[0] + left[0])
    if off_centre > 0.0:
        return _warp(rgb, face, cut)
    through_mirror = cv2.flip(_warp(rgb, face.mirrored(), cut, through_mirror=True), 1)
    if off_centre < 0.0:
        return through_mirror  # type: ignore[return-value]
    # Exactly in the middle neither half is the face's own: take both.
    mean: NDArray[Any] = cv2.addWeighted(_warp(rgb, face, cut), 0.5, through_mirror, 0.5, 0.0)
    return mean


def place_in_crop(face: FaceLandmarks, right: int, left: int) -> tuple[float, float]:
    """Where the middle between two mirrored landmarks lies in the aligned crop.

    Returns:
        Pixels to the right of the crop's middle line, negated exactly in a mirror, and pixels
        from its top.
    """
    right_eye, left_eye = _eye_centres(face)
    across, up = (left_eye - right_eye) / np.hypot(*(left_eye - right_eye))
    column, height = (face.points[right, :2] + face.points[left, :2]
                      - (right_eye + left_eye)) / 2.0
    scale = _FACE.size / (_FACE.extent * eye_distance_px(face))
    return (float(scale * (across * column + up * height)),
            float(_FACE.size * _FACE.above_eyes / _FACE.extent
                  + scale * (up * column - across * height)))


def eye_distance_px(face: FaceLandmarks) -> float:
    """Distance between the eye centres in the picture plane, pixels."""
    right, left = _eye_centres(face)
    return float(np.hypot(*(left - right)))


def _eye_centres(face: FaceLandmarks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points = face.points[:, :2]
    right = (points[landmarks.OUTER_CANTHUS_RIGHT] + points[landmarks.INNER_CANTHUS_RIGHT]) / 2
    left = (points[landmarks.OUTER_CANTHUS_LEFT] + points[landmarks.INNER_CANTHUS_LEFT]) / 2
    return right, left


def _warp(rgb: NDArray[Any], face: FaceLandmarks, cut: _Cut, *,
          through_mirror: bool = False) -> NDArray[Any]:
    """Cut out of a picture, or of its mirror image, a face that lies there."""
    right, left = _eye_centres(face)
    across = left - right
    distance = math.hypot(*across)
    cosine, sine = across / distance
    scale = cut.size / (cut.extent * distance)
    multiple = min(max(1, round(1.0 / scale)), cut.finest)
    scale *= multiple
    size = cut.size * multiple

    # Landmarks are y-up from the picture's centre; OpenCV wants y-down pixel centres.
    middle = (right + left) / 2
    column = middle[0] + face.width / 2 - 0.5
    row = face.height / 2 - middle[1] - 0.5
    linear = scale * np.array([[cosine, -sine], [sine, cosine]])
    target = np.array([size / 2 - 0.5, size * cut.above_eyes / cut.extent - 0.5])
    offset = target - linear @ np.array([column, row])
    left_px, top_px, part = _part(rgb, linear, offset, size, through_mirror)
    offset += linear @ np.array([left_px, top_px])
    crop: NDArray[Any] = cv2.warpAffine(part, np.column_stack([linear, offset]), (size, size))
    if multiple > 1:
        crop = cv2.resize(crop, (cut.size, cut.size), interpolation=cv2.INTER_AREA)
    return crop


def _part(rgb: NDArray[Any], linear: NDArray[np.float64], offset: NDArray[np.float64], size: int,
          through_mirror: bool) -> tuple[int, int, NDArray[Any]]:
    """The part of the picture that the warp needs, and where it begins: left, top.

    Only that is mirrored. Bounds are in the coordinates of the picture
    that is looked at, so that a picture and its mirror image have the same.
    """
    height, width = rgb.shape[:2]
    # The inverse of a turn and a scale, written out: a solver of numpy's wakes OpenBLAS's threads,
    # which then spin for the rest of the frame.
    back = linear.T / (linear[0, 0] ** 2 + linear[0, 1] ** 2)
    corners = [back @ (np.array([across, down]) - offset)
               for across in (-1.0, size) for down in (-1.0, size)]
    # Two pixels more than the corners: one that interpolation needs, one for rounding.
    low = np.floor(np.min(corners, axis=0)).astype(int) - 2
    high = np.ceil(np.max(corners, axis=0)).astype(int) + 3
    # At least one pixel, for a face whose crop lies beside the picture: it comes out black.
    left, right = min(max(low[0], 0), width - 1), max(min(high[0], width), 1)
    top, bottom = min(max(low[1], 0), height - 1), max(min(high[1], height), 1)
    left, top = min(left, right - 1), min(top, bottom - 1)
    if through_mirror:
        part: NDArray[Any] = cv2.flip(rgb[top:bottom, width - right:width - left], 1)
    else:
        part = rgb[top:bottom, left:right]
    return int(left), int(top), part
