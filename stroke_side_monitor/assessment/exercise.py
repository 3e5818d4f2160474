"""How well each side of the face moved in a commanded exercise: landmarks over time → results.

It never guesses an exercise without a cue and never grades severity. Left and
right are the PATIENT's; mirroring all landmarks swaps them bit for bit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor.assessment.course import Course, CourseBuffer
from stroke_side_monitor.assessment.metrics import Points, brow_heights, lid_gaps, rows

# What a cue answers with, next to nothing when all is well.
UNKNOWN_EXERCISE = 'unknown_exercise'
OVERLAPPING_START = 'overlapping_start'
STOP_WITHOUT_START = 'stop_without_start'
STOP_OF_OTHER_EXERCISE = 'stop_of_other_exercise'
STOP_BEFORE_START = 'stop_before_start'
BAD_HOLD = 'bad_hold'
BAD_STAMP = 'bad_stamp'
# With one of these the cue was not taken at all; with the others it was, after a fashion.
REFUSED = frozenset((UNKNOWN_EXERCISE, STOP_WITHOUT_START, STOP_OF_OTHER_EXERCISE,
                     STOP_BEFORE_START, BAD_STAMP))

# Why a repetition is invalid, or what limits trust in it.
NO_MOVEMENT = 'no_movement_or_bilateral'
REST_MISSING = 'rest_missing'
REST_REUSED = 'rest_reused'
REST_UNSTEADY = 'rest_unsteady'
REST_EYES_CLOSED = 'rest_eyes_closed'
TOO_FEW_FRAMES = 'too_few_frames'
TOO_SHORT = 'too_short'
STOP_MISSING = 'stop_missing'
NEEDS_REPETITION = 'needs_second_repetition'


def smile_heights(p: Points) -> tuple[float, float]:
    """Place of the commissure along lateral + up (45 degrees), (right, left), mm."""
    return ((_lateral(p, lm.COMMISSURE_RIGHT) + p[lm.COMMISSURE_RIGHT][1]) * _HALF_ROOT,
            (_lateral(p, lm.COMMISSURE_LEFT) + p[lm.COMMISSURE_LEFT][1]) * _HALF_ROOT)


def inward_places(p: Points) -> tuple[float, float]:
    """How far inward the commissure stands, (right, left), mm.

    From a midline halfway between the nasion's and the lips' own: when the head
    turns, the two err to opposite sides (docs/clinical.md).
    """
    lips = (p[lm.UPPER_VERMILION][0] + p[lm.LOWER_VERMILION][0]) / 2.0
    midline = (p[lm.NASION][0] + lips) / 2.0
    return p[lm.COMMISSURE_RIGHT][0] - midline, midline - p[lm.COMMISSURE_LEFT][0]


def snarl_heights(p: Points) -> tuple[float, float]:
    """Height of the ala plus height of the upper lip's quarter point, (right, left), mm."""
    return (p[lm.ALA_RIGHT][1] + p[lm.UPPER_VERMILION_QUARTER_RIGHT][1],
            p[lm.ALA_LEFT][1] + p[lm.UPPER_VERMILION_QUARTER_LEFT][1])


def lower_lip_drops(p: Points) -> tuple[float, float]:
    """How low the lower lip's quarter point stands, (right, left), mm."""
    return -p[lm.LOWER_VERMILION_QUARTER_RIGHT][1], -p[lm.LOWER_VERMILION_QUARTER_LEFT][1]


_HALF_ROOT = math.sqrt(0.5)


def _lateral(p: Points, index: int) -> float:
    away = p[index][0] - p[lm.NASION][0]
    return -away if index in _RIGHT else away


_RIGHT = frozenset(lm.RIGHT.tolist())

_MEASURES: Mapping[str, Callable[[Points], tuple[float, float]]] = {
    'smile': smile_heights, 'brow': brow_heights, 'lids': lid_gaps,
    'inward': inward_places, 'snarl': snarl_heights, 'lower_lip': lower_lip_drops}
