"""How severe: from asymmetry scores to a symmetry index, grade and estimates.

It never names a side, and its House-Brackmann and NIHSS figures are estimates, not ratings.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from stroke_side_monitor.assessment.exercise import NO_MOVEMENT, ExerciseResult
from stroke_side_monitor.assessment.terms import (
    Basis,
    Grade,
    Pattern,
    RegionSeverity,
    Side,
    Trend,
)

STATIC_ONLY = 'rest_only'
MOUTH_NOT_MEASURED = 'mouth_not_measured'
EYE_NOT_MEASURED = 'eye_not_measured'
NO_VALID_EXERCISE = 'no_valid_exercise'
FEW_EXERCISES = 'few_exercises'
SIDES_DISAGREE = 'exercises_disagree_on_side'
NEAR_GRADE_BORDER = 'near_grade_border'

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
    repetitions: how many of the latest repetitions of an exercise are pooled.
    exercise_cuts: r below which a region is severely, moderately, mildly affected in
        movement (the grade's bands).
    rest_penalty, rest_penalty_span, eye_share: a face asymmetrical at rest loses up to
        `rest_penalty` points as max(abs M, eye_share abs E) grows from `rest_onset` by
        `rest_penalty_span` (spec metrics 8).
    synkinesis_onset, synkinesis_full, synkinesis_penalty: points lost, linearly, as the
        weak eye's relative opening falls from onset to full (Sunnybrook subtracts 0..15 too).
    border: an index from movement this near to the next grade may fall on either side when
        the same face is measured again: one SD of simulated sessions (docs/clinical.md).
    index_error, ratio_error: what index and r may be off by; widens the estimated ranges.
    spared, lower_face_from, brow_spared_from, whole_face_to, upper_weak_from: cuts of
        the pattern (spec metrics 8).
    disagreement: abs(D) from which two exercises naming opposite sides are mentioned.
    """

    mouth_cuts: tuple[float, float, float] = (2.0, 4.0, 7.5)
    eye_cuts: tuple[float, float, float] = (2.0, 3.5, 6.0)
    severe_floor: float = 6.0
    grade_floors: tuple[float, float, float, float] = (26.0, 51.0, 76.0, 90.0)
    rest_onset: float = 1.5
    rest_span: float = 8.5
    rest_depth: float = 80.0
    repetitions: int = 3
    exercise_cuts: tuple[float, float, float] = (0.26, 0.51, 0.76)
    rest_penalty: float = 20.0
    rest_penalty_span: float = 8.0
    eye_share: float = 0.7
    synkinesis_onset: float = 0.85
    synkinesis_full: float = 0.50
    synkinesis_penalty: float = 15.0
    border: float = 4.0
    index_error: float = 10.0
    ratio_error: float = 0.10
    spared: float = 0.15
    lower_face_from: float = 0.4
    brow_spared_from: float = 0.75
    whole_face_to: float = 0.2
    upper_weak_from: float = 0.3
    disagreement: float = 0.2


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
                    parameters: SeverityParameters = DEFAULTS, *, eye_unclear: bool = False
                    ) -> SeverityEstimate:
    """Severity from the face as it is. Weakness that shows only in movement is missed.

    House-Brackmann II to IV look symmetrical at rest, so a symmetric face is
    estimated as I..IV, and the NIHSS range never reaches 3, which needs movement.

    Args:
        mouth_score: M, in healthy standard deviations; NaN when not measured.
        eye_score: E, likewise.
        parameters: the cuts.
        eye_unclear: the eyes are seen, but E tells nothing (`lids_unclear`): the eye is not graded,
            and the index is of the mouth alone. Without E there is no index.
    """
    index = _static_index(mouth_score, 0.0 if eye_unclear else eye_score, parameters)
    eye_score = math.nan if eye_unclear else eye_score
    mouth = region_severity(mouth_score, parameters.mouth_cuts)
    eye = region_severity(eye_score, parameters.eye_cuts)
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


