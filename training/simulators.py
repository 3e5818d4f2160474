"""Second opinions on what a palsy looks like: three plain picture warps for training.

Independent of stroke_side_monitor.simulation on purpose, so that a model can be judged on a
generator it never saw. They never claim to be patients: what they make is called simulated.
Left and right are the PATIENT's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator, RBFInterpolator

from stroke_side_monitor import landmarks

Picture = NDArray[np.uint8]
Points = NDArray[np.float64]

_LIPS = np.array([
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191])
_CHEEK_RIGHT = np.array([203, 206, 216, 212, 57, 186, 92, 165, 214, 207, 202, 43, 106])
_OVAL = np.array([10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378,
                  400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54,
                  103, 67, 109])
_STILL = np.array([33, 263, 133, 362, 6, 168, 197, 195, 468, 473, 117, 346, 119, 348, 151, 9])
_GRID = 56


@dataclass(frozen=True)
class Palsy:
    """One simulated weakness.

    side: 'left', 'right' or 'none'. With 'none' the severities move both sides alike,
        so that being warped is no sign of being weak.
    mouth, eye, brow: severity 0–1 of each region.
    pull: 0–1, how far the healthy side drags the mouth over.
    """

    side: str
    mouth: float
    eye: float
    brow: float
    pull: float

    @property
    def signed(self) -> float:
        """Severity of the mouth and a little of the upper face; positive: the LEFT is weaker."""
        sign = {'left': 1.0, 'right': -1.0, 'none': 0.0}[self.side]
        return sign * (0.8 * self.mouth + 0.1 * self.eye + 0.1 * self.brow)


def random_palsy(rng: np.random.Generator, share_none: float = 0.25) -> Palsy:
    """Draw a weakness: central (forehead spared) as often as peripheral."""
    side = 'none' if rng.random() < share_none else str(rng.choice(['left', 'right']))
    mouth = float(rng.uniform(0.15, 1.0))
    peripheral = rng.random() < 0.5
    eye = mouth * float(rng.uniform(0.3, 1.2)) if peripheral else 0.0
    brow = mouth * float(rng.uniform(0.3, 1.2)) if peripheral else 0.0
    return Palsy(side, mouth, min(eye, 1.0), min(brow, 1.0), float(rng.uniform(0.0, 1.0)))


@dataclass(frozen=True)
class HeadAxes:
    """Where the patient's left and up point in the picture, and its scale.

    origin: pixels, the middle between the eyes. left, up: unit vectors, pixels.
    pixel_per_mm: eye centres are 63 mm apart.
    """

    origin: Points
    left: Points
    up: Points
    pixel_per_mm: float

    def in_mm(self, points: Points) -> Points:
        """float (N, 2) pixels → mm, x to the patient's left, y up, from between the eyes."""
        offset = points - self.origin
        return np.column_stack([offset @ self.left, offset @ self.up]) / self.pixel_per_mm

    def in_pixels(self, displacement_mm: Points) -> Points:
        """float (N, 2) mm (left, up) → pixels (right, down), as a displacement."""
        return (displacement_mm[:, :1] * self.left
                + displacement_mm[:, 1:] * self.up) * self.pixel_per_mm


def head_axes(points: Points) -> HeadAxes:
    """Axes from the eye corners; points are float (478, 2), pixels, y down."""
    right = (points[landmarks.OUTER_CANTHUS_RIGHT] + points[landmarks.INNER_CANTHUS_RIGHT]) / 2
    left = (points[landmarks.OUTER_CANTHUS_LEFT] + points[landmarks.INNER_CANTHUS_LEFT]) / 2
    across = left - right
    distance = float(np.hypot(*across))
    unit = across / distance
    return HeadAxes((left + right) / 2, unit, np.array([unit[1], -unit[0]]), distance / 63.0)


# --- Simulator 1: thin-plate spline on landmarks ---------------------------------------------