_COLUMN = {name: column for column, name in enumerate(_MEASURES)}


@dataclass(frozen=True)
class Exercise:
    """One commanded movement.

    measure: the course that is looked at, a key of the measured features.
    gate: excursion which the stronger side must reach, mm as MediaPipe sees
        them (before difference_gain), or a fraction of the resting lid gap for closure.
    closure: the excursion is the closed fraction of the resting lid gap.
    synkinesis: lid gaps are compared during this movement.
    repetitions: repetitions that must reach the gate before one counts.
    difference_gain: FaceMesh draws the two sides of the mouth too much alike: the
        true difference between the sides over the one it shows, at the same sum.
        Learnt on rendered faces of 40 people, rounded (docs/clinical.md).
    """

    measure: str
    gate: float
    closure: bool = False
    synkinesis: bool = False
    repetitions: int = 1
    difference_gain: float = 1.0

    @property
    def unit(self) -> str:
        """Unit of the excursions: mm or fraction."""
        return 'fraction' if self.closure else 'mm'


# Movements after Sunnybrook and eFACE; gates own. Each gate is at least half as
# much again as what 99 % of resting faces seem to move by (docs/clinical.md).
# Smile: 4 mm of lateral plus upward movement are 2.8 mm along the diagonal;
# 4 mm there would refuse a quarter of healthy posed smiles.
EXERCISES: Mapping[str, Exercise] = {
    'smile': Exercise('smile', 4.0 * _HALF_ROOT, synkinesis=True, difference_gain=1.3),
    'eye_close': Exercise('lids', 0.6, closure=True),
    'eye_close_tight': Exercise('lids', 0.6, closure=True),
    'brow_raise': Exercise('brow', 2.0, repetitions=2),
    'pucker': Exercise('inward', 3.0, synkinesis=True, difference_gain=1.2),
    'snarl': Exercise('snarl', 3.4),
    'show_teeth': Exercise('lower_lip', 3.0),
}


@dataclass(frozen=True)
class ExerciseParameters:
    """When a repetition counts. Times in seconds.

    rest_s: how far before the cue rest is looked for; rest_valid_s: valid time needed in it.
    rest_after_s: time the face is given to relax after the exercise before.
    relaxed_after_s: the same before it counts as resting for other measurements, whose
        one-second medians must hold nothing of the exercise.
    rest_reusable_s: how old an earlier rest may be when this cue has none of its own.
    peak_s: length of the window in which the peak is taken.
    reaction_s: time the patient is given to start before an asked hold time counts.
    longest_s: a start without hold time and stop ends by itself after this.
    ahead_s: a cue further ahead of the newest frame is of another clock.
    least_quality: share of frames that must be assessable.
    closed_gap_mm: a lid gap below this counts as closed.
    closure_seen, closure_true: FaceMesh draws half-closed lids too far open.
        Closed fraction it sees, and the fraction the lids really have closed by
        then; straight lines between. Learnt on rendered lids of 16 people.
    item_cuts: r from which the Sunnybrook-like item is 2, 3, 4, 5.
    """

    rest_s: float = 2.5
    rest_valid_s: float = 1.0
    rest_after_s: float = 0.5
    relaxed_after_s: float = 1.6
    rest_reusable_s: float = 30.0
    peak_s: float = 0.5
    reaction_s: float = 1.0
    longest_s: float = 15.0
    ahead_s: float = 10.0
    least_quality: float = 0.5
    closed_gap_mm: float = 1.0
    closure_seen: tuple[float, ...] = (0.0, 0.07, 0.14, 0.215, 0.285, 0.37, 0.66)
    closure_true: tuple[float, ...] = (0.0, 0.15, 0.30, 0.45, 0.60, 0.75, 1.00)
    item_cuts: tuple[float, float, float, float] = (0.10, 0.35, 0.60, 0.85)


DEFAULTS = ExerciseParameters()