def of_this_moment(estimate: SeverityEstimate, mouth_score: float, eye_score: float, named: Side,
                   parameters: SeverityParameters = DEFAULTS, *, eye_unclear: bool = False
                   ) -> SeverityEstimate:
    """A static estimate as it stands beside the side that is named on the same frame.

    What is said together must agree: the index is of the face as it is now, at rest or moving,
    and agrees with the side as beside_side has it.

    Args:
        estimate: static; its trend stays, and that its exercises gave no figures.
        mouth_score, eye_score: M and E behind the side.
        named: the side.
        parameters: the cuts.
        eye_unclear: see static_severity.
    """
    if NO_MOVEMENT in estimate.reasons:
        return estimate  # what exercises have taken back stays so
    now = static_severity(mouth_score, eye_score, parameters, eye_unclear=eye_unclear)
    kept = tuple(reason for reason in estimate.reasons if reason == NO_VALID_EXERCISE)
    return beside_side(
        replace(now, trend=estimate.trend, trend_per_minute=estimate.trend_per_minute,
                reasons=(*kept, *now.reasons)), named, parameters)


def beside_side(estimate: SeverityEstimate, named: Side,
                parameters: SeverityParameters = DEFAULTS) -> SeverityEstimate:
    """An estimate as it stands beside the side that is said with it.

    A face on which a side is named is never called normal, at rest or for even exercises. Its
    index is then at most one point below the lowest normal one, and where no region is affected
    the mouth is, mildly: it is what has named the side.
    """
    if named not in (Side.LEFT, Side.RIGHT):
        return estimate
    if estimate.mouth_severity is RegionSeverity.NONE \
            and estimate.eye_severity <= RegionSeverity.NONE:
        estimate = _mild_mouth(estimate)
    if estimate.grade is not Grade.NORMAL:
        return estimate
    index = parameters.grade_floors[-1] - 1.0
    grade = grade_of(index, parameters)
    if estimate.basis is Basis.DYNAMIC:
        lowest, highest = _dynamic_house_brackmann(index, parameters)
        reasons = dict.fromkeys((*estimate.reasons, NEAR_GRADE_BORDER))
    else:
        lowest, highest = _STATIC_HOUSE_BRACKMANN[grade]
        reasons = dict.fromkeys(estimate.reasons)
    return replace(estimate, symmetry_index=index, grade=grade, house_brackmann_min=lowest,
                   house_brackmann_max=highest, reasons=tuple(reasons))


def _mild_mouth(estimate: SeverityEstimate) -> SeverityEstimate:
    mild = replace(estimate, mouth_severity=RegionSeverity.MILD)
    if estimate.nihss_min == NOT_ESTIMATED:
        return mild
    at_rest = estimate.basis is Basis.STATIC
    lowest, highest = _STATIC_NIHSS[RegionSeverity.MILD, False] if at_rest else (1, 1)
    return replace(mild, nihss_min=max(estimate.nihss_min, lowest),
                   nihss_max=max(estimate.nihss_max, highest))


