"""What the severity estimate says about scores at rest and about movement."""

import math

import pytest

from stroke_side_monitor.assessment.severity import (
    DEFAULTS,
    grade_of,
    region_severity,
    static_severity,
    unknown_severity,
)
from stroke_side_monitor.assessment.terms import Basis, Grade, Pattern, RegionSeverity, Trend


def test_an_unassessed_face_has_no_figure_anywhere():
    estimate = unknown_severity(('no_face',))
    assert (estimate.grade, estimate.basis) == (Grade.UNKNOWN, Basis.UNKNOWN)
    assert (estimate.mouth_severity, estimate.eye_severity) == (RegionSeverity.UNKNOWN,) * 2
    assert (estimate.pattern, estimate.trend) == (Pattern.UNKNOWN, Trend.UNKNOWN)
    assert math.isnan(estimate.symmetry_index)
    assert math.isnan(estimate.trend_per_minute)
    assert (estimate.nihss_min, estimate.nihss_max) == (-1, -1)
    assert (estimate.house_brackmann_min, estimate.house_brackmann_max) == (-1, -1)
    assert estimate.reasons == ('no_face',)


@pytest.mark.parametrize(('score', 'severity'), [
    (0.0, RegionSeverity.NONE), (1.99, RegionSeverity.NONE), (-1.99, RegionSeverity.NONE),
    (2.0, RegionSeverity.MILD), (-3.99, RegionSeverity.MILD),
    (4.0, RegionSeverity.MODERATE), (-7.49, RegionSeverity.MODERATE),
    (7.5, RegionSeverity.SEVERE), (-40.0, RegionSeverity.SEVERE),
    (math.nan, RegionSeverity.UNKNOWN),
])
def test_the_mouth_is_graded_by_the_size_of_its_score(score, severity):
    assert region_severity(score, DEFAULTS.mouth_cuts) == severity


@pytest.mark.parametrize(('index', 'grade'), [
    (100, Grade.NORMAL), (90, Grade.NORMAL), (89.9, Grade.NEAR_NORMAL), (76, Grade.NEAR_NORMAL),
    (75.9, Grade.MILD), (51, Grade.MILD), (50.9, Grade.MODERATE), (26, Grade.MODERATE),
    (25.9, Grade.SEVERE), (6, Grade.SEVERE), (5.9, Grade.COMPLETE), (0, Grade.COMPLETE),
    (math.nan, Grade.UNKNOWN),
])
def test_grades_follow_the_house_brackmann_measurement_bands(index, grade):
    assert grade_of(index) == grade


def test_a_symmetric_face_at_rest_is_normal_but_may_hide_house_brackmann_4():
    estimate = static_severity(0.3, -0.2)
    assert (estimate.grade, estimate.symmetry_index) == (Grade.NORMAL, 100.0)
    assert estimate.basis == Basis.STATIC
    assert (estimate.house_brackmann_min, estimate.house_brackmann_max) == (1, 4)
    assert (estimate.nihss_min, estimate.nihss_max) == (0, 1)
    assert 'rest_only' in estimate.reasons


def test_a_static_index_follows_its_formula():
    # sqrt(3^2 + 4^2) = 5; 100 - 80 (5 - 1.5) / 8.5
    assert static_severity(3.0, 4.0).symmetry_index == pytest.approx(67.0588, abs=1e-4)


def test_a_face_at_rest_is_never_called_completely_paralysed():
    estimate = static_severity(-60.0, 60.0)
    assert (estimate.grade, estimate.symmetry_index) == (Grade.SEVERE, 20.0)
    assert estimate.nihss_max == 2


def test_left_and_right_weakness_are_equally_severe_bit_for_bit():
    for mouth, eye in ((3.3, 1.7), (8.1, -2.2), (0.1, 6.3)):
        assert static_severity(mouth, eye) == static_severity(-mouth, -eye)


def test_the_static_grade_is_monotone_in_the_asymmetry():
    grades = [static_severity(0.1 * step, 0.0).grade for step in range(150)]
    assert grades == sorted(grades)
    assert set(grades) == {
        Grade.NORMAL, Grade.NEAR_NORMAL, Grade.MILD, Grade.MODERATE, Grade.SEVERE}


def test_an_eye_that_was_not_measured_leaves_the_grade_unknown_but_not_the_mouth():
    estimate = static_severity(5.0, math.nan)
    assert estimate.mouth_severity == RegionSeverity.MODERATE
    assert (estimate.eye_severity, estimate.grade) == (RegionSeverity.UNKNOWN, Grade.UNKNOWN)
    assert estimate.nihss_min == estimate.house_brackmann_min == -1
    assert 'eye_not_measured' in estimate.reasons


def test_an_affected_eye_alone_is_not_nihss_0():
    assert static_severity(0.0, 4.0).nihss_min == 1
