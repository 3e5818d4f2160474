"""Assessments and messages say the same, field by field."""

from __future__ import annotations

import array
import dataclasses
import math

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from stroke_side_monitor.assessment import severity, side, terms
from stroke_side_monitor.assessment.exercise import ExerciseResult as Result
from stroke_side_monitor.assessment.metrics import UNITS
from stroke_side_monitor.pipeline import Assessment, View
from stroke_side_monitor.ros import conversions
from stroke_side_monitor.ros.moments import Moments
from stroke_side_msgs.msg import (
    AffectedSide,
    ExerciseCue,
    ExerciseResult,
    Severity,
    SimulatedPatientTruth,
)

HEADER = Header(stamp=conversions.stamp_of(12_500_000_000), frame_id='camera')


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
                      z={name: -float(i) for i, name in enumerate(names[:-1])},
                      session=7, session_reason='reset')


def test_the_side_keeps_every_field():
    told = conversions.affected_side(assessment(), HEADER)
    assert told.header == HEADER
    assert (told.side, told.classifier_agreement) == (
        AffectedSide.LEFT, AffectedSide.CLASSIFIER_AGREES)
    numbers = (told.confidence, told.probability_left, told.probability_none,
               told.probability_right, told.landmark_score, told.eye_score, told.classifier_score)
    assert numbers == pytest.approx((0.75, 0.7, 0.2, 0.1, 2.5, -0.5, 1.5))
    assert told.stable is True
    assert (told.session, told.session_reason) == (7, 'reset')
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


    assert (told.session, told.session_reason) == (7, 'reset')


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


# Stamps of today that floating-point seconds cannot tell from their neighbours.
IMAGE_NS, CUE_NS = 1_795_263_256_558_728_123, 1_795_263_251_000_000_001


def test_an_exercise_result_keeps_every_field():
    moments = Moments()
    values = {field.name: 0.5 + i for i, field in enumerate(dataclasses.fields(Result))}
    result = Result(**{**values, 'stamp_s': IMAGE_NS * 1e-9, 'start_s': CUE_NS * 1e-9,
                       'exercise': 'smile', 'repetition': 3, 'valid': True, 'unit': 'mm',
                       'item_score': 4, 'quality': 0.9, 'reasons': ('rest_missing',)})
    moments.image(result.stamp_s, conversions.stamp_of(IMAGE_NS))
    moments.start(result.start_s, ExerciseCue(
        header=Header(stamp=conversions.stamp_of(CUE_NS)), exercise='smile', cue_id=42))
    told = conversions.exercise_result(result, assessment(), moments, 'camera')
    assert conversions.stamp_ns(told.header) == IMAGE_NS
    assert conversions.stamp_ns(Header(stamp=told.cue_stamp)) == CUE_NS
    assert (told.cue_id, told.session, told.session_reason) == (42, 7, 'reset')
    assert told.header.frame_id == 'camera'
    of_dataclass = set(ExerciseResult.get_fields_and_field_types()) - {
        'header', 'cue_id', 'cue_stamp', 'session', 'session_reason'}
    for name in of_dataclass:
        told_value, value = getattr(told, name), getattr(result, name)
        assert told_value == (list(value) if name == 'reasons' else pytest.approx(value)), name


def test_a_cue_without_stamp_was_given_with_the_last_image():
    moments = Moments()
    moments.image(5.0, conversions.stamp_of(IMAGE_NS))
    moments.start(5.0, ExerciseCue(exercise='smile', cue_id=3))
    assert moments.started('smile', 5.0) == (3, conversions.stamp_of(IMAGE_NS))
    moments.clear()
    assert moments.started('smile', 5.0) == (0, conversions.stamp_of(0))


def test_asked_for_twice_between_two_images_each_start_keeps_its_own_number():
    moments = Moments()
    for cue_id in (1, 2):
        moments.start(5.0, ExerciseCue(exercise='smile', cue_id=cue_id))
    assert [moments.started('smile', 5.0)[0] for _ in range(2)] == [1, 2]


def test_moments_do_not_pile_up():
    moments = Moments()
    for number in range(10_000):
        moments.image(float(number), conversions.stamp_of(number))
    assert moments.stamp(9_999.0) == conversions.stamp_of(9_999)
    assert moments.stamp(0.0) == conversions.stamp_of(0)
    assert moments.stamp(7_000.0) == conversions.stamp_of(0), 'an image of minutes ago'


def test_a_picture_survives_the_way_through_a_message():
    rgb = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    message = conversions.image_message(rgb, HEADER)
    assert (message.encoding, message.step, message.header) == ('rgb8', 21, HEADER)
    assert isinstance(message.data, array.array)
    np.testing.assert_array_equal(conversions.picture(message), rgb)
    left_half = conversions.image_message(rgb[:, :3], HEADER)  # not contiguous
    np.testing.assert_array_equal(conversions.picture(left_half), rgb[:, :3])


@pytest.mark.parametrize('nanoseconds', [0, 1, 12_345_678_901, IMAGE_NS, (2 ** 31 - 1) * 10 ** 9])
def test_stamps_survive_to_the_nanosecond(nanoseconds):
    header = Header(stamp=conversions.stamp_of(nanoseconds))
    assert conversions.stamp_ns(header) == nanoseconds
    assert conversions.stamp_s(header) == pytest.approx(nanoseconds * 1e-9, abs=3e-7)


@pytest.mark.parametrize('stamp', [Time(sec=1_795_689_465, nanosec=420_679_001), Time(),
                                   Time(sec=-1, nanosec=999_999_999)])
@pytest.mark.parametrize('kind', list(conversions.IMAGE_TYPES.values()))
def test_the_stamp_is_read_without_unpacking_the_image(kind, stamp):
    message = kind(header=Header(stamp=stamp, frame_id='camera'))
    assert conversions.serialised_stamp_s(serialize_message(message)) \
        == conversions.stamp_s(message.header)
