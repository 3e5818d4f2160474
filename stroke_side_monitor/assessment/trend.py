"""Change over time: steady asymmetry, trends within and across sessions, and new asymmetry.

It never measures a face and never looks at one frame alone. A trend is only
called one when it exceeds what the measurement itself may vary by.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import ArrayLike

from stroke_side_monitor.assessment.course import LARGEST_STEP_S, CourseBuffer
from stroke_side_monitor.assessment.terms import Side, Trend

# What repeated measurement of an unchanged face may differ by at least (prior,
# spec metrics 9): raw MediaPipe mm and points of the symmetry index.
MINIMAL_DETECTABLE_CHANGE: Mapping[str, float] = {
    'mouth.commissure_height': 1.0, 'eye.palpebral_fissure': 0.8, 'symmetry_index': 10.0}

SIGNIFICANCE = 0.05


def minimal_detectable_change(prior: float, own_repeats: Sequence[float] = ()) -> float:
    """Smallest change that is not just repeat-to-repeat variation, 95 %.

    max(1.96 sqrt(2) SEM, prior), where the SEM is the standard deviation of the
    person's own repeats (Weir 2005).

    Args:
        prior: the least to assume, in the measure's unit.
        own_repeats: the same measure of the unchanged face; fewer than three say nothing.
    """
    if len(own_repeats) < 3:
        return prior
    return max(1.96 * math.sqrt(2.0) * float(np.std(own_repeats, ddof=1)), prior)


def theil_sen(times: ArrayLike, values: ArrayLike) -> float:
    """Median of the slopes of all pairs (Theil 1950, Sen 1968), values per unit of time.

    Args:
        times, values: float64 (n,); pairs of equal time are left out.

    Returns:
        NaN without two different times.
    """
    t, v = np.asarray(times, dtype=float), np.asarray(values, dtype=float)
    first, second = np.triu_indices(len(t), k=1)
    span = t[second] - t[first]
    apart = span != 0.0
    if not apart.any():
        return math.nan
    return float(np.median((v[second] - v[first])[apart] / span[apart]))


def mann_kendall(values: ArrayLike) -> float:
    """Two-sided p of no monotone trend (Mann 1945, Kendall 1975).

    Exact for up to `EXACT_TO` untied values, else the normal approximation
    with correction for ties and continuity.

    Args:
        values: float64 (n,), in order of time.
    """
    v = np.asarray(values, dtype=float)
    n = len(v)
    if n < 2:
        return 1.0
    first, second = np.triu_indices(n, k=1)
    score = int(np.sign(v[second] - v[first]).sum())
    _, counts = np.unique(v, return_counts=True)
    if n <= EXACT_TO and counts.max() == 1:
        return _exact_p(n, score)
    variance = (n * (n - 1) * (2 * n + 5)
                - sum(int(c) * (int(c) - 1) * (2 * int(c) + 5) for c in counts)) / 18.0
    if variance == 0.0 or score == 0:
        return 1.0
    return math.erfc((abs(score) - 1) / math.sqrt(2.0 * variance))


EXACT_TO = 20


def _exact_p(n: int, score: int) -> float:
    # Number of orders of n values with a given number of inversions: each next
    # value may stand before 0, 1, ... of those already placed.
    orders = np.ones(1)
    for placed in range(1, n):
        orders = np.convolve(orders, np.ones(placed + 1))
    inversions = (n * (n - 1) // 2 - abs(score)) // 2
    return min(1.0, 2.0 * float(orders[:inversions + 1].sum() / orders.sum()))


@dataclass(frozen=True)
class TrendEstimate:
    """Where a measure is going.

    trend: IMPROVING or WORSENING only when significant, beyond the minimal
        detectable change, and (within a session) alike in two half-overlapping windows.
    slope: Theil-Sen, in the measure's unit per unit of the given times; NaN: unknown.
    change: slope times the time covered.
    p: Mann-Kendall; 1 when unknown.
    """

    trend: Trend
    slope: float
    change: float
    p: float


UNKNOWN_TREND = TrendEstimate(Trend.UNKNOWN, math.nan, math.nan, 1.0)


def estimate_trend(times: ArrayLike, values: ArrayLike, detectable: float,
                   *, higher_is_better: bool = True, least: int = 4) -> TrendEstimate:
    """Trend of a series, for instance of one index per session.

    Args:
        times, values: float64 (n,), in order of time; NaN values are left out.
        detectable: minimal detectable change, in the unit of the values.
        higher_is_better: False for an asymmetry.
        least: values needed for an answer. Below four, no order of values is
            unlikely enough to mean anything.
    """
    t, v = np.asarray(times, dtype=float), np.asarray(values, dtype=float)
    known = ~np.isnan(v)
    t, v = t[known], v[known]
    if len(v) < least:
        return UNKNOWN_TREND
    slope, p = theil_sen(t, v), mann_kendall(v)
    if math.isnan(slope):
        return UNKNOWN_TREND
    change = slope * float(t[-1] - t[0])
    trend = Trend.STABLE
    if p < SIGNIFICANCE and abs(change) >= detectable:
        trend = Trend.IMPROVING if (change > 0.0) == higher_is_better else Trend.WORSENING
    return TrendEstimate(trend, slope, change, p)


class TrendMonitor:
    """The trend of one measure within a session, on one-second medians of its valid frames."""

    def __init__(self, detectable: float, *, higher_is_better: bool = True,
                 window_s: float = 30.0, least_share: float = 0.5) -> None:
        """Watch one measure.

        Args:
            detectable: minimal detectable change in the measure's unit.
            higher_is_better: False for an asymmetry.
            window_s: length of a window; two half-overlapping ones must agree.
            least_share: share of a window's seconds that must have been measured.
        """
        self._detectable = detectable
        self._higher_is_better = higher_is_better
        self._window_s = window_s
        self._least = max(4, math.ceil(least_share * window_s))
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new patient, or a clock that went back."""
        self._frames = CourseBuffer(2.0)
        self._second = -math.inf
        self._medians: deque[tuple[float, float]] = deque()
        self.estimate = UNKNOWN_TREND

    def add(self, stamp_s: float, value: float) -> TrendEstimate:
        """Take one frame (NaN: not assessed); the slope is per second."""
        if stamp_s < self._frames.last_stamp_s:
            self.reset()
        second = math.floor(stamp_s)
        if second > self._second:
            self._close_second(stamp_s)
            self._second = second
        self._frames.add(stamp_s, np.array(value))
        return self.estimate

    def _close_second(self, stamp_s: float) -> None:
        if math.isfinite(self._second):
            within = self._frames.between(self._second, np.nextafter(self._second + 1.0, 0.0))
            value = float(within.median()) if len(within) else math.nan
            if not math.isnan(value):
                self._medians.append((self._second + 0.5, value))
        while self._medians and self._medians[0][0] < stamp_s - 1.5 * self._window_s:
            self._medians.popleft()
        self.estimate = self._judge(stamp_s)

    def _judge(self, now_s: float) -> TrendEstimate:
        latest, earlier = (self._window(now_s - age_s) for age_s in (0.0, self._window_s / 2))
        moving = latest.trend in (Trend.IMPROVING, Trend.WORSENING)
        if not moving or earlier.trend is latest.trend:
            return latest
        # Going somewhere in one window only is not yet a trend.
        calm = Trend.UNKNOWN if earlier.trend is Trend.UNKNOWN else Trend.STABLE
        return replace(latest, trend=calm)

    def _window(self, end_s: float) -> TrendEstimate:
        inside = [(t, v) for t, v in self._medians if end_s - self._window_s <= t < end_s]
        return estimate_trend(
            [t for t, _ in inside], [v for _, v in inside], self._detectable,
            higher_is_better=self._higher_is_better, least=self._least)


