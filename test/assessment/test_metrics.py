"""Every metric: sign, amount, and exact negation in a mirror."""

import math

import numpy as np
import pytest

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor.assessment import metrics
from stroke_side_monitor.assessment.metrics import METRICS

BY_NAME = {metric.name: metric.measure for metric in METRICS}

# (metric, landmarks to move, how in mm, expected value): each makes the LEFT side the weaker one.
LEFT_WEAK = [
    ('mouth.commissure_height', (lm.COMMISSURE_LEFT,), (0, -2, 0), 2.0),
    ('mouth.commissure_height', (lm.COMMISSURE_RIGHT,), (0, 2, 0), 2.0),
    ('mouth.upper_lip_height', (lm.UPPER_VERMILION_QUARTER_LEFT,), (0, -1.5, 0), 1.5),
    ('mouth.lower_lip_height', (lm.LOWER_VERMILION_QUARTER_LEFT,), (0, -1.5, 0), 1.5),
    ('mouth.philtrum_deviation', (lm.UPPER_VERMILION, lm.PHILTRUM), (-1.2, 0, 0), 1.2),
    ('mouth.commissure_lateral', (lm.COMMISSURE_LEFT,), (-2, 0, 0), 2.0),
    ('eye.palpebral_fissure', lm.LOWER_LID_LEFT, (0, -1, 0), 1.0),
    ('eye.mrd1', lm.UPPER_LID_LEFT, (0, 1, 0), 1.0),
    ('eye.mrd2', lm.LOWER_LID_LEFT, (0, -1, 0), 1.0),
    ('eye.midline_position', (lm.OUTER_CANTHUS_LEFT, lm.INNER_CANTHUS_LEFT), (-1, 0, 0), 1.0),
    ('brow.height', lm.BROW_LEFT, (0, -2, 0), 2.0),
    ('nose.alar_height', (lm.ALA_LEFT,), (0, -0.7, 0), 0.7),
    ('nose.tip_deviation', (lm.NOSE_TIP,), (-1, 0, 0), 1.0),
]
LEFT_WEAK_SIGN_ONLY = [
    ('mouth.tilt', (lm.COMMISSURE_LEFT,), (0, -2, 0)),
    ('mouth.smile_angle', (lm.COMMISSURE_LEFT,), (0, -2, 0)),
    ('mouth.commissure_excursion', (lm.COMMISSURE_LEFT,), (-2, 0, 0)),
    ('mouth.dental_show', (lm.INNER_LOWER_LIP_RIGHT,), (0, -2, 0)),
    ('nose.bridge_tilt', (lm.LOWER_BRIDGE,), (-1, 0, 0)),
]


@pytest.mark.parametrize('metric', METRICS, ids=lambda metric: metric.name)
def test_a_symmetric_face_measures_zero(symmetric_points, metric):
    assert metric.measure(symmetric_points) == 0.0


@pytest.mark.parametrize(('name', 'indices', 'move', 'expected'), LEFT_WEAK)
def test_a_known_displacement_is_measured_in_full(symmetric_points, name, indices, move, expected):
    symmetric_points[list(indices)] += move
    # Lid gaps are distances, not heights: a lid pair is not exactly vertical.
    assert BY_NAME[name](symmetric_points) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(('name', 'indices', 'move'), LEFT_WEAK_SIGN_ONLY)
def test_a_weak_left_is_positive(symmetric_points, name, indices, move):
    symmetric_points[list(indices)] += move
    assert BY_NAME[name](symmetric_points) > 0.3


def test_tilt_is_the_slope_of_the_mouth(symmetric_points):
    width = metrics.mouth_width(symmetric_points)
    symmetric_points[lm.COMMISSURE_LEFT, 1] -= 2.0
    expected = math.degrees(math.atan2(2.0, width))
    assert BY_NAME['mouth.tilt'](symmetric_points) == pytest.approx(expected, abs=1e-9)


def test_every_metric_has_a_left_weak_case_here():
    assert {name for name, *_ in LEFT_WEAK + LEFT_WEAK_SIGN_ONLY} == set(BY_NAME)


@pytest.mark.parametrize('seed', range(20))
def test_a_mirror_negates_every_metric_bit_for_bit(symmetric_points, seed):
    face = symmetric_points + np.random.default_rng(seed).normal(0, 3, (lm.COUNT, 3))
    direct = metrics.measure_all(face)
    mirrored = metrics.measure_all(lm.mirror_points(face))
    assert mirrored == {name: -value for name, value in direct.items()}
    assert metrics.mouth_width(face) == metrics.mouth_width(lm.mirror_points(face))
    assert metrics.lid_gaps(face) == metrics.lid_gaps(lm.mirror_points(face))[::-1]
    assert metrics.brow_heights(face) == metrics.brow_heights(lm.mirror_points(face))[::-1]