def dynamic_severity(results: Sequence[ExerciseResult], mouth_score: float, eye_score: float,
                     parameters: SeverityParameters = DEFAULTS, *, eye_unclear: bool = False
                     ) -> SeverityEstimate:
    """Severity from commanded movements, the latest repetitions of each exercise pooled.

    Spec metrics 8, after Sunnybrook: voluntary movement, less what rest and
    synkinesis take away. Movement that was asked for and came on neither side
    may be bilateral palsy, a patient who did not follow, or a camera that did
    not see: such a session is never graded normal or near normal.

    Args:
        results: of this patient and session, oldest first.
        mouth_score, eye_score: M and E AT REST, outside the exercises; NaN when not measured.
        parameters: the cuts.
        eye_unclear: see static_severity.

    Returns:
        The static estimate, saying why, when no exercise can be used.
    """
    rest = static_severity(mouth_score, eye_score, parameters, eye_unclear=eye_unclear)
    if not results:
        return rest
    movements = _pool(results, parameters.repetitions)
    unmoved = _unmoved(results)
    if not movements:
        rest = replace(rest, reasons=(NO_VALID_EXERCISE, *rest.reasons))
        return _not_normal(rest, unmoved) if unmoved else rest
    ratios = {name: movement.ratio for name, movement in movements.items()}
    index = _dynamic_index(movements, mouth_score, math.nan if eye_unclear else eye_score,
                           parameters)
    nihss = _dynamic_nihss(ratios, parameters)
    house_brackmann = _dynamic_house_brackmann(index, parameters)
    estimate = replace(
        rest, basis=Basis.DYNAMIC, symmetry_index=index, grade=grade_of(index, parameters),
        mouth_severity=_worse(rest.mouth_severity, _lower_face(ratios), parameters),
        eye_severity=_worse(rest.eye_severity, ratios.get('eye_close'), parameters),
        pattern=_pattern(ratios, parameters),
        nihss_min=nihss[0], nihss_max=nihss[1],
        house_brackmann_min=house_brackmann[0], house_brackmann_max=house_brackmann[1],
        reasons=_limits(movements, parameters)
        + tuple(reason for reason in rest.reasons if reason != STATIC_ONLY))
    if unmoved:
        estimate = _not_normal(estimate, unmoved)
    if bordering_grade(estimate.symmetry_index, parameters):
        estimate = replace(estimate, reasons=(*estimate.reasons, NEAR_GRADE_BORDER))
    return estimate


def pooled_ratios(results: Sequence[ExerciseResult], parameters: SeverityParameters = DEFAULTS
                  ) -> dict[str, float]:
    """r by exercise, 0..1, as the index uses it: of each side's median over the repetitions."""
    return {name: movement.ratio
            for name, movement in _pool(results, parameters.repetitions).items()}


def movement_asymmetry(results: Sequence[ExerciseResult],
                       parameters: SeverityParameters = DEFAULTS) -> float:
    """D of commanded movements as pooled_asymmetry has it, of the latest repetitions' medians."""
    return pooled_asymmetry({name: (movement.right, movement.left) for name, movement
                             in _pool(results, parameters.repetitions).items()})


def pooled_asymmetry(excursions: Mapping[str, tuple[float, float]]) -> float:
    """D of the half of the face, lower or upper, that moves more unevenly; NaN without one.

    Each half is weighted as in the index. They are not averaged with each other:
    a central palsy spares the upper face, which must not talk the lower one well.

    Args:
        excursions: of right and left, by exercise; NaN where it could not be used. Those without
            a weight do not count.

    Returns:
        -1..1, positive: the PATIENT's left side moves less.
    """
    found = {}
    for name in WEIGHTS:
        sides = [both for exercise, both in excursions.items()
                 if _COUNTS_AS.get(exercise, exercise) == name and sum(both) > 0.0]
        if sides:
            right, left = (median(own) for own in zip(*sides, strict=True))
            found[name] = _Movement(right, left, math.nan).asymmetry
    halves = [[name for name in found if (name in _LOWER_FACE) is lower]
              for lower in (True, False)]
    return max((_weighted(found, names) for names in halves if names), key=abs, default=math.nan)


def _weighted(asymmetries: Mapping[str, float], names: Sequence[str]) -> float:
    weight = sum(WEIGHTS[name] for name in names)
    return sum(WEIGHTS[name] * asymmetries[name] for name in names) / weight


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


def bordering_grade(index: float, parameters: SeverityParameters = DEFAULTS) -> Grade:
    """The grade across the nearest border when that is within `border` points, else UNKNOWN."""
    grade = grade_of(index, parameters)
    others = (grade_of(index + sign * parameters.border, parameters) for sign in (-1, 1))
    return next((other for other in others if other is not grade), Grade.UNKNOWN)


def _static_index(mouth_score: float, eye_score: float, parameters: SeverityParameters) -> float:
    if math.isnan(mouth_score) or math.isnan(eye_score):
        return math.nan
    size = math.sqrt(mouth_score * mouth_score + eye_score * eye_score)
    share = min(max((size - parameters.rest_onset) / parameters.rest_span, 0.0), 1.0)
    return 100.0 - parameters.rest_depth * share