@dataclass(frozen=True)
class SustainedRule:
    """When an asymmetry is steady enough to be called sustained (spec metrics 9).

    on, off: abs(score) from which it sets in, and below which it clears.
    on_s, off_s: seconds of valid time for either.
    share: of the valid samples that must agree.
    least_valid: share of the frames that must be valid.
    gap_s: a longer gap without valid frames starts the count anew; a shorter one freezes it.
    """

    on: float = 2.0
    off: float = 1.5
    on_s: float = 3.0
    off_s: float = 5.0
    share: float = 0.8
    least_valid: float = 0.5
    gap_s: float = 2.0


@dataclass(frozen=True)
class _Sample:
    active_s: float
    score: float


class SustainedDetector:
    """Tells which side's asymmetry has been there for some seconds; NONE when none has."""

    def __init__(self, rule: SustainedRule | None = None) -> None:
        self._rule = rule or SustainedRule()
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new patient, or a clock that went back."""
        self._side = Side.NONE
        self._last_s = self._last_valid_s = -math.inf
        self._restart()

    def _restart(self) -> None:
        self._samples: deque[_Sample] = deque()
        self._active_s = 0.0

    def add(self, stamp_s: float, score: float) -> Side:
        """Take one frame's score (positive: the PATIENT's left is weaker; NaN: not assessed)."""
        if stamp_s < self._last_s:
            self.reset()
        if stamp_s == self._last_s:  # told again by a monitor that waits for its camera
            return self._side
        anew = stamp_s - self._last_valid_s > self._rule.gap_s
        if anew:
            self._restart()
        valid = not math.isnan(score)
        if valid:
            # Missing data freezes the clock: only time vouched for by frames counts. A slow
            # camera's frames vouch for some of it each, or it would stand still for ever.
            self._active_s += 0.0 if anew else min(stamp_s - self._last_valid_s, LARGEST_STEP_S)
            self._last_valid_s = stamp_s
        self._samples.append(_Sample(self._active_s, score))
        self._last_s = stamp_s
        longest_s = max(self._rule.on_s, self._rule.off_s)
        while self._samples[0].active_s < self._active_s - longest_s:
            self._samples.popleft()
        if valid:
            self._side = self._judge()
        return self._side

    def _judge(self) -> Side:
        rule = self._rule
        recent = self._over(rule.on_s)
        if _share(recent, lambda score: score >= rule.on) >= rule.share:
            return Side.LEFT
        if _share(recent, lambda score: -score >= rule.on) >= rule.share:
            return Side.RIGHT
        calm = self._over(rule.off_s)
        if _share(calm, lambda score: abs(score) < rule.off) >= rule.share:
            return Side.NONE
        return self._side

    def _over(self, seconds: float) -> list[float]:
        """Valid scores of the last seconds of active time; empty when there is too little."""
        if self._active_s < seconds:
            return []
        scores = [sample.score for sample in self._samples
                  if sample.active_s >= self._active_s - seconds]
        known = [score for score in scores if not math.isnan(score)]
        return known if len(known) >= self._rule.least_valid * len(scores) else []


def _share(scores: list[float], agrees: Callable[[float], bool]) -> float:
    return sum(map(agrees, scores)) / len(scores) if scores else 0.0


@dataclass(frozen=True)
class NewAsymmetry:
    """An event for staff: the face differs from before, and stays so.

    stamp_s: when it was established. side: which of the PATIENT's sides became
    weaker. change: of M against the reference, healthy standard deviations.
    """

    stamp_s: float
    side: Side
    change: float


class NewAsymmetryWatch:
    """Compares M with the person's own reference; tells once when it has changed for 10 s."""

    def __init__(self, reference: float = math.nan, *, change: float = 3.0, hold_s: float = 10.0,
                 learn_s: float = 30.0) -> None:
        """Watch one patient.

        Args:
            reference: M of the enrolled baseline; NaN: the median of the first
                `learn_s` seconds of valid frames.
            change: least abs(M - reference) that counts.
            hold_s: how long it must stay.
        """
        self._given, self._change, self._learn_s = reference, change, learn_s
        self._rule = SustainedRule(on=change, off=change / 2, on_s=hold_s)
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new patient, or a clock that went back."""
        self.reference = self._given
        self._learnt: list[float] = []
        self._learnt_s = self._last_learnt_s = 0.0
        self._detector = SustainedDetector(self._rule)
        self._side = Side.NONE
        self._recent: deque[tuple[float, float]] = deque()
        self._last_s = -math.inf

    def add(self, stamp_s: float, score: float) -> NewAsymmetry | None:
        """Take one frame's M (NaN: not assessed); an event only when it is new."""
        if stamp_s < self._last_s:
            self.reset()
        self._last_s = stamp_s
        if math.isnan(self.reference):
            self._learn(stamp_s, score)
            return None
        difference = score - self.reference
        side = self._detector.add(stamp_s, difference)
        self._remember(stamp_s, difference)
        changed, self._side = side is not self._side and side is not Side.NONE, side
        if not changed:
            return None
        return NewAsymmetry(stamp_s, side, median(value for _, value in self._recent))

    def _remember(self, stamp_s: float, difference: float) -> None:
        if not math.isnan(difference):
            self._recent.append((stamp_s, difference))
        while self._recent and self._recent[0][0] < stamp_s - self._rule.on_s:
            self._recent.popleft()

    def _learn(self, stamp_s: float, score: float) -> None:
        if math.isnan(score):
            return
        if self._learnt:
            self._learnt_s += min(stamp_s - self._last_learnt_s, LARGEST_STEP_S)
        self._last_learnt_s = stamp_s
        self._learnt.append(score)
        if self._learnt_s >= self._learn_s:
            self.reference = median(self._learnt)