@dataclass(frozen=True)
class ExerciseResult:
    """One repetition; the fields of stroke_side_msgs/ExerciseResult.

    stamp_s: stamp of the last frame used; start_s: of the cue. Seconds.
    repetition: 1 for the first repetition of this exercise since reset.
    valid: False: the figures must not be used; reasons says why.
    excursion_left, excursion_right: in `unit`, mm or fraction; NaN when not measured.
    ratio: r, weaker / stronger, 0..1; NaN when invalid, like all below.
    asymmetry: D = (right - left) / (right + left), positive: left moved less.
    lag_ms: half rise of the left minus that of the right, milliseconds.
    trajectory_correlation: of the two sides' courses, -1..1.
    residual_opening_left, residual_opening_right: closure: fraction of the
        resting lid gap that stays open.
    synkinesis_left, synkinesis_right: lid gap of that eye, relative to its rest,
        over the same of the other eye; below 1 this eye narrows more.
    item_score: Sunnybrook-like item 1..5; 0 when invalid.
    quality: share of frames that could be assessed, 0..1.
    reasons: codes.
    """

    stamp_s: float
    start_s: float
    exercise: str
    repetition: int
    valid: bool
    excursion_left: float
    excursion_right: float
    unit: str
    ratio: float
    asymmetry: float
    lag_ms: float
    trajectory_correlation: float
    residual_opening_left: float
    residual_opening_right: float
    synkinesis_left: float
    synkinesis_right: float
    item_score: int
    quality: float
    reasons: tuple[str, ...]

    @property
    def awaits_repetition(self) -> bool:
        """Would be valid, but this exercise needs another repetition to be believed."""
        return not self.valid and NEEDS_REPETITION in self.reasons


@dataclass
class _Repetition:
    """A cue that has not led to a result yet."""

    exercise: str
    start_s: float
    end_s: float
    ended_by_timeout: bool


@dataclass(frozen=True)
class _Rest:
    """The face before the cue: float64 (features, 2), columns right and left."""

    stamp_s: float
    values: NDArray[np.float64]


@dataclass
class _Findings:
    """What one repetition has shown so far; NaN where nothing was measured."""

    reasons: list[str] = field(default_factory=list)
    fatal: bool = False
    quality: float = 0.0
    last_stamp_s: float = math.nan
    excursions: tuple[float, float] = (math.nan, math.nan)
    residual: tuple[float, float] = (math.nan, math.nan)
    synkinesis: tuple[float, float] = (math.nan, math.nan)
    lag_ms: float = math.nan
    correlation: float = math.nan

    def refuse(self, reason: str) -> None:
        self.reasons.append(reason)
        self.fatal = True