# How much each movement says about function (spec metrics 8).
WEIGHTS: Mapping[str, float] = {
    'smile': 0.35, 'eye_close': 0.25, 'brow_raise': 0.20, 'pucker': 0.10, 'snarl': 0.10}
_COUNTS_AS = {'eye_close_tight': 'eye_close'}
_LOWER_FACE = ('smile', 'pucker', 'snarl', 'show_teeth')


@dataclass(frozen=True)
class _Movement:
    """Repetitions of one exercise, pooled: medians of each side's excursion and synkinesis.

    right, left: excursions. synkinesis: opening of the weaker side's eye; NaN: not measured.
    """

    right: float
    left: float
    synkinesis: float

    @property
    def ratio(self) -> float:
        return min(self.right, self.left) / max(self.right, self.left)

    @property
    def asymmetry(self) -> float:
        return (self.right - self.left) / (self.right + self.left)


def _pool(results: Sequence[ExerciseResult], repetitions: int) -> dict[str, _Movement]:
    movements = {}
    for name in WEIGHTS:
        own = [result for result in results
               if _COUNTS_AS.get(result.exercise, result.exercise) == name]
        if any(result.valid for result in own):
            usable = [result for result in own if result.valid or result.awaits_repetition]
            movements[name] = _pooled(usable[-repetitions:])
    return movements


def _pooled(results: Sequence[ExerciseResult]) -> _Movement:
    right = median(result.excursion_right for result in results)
    left = median(result.excursion_left for result in results)
    # A median of NaN and numbers would depend on their order.
    sides = [(result.synkinesis_right, result.synkinesis_left) for result in results
             if not math.isnan(result.synkinesis_right)]
    eyes = median(side[0] for side in sides) if sides else math.nan, \
        median(side[1] for side in sides) if sides else math.nan
    weak_eye = min(eyes) if right == left else eyes[0] if right < left else eyes[1]
    return _Movement(right, left, weak_eye)


def _unmoved(results: Sequence[ExerciseResult]) -> tuple[str, ...]:
    """The exercises in whose latest repetition neither side moved."""
    latest = {_COUNTS_AS.get(result.exercise, result.exercise): result for result in results}
    return tuple(name for name, result in latest.items() if NO_MOVEMENT in result.reasons)


def _not_normal(estimate: SeverityEstimate, unmoved: tuple[str, ...]) -> SeverityEstimate:
    """Take back every "normal" that unmoved exercises do not allow."""
    estimate = replace(estimate, reasons=(NO_MOVEMENT, *estimate.reasons))
    if any(name in _LOWER_FACE for name in unmoved) \
            and estimate.mouth_severity == RegionSeverity.NONE:
        estimate = replace(estimate, mouth_severity=RegionSeverity.UNKNOWN)
    if 'eye_close' in unmoved and estimate.eye_severity == RegionSeverity.NONE:
        estimate = replace(estimate, eye_severity=RegionSeverity.UNKNOWN)
    if estimate.grade > Grade.NEAR_NORMAL:
        return estimate
    return replace(
        estimate, grade=Grade.UNKNOWN, symmetry_index=math.nan, pattern=Pattern.UNKNOWN,
        nihss_min=NOT_ESTIMATED, nihss_max=NOT_ESTIMATED,
        house_brackmann_min=NOT_ESTIMATED, house_brackmann_max=NOT_ESTIMATED)


def _dynamic_index(movements: Mapping[str, _Movement], mouth_score: float, eye_score: float,
                   parameters: SeverityParameters) -> float:
    weight = sum(WEIGHTS[name] for name in movements)
    voluntary = 100.0 * sum(
        WEIGHTS[name] * movement.ratio for name, movement in movements.items()) / weight
    rest = max((size for size in (abs(mouth_score), parameters.eye_share * abs(eye_score))
                if not math.isnan(size)), default=0.0)
    at_rest = _share(rest, parameters.rest_onset, parameters.rest_onset
                     + parameters.rest_penalty_span)
    narrowing = max((_share(movement.synkinesis, parameters.synkinesis_onset,
                            parameters.synkinesis_full)
                     for movement in movements.values() if not math.isnan(movement.synkinesis)),
                    default=0.0)
    lost = parameters.rest_penalty * at_rest + parameters.synkinesis_penalty * narrowing
    return min(max(voluntary - lost, 0.0), 100.0)