def spline_palsy(rgb: Picture, points: Points, palsy: Palsy, rng: np.random.Generator) -> Picture:
    """Move the lips, cheek, lids and brow as landmarks and let a thin-plate spline follow.

    Args:
        rgb: uint8 (H, W, 3).
        points: float (478, 2), pixels, y down.
        palsy: what to show.
        rng: draws the amounts per region.

    Returns:
        uint8 (H, W, 3), same landmarks' topology, the weak nasolabial fold smoothed.
    """
    axes = head_axes(points)
    place = axes.in_mm(points)
    moved = np.zeros_like(place)
    for sign in _weak_signs(palsy):
        _droop_mouth(moved, place, sign, palsy, rng)
        _move_upper_face(moved, sign, palsy, rng)
    if palsy.side != 'none':
        _pull_to_healthy(moved, place, _weak_signs(palsy)[0], palsy, rng)
    control = np.unique(np.concatenate(
        [_LIPS, _CHEEK_RIGHT, landmarks.MIRROR[_CHEEK_RIGHT], _OVAL, _STILL, _lid_and_brow()]))
    moved[np.concatenate([_OVAL, _STILL])] = 0.0
    displacement = axes.in_pixels(moved[control])
    target = points[control] + displacement
    height, width = rgb.shape[:2]
    border = np.array([(x, y) for x in (0, width / 2, width) for y in (0, height / 2, height)
                       if (x, y) != (width / 2, height / 2)])
    warped = _spline_warp(rgb, np.vstack([target, border]),
                          np.vstack([-displacement, np.zeros_like(border)]))
    for sign in _weak_signs(palsy):
        warped = _smooth_fold(warped, points, axes, sign, palsy.mouth * float(rng.uniform(0, 0.8)))
    return warped


def _weak_signs(palsy: Palsy) -> tuple[int, ...]:
    return {'left': (1,), 'right': (-1,), 'none': (1, -1)}[palsy.side]


def _lid_and_brow() -> NDArray[np.intp]:
    return np.array(landmarks.UPPER_LID_RIGHT + landmarks.UPPER_LID_LEFT
                    + landmarks.LOWER_LID_RIGHT + landmarks.LOWER_LID_LEFT
                    + landmarks.BROW_RIGHT + landmarks.BROW_LEFT)


def _droop_mouth(moved: Points, place: Points, sign: int, palsy: Palsy,
                 rng: np.random.Generator) -> None:
    commissure = place[landmarks.COMMISSURE_LEFT if sign > 0 else landmarks.COMMISSURE_RIGHT]
    down = palsy.mouth * rng.uniform(4.0, 9.0)
    inward = palsy.mouth * rng.uniform(-0.5, 4.0)
    reach = np.clip(sign * place[:, 0] / abs(commissure[0]), 0.0, 1.0) ** rng.uniform(0.8, 1.8)
    moved[_LIPS] += np.column_stack([-sign * inward * reach, -down * reach])[_LIPS]
    cheek = landmarks.MIRROR[_CHEEK_RIGHT] if sign > 0 else _CHEEK_RIGHT
    moved[cheek] += np.array([-sign * inward * 0.4, -down * rng.uniform(0.3, 0.7)])


def _move_upper_face(moved: Points, sign: int, palsy: Palsy, rng: np.random.Generator) -> None:
    upper = landmarks.UPPER_LID_LEFT if sign > 0 else landmarks.UPPER_LID_RIGHT
    lower = landmarks.LOWER_LID_LEFT if sign > 0 else landmarks.LOWER_LID_RIGHT
    brow = landmarks.BROW_LEFT if sign > 0 else landmarks.BROW_RIGHT
    moved[list(upper), 1] += palsy.eye * rng.uniform(-0.3, 1.2)
    moved[list(lower), 1] -= palsy.eye * rng.uniform(0.2, 1.6)
    moved[list(brow), 1] -= palsy.brow * rng.uniform(1.0, 5.0)


def _pull_to_healthy(moved: Points, place: Points, sign: int, palsy: Palsy,
                     rng: np.random.Generator) -> None:
    amount = palsy.mouth * palsy.pull
    moved[_LIPS, 0] -= sign * amount * rng.uniform(0.0, 4.0)
    commissure = place[landmarks.COMMISSURE_RIGHT if sign > 0 else landmarks.COMMISSURE_LEFT]
    reach = np.clip(-sign * place[:, 0] / abs(commissure[0]), 0.0, 1.0)
    lift = np.column_stack([-sign * amount * rng.uniform(0, 3.0) * reach,
                            amount * rng.uniform(0, 3.5) * reach])
    moved[_LIPS] += lift[_LIPS]


def _spline_warp(rgb: Picture, at: Points, offset: Points) -> Picture:
    height, width = rgb.shape[:2]
    columns, rows = np.meshgrid(np.linspace(0, width - 1, _GRID), np.linspace(0, height - 1, _GRID))
    # Rounding would make coinciding control points, on which the spline has no solution.
    at, kept = np.unique(at.round(3), axis=0, return_index=True)
    field = RBFInterpolator(at, offset[kept], kernel='thin_plate_spline', smoothing=1e-3)(
        np.column_stack([columns.ravel(), rows.ravel()])).reshape(_GRID, _GRID, 2)
    return _remap(rgb, _enlarge(field, width, height))


