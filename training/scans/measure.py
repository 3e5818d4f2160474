"""Measurements of a prepared slice: what stands out inside the skull, and left against right.

They know no label and learn nothing. All are relative to the same brain's own median and spread, so
that a scanner's offset and window move them little; a mirrored head gives the same values.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.scans.head import SIZE

VERSION = 'measure-1'
_BLUR_PX = 1.3
_BRIGHT = (2.5, 3.5, 5.0)
_DARK = (2.5, 3.5)
# Heads are not symmetric to the pixel: a spot is compared with all within this of its mirror image.
_NEIGHBOUR_PX = 13
_RIM_PX, _EDGE_PX = 15, 4
_SECTORS = 24
_SCALES = (2.5, 5.0, 9.0)
# Values of hundreds of robust SD (bone, air) say no more than those of a dozen.
_CLIP = 12.0

NAMES: tuple[str, ...] = (
    *(f'bright share {t}' for t in _BRIGHT), *(f'dark share {t}' for t in _DARK),
    *(f'bright one-sided share {t}' for t in _BRIGHT),
    *(f'dark one-sided share {t}' for t in _DARK),
    'largest bright area', 'largest bright mean', 'largest bright one-sided area',
    'largest bright one-sided mean', 'largest dark one-sided area', 'largest dark one-sided mean',
    *(f'brightest at {s} px' for s in _SCALES), *(f'darkest at {s} px' for s in _SCALES),
    *(f'brightest one-sided at {s} px' for s in _SCALES),
    *(f'darkest one-sided at {s} px' for s in _SCALES),
    'rim bright share', 'rim bright one-sided share', 'rim brightest sector',
    'rim brightest sector against its mirror', 'rim darkest sector against its mirror',
    'halves differ', 'fluid share', 'fluid one-sided', 'quantile 1', 'quantile 5', 'quantile 25',
    'quantile 75', 'quantile 95', 'quantile 99', 'inside share', 'calcified share')


def measurements(picture: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Measure one prepared slice.

    Args:
        picture: uint8 (224, 224, 3), inside: bool (224, 224), as in `head.PreparedSlice`.

    Returns:
        float32 (len(NAMES),): shares as log(1 + 1000 share), areas as log(1 + pixels), the rest in
        robust standard deviations of the brain. Zeros where hardly anything lies inside.
    """
    deep = _eroded(inside, _EDGE_PX)
    if int(deep.sum()) < 400:
        return np.zeros(len(NAMES), np.float32)
    blurred: NDArray[Any] = cv2.GaussianBlur(picture[..., 0].astype(np.float32), (0, 0), _BLUR_PX)
    z, calcified = _standardised(blurred, deep)
    both = deep & deep[:, ::-1]
    bright, dark = _one_sided(z, both)
    values = [_log_share(z > t, deep) for t in _BRIGHT] + [_log_share(z < -t, deep) for t in _DARK]
    values += [_log_share(bright > t, deep) for t in _BRIGHT]
    values += [_log_share(dark > t, deep) for t in _DARK]
    values += [*_largest(z, deep & (z > _BRIGHT[0]) & ~calcified),
               *_largest(bright, both & (bright > 1.5)), *_largest(dark, both & (dark > 1.5))]
    values += _extremes(z, deep & ~calcified)
    values += _extremes_one_sided(bright, dark, both)
    values += _rim(z, bright, inside, deep)
    values += _whole(z, deep, inside, calcified)
    return np.nan_to_num(np.array(values, np.float32), nan=0.0, posinf=_CLIP, neginf=-_CLIP)


def group(name: str) -> str:
    """Which of `maps` a measurement is taken from, '' where of none."""
    if name.startswith(('halves', 'fluid', 'quantile', 'inside', 'calcified')):
        return ''
    side = ' one-sided' if 'one-sided' in name or 'mirror' in name else ''
    return ('dark' if 'dark' in name else 'bright') + side


def maps(picture: NDArray[np.uint8], inside: NDArray[np.bool_]) -> dict[str, NDArray[np.float32]]:
    """Where the measurements come from: what is brighter or darker than the brain, and than its
    mirrored place; float32 (224, 224) each, robust SD, 0 where nothing stands out.

    Args: as in measurements.
    """
    deep = _eroded(inside, _EDGE_PX)
    if int(deep.sum()) < 400:
        return {}
    blurred: NDArray[Any] = cv2.GaussianBlur(picture[..., 0].astype(np.float32), (0, 0), _BLUR_PX)
    z, calcified = _standardised(blurred, deep)
    bright, dark = _one_sided(z, deep & deep[:, ::-1])
    z = np.where(calcified, 0, z)
    found = {'bright': np.maximum(z, 0), 'dark': np.maximum(-z, 0), 'bright one-sided': bright,
             'dark one-sided': dark}
    return {name: np.asarray(cv2.GaussianBlur(one, (0, 0), _SCALES[1]), np.float32)
            for name, one in found.items()}


def _eroded(mask: NDArray[Any], pixels: int) -> NDArray[Any]:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1,) * 2)
    return cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT) > 0


