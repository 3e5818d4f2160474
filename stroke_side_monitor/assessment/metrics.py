"""Static asymmetry metrics: named pure functions over a face in the head-fixed frame.

They measure and nothing more: no norm, no side, no threshold is known here.
Every metric is positive when the PATIENT's left side is the weaker one, and is
exactly negated (bit for bit) when the face is mirrored.

Sources: "Emotrics" is Guarin et al. 2018 (facial measurement from photographs);
"asymmetry systems" are the published landmark-geometry analyses; "own" is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks as lm

# float64 (478, 3), or the same numbers as rows() gives them.
Points = NDArray[np.float64] | list[list[float]]


def rows(points: Points) -> list[list[float]]:
    """The points as plain floats: read one by one, they are several times as fast."""
    return points if isinstance(points, list) else points.tolist()


@dataclass(frozen=True)
class Metric:
    """One asymmetry: `measure` takes points in canonical mm, returns a float in `unit`."""

    name: str
    unit: str
    region: str
    source: str
    text: str
    measure: Callable[[Points], float]


def commissure_height(p: Points) -> float:
    """Right minus left mouth corner height, mm (Emotrics). Positive: the left corner droops."""
    return float(p[lm.COMMISSURE_RIGHT][1] - p[lm.COMMISSURE_LEFT][1])


def mouth_tilt(p: Points) -> float:
    """Slope of the line between the commissures, degrees (asymmetry systems).

    Positive: it falls towards the left.
    """
    right, left = p[lm.COMMISSURE_RIGHT], p[lm.COMMISSURE_LEFT]
    return -math.degrees(math.atan2(left[1] - right[1], left[0] - right[0]))


def smile_angle(p: Points) -> float:
    """Right minus left angle from the lower vermilion up to the commissure, degrees (Emotrics)."""
    return _angle_to_commissure(p, lm.COMMISSURE_RIGHT) \
        - _angle_to_commissure(p, lm.COMMISSURE_LEFT)


def upper_lip_height(p: Points) -> float:
    """Right minus left height of the upper vermilion's quarter points, mm (Emotrics)."""
    return float(p[lm.UPPER_VERMILION_QUARTER_RIGHT][1] - p[lm.UPPER_VERMILION_QUARTER_LEFT][1])


def lower_lip_height(p: Points) -> float:
    """Right minus left height of the lower vermilion's quarter points, mm (Emotrics)."""
    return float(p[lm.LOWER_VERMILION_QUARTER_RIGHT][1] - p[lm.LOWER_VERMILION_QUARTER_LEFT][1])


def philtrum_deviation(p: Points) -> float:
    """How far the philtrum is pulled to the right of the facial midline, mm (own).

    The mouth is pulled to the healthy side, so a pull to the right means a weak left.
    """
    return float(-((p[lm.UPPER_VERMILION][0] + p[lm.PHILTRUM][0]) / 2 - p[lm.NASION][0]))


def commissure_lateral(p: Points) -> float:
    """Right minus left distance of the commissure from the midline, mm (asymmetry systems)."""
    return _from_midline(p, p[lm.COMMISSURE_RIGHT][0]) - _from_midline(p, p[lm.COMMISSURE_LEFT][0])


def commissure_excursion(p: Points) -> float:
    """Right minus left distance from lower vermilion midpoint to commissure, mm (Emotrics)."""
    return _distance(p, lm.LOWER_VERMILION, lm.COMMISSURE_RIGHT) \
        - _distance(p, lm.LOWER_VERMILION, lm.COMMISSURE_LEFT)


def dental_show(p: Points) -> float:
    """Right minus left gap between the lips half-way to the commissure, mm (Emotrics)."""
    return _distance(p, lm.INNER_UPPER_LIP_RIGHT, lm.INNER_LOWER_LIP_RIGHT) \
        - _distance(p, lm.INNER_UPPER_LIP_LEFT, lm.INNER_LOWER_LIP_LEFT)


