"""One slice → the head cut out, straightened and scaled, or nothing where hardly any brain is.

The skull is the bright component that encloses most; tables, holders, tubes and letters fall away.
It never judges, and treats both halves of the head alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

VERSION = 'head-1'
SIZE = 224
# Of the picture's area. Below it a slice shows jaw, sinuses or bone [measured: real_scans].
LEAST_SHARE = 0.02
# Of the largest area inside the skull in the same series: below it little brain is to be seen.
LEAST_OF_LARGEST = 0.3
LARGEST_TILT_DEG = 34.0
_WORK = 256
_MARGIN = 0.03


@dataclass(frozen=True)
class PreparedSlice:
    """A head as every later step sees it.

    picture: uint8 (224, 224, 3), face up, straightened, the skull filling it, black outside.
    inside: bool (224, 224), what the skull encloses, without bone. share: area inside the skull
    over the picture's area. angle_deg: how far the head was turned. to_original: float64 (2, 3),
    affine from prepared (x, y) to the original's pixels.
    """

    picture: NDArray[np.uint8]
    inside: NDArray[np.bool_]
    share: float
    angle_deg: float
    to_original: NDArray[np.float64]


def prepare_slice(channels: NDArray[np.uint8]) -> PreparedSlice | None:
    """Cut the head out of a slice.

    Args:
        channels: uint8 (H, W, 3); the first one is the brain window, or the grey picture.

    Returns:
        None where no skull with brain inside is found (share below `LEAST_SHARE`).
    """
    height, width = channels.shape[:2]
    zoom = _WORK / max(height, width)
    grey = cv2.resize(channels[..., 0], None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    found = _skull(np.asarray(grey, np.uint8))
    if found is None:
        return None
    head, inside = found
    share = float(inside.mean())
    if share < LEAST_SHARE:
        return None
    angle, centre = _straight(np.asarray(grey, np.uint8), head)
    forward = _to_prepared(head, angle, centre)
    scaled = forward @ np.array([[zoom, 0, (zoom - 1) / 2], [0, zoom, (zoom - 1) / 2], [0, 0, 1]])
    # Shrinking by more than 2 without a blur would alias bone into the brain.
    shrink = 1 / float(np.hypot(scaled[0, 0], scaled[0, 1]))
    source = cv2.GaussianBlur(channels, (0, 0), 0.4 * shrink) if shrink > 1.5 else channels
    picture = cv2.warpAffine(source, scaled, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
    outline = _warped(cv2.dilate(head, np.ones((3, 3), np.uint8)), forward)
    picture[~outline] = 0
    return PreparedSlice(np.asarray(picture, np.uint8), _warped(inside, forward), share,
                         float(angle), cv2.invertAffineTransform(scaled))


def enough_brain(shares: Sequence[float]) -> list[bool]:
    """Which slices of one series show enough brain to be judged; NaN where no head was found."""
    values = np.nan_to_num(np.asarray(shares, np.float64), nan=0.0)
    if not len(values):
        return []
    largest = float(np.percentile(values, 90)) if len(values) > 4 else float(values.max())
    return [bool(v >= max(LEAST_SHARE, LEAST_OF_LARGEST * largest)) for v in values]


def _warped(mask: NDArray[Any], matrix: NDArray[np.float64]) -> NDArray[Any]:
    return np.asarray(cv2.warpAffine(mask.astype(np.float32), matrix, (SIZE, SIZE)) > 0.5, bool)


def _skull(grey: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Masks of the head up to the skull's outer table, and of what it encloses: 0 or 1."""
    top = float(np.percentile(grey, 99.5))
    if top < 60:
        return None
    best, most = None, 0.0
    # Where a bleed touches thin bone, or a film is pale, another threshold shows the ring better.
    for share in (0.94, 0.84, 0.74):
        bone = (grey >= share * top).astype(np.uint8)
        candidate = _enclosing(bone)
        if candidate is not None and candidate[2] > 1.15 * most:
            best, most = candidate, candidate[2]
    if best is None:
        return None
    head, bone, _ = best
    return head, _cavity(grey, head, bone, 0.84 * top)


