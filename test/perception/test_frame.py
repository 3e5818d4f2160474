"""A face turned to the front keeps its asymmetry, whatever the head's pose."""

import numpy as np
import pytest

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor.assessment import metrics
from stroke_side_monitor.perception import frame
from stroke_side_monitor.perception.face_mesh import FaceLandmarks


def rotation(yaw_deg, pitch_deg, roll_deg):
    """Head rotation in picture axes (x right, y up, z to the camera) for our pose angles."""
    yaw, pitch, roll = np.radians([yaw_deg, -pitch_deg, -roll_deg])
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.array(about_y) @ np.array(about_x) @ np.array(about_z)


def posed(points, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0, pixel_per_mm=1.9, shift=(31.0, -17.0)):
    turned = points @ rotation(yaw_deg, pitch_deg, roll_deg).T * pixel_per_mm
    return FaceLandmarks(turned + np.array([*shift, 0.0]), 640, 480)


POSES = [(0, 0, 0), (12, 0, 0), (-12, 0, 0), (0, 14, 0), (0, -14, 0), (0, 0, 14), (9, -8, -11)]


@pytest.mark.parametrize(('yaw', 'pitch', 'roll'), POSES)
def test_a_drooping_left_commissure_measures_the_same_in_every_pose(
        symmetric_points, yaw, pitch, roll):
    symmetric_points[lm.COMMISSURE_LEFT, 1] -= 3.0
    reference = frame.normalise(posed(symmetric_points))
    seen = frame.normalise(posed(symmetric_points, yaw, pitch, roll))
    droop = metrics.commissure_height(seen.points)
    assert droop == pytest.approx(metrics.commissure_height(reference.points), abs=1e-9)
    assert droop == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize(('yaw', 'pitch', 'roll'), POSES)
def test_the_pose_is_read_back(symmetric_points, yaw, pitch, roll):
    front = frame.normalise(posed(symmetric_points))
    seen = frame.normalise(posed(symmetric_points, yaw, pitch, roll))
    assert front.yaw_deg == pytest.approx(0.0, abs=1e-9)
    if pitch == 0 and roll == 0:
        assert seen.yaw_deg == pytest.approx(yaw, abs=1e-6)
    if yaw == 0 and roll == 0:
        assert seen.pitch_deg - front.pitch_deg == pytest.approx(pitch, abs=1e-6)
    if yaw == 0 and pitch == 0:
        assert seen.roll_deg == pytest.approx(roll, abs=1e-6)


def test_scale_is_that_of_the_picture(symmetric_points):
    small = frame.normalise(posed(symmetric_points, pixel_per_mm=1.0))
    large = frame.normalise(posed(symmetric_points, pixel_per_mm=2.5))
    assert small.millimetre_per_pixel / large.millimetre_per_pixel == pytest.approx(2.5)
    assert large.interocular_px / small.interocular_px == pytest.approx(2.5)
    assert small.points == pytest.approx(large.points, abs=1e-9)


def test_a_mirrored_face_gives_the_mirrored_frame_bit_for_bit(astronaut_face):
    seen = frame.normalise(astronaut_face)
    mirrored = frame.normalise(astronaut_face.mirrored())
    assert np.array_equal(mirrored.points, lm.mirror_points(seen.points))
    assert mirrored.yaw_deg == -seen.yaw_deg
    assert mirrored.roll_deg == -seen.roll_deg
    assert mirrored.pitch_deg == seen.pitch_deg
    assert mirrored.millimetre_per_pixel == seen.millimetre_per_pixel


def test_the_fit_is_the_least_squares_similarity(astronaut_face):
    """Against an SVD solution (Umeyama 1991) of the same problem."""
    indices = [*frame._RIGHT, *frame._LEFT, *frame._MIDLINE]
    target = np.vstack([frame._CANONICAL_RIGHT, frame._CANONICAL_LEFT, frame._CANONICAL_MIDLINE])
    source = astronaut_face.points[indices]
    source = source - source.mean(axis=0)
    u, singular, vt = np.linalg.svd(target.T @ source)
    expected_rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    expected_scale = singular.sum() / (source ** 2).sum()
    seen = frame.normalise(astronaut_face)
    expected = (astronaut_face.points - astronaut_face.points[indices].mean(axis=0)) \
        @ expected_rotation.T * expected_scale + frame._CANONICAL_CENTRE
    assert seen.millimetre_per_pixel == pytest.approx(expected_scale, rel=1e-12)
    assert seen.points == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize('points', [np.zeros((478, 3)), np.ones((478, 3)) * [1.0, 2.0, 3.0],
                                    np.full((478, 3), np.nan)])
def test_a_degenerate_mesh_is_refused(points):
    with pytest.raises(frame.DegenerateFaceError):
        frame.normalise(FaceLandmarks(points, 640, 480))


def test_a_flat_mesh_is_refused(symmetric_points):
    flat = symmetric_points.copy()
    flat[:, 0] = 0.0
    with pytest.raises(frame.DegenerateFaceError):
        frame.normalise(FaceLandmarks(flat, 640, 480))
