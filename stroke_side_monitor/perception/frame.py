"""Turns a face to the front: landmarks in pixels → canonical millimetres in a head-fixed frame.

It never measures asymmetry. Mirroring the input mirrors the output bit for bit,
so that no rounding can favour a side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.perception.face_mesh import FaceLandmarks

EYE_CENTRE_DISTANCE_MM = 63.0

# Landmarks that a facial palsy does not move, with their place on MediaPipe's
# canonical face (Apache-2.0) in mm. Alae, nose tip, cheeks and jaw are left out
# on purpose: they move with the weakness and would turn the frame with it.
_STABLE_PAIRS = (  # right index, left index, canonical place of the LEFT one
    (33, 263, (44.459, 26.640, 31.734)),
    (54, 284, (62.793, 66.154, 14.259)),
    (67, 297, (35.240, 80.060, 37.292)),
    (117, 346, (52.587, 9.458, 29.743)),
    (119, 348, (33.007, 8.616, 38.728)),
    (121, 350, (18.207, 14.680, 42.241)),
    (127, 356, (77.431, 23.650, -20.052)),
    (133, 362, (18.564, 25.852, 37.579)),
    (143, 372, (64.076, 22.360, 15.608)),
)
_STABLE_MIDLINE = ((6, (0.0, 24.733, 57.886)), (10, (0.0, 82.618, 44.815)))

_RIGHT = np.array([right for right, _, _ in _STABLE_PAIRS])
_LEFT = np.array([left for _, left, _ in _STABLE_PAIRS])
_MIDLINE = np.array([index for index, _ in _STABLE_MIDLINE])
_COUNT = 2 * len(_STABLE_PAIRS) + len(_STABLE_MIDLINE)
_MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class NormalisedFace:
    """A face seen from the front.

    points: float64 (478, 3), canonical mm: x to the patient's left, y up, z forward.
    yaw_deg: positive when the face is turned to the patient's left.
    pitch_deg: positive when it is turned up.
    roll_deg: positive when the head is tilted to the patient's left shoulder.
    millimetre_per_pixel: scale of the picture at the face.
    fit_error_mm: root mean square distance of the stable landmarks from the canonical face.
    """

    points: NDArray[np.float64]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    millimetre_per_pixel: float
    fit_error_mm: float

    @property
    def interocular_px(self) -> float:
        """Distance of the eye centres in pixels, as if seen from the front."""
        return EYE_CENTRE_DISTANCE_MM / self.millimetre_per_pixel


class DegenerateFaceError(ValueError):
    """The landmarks lie on a line or a point: there is no face to turn to the front."""


def normalise(face: FaceLandmarks) -> NormalisedFace:
    """Fit the head-fixed frame (similarity Procrustes on the stable landmarks) and apply it.

    Source: Kabsch/Umeyama least squares; the rotation is the polar factor of the
    cross-covariance, found by Newton's iteration (Higham 1986) because, unlike a
    library SVD, its every step is exactly mirror-equivariant.

    Raises:
        DegenerateFaceError: the landmarks span no volume.
    """
    right, left, middle = face.points[_RIGHT], face.points[_LEFT], face.points[_MIDLINE]
    centre = ((right + left).sum(axis=0) + middle.sum(axis=0)) / _COUNT
    right, left, middle = right - centre, left - centre, middle - centre

    covariance = (_outer(_CANONICAL_RIGHT, right) + _outer(_CANONICAL_LEFT, left)).sum(axis=0) \
        + _outer(_CANONICAL_MIDLINE, middle).sum(axis=0)
    rotation = _polar_rotation(covariance)
    size = ((right * right + left * left).sum(axis=0) + (middle * middle).sum(axis=0)).sum()
    scale = float((rotation * covariance).sum() / size)

    points = _rotate(rotation, face.points - centre) * scale + _CANONICAL_CENTRE
    return NormalisedFace(
        points=points,
        yaw_deg=float(np.degrees(np.arctan2(rotation[2, 0], rotation[2, 2]))),
        pitch_deg=float(np.degrees(np.arcsin(np.clip(rotation[2, 1], -1.0, 1.0)))),
        roll_deg=float(np.degrees(np.arctan2(rotation[1, 0], rotation[1, 1]))),
        millimetre_per_pixel=scale,
        fit_error_mm=_fit_error(points),
    )


def _canonical() -> tuple[NDArray[np.float64], ...]:
    left = np.array([place for _, _, place in _STABLE_PAIRS])
    middle = np.array([place for _, place in _STABLE_MIDLINE])
    right = left * _MIRROR
    centre = ((right + left).sum(axis=0) + middle.sum(axis=0)) / _COUNT
    return right - centre, left - centre, middle - centre, centre


_CANONICAL_RIGHT, _CANONICAL_LEFT, _CANONICAL_MIDLINE, _CANONICAL_CENTRE = _canonical()


def _outer(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return a[:, :, None] * b[:, None, :]


def _rotate(rotation: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    # Written out instead of a matrix product: BLAS may round a row differently
    # by its place in the array, and left and right swap places in a mirror.
    x, y, z = points[:, 0:1], points[:, 1:2], points[:, 2:3]
    rotated: NDArray[Any] = x * rotation[:, 0] + y * rotation[:, 1] + z * rotation[:, 2]
    return rotated


_NEWTON_STEPS = 30
_ORTHOGONAL = 1e-14


def _polar_rotation(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    norm = float(np.sqrt((matrix * matrix).sum()))
    if not norm > 0.0 or not np.isfinite(norm):
        raise DegenerateFaceError('all stable landmarks coincide; the mesh has failed on this face')
    estimate = [entry / norm for entry in matrix.ravel().tolist()]
    for _ in range(_NEWTON_STEPS):
        inverse_transposed = _inverse_transposed(estimate)
        step = [0.5 * (new - old) for new, old in zip(inverse_transposed, estimate, strict=True)]
        estimate = [old + change for old, change in zip(estimate, step, strict=True)]
        if sum(change * change for change in step) < _ORTHOGONAL ** 2:
            break
    return np.array(estimate).reshape(3, 3)


def _inverse_transposed(matrix: list[float]) -> list[float]:
    # Plain floats: for nine numbers they are four times as fast as arrays.
    a, b, c, d, e, f, g, h, i = matrix
    cofactor = [e * i - f * h, f * g - d * i, d * h - e * g,
                h * c - i * b, i * a - g * c, g * b - h * a,
                b * f - c * e, c * d - a * f, a * e - b * d]
    determinant = a * cofactor[0] + b * cofactor[1] + c * cofactor[2]
    if not determinant > 1e-12:
        raise DegenerateFaceError(
            'the stable landmarks are flat or inside out; the mesh has failed on this face')
    return [entry / determinant for entry in cofactor]


def _fit_error(points: NDArray[np.float64]) -> float:
    right = points[_RIGHT] - _CANONICAL_CENTRE - _CANONICAL_RIGHT
    left = points[_LEFT] - _CANONICAL_CENTRE - _CANONICAL_LEFT
    middle = points[_MIDLINE] - _CANONICAL_CENTRE - _CANONICAL_MIDLINE
    total = (right * right + left * left).sum() + (middle * middle).sum()
    return float(np.sqrt(total / _COUNT))