def _enclosing(bone: NDArray[Any]
               ) -> tuple[NDArray[Any], NDArray[Any], float] | None:
    """The component that encloses most: (filled, itself, pixels enclosed)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bone, connectivity=8)
    if count < 2:
        return None
    boxes = stats[1:, cv2.CC_STAT_WIDTH] * stats[1:, cv2.CC_STAT_HEIGHT]
    best, most = None, 0.0
    for index in np.argsort(-boxes)[:4] + 1:
        one = (labels == index).astype(np.uint8)
        if one.sum() < 60:
            continue
        filled = _filled(one)
        enclosed = float(filled.sum())
        if enclosed - float(one.sum()) < 0.25 * float(one.sum()):
            enclosed *= 0.5  # a table's arc or a lump of bone encloses next to nothing
        if enclosed > most:
            best, most = (filled, one, enclosed), enclosed
    return best


def _filled(one: NDArray[Any]) -> NDArray[Any]:
    """The component with its holes, gaps of sutures and craniotomies bridged."""
    width, height = cv2.boundingRect(one)[2:]
    reach = max(3, int(0.05 * max(width, height)) | 1)
    padded = cv2.copyMakeBorder(one, reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(closed)
    cv2.drawContours(filled, contours, -1, (1,), cv2.FILLED)
    return np.asarray(filled[reach:-reach, reach:-reach], np.uint8)


def _cavity(grey: NDArray[Any], head: NDArray[Any], bone: NDArray[Any],
            bright: float) -> NDArray[Any]:
    """The largest soft region that bone surrounds; bleeding inside belongs to it."""
    soft = ((head > 0) & (bone == 0) & (grey > 12)).astype(np.uint8)
    opened = cv2.morphologyEx(soft, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return np.zeros_like(head)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    inside = _filled((labels == largest).astype(np.uint8))
    # What is filled up (ventricles, calcified spots, clots) counts, bone at the rim does not.
    rim = cv2.erode(inside, np.ones((5, 5), np.uint8)) == 0
    return np.asarray(inside * ~(rim & (grey >= bright) & (bone > 0)) * head, np.uint8)


def _straight(grey: NDArray[Any], head: NDArray[Any]
              ) -> tuple[float, tuple[float, float]]:
    """Angle by which the head's midline leans, degrees, and a point on the midline (x, y).

    The turn and the shift are sought at which picture and mirror image agree best.
    """
    moments = cv2.moments(head, binaryImage=True)
    centre = (moments['m10'] / moments['m00'], moments['m01'] / moments['m00'])
    reach = max(cv2.boundingRect(head)[2:]) * 0.62
    pattern = np.where(head > 0, 80 + 0.7 * cv2.GaussianBlur(grey, (0, 0), 1.5), 0)
    pattern = pattern.astype(np.float32)
    best = (-2.0, 0.0, 0.0)
    for angle in np.arange(-LARGEST_TILT_DEG, LARGEST_TILT_DEG + 1, 4.0):
        best = max(best, _agreement(pattern, centre, reach, float(angle)))
    for step in (2.0, 1.0, 0.5):
        best = max([best, *(_agreement(pattern, centre, reach, best[1] + move)
                            for move in (-step, step))])
    _, angle, shift = best
    turn = np.radians(angle)
    return angle, (centre[0] + shift * float(np.cos(turn)), centre[1] + shift * float(np.sin(turn)))


def _agreement(pattern: NDArray[Any], centre: tuple[float, float], reach: float,
               angle: float) -> tuple[float, float, float]:
    """(correlation with the mirror image, angle, shift of the midline in pattern pixels)."""
    size = 72
    zoom = size / (2 * reach)
    matrix = cv2.getRotationMatrix2D(centre, angle, zoom)
    matrix = matrix + np.array([[0, 0, (size - 1) / 2 - centre[0]],
                                [0, 0, (size - 1) / 2 - centre[1]]])
    turned = cv2.warpAffine(pattern, matrix, (size, size))
    direct = turned - turned.mean()
    length = np.linalg.norm(direct)
    wide = np.hstack([turned[:, ::-1]] * 3)
    best = (-2.0, angle, 0.0)
    for shift in range(-8, 9, 2):  # of the mirror image: the midline lies at half of it
        mirror = wide[:, size - shift:2 * size - shift].copy()
        mirror -= mirror.mean()
        score = float((direct * mirror).sum() / (length * np.linalg.norm(mirror) + 1e-6))
        # Equal agreement: the smaller turn.
        best = max(best, (score - 1e-5 * abs(angle), angle, shift / 2 / zoom))
    return best


def _to_prepared(head: NDArray[Any], angle: float, centre: tuple[float, float]
                 ) -> NDArray[np.float64]:
    """Affine from working pixels to prepared ones: turned, midline in the middle, head filling."""
    rotation = cv2.getRotationMatrix2D(centre, angle, 1.0)
    rows, columns = np.nonzero(head)
    points = rotation @ np.stack([columns, rows, np.ones_like(rows)]).astype(np.float64)
    x = np.abs(points[0] - centre[0]).max()
    top, bottom = points[1].min(), points[1].max()
    zoom = SIZE * (1 - 2 * _MARGIN) / max(2 * x, bottom - top, 1.0)
    move = np.array([[zoom, 0, (SIZE - 1) / 2 - zoom * centre[0]],
                     [0, zoom, (SIZE - 1) / 2 - zoom * (top + bottom) / 2], [0, 0, 1]])
    return np.asarray((move @ np.vstack([rotation, [0, 0, 1]]))[:2], np.float64)
