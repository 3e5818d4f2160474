"""How severe: from asymmetry scores to a symmetry index, grade and estimates.

It never names a side, and its House-Brackmann and NIHSS figures are estimates, not ratings.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from stroke_side_monitor.assessment.terms import Basis, Grade, Pattern, RegionSeverity, Trend

STATIC_ONLY = 'rest_only'
MOUTH_NOT_MEASURED = 'mouth_not_measured'
EYE_NOT_MEASURED = 'eye_not_measured'

NOT_ESTIMATED = -1


@dataclass(frozen=True)
class SeverityParameters:
    """Cuts that turn scores into words. Scores are in healthy standard deviations.

    mouth_cuts: abs(M) from which the mouth is mildly, moderately, severely affected
        (own start values, spec metrics 6).
    eye_cuts: the same for abs(E).
    grade_floors: lowest index of moderate .. normal: House-Brackmann's measurement
        bands (House & Brackmann 1985); below the first is severe, below `severe_floor` complete.
    rest_onset, rest_span, rest_depth: the static index loses up to `rest_depth` points,
        linearly, as sqrt(M^2 + E^2) grows from `rest_onset` by `rest_span`.
    """

    mouth_cuts: tuple[float, float, float] = (2.0, 4.0, 7.5)
    eye_cuts: tuple[float, float, float] = (2.0, 3.5, 6.0)
    severe_floor: float = 6.0
    grade_floors: tuple[float, float, float, float] = (26.0, 51.0, 76.0, 90.0)
    rest_onset: float = 1.5
    rest_span: float = 8.5
    rest_depth: float = 80.0


DEFAULTS = SeverityParameters()


@dataclass(frozen=True)
class SeverityEstimate:
    """How severe the asymmetry is; the fields of stroke_side_msgs/Severity.

    grade: from the symmetry index.
    symmetry_index: 0..100, 100 = symmetric; NaN when unknown.
    basis: what the index rests on.
    mouth_severity, eye_severity: each region by itself.
    pattern: which part of the face moves less; not a diagnosis.
    nihss_min, nihss_max: estimated range of NIHSS item 4, 0..3; -1 when unknown.
    house_brackmann_min, house_brackmann_max: estimated range, 1..6; -1 when unknown.
    trend: where the index is going.
    trend_per_minute: change of the index in points per minute; NaN when unknown.
    reasons: codes for why unknown, or what limits trust.
    """

    grade: Grade
    symmetry_index: float
    basis: Basis
    mouth_severity: RegionSeverity
    eye_severity: RegionSeverity
    pattern: Pattern
    nihss_min: int
    nihss_max: int
    house_brackmann_min: int
    house_brackmann_max: int
    trend: Trend
    trend_per_minute: float
    reasons: tuple[str, ...]


def unknown_severity(reasons: tuple[str, ...]) -> SeverityEstimate:
    """The estimate of a face that could not be assessed."""
    return SeverityEstimate(
        grade=Grade.UNKNOWN, symmetry_index=math.nan, basis=Basis.UNKNOWN,
        mouth_severity=RegionSeverity.UNKNOWN, eye_severity=RegionSeverity.UNKNOWN,
        pattern=Pattern.UNKNOWN,
        nihss_min=NOT_ESTIMATED, nihss_max=NOT_ESTIMATED,
        house_brackmann_min=NOT_ESTIMATED, house_brackmann_max=NOT_ESTIMATED,
        trend=Trend.UNKNOWN, trend_per_minute=math.nan, reasons=reasons)


def static_severity(mouth_score: float, eye_score: float,
                    parameters: SeverityParameters = DEFAULTS) -> SeverityEstimate:
    """Severity from the face as it is. Weakness that shows only in movement is missed.

    House-Brackmann II to IV look symmetrical at rest, so a symmetric face is
    estimated as I..IV, and the NIHSS range never reaches 3, which needs movement.

    Args:
        mouth_score: M, in healthy standard deviations; NaN when not measured.
        eye_score: E, likewise.
        parameters: the cuts.
    """
    mouth = region_severity(mouth_score, parameters.mouth_cuts)
    eye = region_severity(eye_score, parameters.eye_cuts)
    index = _static_index(mouth_score, eye_score, parameters)
    grade = grade_of(index, parameters)
    nihss = _STATIC_NIHSS[mouth, eye > RegionSeverity.NONE] if grade else _NO_RANGE
    house_brackmann = _STATIC_HOUSE_BRACKMANN[grade]
    missing = tuple(code for code, score in ((MOUTH_NOT_MEASURED, mouth_score),
                                             (EYE_NOT_MEASURED, eye_score)) if math.isnan(score))
    return SeverityEstimate(
        grade=grade, symmetry_index=index, basis=Basis.STATIC,
        mouth_severity=mouth, eye_severity=eye, pattern=Pattern.UNKNOWN,
        nihss_min=nihss[0], nihss_max=nihss[1],
        house_brackmann_min=house_brackmann[0], house_brackmann_max=house_brackmann[1],
        trend=Trend.UNKNOWN, trend_per_minute=math.nan, reasons=(STATIC_ONLY, *missing))


def region_severity(score: float, cuts: tuple[float, float, float]) -> RegionSeverity:
    """Grade one region by the size of its score; UNKNOWN when the score is NaN."""
    if math.isnan(score):
        return RegionSeverity.UNKNOWN
    return RegionSeverity(RegionSeverity.NONE + bisect_right(cuts, abs(score)))


def grade_of(index: float, parameters: SeverityParameters = DEFAULTS) -> Grade:
    """The grade of a symmetry index, 0..100; UNKNOWN when it is NaN."""
    if math.isnan(index):
        return Grade.UNKNOWN
    floors = (parameters.severe_floor, *parameters.grade_floors)
    return Grade(Grade.COMPLETE - bisect_right(floors, index))


def _static_index(mouth_score: float, eye_score: float, parameters: SeverityParameters) -> float:
    if math.isnan(mouth_score) or math.isnan(eye_score):
        return math.nan
    size = math.sqrt(mouth_score * mouth_score + eye_score * eye_score)
    share = min(max((size - parameters.rest_onset) / parameters.rest_span, 0.0), 1.0)
    return 100.0 - parameters.rest_depth * share


_NO_RANGE = (NOT_ESTIMATED, NOT_ESTIMATED)

# By the mouth, since items 1 and 2 are about the nasolabial fold and the lower
# face; an affected eye alone already rules out "normal" (0).
_STATIC_NIHSS = {
    (RegionSeverity.NONE, False): (0, 1), (RegionSeverity.NONE, True): (1, 2),
    (RegionSeverity.MILD, False): (1, 2), (RegionSeverity.MILD, True): (1, 2),
    (RegionSeverity.MODERATE, False): (1, 2), (RegionSeverity.MODERATE, True): (1, 2),
    (RegionSeverity.SEVERE, False): (2, 2), (RegionSeverity.SEVERE, True): (2, 2),
}

# Visible asymmetry at rest belongs to V and VI, but a camera sees less than an
# examiner finds visible; hence the wide ranges.
_STATIC_HOUSE_BRACKMANN = {
    Grade.UNKNOWN: _NO_RANGE,
    Grade.NORMAL: (1, 4), Grade.NEAR_NORMAL: (1, 4),
    Grade.MILD: (2, 5), Grade.MODERATE: (3, 6), Grade.SEVERE: (5, 6),
}