class ExerciseTracker:
    """Follows cues and landmarks, and answers with a result at the end of each repetition."""

    def __init__(self, parameters: ExerciseParameters = DEFAULTS) -> None:
        self._parameters = parameters
        self._buffer = CourseBuffer(parameters.longest_s + parameters.rest_s + 5.0)
        self._pending: list[_Repetition] = []  # in the order of their starts
        self.results: tuple[ExerciseResult, ...] = ()
        self._forget_courses()
        self._counts: Counter[str] = Counter()

    def cue(self, exercise: str, start: bool, stamp_s: float, hold_s: float = 0.0
            ) -> tuple[str, ...]:
        """Take a cue of the exercise controller.

        Args:
            exercise: a key of EXERCISES.
            start: True for start, False for stop.
            stamp_s: when the cue was given, on the images' clock; a little ahead of them or
                behind.
            hold_s: asked hold time; 0: until the stop.

        Returns:
            Codes of what was wrong with the cue; empty when all is well. A bad
            cue never raises and never disturbs what was measured before it.
        """
        newest_s = self._buffer.last_stamp_s
        if not math.isfinite(stamp_s) or (
                math.isfinite(newest_s) and stamp_s > newest_s + self._parameters.ahead_s):
            return (BAD_STAMP,)
        return self._start(exercise, stamp_s, hold_s) if start else self._stop(exercise, stamp_s)

    def add(self, stamp_s: float, points: Points | None) -> tuple[ExerciseResult, ...]:
        """Take one frame; to be called for every frame that was looked at, in order.

        Args:
            stamp_s: the image's stamp. One that goes back (a looped recording)
                concludes the unfinished repetitions and drops the frames before it.
            points: float64 (478, 3), canonical mm of the head-fixed frame;
                None when the frame failed the quality gate.

        Returns:
            The results of repetitions that ended by this frame.
        """
        unfinished: tuple[ExerciseResult, ...] = ()
        if stamp_s < self._buffer.last_stamp_s:
            unfinished = self.finish()
            self._forget_courses()
        self._buffer.add(stamp_s, _NOTHING if points is None else measure(points))
        return unfinished + self._conclude(stamp_s)

    def finish(self) -> tuple[ExerciseResult, ...]:
        """The recording has ended: conclude what is still open with the frames there are."""
        for repetition in self._pending:
            repetition.end_s = min(repetition.end_s, self._buffer.last_stamp_s)
        return self._conclude(self._buffer.last_stamp_s)

    def reset(self) -> None:
        """Forget the patient."""
        self._forget_courses()
        self.results = ()
        self._counts.clear()

    @property
    def current(self) -> str:
        """The exercise that is on; empty when none is."""
        begun = self._begun_by(self._buffer.last_stamp_s)
        return begun.exercise if begun else ''

    @property
    def at_rest(self) -> bool:
        """No exercise is on, and the face has had time to relax since the last one."""
        newest_s = self._buffer.last_stamp_s
        return newest_s >= self._last_end_s + self._parameters.relaxed_after_s and not any(
            repetition.start_s <= newest_s for repetition in self._pending)

    def _forget_courses(self) -> None:
        self._buffer.clear()
        self._pending.clear()
        self._rest: _Rest | None = None
        self._last_end_s = -math.inf
        self._last_ended = ''

    def _start(self, exercise: str, stamp_s: float, hold_s: float) -> tuple[str, ...]:
        status = []
        before = self._begun_by(stamp_s)
        if before and before.end_s > stamp_s:
            # Whatever is asked now, the patient no longer does the last exercise.
            before.end_s, before.ended_by_timeout = stamp_s, True
            status.append(OVERLAPPING_START)
        if exercise not in EXERCISES:
            return (*status, UNKNOWN_EXERCISE)
        if not (math.isfinite(hold_s) and 0.0 <= hold_s <= self._parameters.longest_s):
            status.append(BAD_HOLD)
            hold_s = 0.0
        length_s = self._parameters.reaction_s + hold_s if hold_s else self._parameters.longest_s
        repetition = _Repetition(exercise, stamp_s, stamp_s + length_s,
                                 ended_by_timeout=not hold_s)
        after_s = min((other.start_s for other in self._pending if other.start_s > stamp_s),
                      default=math.inf)
        if after_s < repetition.end_s:  # what was asked for ahead begins before
            repetition.end_s, repetition.ended_by_timeout = after_s, True
        self._pending.append(repetition)
        self._pending.sort(key=lambda one: one.start_s)
        return tuple(status)

    def _stop(self, exercise: str, stamp_s: float) -> tuple[str, ...]:
        if exercise not in EXERCISES:
            return (UNKNOWN_EXERCISE,)
        if not self._pending:
            # After an asked hold time the stop comes late and says nothing new.
            return () if exercise == self._last_ended else (STOP_WITHOUT_START,)
        repetition = self._begun_by(stamp_s)
        if repetition is None:
            return self._stop_of_what_lies_ahead(exercise)
        if repetition.exercise != exercise:
            return (STOP_OF_OTHER_EXERCISE,)
        if stamp_s <= repetition.end_s:
            repetition.end_s, repetition.ended_by_timeout = stamp_s, False
        return ()

    def _stop_of_what_lies_ahead(self, exercise: str) -> tuple[str, ...]:
        if exercise == self._last_ended:  # late, and the next START was sent early
            return ()
        ahead = any(repetition.exercise == exercise for repetition in self._pending)
        return (STOP_BEFORE_START,) if ahead else (STOP_OF_OTHER_EXERCISE,)

    def _begun_by(self, stamp_s: float) -> _Repetition | None:
        """The latest repetition that has begun by then; others may have been asked for ahead."""
        begun = [repetition for repetition in self._pending if repetition.start_s <= stamp_s]
        return begun[-1] if begun else None

    def _conclude(self, stamp_s: float) -> tuple[ExerciseResult, ...]:
        ended = [repetition for repetition in self._pending if repetition.end_s <= stamp_s]
        self._pending = [repetition for repetition in self._pending if repetition.end_s > stamp_s]
        concluded = tuple(self._result(repetition) for repetition in ended)
        self.results += concluded
        return concluded

    def _result(self, repetition: _Repetition) -> ExerciseResult:
        exercise = EXERCISES[repetition.exercise]
        rest, rest_reasons, rest_ok = self._rest_before(repetition, exercise)
        movement = self._buffer.between(repetition.start_s, repetition.end_s)
        self._last_end_s = max(self._last_end_s, repetition.end_s)
        self._last_ended = repetition.exercise
        findings = _Findings(list(rest_reasons), fatal=not rest_ok)
        if repetition.ended_by_timeout:
            findings.reasons.append(STOP_MISSING)
        if repetition.end_s - repetition.start_s < self._parameters.peak_s:
            findings.refuse(TOO_SHORT)
        # Where no frame lies in it, the result is of the frame by which it ended.
        findings.last_stamp_s = self._buffer.last_stamp_s if math.isfinite(
            self._buffer.last_stamp_s) else repetition.start_s
        _examine(findings, exercise, rest, movement, self._parameters)
        self._counts[repetition.exercise] += 1
        if not findings.fatal and self._moved_before(repetition.exercise) + 1 \
                < exercise.repetitions:
            findings.refuse(NEEDS_REPETITION)
        return _to_result(repetition, self._counts[repetition.exercise], findings,
                          self._parameters)

    def _moved_before(self, exercise: str) -> int:
        return sum(result.exercise == exercise and (result.valid or result.awaits_repetition)
                   for result in self.results)

    def _rest_before(self, repetition: _Repetition, exercise: Exercise
                     ) -> tuple[_Rest | None, tuple[str, ...], bool]:
        """The rest to compare with, what limits it, and whether it can be used at all."""
        parameters = self._parameters
        start_s = max(repetition.start_s - parameters.rest_s,
                      self._last_end_s + parameters.rest_after_s)
        course = self._buffer.between(start_s, repetition.start_s)
        median = course.median() if len(course) else _NOTHING
        enough = course.valid_time_s(repetition.start_s) >= parameters.rest_valid_s - 0.01
        if enough and not np.isnan(median).any():
            rest = _Rest(repetition.start_s, median)
            reason = _unfit(course, exercise, rest, parameters)
            if reason:
                return rest, (reason,), False
            self._rest = rest
            return rest, (), True
        if self._rest and repetition.start_s - self._rest.stamp_s <= parameters.rest_reusable_s:
            return self._rest, (REST_REUSED,), True
        return None, (REST_MISSING,), False


