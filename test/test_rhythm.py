"""Which frames are assessed: evenly by stamp, all of a movement, few while nobody is there."""

import dataclasses

import numpy as np
import pytest

from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.pipeline.rhythm import EvenFrames, PairedLooks

SETTINGS = PipelineSettings(min_interocular_px=20.0)


@pytest.fixture
def pipeline():
    pipeline = Pipeline(SETTINGS, video=True)
    yield pipeline
    pipeline.close()


def stamps(camera_hz, seconds, jitter_s=0.0):
    rng = np.random.default_rng(3)
    even = 1e9 + np.arange(round(camera_hz * seconds)) / camera_hz
    return even + rng.uniform(-jitter_s, jitter_s, even.size)


@pytest.mark.parametrize('camera_hz', [60.0, 50.0, 30.0, 29.97, 25.0, 24.0, 20.0, 16.0, 15.0, 10.0])
@pytest.mark.parametrize('jitter_s', [0.0, 0.006])
def test_as_many_frames_a_second_as_wanted_and_never_a_long_gap(camera_hz, jitter_s):
    frames = EvenFrames()
    taken = [at for at in stamps(camera_hz, 20, jitter_s) if frames.due(at, 15.0)]
    assert len(taken) / 20 == pytest.approx(min(camera_hz, 15.0), rel=0.03)
    step, interval = max(1 / 15, 1 / camera_hz), 1 / camera_hz
    assert max(np.diff(taken)) <= step + interval + 2 * jitter_s + 1e-6


def test_a_camera_of_twice_the_rate_gives_every_other_frame():
    frames = EvenFrames()
    assert [frames.due(at, 15.0) for at in stamps(30.0, 1, 0.006)] == [True, False] * 15


def test_a_stamp_that_does_not_advance_is_due():
    frames = EvenFrames()
    assert all(frames.due(0.0, 15.0) for _ in range(5))
    assert frames.due(100.0, 15.0)
    assert not frames.due(100.01, 15.0)
    assert frames.due(100.005, 15.0), 'whoever gets it must see that the clock went back'


def test_a_higher_rate_and_a_gap_take_effect_at_once():
    frames = EvenFrames()
    assert frames.due(10.0, 1.0)
    assert not frames.due(10.1, 1.0)
    assert frames.due(10.2, 15.0), 'a rate that has risen must not wait for the old one'
    assert frames.due(50.0, 1.0)
    assert not frames.due(50.5, 1.0), 'a gap is not made up for'


def test_the_classifier_looks_again_after_a_clock_that_went_back():
    looks = PairedLooks()
    assert [looks.due(stamp, 0.4) for stamp in (100.0, 100.1, 100.2)] == [True, True, False]
    assert [looks.due(stamp, 0.4) for stamp in (5.0, 5.1, 5.2)] == [True, True, False]


def watched(pipeline, picture, begin_s, seconds):
    """Show one picture as a 30 Hz video: the stamps of the frames that were assessed."""
    due = [at for at in begin_s + np.arange(round(30 * seconds)) / 30 if pipeline.due(at)
           and pipeline.assess(picture, at)]
    return np.array(due)


def test_half_the_frames_of_a_face_and_a_sixth_of_an_empty_picture(pipeline, astronaut):
    nobody = np.full_like(astronaut, 90)
    assert len(watched(pipeline, astronaut, 10.0, 2)) == 30
    leaving = watched(pipeline, nobody, 12.0, 3)
    assert sum(leaving < 13.0) == pytest.approx(15, abs=1), 'a face may be back at once'
    assert sum(leaving > 13.2) == pytest.approx(9, abs=1)
    back = watched(pipeline, astronaut, 15.0, 1)
    assert back[0] - 15.0 <= 0.2
    assert np.diff(back)[1:] == pytest.approx(1 / 15, abs=1e-3), 'the face is watched again'


def test_every_frame_of_an_exercise_counts(pipeline, astronaut):
    watched(pipeline, astronaut, 10.0, 3)
    assert pipeline.cue('smile', True, 13.0, 1.0) == ()
    assert len(watched(pipeline, astronaut, 13.0, 1)) == 30


def test_a_new_patient_is_looked_at_at_once(pipeline, astronaut):
    watched(pipeline, np.full_like(astronaut, 90), 10.0, 3)
    pipeline.reset()
    assert pipeline.due(13.01)


def test_the_rates_can_be_changed_on_the_way(pipeline, astronaut):
    pipeline.settings = dataclasses.replace(SETTINGS, assess_rate_hz=5.0)
    assert len(watched(pipeline, astronaut, 10.0, 2)) == 10
    pipeline.settings = dataclasses.replace(SETTINGS, assess_rate_hz=240.0)
    assert len(watched(pipeline, astronaut, 12.0, 1)) == 30
