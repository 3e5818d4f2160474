"""Which of several faces may be the patient's, and when nobody can say; mirrored alike."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.perception import patient_choice
from stroke_side_monitor.perception.face_tracker import VideoFaceTracker
from stroke_side_monitor.perception.patient_choice import CENTRE, FOLLOW, LARGEST, Shape, Wish
from studies import two_people

W, H = 600, 400
LARGE, MIDDLE, SMALL = (400, 50, 580, 230), (250, 100, 370, 220), (20, 150, 100, 230)
BOXES = (LARGE, MIDDLE, SMALL)


def ranked(wish, expected=None, away_s=0.0):
    return patient_choice.ranked(BOXES, W, H, wish, expected, away_s)


@pytest.fixture
def face(astronaut_face):
    """A face 120 px wide in the middle of a picture 600 wide."""
    points = astronaut_face.points * 120 / np.ptp(astronaut_face.points[:, 0])
    points[:, :2] -= (points[:, :2].max(axis=0) + points[:, :2].min(axis=0)) / 2
    return replace(astronaut_face, points=points + np.array([10, 40, 0]), width=W, height=H)


def test_each_policy_ranks_in_its_own_way(face):
    assert ranked(Wish(LARGEST)) == [0, 1, 2]
    assert ranked(Wish(CENTRE)) == [1, 0, 2]
    assert ranked(Wish(FOLLOW)) == [0, 1, 2]  # nobody was there before
    assert ranked(Wish(FOLLOW), face, 0.5) == [1]
    assert ranked(Wish(LARGEST, (0, 120, 120, 140))) == [2]
    assert ranked(Wish(FOLLOW, (0, 120, 120, 140)), face) == [2]
    assert ranked(Wish(LARGEST, (0, 0, 50, 50))) == []


def test_who_is_followed_walks_no_faster_than_a_patient(face):
    far = (20, 100, 140, 220)
    for away_s, may in ((0.5, False), (2.0, False), (4.9, True)):
        found = patient_choice.ranked([far], W, H, Wish(FOLLOW), face, away_s)
        assert bool(found) == may, away_s


def ambiguous(boxes, wish, *, chosen=False):
    return patient_choice.is_ambiguous(boxes, W, H, wish, chosen=chosen)


def test_nobody_is_named_where_nobody_can_say():
    alike = ((100, 100, 220, 220), (380, 100, 500, 220))
    assert ambiguous(alike, Wish(LARGEST))
    assert ambiguous(alike, Wish(CENTRE))
    assert ambiguous(alike, Wish(FOLLOW))
    assert not ambiguous(alike, Wish(FOLLOW), chosen=True)
    assert not ambiguous(alike, Wish(LARGEST, (90, 90, 150, 150)))
    assert ambiguous(alike, Wish(LARGEST, (0, 0, W, H)))
    assert not ambiguous(BOXES[1:], Wish(CENTRE))
    assert not ambiguous(alike[:1], Wish(LARGEST))


def test_a_face_may_be_ahead_of_its_region_by_half_its_width(face):
    column, row = face.centre_px
    for left, elsewhere in ((column - 50, False), (column + 50, False), (column + 70, True)):
        assert patient_choice.is_elsewhere(face, Wish(LARGEST, (left, 0, 100, H))) == elsewhere
        mirrored = Wish(LARGEST, (W - 100 - left, 0, 100, H))
        assert patient_choice.is_elsewhere(face.mirrored(), mirrored) == elsewhere
    assert patient_choice.is_elsewhere(face, Wish(LARGEST, (0, row + 61, W, 20)))
    assert not patient_choice.is_elsewhere(face, Wish(FOLLOW))


@pytest.mark.parametrize('policy', [LARGEST, CENTRE, FOLLOW])
def test_who_was_followed_is_not_the_patient_once_the_patient_is_said_to_be_elsewhere(
        astronaut, policy):
    """The therapist is in view, the patient has turned away: nobody is assessed."""
    height, width = astronaut.shape[:2]
    room = np.full((height, 2 * width, 3), 150, np.uint8)
    room[:, :width] = astronaut
    tracker, elsewhere = VideoFaceTracker(), (width + 50, 0, width - 50, height)
    seen = [bool(tracker.look(room, index / 15, Wish(policy)).opinions) for index in range(8)]
    assert all(seen)
    seen = [bool(tracker.look(room, 1 + index / 15, Wish(policy, elsewhere)).opinions)
            for index in range(20)]
    assert not any(seen)
    there = Wish(policy, (0, 0, width, height))
    assert tracker.look(room, 3.0, there).opinions
    tracker.close()


def test_a_mesh_that_has_failed_says_nothing_of_whose_face_it_is(face):
    flat = replace(face, points=face.points * np.array([1.0, 1.0, 0.0]))
    shape = Shape()
    shape.learn(flat)
    assert not shape.is_another(flat, face, 0.05), 'nothing was learnt of it'
    shape.learn(face)
    assert not shape.is_another(face, flat, 0.05)
    wide = replace(flat, points=flat.points * 2.0)
    assert shape.is_another(face, wide, 0.05), 'its size still tells'


def test_a_change_of_person_is_noticed_and_a_smile_is_none(face):
    shape = Shape()
    shape.learn(face)
    assert not shape.is_another(face, face, 0.03)
    wider = replace(face, points=face.points * (1.5, 1.5, 1.5))
    assert shape.is_another(face, wider, 0.03)
    smiling = face.points.copy()
    smiling[[61, 291]] += (0, 6, 0)
    assert not shape.is_another(face, replace(face, points=smiling), 0.03)


@pytest.fixture(scope='module')
def pair(shared):
    return next(two_people.pairs(shared / 'data', 1))


def test_the_one_who_was_there_first_is_kept_through_everything(pair):
    for name, scene in two_people.SCENES.items():
        found = two_people.watch(*pair, scene, FOLLOW)
        assert found['inherited'] == 0, name
        assert found['patient'] >= 0.98 * (found['patient'] + found['therapist']), name
        assert found['patient'] >= 0.5 * found['frames'], name


@pytest.mark.parametrize('policy', [CENTRE, FOLLOW])
def test_a_mirrored_video_gives_mirrored_landmarks_bit_for_bit(pair, policy):
    direct, mirrored = VideoFaceTracker(), VideoFaceTracker()
    seen = 0
    for number in range(75):
        t = number / two_people.FPS - two_people.ALONE_S
        rgb, *_ = two_people.draw(*pair, two_people.crossing, t)
        one = direct.look(rgb, number / 15, Wish(policy))
        other = mirrored.look(cv2.flip(rgb, 1), number / 15, Wish(policy))
        assert len(one.opinions) == len(other.opinions)
        assert (one.ambiguous, one.same_face) == (other.ambiguous, other.same_face)
        if one.opinions:
            seen += 1
            assert np.array_equal(one.face.points, other.face.mirrored().points)
    assert seen > 40
    direct.close()
    mirrored.close()


def test_a_head_is_drawn_weak_on_its_own_side(shared):
    files = sorted((shared / 'data/london_faces/neutral').glob('*.jpg'))
    assert two_people.head(files[0], Side.RIGHT).rgb.shape == (360, 300, 3)