def measure(points: Points) -> NDArray[np.float64]:
    """The features whose courses are followed.

    Args:
        points: float64 (478, 3), canonical mm.

    Returns:
        float64 (6, 2), mm: smile, brow, lids, inward, snarl, lower lip; columns right, left.
    """
    plain = rows(points)
    return np.array([feature(plain) for feature in _MEASURES.values()])


_NOTHING = np.full((len(_MEASURES), 2), np.nan)


def _unfit(course: Course, exercise: Exercise, rest: _Rest, parameters: ExerciseParameters) -> str:
    """Why this is no rest to compare with; empty when it is one."""
    lids = rest.values[_COLUMN['lids']]
    if (exercise.closure or exercise.synkinesis) and lids.min() < 2 * parameters.closed_gap_mm:
        return REST_EYES_CLOSED
    # A face already on its way: a whole gate between the halves of the rest.
    middle_s = (course.stamps_s[0] + course.stamps_s[-1]) / 2
    halves = [course.between(*ends).median()[_COLUMN[exercise.measure]]
              for ends in ((-math.inf, middle_s), (middle_s, math.inf))]
    allowed = exercise.gate * (lids.max() if exercise.closure else 1.0)
    return REST_UNSTEADY if (np.abs(halves[1] - halves[0]) > allowed).any() else ''


