"""What is called steady, a trend and a new asymmetry, on courses whose truth is known."""

import math

import numpy as np
import pytest
from scipy import stats  # pinned for development: the formulas are always checked

from stroke_side_monitor.assessment.terms import Side, Trend
from stroke_side_monitor.assessment.trend import (
    EXACT_TO,
    NewAsymmetryWatch,
    SustainedDetector,
    TrendMonitor,
    estimate_trend,
    mann_kendall,
    minimal_detectable_change,
    theil_sen,
)

FPS = 20


def frames(*stretches, fps=FPS):
    """(seconds, value) stretches → stamps and values; a callable value gets the time."""
    course, time_s = [], 0.0
    for seconds, value in stretches:
        for _ in range(round(seconds * fps)):
            course.append((time_s, value(time_s) if callable(value) else value))
            time_s += 1 / fps
    return course


def feed(detector, course):
    return [detector.add(stamp_s, value) for stamp_s, value in course]


def test_theil_sen_and_mann_kendall_agree_with_scipy():
    generator = np.random.default_rng(5)
    for n in (4, 8, 12, 30, 60):
        times = np.cumsum(generator.random(n))
        values = generator.normal(size=n) + 0.3 * times
        assert theil_sen(times, values) == pytest.approx(
            stats.theilslopes(values, times).slope, rel=1e-9)
        ours = mann_kendall(values)
        if n <= EXACT_TO:
            exact = stats.kendalltau(np.arange(n), values, method='exact').pvalue
            assert ours == pytest.approx(exact, rel=1e-9)
        else:  # scipy has no continuity correction
            near = stats.kendalltau(np.arange(n), values, method='asymptotic').pvalue
            assert near <= ours <= near * 1.2 + 1e-6


def test_theil_sen_shrugs_off_outliers():
    times = np.arange(20.0)
    values = 0.5 * times
    values[[3, 9, 15]] = 100.0
    assert theil_sen(times, values) == pytest.approx(0.5, abs=1e-9)


def test_mann_kendall_exact_values_for_few_sessions():
    assert mann_kendall([1, 2, 3]) == pytest.approx(2 / 6)
    assert mann_kendall([1, 2, 3, 4]) == pytest.approx(2 / 24)
    assert mann_kendall([5, 4, 3, 2, 1]) == pytest.approx(2 / 120)
    assert mann_kendall([1, 1, 1, 1]) == 1.0
    assert mann_kendall([7]) == 1.0


def test_ties_are_corrected_for():
    values = [1, 1, 2, 2, 3, 3, 3, 4, 5, 5, 6, 6]
    near = stats.kendalltau(range(12), values, method='asymptotic').pvalue
    assert near <= mann_kendall(values) <= near * 1.5


def test_the_minimal_detectable_change_is_never_below_the_prior():
    assert minimal_detectable_change(10.0) == 10.0
    assert minimal_detectable_change(10.0, [50.0, 50.1]) == 10.0
    assert minimal_detectable_change(10.0, [50.0, 50.1, 50.2]) == 10.0
    # sd of 40, 50, 60 is 10
    assert minimal_detectable_change(10.0, [40.0, 50.0, 60.0]) == pytest.approx(
        1.96 * math.sqrt(2) * 10)


def test_an_improving_patient_shows_the_trend_over_eight_sessions():
    generator = np.random.default_rng(1)
    index = np.linspace(45, 80, 8) + generator.normal(0, 3, 8)
    estimate = estimate_trend(np.arange(8) * 7.0, index, detectable=10.0)
    assert estimate.trend == Trend.IMPROVING
    assert estimate.slope == pytest.approx(35 / 49, abs=0.15)
    assert estimate_trend(np.arange(8), index[::-1], 10.0).trend == Trend.WORSENING
    assert estimate_trend(
        np.arange(8), index, 10.0, higher_is_better=False).trend == Trend.WORSENING


def test_two_hundred_stable_courses_raise_at_most_five_percent_false_alarms():
    generator = np.random.default_rng(2024)
    for spread in (1.0, 4.0, 12.0):  # 12: the prior does not protect any more
        alarms = sum(
            estimate_trend(np.arange(8), 60 + generator.normal(0, spread, 8), 10.0).trend
            is not Trend.STABLE for _ in range(200))
        assert alarms <= 10, spread