def _enlarge(field: NDArray[np.float64], width: int, height: int) -> NDArray[np.float32]:
    # warpAffine, not resize: grid nodes lie ON the first and last pixel.
    scale = np.array([[(_GRID - 1) / (width - 1), 0, 0], [0, (_GRID - 1) / (height - 1), 0]])
    offset: NDArray[Any] = cv2.warpAffine(
        field.astype(np.float32), scale, (width, height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    return offset


def _remap(rgb: Picture, offset: NDArray[np.float32]) -> Picture:
    height, width = rgb.shape[:2]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32),
                                np.arange(height, dtype=np.float32))
    moved: NDArray[Any] = cv2.remap(rgb, columns + offset[..., 0], rows + offset[..., 1],
                                    cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return moved


def _smooth_fold(rgb: Picture, points: Points, axes: HeadAxes, sign: int, strength: float
                 ) -> Picture:
    ala = landmarks.ALA_LEFT if sign > 0 else landmarks.ALA_RIGHT
    cheek = 436 if sign > 0 else 216
    mask = np.zeros(rgb.shape[:2], np.float32)
    start, end = ([int(v) for v in points[i]] for i in (ala, cheek))
    cv2.line(mask, start, end, (1.0,), max(1, int(10 * axes.pixel_per_mm)))
    mask = cv2.GaussianBlur(mask, (0, 0), 4 * axes.pixel_per_mm)[..., None] * strength
    smooth = cv2.GaussianBlur(rgb, (0, 0), 2.5 * axes.pixel_per_mm)
    return np.clip(rgb * (1 - mask) + smooth * mask, 0, 255).astype(np.uint8)


# --- Simulator 2: a sum of bumps in the displacement field -----------------------------------

def bump_palsy(rgb: Picture, points: Points, palsy: Palsy, rng: np.random.Generator) -> Picture:
    """Displace the picture by Gaussian bumps around commissure, jowl, philtrum, lids and brow.

    Knows no landmark topology beyond the bumps' centres, so it errs differently from
    `spline_palsy`: the neighbourhood moves with the commissure, lip lines bend less.
    Arguments and result as there.
    """
    axes = head_axes(points)
    place = axes.in_mm(points)
    bumps: list[tuple[Points, Points, float, float]] = []
    for sign in _weak_signs(palsy):
        bumps += _weak_bumps(place, sign, palsy, rng)
    if palsy.side != 'none':
        sign = _weak_signs(palsy)[0]
        amount = palsy.mouth * palsy.pull
        bumps.append((place[landmarks.UPPER_VERMILION],
                      np.array([-sign * amount * rng.uniform(0, 4), 0.0]),
                      rng.uniform(10, 18), rng.uniform(6, 12)))
        healthy = landmarks.COMMISSURE_RIGHT if sign > 0 else landmarks.COMMISSURE_LEFT
        bumps.append((place[healthy], amount * np.array(
            [-sign * rng.uniform(0, 2.5), rng.uniform(0, 3)]), rng.uniform(7, 14),
            rng.uniform(7, 14)))
    height, width = rgb.shape[:2]
    columns, rows = np.meshgrid(np.linspace(0, width - 1, _GRID), np.linspace(0, height - 1, _GRID))
    at = axes.in_mm(np.column_stack([columns.ravel(), rows.ravel()]))
    moved = np.zeros_like(at)
    for centre, amount_mm, wide, tall in bumps:
        offset = (at - centre) / (wide, tall)
        moved += amount_mm * np.exp(-0.5 * (offset ** 2).sum(axis=1))[:, None]
    field = -axes.in_pixels(moved).reshape(_GRID, _GRID, 2)
    return _remap(rgb, _enlarge(field, width, height))


def _weak_bumps(place: Points, sign: int, palsy: Palsy, rng: np.random.Generator
                ) -> list[tuple[Points, Points, float, float]]:
    left = sign > 0
    commissure = place[landmarks.COMMISSURE_LEFT if left else landmarks.COMMISSURE_RIGHT]
    jowl = place[432 if left else 212]
    brow = place[list(landmarks.BROW_LEFT if left else landmarks.BROW_RIGHT)].mean(axis=0)
    upper = place[386 if left else 159]
    lower = place[374 if left else 145]
    down = palsy.mouth * rng.uniform(3.5, 8.0)
    return [
        (commissure, np.array([-sign * palsy.mouth * rng.uniform(-0.5, 3.5), -down]),
         rng.uniform(8, 16), rng.uniform(7, 14)),
        (jowl, np.array([0.0, -down * rng.uniform(0.0, 0.4)]), 14.0, 12.0),
        (brow, np.array([0.0, -palsy.brow * rng.uniform(1.0, 5.0)]), 18.0, 8.0),
        (upper, np.array([0.0, palsy.eye * rng.uniform(-0.3, 1.3)]), 10.0, 3.5),
        (lower, np.array([0.0, -palsy.eye * rng.uniform(0.2, 1.6)]), 10.0, 3.5),
    ]


# --- Simulator 3: half a smile ----------------------------------------------------------------

def half_smile(neutral: Picture, neutral_points: Points, smiling: Picture, smiling_points: Points,
               palsy: Palsy, rng: np.random.Generator) -> tuple[Picture, Points]:
    """Morph one person's neutral and smiling photographs, the weak side going less far.

    The only simulator whose asymmetry is made of real skin: folds, teeth and lids come from
    the person's own smile. `palsy.mouth` = 1 leaves the weak side at rest.

    Returns:
        uint8 picture the size of `neutral`, and the morph's landmarks, float (478, 2).
    """
    axes = head_axes(neutral_points)
    smile_axes = head_axes(smiling_points)
    smile_mm = smile_axes.in_mm(smiling_points)
    aligned = axes.origin + axes.in_pixels(smile_mm)
    full = float(rng.uniform(0.5, 1.0))
    weak = full * (1.0 - palsy.mouth)
    fraction_left = weak if palsy.side == 'left' else full
    fraction_right = weak if palsy.side == 'right' else full
    blend = float(rng.uniform(4.0, 10.0))

    def fraction(mm: Points) -> Points:
        share_left = 1.0 / (1.0 + np.exp(-mm[:, :1] / blend))
        return fraction_left * share_left + fraction_right * (1.0 - share_left)

    part = fraction(axes.in_mm(neutral_points))
    shape = neutral_points * (1 - part) + aligned * part
    height, width = neutral.shape[:2]
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    weight = fraction(axes.in_mm(np.column_stack([columns.ravel(), rows.ravel()]).astype(float)))
    weight = weight.reshape(height, width, 1)
    from_neutral = _mesh_warp(neutral, neutral_points, axes, shape, axes, (width, height))
    from_smile = _mesh_warp(smiling, smiling_points, smile_axes, shape, axes, (width, height))
    mixed = from_neutral * (1 - weight) + from_smile * weight
    return np.clip(mixed, 0, 255).astype(np.uint8), shape


def _mesh_warp(rgb: Picture, source: Points, source_axes: HeadAxes, target: Points,
               target_axes: HeadAxes, size: tuple[int, int]) -> NDArray[np.float32]:
    # A frame of far points carried by the head's similarity keeps the outside in place.
    ring_mm = np.array([(x, y) for x in (-260, 0, 260) for y in (-300, 0, 260) if (x, y) != (0, 0)],
                       float)
    source = np.vstack([source, source_axes.origin + source_axes.in_pixels(ring_mm)])
    target = np.vstack([target, target_axes.origin + target_axes.in_pixels(ring_mm)])
    width, height = size
    step = 3
    columns, rows = np.meshgrid(np.arange(0, width + step, step), np.arange(0, height + step, step))
    mapped = LinearNDInterpolator(target, source)(columns, rows)
    scale = np.array([[1 / step, 0, 0], [0, 1 / step, 0]])
    dense = cv2.warpAffine(mapped.astype(np.float32), scale, (width, height),
                           flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return cv2.remap(rgb, dense[..., 0], dense[..., 1], cv2.INTER_CUBIC,
                     borderMode=cv2.BORDER_REPLICATE).astype(np.float32)


WARPS: dict[str, Callable[[Picture, Points, Palsy, np.random.Generator], Picture]] = {
    'spline': spline_palsy, 'bump': bump_palsy}


# --- What a camera does to it ----------------------------------------------------------------

def rephotograph(rgb: Picture, rng: np.random.Generator) -> Picture:
    """Light from one side, gamma, colour cast, blur, low resolution, noise and JPEG, at random."""
    height, width = rgb.shape[:2]
    picture: NDArray[Any] = rgb.astype(np.float32) / 255.0
    angle = rng.uniform(0, 2 * np.pi)
    columns, rows = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    light = 1.0 + rng.uniform(0, 0.35) * (np.cos(angle) * columns + np.sin(angle) * rows)
    picture = np.clip(picture * light[..., None] * rng.uniform(0.8, 1.15, 3), 0, 1)
    picture = picture ** float(rng.uniform(0.7, 1.5))
    if rng.random() < 0.35:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.5:
        shrink = float(rng.uniform(0.35, 0.9))
        small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 1.4)))
    picture = picture + rng.normal(0, rng.uniform(0, 0.03), picture.shape)
    encoded = cv2.imencode('.jpg', (np.clip(picture, 0, 1) * 255).astype(np.uint8),
                           [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))])[1]
    decoded: NDArray[Any] = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    return decoded
