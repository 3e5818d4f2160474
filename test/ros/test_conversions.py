"""Assessments and messages say the same, field by field."""

from __future__ import annotations

import array
import dataclasses
import math

import numpy as np
import pytest
from std_msgs.msg import Header

from stroke_side_monitor.assessment import severity, side, terms
from stroke_side_monitor.assessment.exercise import ExerciseResult as Result
from stroke_side_monitor.assessment.metrics import UNITS
from stroke_side_monitor.pipeline import Assessment, View
from stroke_side_monitor.ros import conversions
from stroke_side_msgs.msg import (
    AffectedSide,
    ExerciseResult,
    Severity,
    SimulatedPatientTruth,
)

HEADER = Header(stamp=conversions.stamp_of(12.5), frame_id='camera')


@pytest.mark.parametrize(('enumeration', 'message', 'prefix'), [
    (terms.Side, AffectedSide, ''), (terms.ClassifierAgreement, AffectedSide, 'CLASSIFIER_'),
    (terms.Grade, Severity, 'GRADE_'), (terms.Basis, Severity, 'BASIS_'),
    (terms.RegionSeverity, Severity, 'REGION_'), (terms.Pattern, Severity, 'PATTERN_'),
    (terms.Trend, Severity, 'TREND_')])
def test_the_words_have_the_numbers_of_the_messages(enumeration, message, prefix):
    for word in enumeration:
        assert getattr(message, prefix + word.name) == word, word
    if enumeration is terms.Side:
        for word in ('NONE', 'LEFT', 'RIGHT'):
            assert getattr(SimulatedPatientTruth, word) == terms.Side[word]


def assessment() -> Assessment:
    """One in which no two numbers are equal."""
    decision = side.SideDecision(
        terms.Side.LEFT, 0.75, 0.7, 0.2, 0.1, 2.5, -0.5, 1.5,
        terms.ClassifierAgreement.AGREES, True, ('blink',))
    estimate = severity.SeverityEstimate(
        terms.Grade.MILD, 62.0, terms.Basis.DYNAMIC, terms.RegionSeverity.MODERATE,
        terms.RegionSeverity.MILD, terms.Pattern.LOWER_FACE, 1, 2, 3, 5, terms.Trend.IMPROVING,
        4.5, ('rest_only',))
    view = View(yaw_deg=1.0, pitch_deg=2.0, roll_deg=-3.0, interocular_px=130.0,
                millimetre_per_pixel=0.48, box_px=(10, 20, 30, 40), luminance=99.0,
                sharpness=55.0, reasons=('too_dark',))
    names = sorted(UNITS)
    return Assessment(12.5, decision, estimate, view,
                      metrics={name: float(i) for i, name in enumerate(names)},
                      z={name: -float(i) for i, name in enumerate(names[:-1])})


def test_the_side_keeps_every_field():
    told = conversions.affected_side(assessment(), HEADER)
    assert told.header == HEADER
    assert (told.side, told.classifier_agreement) == (
        AffectedSide.LEFT, AffectedSide.CLASSIFIER_AGREES)
    numbers = (told.confidence, told.probability_left, told.probability_none,
               told.probability_right, told.landmark_score, told.eye_score, told.classifier_score)
    assert numbers == pytest.approx((0.75, 0.7, 0.2, 0.1, 2.5, -0.5, 1.5))
    assert told.stable is True
    assert told.reasons == ['blink']


def test_the_severity_keeps_every_field():
    told = conversions.severity(assessment(), HEADER)
    assert told.header == HEADER
    for field in dataclasses.fields(severity.SeverityEstimate):
        expected = getattr(assessment().severity, field.name)
        if field.name == 'reasons':
            assert told.reasons == list(expected)
        else:
            assert getattr(told, field.name) == pytest.approx(expected), field.name


def test_the_measurements_keep_name_unit_and_place():
    told = conversions.asymmetry(assessment(), HEADER)
    assert told.header == HEADER
    assert [metric.name for metric in told.metrics] == sorted(UNITS)
    for i, metric in enumerate(told.metrics):
        assert (metric.value, metric.unit) == (i, UNITS[metric.name])
        assert metric.z == -i or (i == len(UNITS) - 1 and math.isnan(metric.z))
    region = told.face_region
    assert (region.x_offset, region.y_offset, region.width, region.height) == (10, 20, 30, 40)
    seen = (told.yaw_deg, told.pitch_deg, told.roll_deg, told.interocular_px,
            told.millimetre_per_pixel, told.face_luminance, told.sharpness)
    assert seen == pytest.approx((1.0, 2.0, -3.0, 130.0, 0.48, 99.0, 55.0))
    assert told.reasons == ['too_dark']


def test_an_exercise_result_keeps_every_field():
    values = {field.name: 0.5 + i for i, field in enumerate(dataclasses.fields(Result))}
    result = Result(**{**values, 'stamp_s': 12.345678, 'exercise': 'smile', 'repetition': 3,
                       'valid': True, 'unit': 'mm', 'item_score': 4, 'quality': 0.9,
                       'reasons': ('rest_missing',)})
    told = conversions.exercise_result(result, 'camera')
    assert (told.header.stamp.sec, told.header.stamp.nanosec) == (12, 345678000)
    assert told.header.frame_id == 'camera'
    for name in ExerciseResult.get_fields_and_field_types():
        if name != 'header':
            told_value, value = getattr(told, name), getattr(result, name)
            assert told_value == (list(value) if name == 'reasons' else pytest.approx(value)), name


def test_a_picture_survives_the_way_through_a_message():
    rgb = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    message = conversions.image_message(rgb, HEADER)
    assert (message.encoding, message.step, message.header) == ('rgb8', 21, HEADER)
    assert isinstance(message.data, array.array)
    np.testing.assert_array_equal(conversions.picture(message), rgb)
    left_half = conversions.image_message(rgb[:, :3], HEADER)  # not contiguous
    np.testing.assert_array_equal(conversions.picture(left_half), rgb[:, :3])


@pytest.mark.parametrize('seconds', [0.0, 1e-6, 12.345678, 1795263256.558728])
def test_stamps_survive_to_the_microsecond(seconds):
    header = Header(stamp=conversions.stamp_of(seconds))
    assert conversions.stamp_s(header) == pytest.approx(seconds, abs=1e-6)
