"""The images' time where stamps are good, missing, repeated or going back."""

import math

import pytest

from stroke_side_monitor.pipeline.image_clock import ImageClock


def moments(*images):
    """(seconds, went_back) of each (stamp, arrival)."""
    clock = ImageClock()
    return [(clock.seconds, went_back)
            for went_back in (clock.take(*image) for image in images)]


def test_good_stamps_are_the_time_whenever_the_images_arrive():
    assert moments((7.0, 100.0), (7.1, 100.9), (7.2, 100.9)) == [
        (7.0, False), (7.1, False), (7.2, False)]


@pytest.mark.parametrize('stamp', [0.0, 7.0])
def test_stamps_that_stand_still_let_time_go_on_as_the_images_arrive(stamp):
    assert moments((stamp, 100.0), (stamp, 100.5), (stamp, 101.25)) == [
        (stamp, False), (stamp + 0.5, False), (stamp + 1.25, False)]


def test_an_image_sent_twice_does_not_disturb_the_next_one():
    assert moments((7.0, 100.0), (7.0, 100.04), (7.033, 100.05)) == [
        (7.0, False), (pytest.approx(7.04), False), (pytest.approx(7.04), False)]


def test_a_step_back_is_told_and_starts_anew():
    assert moments((7.0, 100.0), (3.0, 100.1), (3.1, 100.2)) == [
        (7.0, False), (3.0, True), (3.1, False)]


def test_stamps_that_come_back_to_life_behind_the_time_that_went_on_start_anew():
    assert moments((7.0, 100.0), (7.0, 160.0), (7.033, 160.03))[-1] == (7.033, True)


def test_after_a_reset_any_stamp_is_the_first():
    clock = ImageClock()
    clock.take(7.0, 100.0)
    clock.reset()
    assert clock.take(3.0, 100.1) is False


@pytest.mark.parametrize(('stamp_s', 'late'), [
    (6.999, True), (6.0, True), (5.99, False), (7.0, False), (7.001, False)])
def test_a_little_earlier_is_late_and_much_earlier_is_not(stamp_s, late):
    clock = ImageClock()
    assert not clock.is_late(stamp_s, 1.0), 'nothing is late before the first'
    clock.take(7.0, 100.0)
    assert clock.is_late(stamp_s, 1.0) is late
    assert not clock.is_late(stamp_s, 0.0)


@pytest.mark.parametrize(('start', 'later_s', 'moment_s'), [
    (True, 0.0, 7.0), (True, 2.9, 7.0), (True, 3.1, math.nan), (True, 600.0, math.nan),
    (True, math.nan, 7.0), (False, 600.0, 7.0)])
def test_now_is_the_last_image_unless_an_exercise_would_begin_long_after_it(
        start, later_s, moment_s):
    clock = ImageClock()
    assert math.isnan(clock.of_cue(0.0, start, 100.0)), 'there is no now before the first'
    clock.take(7.0, 100.0)
    assert clock.of_cue(0.0, start, 100.0 + later_s) == pytest.approx(moment_s, nan_ok=True)
    assert clock.of_cue(7.5, start, 100.0 + later_s) == 7.5