def _share(value: float, none: float, full: float) -> float:
    return min(max((value - none) / (full - none), 0.0), 1.0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _lower_face(ratios: Mapping[str, float]) -> float | None:
    """Mean r of the lower face; pucker stands before snarl. None when nothing was exercised."""
    second = 'pucker' if 'pucker' in ratios else 'snarl'
    known = [ratios[name] for name in ('smile', second) if name in ratios]
    return _mean(known) if known else None


def _worse(rest: RegionSeverity, ratio: float | None, parameters: SeverityParameters
           ) -> RegionSeverity:
    if ratio is None:
        return rest
    steps = bisect_right(parameters.exercise_cuts, ratio)
    return max(rest, RegionSeverity(RegionSeverity.SEVERE - steps))


def _pattern(ratios: Mapping[str, float], parameters: SeverityParameters) -> Pattern:
    lower_ratio = _lower_face(ratios)
    if lower_ratio is None or 'brow_raise' not in ratios or 'eye_close' not in ratios:
        return Pattern.UNKNOWN
    upper = 1.0 - _mean([ratios['brow_raise'], ratios['eye_close']])
    lower = 1.0 - lower_ratio
    if upper < parameters.spared and lower < parameters.spared:
        return Pattern.NONE
    # Central-to-peripheral index: how much more the lower face is affected.
    central = (lower - upper) / max(lower + upper, parameters.spared)
    if central >= parameters.lower_face_from and ratios['brow_raise'] \
            >= parameters.brow_spared_from:
        return Pattern.LOWER_FACE
    if upper >= parameters.upper_weak_from and central <= parameters.whole_face_to:
        return Pattern.WHOLE_FACE
    return Pattern.INDETERMINATE


def _dynamic_house_brackmann(index: float, parameters: SeverityParameters) -> tuple[int, int]:
    """Range of House-Brackmann as the index may be off by index_error."""
    # The six grades are House-Brackmann's six, so the numbers carry over.
    return (int(grade_of(min(index + parameters.index_error, 100.0), parameters)),
            int(grade_of(max(index - parameters.index_error, 0.0), parameters)))


def _dynamic_nihss(ratios: Mapping[str, float], parameters: SeverityParameters
                   ) -> tuple[int, int]:
    """Range of NIHSS item 4 as the lower and upper face may be off by ratio_error."""
    lower = _lower_face(ratios)
    if lower is None:
        return _NO_RANGE
    uppers = [ratios[name] for name in ('brow_raise', 'eye_close') if name in ratios]
    best, worst = (_mean(uppers),) * 2 if uppers else (1.0, 0.0)
    error = parameters.ratio_error
    return (_nihss(lower + error, best + error), _nihss(lower - error, worst - error))


def _nihss(lower: float, upper: float) -> int:
    """NIHSS item 4 for mean ratios of the lower and upper face (own reading of its wording)."""
    if lower < 0.15 and upper < 0.15:
        return 3  # complete: no movement in the upper and lower face
    if lower < 0.25:
        return 2  # total or near-total paralysis of the lower face
    return 1 if min(lower, upper) < 0.85 else 0


def _limits(movements: Mapping[str, _Movement], parameters: SeverityParameters
            ) -> tuple[str, ...]:
    clear = [movement.asymmetry for movement in movements.values()
             if abs(movement.asymmetry) >= parameters.disagreement]
    return tuple(code for code, applies in (
        (FEW_EXERCISES, not {'smile', 'eye_close'} <= movements.keys()),
        (SIDES_DISAGREE, bool(clear) and min(clear) < 0.0 < max(clear))) if applies)


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