def _examine(findings: _Findings, exercise: Exercise, rest: _Rest | None, movement: Course,
             parameters: ExerciseParameters) -> None:
    """Fill the findings in; left alone when there is too little to look at."""
    if len(movement):
        findings.quality = float(movement.valid.mean())
        findings.last_stamp_s = float(movement.stamps_s[-1])
    sign = -1.0 if exercise.closure else 1.0
    column = movement.values[:, _COLUMN[exercise.measure]] * sign if len(movement) else _NO_COURSE
    course = Course(movement.stamps_s, column, movement.turns)
    window = _peak_window(course, parameters.peak_s)
    if window is None or findings.quality < parameters.least_quality:
        if TOO_SHORT not in findings.reasons or not len(movement):
            findings.refuse(TOO_FEW_FRAMES)
        return
    if rest is None:
        return
    peak = movement.between(*window).median()
    seen = _seen_excursions(exercise, rest, peak, parameters)
    if seen.max() < exercise.gate:
        findings.refuse(NO_MOVEMENT)
    # Not below 0: a side may be dragged along the other way.
    right, left = np.maximum(_told_apart(seen, exercise.difference_gain), 0.0)
    findings.excursions = float(right), float(left)
    if exercise.closure:
        findings.residual = (1.0 - findings.excursions[0], 1.0 - findings.excursions[1])
    if exercise.synkinesis:
        findings.synkinesis = _synkinesis(rest, peak)
    at_rest = rest.values[_COLUMN[exercise.measure]] * sign
    moved, peak_moved = (
        _told_apart(values - at_rest, exercise.difference_gain)
        for values in (course.values, peak[_COLUMN[exercise.measure]] * sign))
    findings.correlation, right_s, left_s = _compare_courses(
        Course(course.stamps_s, moved, course.turns), peak_moved, window[1])
    # Half the rise of a side that hardly moved is lost in noise.
    if min(findings.excursions) >= exercise.gate / 2:
        findings.lag_ms = (left_s - right_s) * 1e3


_NO_COURSE = np.empty((0, 2))
_LEAST_PEAK_FRAMES = 3


def _peak_window(course: Course, length_s: float) -> tuple[float, float] | None:
    """The stretch in which both sides together are highest; None when none can be judged.

    One window for both sides: each side's own best would flatter the weaker
    one, whose noise also has a best half second.
    """
    if not len(course):
        return None
    smooth = course.smoothed().sum(axis=1)
    known = ~np.isnan(smooth)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, smooth, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    firsts = np.arange(len(course))
    lasts = np.searchsorted(course.stamps_s, course.stamps_s + length_s, side='right')
    # A window cut off by the end of the exercise would be shorter than asked.
    whole = course.stamps_s + length_s <= course.stamps_s[-1] + 1e-6
    counts = count[lasts] - count[firsts]
    usable = (counts >= _LEAST_PEAK_FRAMES) & whole
    if not usable.any():
        return None
    means = np.where(usable, (total[lasts] - total[firsts]) / np.maximum(counts, 1), -np.inf)
    start_s = float(course.stamps_s[int(np.argmax(means))])
    return start_s, start_s + length_s