def palpebral_fissure(p: Points) -> float:
    """Left minus right opening of the lids, mm (Emotrics). A paretic lid stands wider."""
    right, left = lid_gaps(p)
    return left - right


def mrd1(p: Points) -> float:
    """Left minus right margin reflex distance 1, upper lid to iris centre, mm (Emotrics)."""
    return _mean_height(p, lm.UPPER_LID_LEFT, lm.IRIS_CENTRE_LEFT) \
        - _mean_height(p, lm.UPPER_LID_RIGHT, lm.IRIS_CENTRE_RIGHT)


def mrd2(p: Points) -> float:
    """Left minus right margin reflex distance 2, iris centre to lower lid, mm (Emotrics)."""
    return _mean_height(p, lm.LOWER_LID_RIGHT, lm.IRIS_CENTRE_RIGHT) \
        - _mean_height(p, lm.LOWER_LID_LEFT, lm.IRIS_CENTRE_LEFT)


def eye_midline_position(p: Points) -> float:
    """Right minus left distance of the eye centre from the midline, mm (asymmetry systems)."""
    right = (p[lm.OUTER_CANTHUS_RIGHT][0] + p[lm.INNER_CANTHUS_RIGHT][0]) / 2
    left = (p[lm.OUTER_CANTHUS_LEFT][0] + p[lm.INNER_CANTHUS_LEFT][0]) / 2
    return _from_midline(p, right) - _from_midline(p, left)


def brow_height(p: Points) -> float:
    """Right minus left height of the brow above the canthi, mm (Emotrics). Never flags at rest."""
    right, left = brow_heights(p)
    return right - left


def alar_height(p: Points) -> float:
    """Right minus left height of the nasal ala, mm (asymmetry systems)."""
    return float(p[lm.ALA_RIGHT][1] - p[lm.ALA_LEFT][1])


def tip_deviation(p: Points) -> float:
    """How far the nose tip lies to the right of the midline, mm (asymmetry systems)."""
    return float(-(p[lm.NOSE_TIP][0] - p[lm.NASION][0]))


def bridge_tilt(p: Points) -> float:
    """Lean of the nasal bridge towards the right on its way down, degrees (asymmetry systems)."""
    nasion, lower = p[lm.NASION], p[lm.LOWER_BRIDGE]
    return -math.degrees(math.atan2(lower[0] - nasion[0], nasion[1] - lower[1]))


def lid_gaps(p: Points) -> tuple[float, float]:
    """Opening of the lids, (right, left), mm: mean over three lid pairs."""
    return (_mean_gap(p, lm.UPPER_LID_RIGHT, lm.LOWER_LID_RIGHT),
            _mean_gap(p, lm.UPPER_LID_LEFT, lm.LOWER_LID_LEFT))


def brow_heights(p: Points) -> tuple[float, float]:
    """Mean height of the brow's upper edge above the mean of the canthi, (right, left), mm."""
    return (_mean_y(p, lm.BROW_RIGHT)
            - _mean_y(p, (lm.OUTER_CANTHUS_RIGHT, lm.INNER_CANTHUS_RIGHT)),
            _mean_y(p, lm.BROW_LEFT)
            - _mean_y(p, (lm.OUTER_CANTHUS_LEFT, lm.INNER_CANTHUS_LEFT)))


def mouth_width(p: Points) -> float:
    """Distance between the commissures, mm. The same in a mirror; grows with a smile."""
    return _distance(p, lm.COMMISSURE_RIGHT, lm.COMMISSURE_LEFT)


def mouth_opening(p: Points) -> float:
    """Gap between the lips on the midline, mm. The same in a mirror."""
    return _distance(p, lm.INNER_UPPER_LIP, lm.INNER_LOWER_LIP)


