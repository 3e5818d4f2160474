"""Sessions: what happens when, that the truth says so, and that the same seed gives the same."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest

from stroke_side_monitor.assessment.exercise import smile_heights
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.perception.frame import normalise
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.face import SimulatedFace
from stroke_side_monitor.simulation.palsy import Expression, Palsy
from stroke_side_monitor.simulation.portrait import astronaut as astronaut_photograph
from stroke_side_monitor.simulation.portrait import portrait
from stroke_side_monitor.simulation.session import Cue, Session, SessionPlan, minimum_jerk

SHORT = SessionPlan(exercises=('smile', 'eye_close'), hold_s=0.8, rest_s=0.6, first_rest_s=0.6,
                    fps=10.0, width=320, height=300, interocular_px=85.0)
LEFT = Palsy.of(Side.LEFT, 0.8, 'peripheral')


def session(person, palsy=LEFT, plan=SHORT, seed=3, **changes):
    return Session(person, palsy, dataclasses.replace(plan, **changes), seed)


def truths(a_session):
    return [frame.truth for frame in a_session]


@pytest.fixture(scope='module')
def left_truths(astronaut):
    return truths(session(astronaut))


def test_the_script_is_followed(left_truths):
    phases = [(truth.exercise, truth.phase) for truth in left_truths]
    runs = [phase for index, phase in enumerate(phases)
            if index == 0 or phase != phases[index - 1]]
    assert runs == [('rest', 'rest'),
                    ('smile', 'onset'), ('smile', 'hold'), ('smile', 'offset'), ('rest', 'rest'),
                    ('eye_close', 'onset'), ('eye_close', 'hold'), ('eye_close', 'offset'),
                    ('rest', 'rest')]


def test_stamps_advance_by_the_frame_period(left_truths):
    assert set(np.diff([truth.stamp_ns for truth in left_truths])) == {100_000_000}


def test_a_camera_that_stands_low_sees_the_head_turned_up_all_the_time(astronaut, left_truths):
    low = truths(session(astronaut, pitch_deg=20.0, yaw_deg=-15.0, camera_distance_m=0.8))
    for name, turned in (('pitch_deg', 20.0), ('yaw_deg', -15.0)):
        more = [getattr(one, name) - getattr(usual, name)
                for one, usual in zip(low, left_truths, strict=True)]
        assert np.mean(more) == pytest.approx(turned, abs=2.5), name


@pytest.mark.parametrize('change', [{'pitch_deg': 41.0}, {'yaw_deg': -31.0},
                                    {'camera_distance_m': 0.2}, {'camera_distance_m': math.nan}])
def test_a_camera_where_none_can_stand_is_refused(change):
    with pytest.raises(ValueError, match='lies outside'):
        SessionPlan(**change)


def test_cues_frame_the_movements(astronaut):
    a_session = session(astronaut)
    assert [(cue.exercise, cue.start) for cue in a_session.cues] == [
        ('smile', True), ('smile', False), ('eye_close', True), ('eye_close', False)]
    moving = [truth.stamp_ns for truth in truths(a_session) if truth.exercise == 'smile']
    start, stop = a_session.cues[:2]
    assert start.stamp_ns <= moving[0] < stop.stamp_ns < moving[-1]


def test_on_the_timeline_every_cue_comes_before_the_frame_it_is_for(astronaut):
    a_session = session(astronaut)
    items = list(a_session.timeline())
    stamps = [item.stamp_ns if isinstance(item, Cue) else item.truth.stamp_ns for item in items]
    assert stamps == sorted(stamps)
    assert [item for item in items if isinstance(item, Cue)] == list(a_session.cues)
    assert len(items) == len(a_session) + len(a_session.cues)
    same = [index for index, (stamp, after) in enumerate(pairwise(stamps))
            if stamp == after]
    assert all(isinstance(items[index], Cue) for index in same)
    few = list(a_session.timeline(a_session.frame(index) for index in range(3)))
    assert few[-len(a_session.cues):] == list(a_session.cues), 'late cues are lost'


def test_the_weak_side_moves_less_and_later(astronaut):
    slow_motion = truths(session(astronaut, Palsy.of(Side.LEFT, 0.5, 'central'), fps=60.0,
                                 exercises=('smile',)))
    course = np.array([truth.intensity for truth in slow_motion])
    peak = course.max(axis=0)
    assert peak[0] == pytest.approx(0.5 * peak[1], rel=0.02)
    half = (course > 0.5 * peak).argmax(axis=0)
    assert half[0] >= half[1] + 3  # ≥ 50 ms


@pytest.mark.parametrize('side', [Side.LEFT, Side.RIGHT])
def test_the_drawn_landmarks_move_less_on_the_weak_side(astronaut, side):
    frames = list(session(astronaut, Palsy.of(side, 0.5, 'central'), exercises=('smile',)))
    rest, held = (np.median([smile_heights(frame.points) for frame in frames
                             if (frame.truth.exercise, frame.truth.phase) == wanted], axis=0)
                  for wanted in (('rest', 'rest'), ('smile', 'hold')))
    right, left = held - rest
    assert (right < left) == (side is Side.RIGHT)
    # Half of what the other side does, less what the mouth is dragged to the healthy side.
    assert 0.3 < min(right, left) / max(right, left) < 0.5


def test_a_palsy_that_sets_in_while_filming(astronaut):
    course = truths(session(astronaut, exercises=(), first_rest_s=3.0, onset_s=1.0))
    assert [truth.side for truth in course[:11]] == [Side.NONE] * 11
    assert {truth.side for truth in course[11:]} == {Side.LEFT}
    assert course[5].severity_mouth == 0.0
    assert course[-1].severity_mouth == 0.8
    assert course[-1].commissure_mm[0] > course[5].commissure_mm[0] + 3.0


def test_blinks_close_the_healthy_eye_only(astronaut):
    course = truths(session(astronaut, Palsy.of(Side.LEFT, 1.0, 'peripheral'), exercises=(),
                            first_rest_s=4.0, blinks_per_minute=40.0, fps=20.0))
    deepest = max(course, key=lambda truth: truth.blink)
    assert deepest.blink > 0.8
    assert deepest.lid_gap_mm[1] < 0.4 * course[0].lid_gap_mm[1]
    assert deepest.lid_gap_mm[0] > 0.9 * course[0].lid_gap_mm[0]


def test_the_head_stays_within_its_bounds(astronaut):
    yaws = np.array([truth.yaw_deg for truth in truths(
        session(astronaut, exercises=(), first_rest_s=6.0, fps=4.0))])
    own = truths(session(astronaut, exercises=(), head_motion=0.0))[0].yaw_deg
    assert np.abs(yaws - own).max() <= 12.1
    assert np.ptp(yaws) > 3.0


def test_the_same_seed_gives_the_same_bytes(astronaut):
    first, second, other = (session(astronaut, seed=seed) for seed in (3, 3, 4))
    for index in (0, 12, 7):  # in any order
        assert first.frame(index).jpeg == second.frame(index).jpeg
        assert first.frame(index).truth == second.frame(index).truth
    assert first.frame(12).jpeg != other.frame(12).jpeg


def test_the_picture_is_what_its_jpeg_decodes_to(astronaut):
    frame = session(astronaut).frame(4)
    assert frame.jpeg[:3] == b'\xff\xd8\xff'
    assert frame.rgb.shape == (300, 320, 3)


def test_mirroring_flips_the_picture_and_not_the_patient(mesh, astronaut):
    straight = session(astronaut, camera=0.0).frame(0)
    mirrored = session(astronaut, camera=0.0, mirrored=True).frame(0)
    assert dataclasses.replace(mirrored.truth, mirrored=False) == straight.truth
    assert mirrored.truth.mirrored
    difference = np.abs(mirrored.rgb[:, ::-1].astype(int) - straight.rgb)
    assert difference.mean() < 2.0  # JPEG blocks lie elsewhere
    heights = [normalise(mesh.detect(frame.rgb)[0]).points[[61, 291], 1]
               for frame in (straight, mirrored)]
    assert heights[0][0] > heights[0][1] + 1.0
    assert heights[1][0] < heights[1][1] - 1.0


def test_minimum_jerk_is_smooth_and_symmetric():
    course = np.array([minimum_jerk(x) for x in np.linspace(-0.2, 1.2, 141)])
    assert (np.diff(course) >= 0.0).all()
    np.testing.assert_allclose(course + course[::-1], 1.0, atol=1e-12)


@pytest.mark.parametrize('fault', [
    {'exercises': ('yawn',)}, {'fps': 0.0}, {'hold_s': -1.0}, {'jpeg_quality': 0},
    {'head_motion': 2.0}])
def test_impossible_plans_are_refused(fault):
    with pytest.raises(ValueError, match=next(iter(fault)).split('s')[0]):
        SessionPlan(**fault)


def test_a_frame_outside_the_session_is_an_error(astronaut):
    a_session = session(astronaut)
    with pytest.raises(IndexError):
        a_session.frame(len(a_session))


TALK = SessionPlan(exercises=(), first_rest_s=0.5, talk_s=9.0, rest_s=0.5, fps=10.0,
                   width=320, height=300, interocular_px=85.0, blinks_per_minute=0.0)


def places(a_session, measure):
    return np.array([measure(frame.points) for frame in a_session])


def test_unasked_talk_and_smiles_move_the_face_and_are_no_exercise(astronaut):
    talking = session(astronaut, Palsy(Side.NONE), TALK)
    frames = list(talking)
    said = [frame.truth.phase for frame in frames]
    assert set(said) == {'rest', 'talk'}
    assert {frame.truth.exercise for frame in frames} == {'rest'}
    assert not talking.cues
    moved = places(talking, smile_heights)
    assert min(np.ptp(moved, axis=0)) > 1.5
    resting = moved[[phase == 'rest' for phase in said]]
    np.testing.assert_allclose(resting, np.broadcast_to(resting[0], resting.shape), atol=1e-9)


def test_a_weak_side_talks_less(astronaut):
    talking = places(session(astronaut, Palsy.of(Side.LEFT, 0.8), TALK), smile_heights)
    right, left = np.abs(talking - talking[0]).mean(axis=0)
    assert left < 0.7 * right


def test_an_open_mouth_is_seen_open(mesh, astronaut):
    face = SimulatedFace(astronaut, Palsy(Side.NONE))
    gaps = []
    for jaw in (0.0, 0.5):
        rgb, _ = face.draw(Expression(jaw=jaw))
        points = normalise(mesh.detect(rgb)[0]).points
        gaps.append(points[13, 1] - points[14, 1])
    assert gaps[1] > gaps[0] + 4.0


def test_far_from_the_camera_there_is_still_one_person(mesh):
    """The photograph's edges are mirrored outwards, and they must not show the face again."""
    far = SessionPlan(exercises=(), interocular_px=36.0, blinks_per_minute=0.0)
    filmed = Session(portrait(astronaut_photograph(), mesh=mesh), LEFT, far)
    pipeline = Pipeline(PipelineSettings(use_classifier=False), video=True)
    said = [pipeline.assess(filmed.frame(index).rgb, index / far.fps).side for index in range(5)]
    pipeline.close()
    assert not any('several_faces' in one.reasons for one in said)