def _standardised(blurred: NDArray[Any], deep: NDArray[Any]
                  ) -> tuple[NDArray[Any], NDArray[Any]]:
    """Robust z-scores, 0 outside, and where calcified spots and their blurred edges are.

    Calcified: as bright as bone and small; a clot is large or not as bright.
    """
    brain = blurred[deep]
    median = float(np.median(brain))
    spread = max(1.4826 * float(np.median(np.abs(brain - median))), 2.0)
    z = np.where(deep, np.clip((blurred - median) / spread, -_CLIP, _CLIP), 0).astype(np.float32)
    white = (deep & (blurred > 246)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(white)
    small = np.zeros(white.shape, np.uint8)
    for index in range(1, count):
        if stats[index, cv2.CC_STAT_AREA] < 160:
            small[labels == index] = 1
    return z, cv2.dilate(small, np.ones((7, 7), np.uint8)) > 0


def _one_sided(z: NDArray[Any], both: NDArray[Any]
               ) -> tuple[NDArray[Any], NDArray[Any]]:
    """How much brighter, and darker, than anything near the mirrored place; 0 elsewhere."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_NEIGHBOUR_PX,) * 2)
    calm = cv2.GaussianBlur(z, (0, 0), 1.2)
    mirror = np.ascontiguousarray(calm[:, ::-1])
    bright = np.where(both, np.maximum(calm - cv2.dilate(mirror, kernel), 0), 0)
    dark = np.where(both, np.maximum(cv2.erode(mirror, kernel) - calm, 0), 0)
    return bright.astype(np.float32), dark.astype(np.float32)


def _log_share(where: NDArray[Any], of: NDArray[Any]) -> float:
    return float(np.log1p(1000 * (where & of).sum() / of.sum()))


def _largest(value: NDArray[Any], where: NDArray[Any]) -> tuple[float, float]:
    """Log area and mean value of the component with the largest sum of values."""
    count, labels = cv2.connectedComponents(where.astype(np.uint8))
    if count < 2:
        return 0.0, 0.0
    flat = labels.ravel()
    sums = np.bincount(flat, weights=value.ravel(), minlength=count)[1:]
    areas = np.bincount(flat, minlength=count)[1:]
    best = int(sums.argmax())
    return float(np.log1p(areas[best])), float(sums[best] / areas[best])


def _extremes(z: NDArray[Any], where: NDArray[Any]) -> list[float]:
    """Mean over discs of three sizes, against their surroundings: largest and smallest."""
    weight = where.astype(np.float32)
    high, low = [], []
    for scale in _SCALES:
        near = cv2.GaussianBlur(weight * z, (0, 0), scale)
        near = near / np.maximum(cv2.GaussianBlur(weight, (0, 0), scale), 1e-3)
        wide = cv2.GaussianBlur(weight * z, (0, 0), 3 * scale)
        wide = wide / np.maximum(cv2.GaussianBlur(weight, (0, 0), 3 * scale), 1e-3)
        contrast = (near - wide)[where]
        high.append(float(np.percentile(contrast, 99.7)))
        low.append(float(-np.percentile(contrast, 0.3)))
    return high + low


def _extremes_one_sided(bright: NDArray[Any], dark: NDArray[Any],
                        both: NDArray[Any]) -> list[float]:
    if not both.any():
        return [0.0] * (2 * len(_SCALES))
    return [float(cv2.GaussianBlur(one, (0, 0), scale)[both].max())
            for one in (bright, dark) for scale in _SCALES]


def _rim(z: NDArray[Any], bright: NDArray[Any], inside: NDArray[Any],
         deep: NDArray[Any]) -> list[float]:
    """The band along the inner table, where extra-axial blood lies, in sectors round the head."""
    band = deep & ~_eroded(inside, _RIM_PX)
    if int(band.sum()) < 200:
        return [0.0] * 5
    rows, columns = np.nonzero(band)
    middle = np.nonzero(inside)[0].mean()
    # From the face round to the nape, both halves alike, so that the mirrored sector is known.
    turn = np.arctan2(columns - (SIZE - 1) / 2, middle - rows)
    sector = np.clip(((turn + np.pi) / (2 * np.pi) * _SECTORS).astype(int), 0, _SECTORS - 1)
    count = np.bincount(sector, minlength=_SECTORS)
    mean = np.bincount(sector, weights=z[band], minlength=_SECTORS) / np.maximum(count, 1)
    known = (count > 8) & (count > 8)[::-1]
    difference = np.where(known, mean - mean[::-1], 0.0)
    smooth = (difference + np.roll(difference, 1) + np.roll(difference, -1)) / 3
    return [_log_share(z > 2.5, band), _log_share(bright > 1.5, band),
            float(np.where(count > 8, mean, -_CLIP).max() - np.median(mean[count > 8])),
            float(difference.max()), float(np.abs(smooth).max())]


def _whole(z: NDArray[Any], deep: NDArray[Any], inside: NDArray[Any],
           calcified: NDArray[Any]) -> list[float]:
    smooth = cv2.GaussianBlur(z, (0, 0), 6)
    both = deep & deep[:, ::-1]
    halves = float(np.abs(smooth - smooth[:, ::-1])[both].mean()) if both.any() else 0.0
    fluid = deep & (z < -2.0)
    left, right = float(fluid[:, :SIZE // 2].sum()), float(fluid[:, SIZE // 2:].sum())
    return [halves, _log_share(fluid, deep), abs(left - right) / (left + right + 100.0),
            *(float(q) for q in np.percentile(z[deep], (1, 5, 25, 75, 95, 99))),
            float(inside.mean()), _log_share(calcified, deep)]