METRICS: tuple[Metric, ...] = tuple(
    Metric(name, unit, name.split('.')[0], source, (measure.__doc__ or '').split('\n')[0], measure)
    for name, unit, source, measure in (
        ('mouth.commissure_height', 'mm', 'Emotrics', commissure_height),
        ('mouth.tilt', 'deg', 'asymmetry systems', mouth_tilt),
        ('mouth.smile_angle', 'deg', 'Emotrics', smile_angle),
        ('mouth.upper_lip_height', 'mm', 'Emotrics', upper_lip_height),
        ('mouth.lower_lip_height', 'mm', 'Emotrics', lower_lip_height),
        ('mouth.philtrum_deviation', 'mm', 'own', philtrum_deviation),
        ('mouth.commissure_lateral', 'mm', 'asymmetry systems', commissure_lateral),
        ('mouth.commissure_excursion', 'mm', 'Emotrics', commissure_excursion),
        ('mouth.dental_show', 'mm', 'Emotrics', dental_show),
        ('eye.palpebral_fissure', 'mm', 'Emotrics', palpebral_fissure),
        ('eye.mrd1', 'mm', 'Emotrics', mrd1),
        ('eye.mrd2', 'mm', 'Emotrics', mrd2),
        ('eye.midline_position', 'mm', 'asymmetry systems', eye_midline_position),
        ('brow.height', 'mm', 'Emotrics', brow_height),
        ('nose.alar_height', 'mm', 'asymmetry systems', alar_height),
        ('nose.tip_deviation', 'mm', 'asymmetry systems', tip_deviation),
        ('nose.bridge_tilt', 'deg', 'asymmetry systems', bridge_tilt),
    ))
UNITS = {metric.name: metric.unit for metric in METRICS}


# How much of a drawn difference FaceMesh reports (slope on simulated patients,
# docs/measurement.md). Left out: what the simulated patient hardly moves of itself.
GAINS = {
    'mouth.commissure_height': 0.80,
    'mouth.tilt': 0.81,
    'mouth.smile_angle': 0.88,
    'mouth.upper_lip_height': 0.63,
    'mouth.lower_lip_height': 0.65,
    'mouth.philtrum_deviation': 0.62,
    'mouth.commissure_lateral': 0.65,
    'eye.palpebral_fissure': 0.56,
    'eye.mrd1': 0.46,
    'eye.mrd2': 0.43,
    'brow.height': 0.75,
}


def gain_corrected(measured: Mapping[str, float]) -> dict[str, float]:
    """Metrics with a known gain divided by it, the others as they are; z-scores need none."""
    return {name: value / GAINS.get(name, 1.0) for name, value in measured.items()}


def measure_all(points: Points) -> dict[str, float]:
    """Every metric of METRICS by name; points in canonical mm."""
    plain = rows(points)
    return {metric.name: metric.measure(plain) for metric in METRICS}


def _distance(p: Points, a: int, b: int) -> float:
    return math.hypot(p[a][0] - p[b][0], p[a][1] - p[b][1])


def _from_midline(p: Points, x: float) -> float:
    return abs(float(x) - float(p[lm.NASION][0]))


def _angle_to_commissure(p: Points, commissure: int) -> float:
    rise = p[commissure][1] - p[lm.LOWER_VERMILION][1]
    run = abs(p[commissure][0] - p[lm.LOWER_VERMILION][0])
    return math.degrees(math.atan2(rise, run))


# Sums run in one fixed anatomical order on both sides, so that a mirror swaps
# them without changing a rounding.

def _mean_y(p: Points, indices: tuple[int, ...]) -> float:
    return sum(float(p[i][1]) for i in indices) / len(indices)


def _mean_gap(p: Points, upper: tuple[int, ...], lower: tuple[int, ...]) -> float:
    return sum(_distance(p, u, d) for u, d in zip(upper, lower, strict=True)) / len(upper)


def _mean_height(p: Points, lid: tuple[int, ...], iris: int) -> float:
    return sum(float(p[i][1] - p[iris][1]) for i in lid) / len(lid)
