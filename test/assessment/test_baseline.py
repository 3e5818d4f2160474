"""When enough of a person's own face has been seen, and what is far from it."""

import dataclasses
import math

import numpy as np
import pytest

from stroke_side_monitor.assessment.baseline import (
    REPEATS_WAITED_S,
    REST_NEEDED_S,
    BaselineEnrolment,
    BaselineError,
    Departure,
    PersonalBaseline,
    departure,
)
from stroke_side_monitor.assessment.exercise import ExerciseTracker

NAME = 'mouth.commissure_height'


def enrol(seconds, value=lambda time_s: 1.5, *, fps=10, enrolment=None, start_s=0.0):
    enrolment = enrolment or BaselineEnrolment()
    return enrolment, [
        enrolment.add(start_s + i / fps, {NAME: value(i / fps)}, at_rest=True)
        for i in range(round(seconds * fps))]


def test_a_minute_of_rest_makes_a_baseline_once():
    generator = np.random.default_rng(0)
    _, progress = enrol(70, lambda _: 1.5 + generator.normal(0, 0.2))
    done = [step for step in progress if step.baseline]
    assert len(done) == 1
    assert done[0].rest_s == pytest.approx(60.0, abs=0.11)
    baseline = done[0].baseline
    assert baseline.metrics[NAME] == pytest.approx(1.5, abs=0.05)
    assert 0.0 < baseline.repeat_sd[NAME] < 0.1
    assert baseline.ratios == {}


def test_less_than_a_minute_is_not_enough_and_lost_frames_do_not_count():
    _, progress = enrol(59)
    assert not any(step.baseline for step in progress)
    enrolment = BaselineEnrolment()
    for i in range(700):
        lost = i % 2 == 0
        step = enrolment.add(i * 0.5, None if lost else {NAME: 1.0}, at_rest=True,
                             reasons=('yaw',) if lost else ())
        assert step.reasons == (('yaw',) if lost else ())
        if step.rest_s >= 60.0:
            break
    assert i * 0.5 > 200  # a second between valid frames vouches for a quarter of it only


def test_exercising_is_not_rest():
    enrolment, _ = enrol(30)
    step = enrolment.add(31.0, {NAME: 9.0}, at_rest=False)
    assert step.reasons == ('exercising',)
    assert step.rest_s == pytest.approx(29.9)


@pytest.fixture
def result(face_course):
    """A valid smile that ended at 5 s."""
    course = face_course().rest(2).move('smile', 8, 6, 3)
    tracker = ExerciseTracker()
    tracker.cue('smile', True, 2.0)
    for stamp_s, points in course.frames:
        tracker.add(stamp_s, points)
    result, = tracker.finish()
    return result


def test_an_exercise_once_begun_needs_three_valid_repetitions(result):
    enrolment, _ = enrol(30)
    enrolment.add_result(result)
    enrolment.add_result(result)
    _, progress = enrol(40, enrolment=enrolment, start_s=30.0)
    assert progress[-1].baseline is None
    assert progress[-1].reasons == ('needs_more_repetitions',)
    enrolment.add_result(dataclasses.replace(result, valid=False))
    assert enrolment.add(71.0, {NAME: 1.5}, at_rest=True).baseline is None
    enrolment.add_result(result)
    baseline = enrolment.add(71.1, {NAME: 1.5}, at_rest=True).baseline
    assert baseline.ratios == {'smile': (pytest.approx(0.75, abs=1e-6),) * 3}


@pytest.mark.parametrize('usable', [0, 2])
def test_an_exercise_that_is_not_repeated_is_left_out_in_the_end(result, usable):
    enrolment, _ = enrol(1)
    pucker = dataclasses.replace(result, exercise='pucker')
    for one in [dataclasses.replace(result, valid=False)] + [result] * usable + [pucker] * 3:
        enrolment.add_result(one)
    _, progress = enrol(400, enrolment=enrolment, start_s=5.0)
    done = [step for step in progress if step.baseline]
    assert len(done) == 1
    assert done[0].baseline.ratios.keys() == {'pucker'}
    assert done[0].rest_s == pytest.approx(REST_NEEDED_S, abs=0.25)
    waited_s = progress.index(done[0]) / 10
    assert waited_s == pytest.approx(REPEATS_WAITED_S, abs=1.0)


def test_an_exercise_tried_again_and_again_in_vain_does_not_keep_enrolment_from_ending(result):
    enrolment, _ = enrol(1)
    for second in range(1, 300):
        enrolment.add_result(dataclasses.replace(result, valid=False, stamp_s=float(second)))
        _, progress = enrol(1, enrolment=enrolment, start_s=float(second))
        if any(step.baseline for step in progress):
            break
    assert second == pytest.approx(REPEATS_WAITED_S + 1, abs=2)


def test_what_is_gathered_ends_with_the_rest_that_is_needed(result):
    enrolment, _ = enrol(1)
    for second in range(1, 170):
        enrolment.add_result(dataclasses.replace(result, valid=False))
        enrol(1, enrolment=enrolment, start_s=float(second))
    assert len(enrolment._frames) == pytest.approx(10 * REST_NEEDED_S, abs=2)


@pytest.mark.parametrize(('z', 'expected'), [
    (0.0, Departure.NONE), (2.0, Departure.NONE), (-2.1, Departure.CAUTION),
    (3.0, Departure.CAUTION), (3.1, Departure.ALARM), (-9.0, Departure.ALARM),
    (math.nan, Departure.NONE)])
def test_departure_from_the_own_baseline(z, expected):
    assert departure(z) is expected


def test_a_baseline_survives_its_mapping_exactly():
    baseline = PersonalBaseline(
        {NAME: 0.1 + 0.2}, {NAME: 1 / 3}, {'smile': (0.9, 2 / 3)}, 60.4, 7.7)
    assert PersonalBaseline.from_mapping(baseline.to_mapping()) == baseline


@pytest.mark.parametrize('damage', [
    {'schema': 99}, {'metrics': {}}, {'metrics': {NAME: 'much'}}, {'metrics': {NAME: math.nan}},
    {'ratios': None}, {'rest_s': None}])
def test_a_damaged_mapping_is_refused_in_one_line(damage):
    good = PersonalBaseline({NAME: 1.0}, {NAME: 0.1}, {}, 60.0, 1.0).to_mapping()
    with pytest.raises(BaselineError) as error:
        PersonalBaseline.from_mapping({**good, **damage})
    assert '\n' not in str(error.value)
    with pytest.raises(BaselineError):
        PersonalBaseline.from_mapping(['not', 'a', 'mapping'])
