"""Whatever stamps and cues come in whatever order: no exception, no stamp that is no time, and one
result for every START that was taken.

`STROKE_SIDE_SEQUENCES=50000` runs as many sequences; the default is what CI can afford.
"""

import math
import os
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stroke_side_monitor.assessment.exercise import DEFAULTS, EXERCISES
from stroke_side_monitor.offline.inputs import Cue, Frame
from stroke_side_monitor.offline.stream import Assessed, Stream
from stroke_side_monitor.perception.image import ImageDecodeError
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.pipeline.image_clock import ImageClock

SEQUENCES = int(os.environ.get('STROKE_SIDE_SEQUENCES', '2000'))
NOBODY = np.full((48, 64, 3), 90, np.uint8)
JUMP_BACK_S = PipelineSettings().jump_back_s

# Seconds from one frame to the next, as cameras have them: jitter, stalls, loops, none at all.
steps = st.sampled_from((0.033, 0.1, 0.1, 0.5, 2.5, 20.0, 0.0, -0.001, -0.05, -0.9, -1.5, -30.0))
# ... and as they arrive: now and then after so long that the monitor has said UNKNOWN meanwhile.
arrivals = st.sampled_from((0.033, 0.033, 1.5))
frames = st.tuples(st.just('frame'), steps, st.booleans(), arrivals)
# Where a cue's stamp lies beside the newest frame's; None: no stamp.
offsets = st.sampled_from((0.0, 0.02, -0.3, -30.0, 5.0, 9.9, 10.2, 100.0, 1e9, math.nan, math.inf,
                           None))
cues = st.tuples(st.just('cue'), st.sampled_from((*EXERCISES, 'smile', 'juggle')), st.booleans(),
                 offsets, st.sampled_from((0.0, 1.0, 15.0, 1e6, -1.0, math.nan)),
                 st.sampled_from((0.0, 0.0, 2.9, 3.1, 600.0)))
sequences = st.lists(st.one_of(frames, frames, cues), min_size=1, max_size=25)
origins = st.sampled_from((0.0, 5.0, 1.7e9))


@pytest.fixture(scope='module')
def pipeline():
    made = Pipeline(PipelineSettings(use_classifier=False), video=True)
    yield made
    made.close()


def broken():
    raise ImageDecodeError('damaged JPEG', 'damaged')


def items_and_expected(sequence, origin):
    """What goes into the stream, and (exercise, start) of each START that has to be taken.

    The model: frames late by jitter are as if they had not been; a cue is taken when it is of an
    exercise that there is and its stamp is a time at most 10 s after the newest frame seen.
    """
    stamp_s, arrived_s, clock, newest_s = origin, 0.0, ImageClock(), -math.inf
    items, expected = [], Counter()
    for one in sequence:
        if one[0] == 'frame':
            _, step_s, damaged, after_s = one
            stamp_s, arrived_s = max(stamp_s + step_s, 0.0), arrived_s + after_s
            items.append(Frame(stamp_s, arrived_s, broken if damaged else NOBODY.copy))
            if not damaged and not clock.is_late(stamp_s, JUMP_BACK_S):
                clock.take(stamp_s, arrived_s)
                newest_s = clock.seconds
            continue
        _, exercise, start, offset, hold_s, asked_s = one
        given_s = 0.0 if offset is None else stamp_s + offset
        items.append(Cue(given_s, exercise, start, hold_s, arrived_s + asked_s))
        moment_s = clock.of_cue(given_s, start, arrived_s + asked_s)
        if start and exercise in EXERCISES and math.isfinite(moment_s) and (
                moment_s <= newest_s + DEFAULTS.ahead_s or newest_s == -math.inf):
            expected[exercise, moment_s] += 1
    return items, expected


@pytest.mark.parametrize('stamp', [0.0, 7.0])
def test_what_nobody_could_see_has_its_place_where_stamps_stand_still(pipeline, stamp):
    """By its own stamp it came before all that was seen."""
    pipeline.reset()
    pipeline.settings = PipelineSettings(use_classifier=False)
    items = [Frame(stamp, 100.0 + index / 10, broken if 20 <= index < 55 else NOBODY.copy)
             for index in range(80)]
    told = [(step.assessment.stamp_s, step.rgb is None)
            for step in Stream(pipeline).assessed(items) if isinstance(step, Assessed)]
    stamps = [stamp_s for stamp_s, _ in told]
    assert stamps == sorted(stamps)
    assert [round(stamp_s - stamp, 1) for stamp_s, unseen in told if unseen] == pytest.approx(
        [3.0, 4.1, 5.2], abs=0.31)


@settings(max_examples=SEQUENCES, deadline=None, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sequence=sequences, origin=origins)
def test_every_start_has_one_result_with_a_real_stamp(pipeline, sequence, origin):
    pipeline.reset()
    # Every frame is looked at, so that the model need not know which are due.
    pipeline.settings = PipelineSettings(use_classifier=False, assess_rate_hz=1e6,
                                         search_rate_hz=1e6)
    items, expected = items_and_expected(sequence, origin)
    results = []
    stream = Stream(pipeline)
    for step in stream.assessed(items):
        if isinstance(step, Assessed):
            assert math.isfinite(step.assessment.stamp_s)
            results += step.assessment.exercise_results
        else:
            results += step.results
    assert Counter((result.exercise, result.start_s) for result in results) == expected
    for result in results:
        assert math.isfinite(result.stamp_s)
        assert not result.valid, 'nobody was there to move'
    assert any('gave no result' in note for note in stream.notes()) is bool(results)


@pytest.mark.parametrize(('away_s', 'told'), [(2.0, False), (8.0, True)])
def test_another_face_is_told_of_a_recording(pipeline, astronaut, away_s, told):
    pipeline.reset()
    pipeline.settings = PipelineSettings(use_classifier=False)
    nobody = np.full_like(astronaut, 90)
    shown = [(second / 10, astronaut if not 1.0 < second / 10 < 1.0 + away_s else nobody)
             for second in range(int(10 * (away_s + 2.0)))]
    stream = Stream(pipeline)
    frames = [Frame(at_s, at_s, rgb.copy) for at_s, rgb in shown]
    sides = [step for step in stream.assessed(frames) if isinstance(step, Assessed)]
    assert len({step.assessment.session for step in sides}) == 1 + told
    notes = [note for note in stream.notes() if 'another person' in note]
    assert bool(notes) is told
