"""What a mouth does unasked: sides told by how far they move, and nothing told of a still mouth."""

import math

import numpy as np
import pytest

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor.assessment.spontaneous import DEFAULTS, SpontaneousMovement

FPS = 15.0


@pytest.fixture
def talk(symmetric_points):
    """A factory: frames of a mouth whose corners go up and down three times in two seconds, mm."""
    def frames(right, left, seconds=6.0, *, bias_mm=0.0, fps=FPS, droop_mm=0.0, start_s=0.0):
        made = []
        for index in range(round(seconds * fps)):
            wave = math.sin(2 * math.pi * 1.5 * index / fps)
            points = symmetric_points.copy()
            bias = bias_mm * (-1) ** index / 2
            points[lm.COMMISSURE_RIGHT, 1] += right * wave + bias
            points[lm.COMMISSURE_LEFT, 1] += left * wave - bias - droop_mm
            made.append((start_s + index / fps, points))
        return made
    return frames


def play(frames):
    spontaneous = SpontaneousMovement()
    answer = math.nan
    for stamp_s, points in frames:
        answer = spontaneous.add(stamp_s, points)
    return answer


@pytest.mark.parametrize(('right', 'left'), [(2.0, 1.0), (1.0, 2.0), (2.0, 2.0), (3.0, 0.0)])
def test_the_side_that_moves_less_is_told_by_the_slope_of_difference_on_mean(talk, right, left):
    expected = (right ** 2 - left ** 2) / (2 * ((right + left) / 2) ** 2)
    assert play(talk(right, left)) == pytest.approx(expected, abs=1e-9)


def test_where_the_mouth_stands_does_not_matter(talk):
    assert play(talk(2.0, 1.0, droop_mm=4.0)) == pytest.approx(play(talk(2.0, 1.0)), abs=1e-9)


@pytest.mark.parametrize('fps', [8.0, 10.0, 15.0, 30.0])
def test_the_rate_of_pictures_does_not_matter(talk, fps):
    assert play(talk(2.0, 1.0, fps=fps)) == pytest.approx(2 / 3, abs=1e-9)


def test_the_alternating_bias_of_two_mirrored_trackers_cancels(talk):
    for fps in (10.0, 15.0):
        biased = play(talk(2.0, 1.0, bias_mm=2.0, fps=fps))
        assert biased == pytest.approx(play(talk(2.0, 1.0, fps=fps)), abs=0.02)


def test_mirrored_landmarks_negate_it_bit_for_bit(talk):
    generator = np.random.default_rng(5)
    frames = [(stamp_s, points + generator.normal(0.0, 0.2, points.shape))
              for stamp_s, points in talk(2.0, 1.0)]
    mirrored = [(stamp_s, lm.mirror_points(points)) for stamp_s, points in frames]
    assert play(frames) == -play(mirrored) != 0.0


@pytest.mark.parametrize('mm', [0.0, 0.1])
def test_of_a_still_mouth_nothing_is_told(talk, mm):
    assert math.isnan(play(talk(mm, 0.0, 20.0)))


def test_two_seconds_of_movement_are_needed(talk):
    assert math.isnan(play(talk(3.0, 2.0, 1.5)))
    assert not math.isnan(play(talk(3.0, 2.0, 5.0)))


def test_what_was_long_ago_is_forgotten(talk):
    later = talk(0.0, 0.0, DEFAULTS.remember_s + 2.0, start_s=6.0)
    assert not math.isnan(play(talk(2.0, 1.0) + later[:100]))
    assert math.isnan(play(talk(2.0, 1.0) + later))


@pytest.mark.parametrize('gap', ['one side jumps while nobody looks', 'the camera pauses'])
def test_nothing_is_made_of_what_lies_between_two_looks(talk, gap):
    """Every second the right corner is found elsewhere; in between both move alike."""
    frames = []
    for piece in range(24):
        for stamp_s, points in talk(2.0, 2.0, 0.6, start_s=piece * 1.0):
            points[lm.COMMISSURE_RIGHT, 1] += 12.0 * (piece % 2)
            frames.append((stamp_s, points))
        if gap == 'one side jumps while nobody looks':
            frames += [(piece + 0.6 + index / FPS, None) for index in range(6)]
    assert play(frames) == pytest.approx(0.0, abs=1e-9)


def test_a_recording_that_begins_anew_begins_anew(talk):
    spontaneous = SpontaneousMovement()
    for stamp_s, points in talk(2.0, 1.0):
        spontaneous.add(stamp_s, points)
    assert math.isnan(spontaneous.add(1.0, talk(2.0, 1.0)[0][1]))


def test_reset_forgets_the_patient(talk):
    spontaneous = SpontaneousMovement()
    for stamp_s, points in talk(2.0, 1.0):
        spontaneous.add(stamp_s, points)
    spontaneous.reset()
    assert math.isnan(spontaneous.add(6.0, talk(2.0, 1.0)[0][1]))