def _seen_excursions(exercise: Exercise, rest: _Rest, peak: NDArray[np.float64],
                     parameters: ExerciseParameters) -> NDArray[np.float64]:
    """float64 (2,), right and left, in the exercise's unit."""
    column = _COLUMN[exercise.measure]
    if not exercise.closure:
        return peak[column] - rest.values[column]
    gaps = np.where(peak[column] < parameters.closed_gap_mm, 0.0, peak[column])
    return np.interp(
        1.0 - gaps / rest.values[column], parameters.closure_seen, parameters.closure_true)


def _told_apart(moved: NDArray[np.float64], gain: float) -> NDArray[np.float64]:
    """float64 (..., 2), right and left: the same mean, `gain` times the difference."""
    if gain == 1.0:
        return moved
    mean = moved.sum(axis=-1) / 2.0
    half = (moved[..., 0] - moved[..., 1]) / 2.0 * gain
    return np.stack([mean + half, mean - half], axis=-1)


def _synkinesis(rest: _Rest, peak: NDArray[np.float64]) -> tuple[float, float]:
    """(right, left): opening of that eye relative to rest, over the same of the other."""
    opening = peak[_COLUMN['lids']] / rest.values[_COLUMN['lids']]
    if not (opening > 0.1).all():  # both closed: a blink or a squint, nothing to compare
        return math.nan, math.nan
    return float(opening[0] / opening[1]), float(opening[1] / opening[0])


def _compare_courses(course: Course, peak: NDArray[np.float64], peak_end_s: float
                     ) -> tuple[float, float, float]:
    """Correlation of both sides' courses from rest, and when right and left had half of it, s."""
    smooth = course.smoothed()
    known = ~np.isnan(smooth).any(axis=1)
    stamps_s, moved = course.stamps_s[known], smooth[known]
    rising = stamps_s <= peak_end_s
    right, left = (_half_rise_s(stamps_s[rising], moved[rising, side], peak[side] / 2)
                   for side in (0, 1))
    return _correlation(moved[:, 0], moved[:, 1]), right, left


def _half_rise_s(stamps_s: NDArray[np.float64], course: NDArray[np.float64], half: float) -> float:
    above = np.flatnonzero(course >= half)
    if not len(above) or above[0] == 0:
        return math.nan
    after = int(above[0])
    before = after - 1
    share = (half - course[before]) / (course[after] - course[before])
    return float(stamps_s[before] + share * (stamps_s[after] - stamps_s[before]))


def _correlation(right: NDArray[np.float64], left: NDArray[np.float64]) -> float:
    """Pearson's r of two courses; NaN when one of them does not change."""
    if len(right) < 3:
        return math.nan
    right, left = right - right.mean(), left - left.mean()
    power = float((right * right).sum()) * float((left * left).sum())
    if not power > 0.0:
        return math.nan
    return min(max(float((right * left).sum()) / math.sqrt(power), -1.0), 1.0)


def _to_result(repetition: _Repetition, count: int, findings: _Findings,
               parameters: ExerciseParameters) -> ExerciseResult:
    right, left = findings.excursions
    usable = not findings.fatal or NEEDS_REPETITION in findings.reasons
    ratio = min(right, left) / max(right, left) if usable else math.nan
    score = 1 + sum(ratio >= cut for cut in parameters.item_cuts) if not findings.fatal else 0
    return ExerciseResult(
        stamp_s=findings.last_stamp_s, start_s=repetition.start_s,
        exercise=repetition.exercise, repetition=count, valid=not findings.fatal,
        excursion_left=left, excursion_right=right, unit=EXERCISES[repetition.exercise].unit,
        ratio=ratio, asymmetry=(right - left) / (right + left) if usable else math.nan,
        lag_ms=findings.lag_ms if usable else math.nan,
        trajectory_correlation=findings.correlation,
        residual_opening_left=findings.residual[1], residual_opening_right=findings.residual[0],
        synkinesis_left=findings.synkinesis[1], synkinesis_right=findings.synkinesis[0],
        item_score=score, quality=findings.quality, reasons=tuple(findings.reasons))
