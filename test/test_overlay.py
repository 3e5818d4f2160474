"""The overlay says what the assessment says, on the patient's side of the picture."""

import dataclasses

import cv2
import numpy as np
import pytest

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor import overlay
from stroke_side_monitor.assessment.terms import Grade, Side
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import portrait
from stroke_side_monitor.simulation.still import simulate_still


@pytest.fixture(scope='module')
def stills():
    pipeline = Pipeline(PipelineSettings(), video=False)
    yield pipeline
    pipeline.close()


@pytest.fixture(scope='module')
def left_weak(astronaut):
    framed = portrait(astronaut, 'astronaut').framed(640, 480, 110.0)
    rgb, _ = simulate_still(framed, Palsy.of(Side.LEFT, 1.0, 'central'), 'smile')
    return rgb


def change_at(picture, drawn, pixels, index):
    column, row = np.round(pixels[index]).astype(int)
    window = np.s_[row - 3:row + 4, column - 3:column + 4]
    return float(np.abs(drawn[window].astype(int) - picture[window]).mean())


def test_the_weaker_half_of_the_mouth_is_tinted(stills, left_weak):
    assessment = stills.assess(left_weak, 0.0)
    assert assessment.side.side is Side.LEFT
    drawn = overlay.draw(left_weak, assessment)
    pixels = assessment.view.face.pixels()
    assert change_at(left_weak, drawn, pixels, 405) > 10 > change_at(left_weak, drawn, pixels, 181)


def test_on_a_mirrored_picture_the_patients_left_is_tinted_where_it_appears(left_weak):
    flipped = np.ascontiguousarray(left_weak[:, ::-1])
    undoing = Pipeline(PipelineSettings(input_mirrored=True), video=False)
    assessment = undoing.assess(flipped, 0.0)
    undoing.close()
    assert assessment.side.side is Side.LEFT
    drawn = overlay.draw(flipped, assessment, mirrored=True)
    pixels = assessment.view.face.pixels()
    pixels[:, 0] = 640 - pixels[:, 0]
    assert pixels[lm.COMMISSURE_LEFT, 0] < pixels[lm.COMMISSURE_RIGHT, 0]
    assert change_at(flipped, drawn, pixels, 405) > 10 > change_at(flipped, drawn, pixels, 181)


def test_the_words_name_side_confidence_and_index(stills, left_weak):
    title, details = overlay.caption(stills.assess(left_weak, 0.0))
    assert title.startswith('LEFT side weaker')
    assert '/100' in details


def test_beside_a_named_side_nothing_is_called_normal(stills, left_weak):
    assessment = stills.assess(left_weak, 0.0)
    normal = dataclasses.replace(assessment.severity, symmetry_index=95.0, grade=Grade.NORMAL)
    weak = dataclasses.replace(assessment, severity=normal)
    alike = dataclasses.replace(
        weak, side=dataclasses.replace(assessment.side, side=Side.NONE))
    assert 'symmetry 95/100 (at rest)' in overlay.caption(weak)[1]
    assert 'symmetry 95/100, normal (at rest)' in overlay.caption(alike)[1]


def test_unknown_says_why(stills):
    title, _ = overlay.caption(stills.lost(0.0, 'no_face'))
    assert title == 'UNKNOWN: no face'


def test_several_reasons_fit_on_one_line(stills, left_weak):
    assessment = stills.assess(left_weak, 0.0)
    reasons = ('too_small', 'cut_by_border', 'blurred')
    crowded = dataclasses.replace(assessment, side=dataclasses.replace(
        assessment.side, side=Side.UNKNOWN, reasons=reasons))
    title, _ = overlay.caption(crowded)
    width = cv2.getTextSize(title, cv2.FONT_HERSHEY_DUPLEX, 1.1 * 0.64, 1)[0][0]
    assert width < 640


def test_the_picture_given_is_not_changed(stills, left_weak):
    before = left_weak.copy()
    overlay.draw(left_weak, stills.assess(left_weak, 0.0))
    assert np.array_equal(left_weak, before)


def test_colours_rank_with_the_score():
    assert overlay.severity_colour(0.5) == overlay.severity_colour(-0.5)
    assert len({overlay.severity_colour(score) for score in (0.5, 2.5, 4.0, 9.0)}) == 4