def test_three_sessions_are_too_few_and_a_small_change_is_no_trend():
    assert estimate_trend([0, 1, 2], [10, 50, 90], 10.0).trend == Trend.UNKNOWN
    small = estimate_trend(np.arange(8), np.linspace(60, 69, 8), 10.0)
    assert (small.trend, small.p < 0.001) == (Trend.STABLE, True)


def test_sessions_without_an_index_are_left_out():
    estimate = estimate_trend(range(6), [40, math.nan, 50, 60, 70, 80], 10.0)
    assert estimate.trend == Trend.IMPROVING
    assert estimate.slope == pytest.approx(8.0, abs=2.1)


def session(seconds, index, *, noise=2.0, seed=4):
    generator = np.random.default_rng(seed)
    return [(stamp_s, value + generator.normal(0, noise)) for stamp_s, value in frames(
        (seconds, index))]


def test_a_falling_index_is_worsening_within_a_minute():
    monitor = TrendMonitor(10.0)
    estimates = feed(monitor, session(60, lambda time_s: 90 - 0.6 * time_s))
    assert estimates[-1].trend == Trend.WORSENING
    assert estimates[-1].slope == pytest.approx(-0.6, abs=0.1)
    early = {e.trend for (t, _), e in zip(session(60, 0.0), estimates, strict=True) if t < 28}
    assert early == {Trend.UNKNOWN, Trend.STABLE}  # one window alone is not believed


def test_a_steady_index_is_stable_and_two_hundred_raise_no_alarm():
    alarms = 0
    for seed in range(200):
        monitor = TrendMonitor(10.0)
        # One frame a second is what the medians would be; noise as large as a grade.
        generator = np.random.default_rng(seed)
        values = 70 + generator.normal(0, 8, 120)
        trends = set()
        for second, value in enumerate(values):
            monitor.add(second + 0.2, value)
            trends.add(monitor.add(second + 0.3, value).trend)
        alarms += bool(trends & {Trend.IMPROVING, Trend.WORSENING})
    assert alarms <= 10


def test_a_trend_survives_lost_frames_but_not_their_absence():
    course = session(60, lambda time_s: 40 + 0.6 * time_s)
    lost = np.random.default_rng(0).random(len(course)) < 0.3
    thinned = [(t, math.nan if gone else v) for (t, v), gone in zip(course, lost, strict=True)]
    assert feed(TrendMonitor(10.0), thinned)[-1].trend == Trend.IMPROVING
    nothing = [(t, math.nan) for t, _ in course]
    assert feed(TrendMonitor(10.0), nothing)[-1].trend == Trend.UNKNOWN


def test_an_alternating_bias_is_no_trend_and_does_not_shift_the_slope():
    course = [(t, v + 15 * (-1) ** i) for i, (t, v) in enumerate(
        session(60, lambda time_s: 40 + 0.5 * time_s, noise=0.5))]
    assert feed(TrendMonitor(10.0), course)[-1].slope == pytest.approx(0.5, abs=0.05)


def test_a_looped_recording_starts_the_trend_anew():
    monitor = TrendMonitor(10.0)
    course = session(60, lambda time_s: 90 - 0.6 * time_s)
    feed(monitor, course)
    assert monitor.add(0.0, 90.0).trend == Trend.UNKNOWN


def first_stamp(course, sides, side):
    return next((stamp_s for (stamp_s, _), seen in zip(course, sides, strict=True)
                 if seen is side), math.inf)


def test_asymmetry_is_sustained_after_three_seconds_on_the_side_of_its_sign():
    for value, side in ((2.5, Side.LEFT), (-2.5, Side.RIGHT)):
        course = frames((5, 0.0), (6, value))
        stamp_s = first_stamp(course, feed(SustainedDetector(), course), side)
        assert stamp_s == pytest.approx(5 + 3 * 0.8, abs=0.1)  # 80 % of three seconds


def test_a_short_asymmetry_is_not_sustained():
    course = frames((5, 0.0), (2.2, 4.0), (5, 0.0))
    assert set(feed(SustainedDetector(), course)) == {Side.NONE}


