"""An eye that something covers is told from one that is seen; a mirror changes nothing."""

import dataclasses

import numpy as np
import pytest

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.perception.hidden_eye import BORDER, HiddenEye, unevenness
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import portrait
from stroke_side_monitor.simulation.still import simulate_still
from studies.hidden_eye import STUFFS, covered
from training.occlusion import people

EYES = (Side.LEFT, Side.RIGHT)


def seen(looked, rgb):
    return unevenness(looked(rgb)[0])


@pytest.mark.parametrize('eye', EYES)
@pytest.mark.parametrize('stuff', STUFFS)
def test_a_covered_eye_is_told_and_mirrored_bit_for_bit(looked, face, stuff, eye):
    rgb = covered(face, stuff, eye, rng=np.random.default_rng(1))
    assert seen(looked, rgb) < BORDER
    assert seen(looked, np.ascontiguousarray(rgb[:, ::-1])) == seen(looked, rgb)


def test_a_bare_face_and_one_with_both_eyes_covered_are_not(looked, face):
    assert seen(looked, face.rgb) > BORDER / 2
    assert seen(looked, covered(face, 'black patch', *EYES, rng=np.random.default_rng(1))) > BORDER


@pytest.mark.parametrize('kind', ['spectacles', 'beard', 'cannula'])
def test_nor_are_spectacles_and_the_like(looked, face, kind):
    rgb = people.clear(face, 'validation', kind, np.random.default_rng(3)).rgb
    assert seen(looked, rgb) > BORDER


@pytest.mark.parametrize('exercise', ['rest', 'smile', 'eye_close', 'brow_raise'])
def test_nor_is_a_palsied_face_that_moves(looked, astronaut, exercise):
    patient = portrait(astronaut, 'astronaut').framed(480, 520, 90.0)
    rgb, _ = simulate_still(patient, Palsy.of(Side.LEFT, 0.8, 'peripheral'), exercise)
    assert seen(looked, rgb) > BORDER


@pytest.fixture
def bare(looked, face):
    return looked(face.rgb)


@pytest.fixture
def patched(looked, face):
    return looked(covered(face, 'gauze', Side.LEFT, rng=np.random.default_rng(1)))


def followed(looks, same_face=True):
    """Answers at four frames a second, each of them a look; the first face is a new one."""
    eye = HiddenEye()
    return [eye.is_hidden(view, dataclasses.replace(sighting, same_face=same_face and i > 0), i / 4)
            for i, (view, sighting) in enumerate(looks)]


def test_two_odd_looks_change_nothing_and_a_patch_is_told_with_the_third(bare, patched):
    assert not any(followed([bare] * 5 + [patched] * 2 + [bare] * 5))
    assert followed([bare] * 5 + [patched] * 4 + [bare] * 4) == [
        *[False] * 7, True, True, True, True, False, False]


def test_a_clock_that_went_back_stops_no_looking(bare, patched):
    eye = HiddenEye()
    stamps = [100.0, *(index / 4 for index in range(6))]
    said = [eye.is_hidden(view, dataclasses.replace(sighting, same_face=True), stamp)
            for stamp, (view, sighting) in zip(stamps, [patched] + [bare] * 6, strict=True)]
    assert (said[0], said[-1]) == (True, False)


def test_another_face_is_judged_by_its_first_picture(bare, patched):
    assert followed([bare, patched, bare], same_face=False) == [False, True, False]