def test_it_clears_after_five_seconds_of_calm_and_holds_in_between():
    course = frames((5, 3.0), (10, 1.7))
    assert feed(SustainedDetector(), course)[-1] == Side.LEFT
    course = frames((5, 3.0), (10, 1.0))
    sides = feed(SustainedDetector(), course)
    cleared = max(t for (t, _), side in zip(course, sides, strict=True) if side is Side.LEFT)
    assert cleared == pytest.approx(5 + 5 * 0.8, abs=0.1)


def test_scattered_samples_of_both_signs_are_not_sustained():
    course = [(t, 4.0 * (-1) ** i) for i, (t, _) in enumerate(frames((20, 0.0)))]
    assert set(feed(SustainedDetector(), course)) == {Side.NONE}


def test_missing_data_freezes_the_count_and_a_long_gap_starts_it_anew():
    frozen = frames((1.5, 3.0), (1.0, math.nan), (1.3, 3.0))
    assert feed(SustainedDetector(), frozen)[-1] == Side.NONE
    frozen = frames((1.5, 3.0), (1.0, math.nan), (1.7, 3.0))
    assert feed(SustainedDetector(), frozen)[-1] == Side.LEFT
    anew = frames((2.8, 3.0), (2.2, math.nan), (2.8, 3.0))
    assert feed(SustainedDetector(), anew)[-1] == Side.NONE


def test_nothing_is_concluded_while_most_frames_are_lost():
    course = [(t, 3.0 if i % 3 == 0 else math.nan) for i, (t, _) in enumerate(frames((20, 0.0)))]
    assert set(feed(SustainedDetector(), course)) == {Side.NONE}
    course = [(t, math.nan if i % 3 == 0 else 3.0) for i, (t, _) in enumerate(frames((20, 0.0)))]
    assert feed(SustainedDetector(), course)[-1] == Side.LEFT


@pytest.mark.parametrize('fps', [1, 2, 3, 3.9, 4.5])
def test_a_slow_camera_takes_longer_and_is_not_for_ever_too_slow(fps):
    detector = SustainedDetector()
    course = frames((60, 0.0), (600, 3.0), fps=fps)
    stamp_s = first_stamp(course, feed(detector, course), Side.LEFT)
    assert stamp_s == pytest.approx(60 + 0.8 * 3 * max(1.0, 4 / fps), abs=2 / fps)
    assert len(detector._samples) <= 30, 'what is older than the rule asks for is forgotten'


def test_a_moment_told_again_and_again_is_one_frame():
    detector = SustainedDetector()
    feed(detector, frames((2, 3.0)))
    feed(detector, [(2.0, math.nan)] * 1000)
    assert len(detector._samples) <= 2 * FPS + 1
    later = [(2 + stamp_s, value) for stamp_s, value in frames((1.5, 3.0))]
    assert feed(detector, later)[-1] == Side.LEFT


def events(watch, course):
    return [event for stamp_s, value in course if (event := watch.add(stamp_s, value))]


def test_a_change_against_the_baseline_that_lasts_ten_seconds_is_told_once():
    told = events(NewAsymmetryWatch(reference=2.0), frames((20, 2.0), (30, 5.5)))
    assert [(e.side, round(e.stamp_s)) for e in told] == [(Side.LEFT, 28)]
    assert told[0].change == pytest.approx(3.5)
    assert events(NewAsymmetryWatch(reference=2.0), frames((20, 2.0), (7, 5.5), (20, 2.0))) == []


def test_a_camera_of_three_frames_a_second_tells_a_new_asymmetry_on_either_side():
    for change, side in ((5.5, Side.LEFT), (-5.5, Side.RIGHT)):
        told = events(NewAsymmetryWatch(), frames((120, 0.0), (60, change), fps=3))
        assert [(event.side, event.stamp_s <= 135) for event in told] == [(side, True)]


def test_an_old_asymmetry_is_not_new():
    assert events(NewAsymmetryWatch(), frames((90, 6.0))) == []


def test_without_a_baseline_the_first_half_minute_is_the_reference():
    watch = NewAsymmetryWatch()
    told = events(watch, frames((40, 5.0), (20, 1.0)))
    assert watch.reference == 5.0
    assert [event.side for event in told] == [Side.RIGHT]
