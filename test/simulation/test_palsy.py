"""The palsy model's geometry and the drawn faces, looked at by FaceMesh."""

import dataclasses

import numpy as np
import pytest

from stroke_side_monitor import landmarks
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.perception.frame import normalise
from stroke_side_monitor.simulation import portrait
from stroke_side_monitor.simulation.face import HeadMotion, SimulatedFace, _turn
from stroke_side_monitor.simulation.palsy import Asymmetry, Expression, FaceModel, Palsy
from stroke_side_monitor.simulation.still import camera_faults, random_still, simulate_still

REST = Expression()


def commissure_drop(mesh, rgb):
    """How much lower the patient's LEFT commissure lies than the right one, mm."""
    direct = normalise(mesh.detect(rgb)[0]).points
    mirrored = normalise(mesh.detect(rgb, through_mirror=True)[0]).points
    points = (direct + mirrored) / 2
    return points[landmarks.COMMISSURE_RIGHT, 1] - points[landmarks.COMMISSURE_LEFT, 1]


def lid_gap_difference(mesh, rgb):
    """How much wider the patient's LEFT eye is open, mm."""
    points = normalise(mesh.detect(rgb)[0]).points
    left = points[list(landmarks.UPPER_LID_LEFT), 1] - points[list(landmarks.LOWER_LID_LEFT), 1]
    right = points[list(landmarks.UPPER_LID_RIGHT), 1] - points[list(landmarks.LOWER_LID_RIGHT), 1]
    return left.mean() - right.mean()


@pytest.fixture(scope='module')
def healthy_drop(mesh, astronaut):
    return commissure_drop(mesh, simulate_still(astronaut, Palsy.of(Side.NONE, 0.0))[0])


@pytest.mark.parametrize(('side', 'sign'), [(Side.LEFT, 1), (Side.RIGHT, -1)])
def test_the_weak_sides_commissure_droops(mesh, astronaut, healthy_drop, side, sign):
    rgb, _ = simulate_still(astronaut, Palsy.of(side, 1.0, 'central'))
    assert sign * (commissure_drop(mesh, rgb) - healthy_drop) > 2.0


def test_the_left_commissure_is_on_the_right_of_the_picture(astronaut):
    healthy, _ = simulate_still(astronaut, Palsy.of(Side.NONE, 0.0))
    palsied, _ = simulate_still(astronaut, Palsy.of(Side.LEFT, 1.0, 'central'))
    change = np.abs(healthy.astype(int) - palsied).sum(axis=2)
    middle = int(astronaut.project(astronaut.points[[landmarks.SUBNASALE]])[0, 0])
    assert change[:, middle + 15:].sum() > 4 * change[:, :middle - 15].sum()


def test_a_mirrored_picture_shows_the_mirrored_palsy(mesh, astronaut):
    palsied, _ = simulate_still(astronaut, Palsy.of(Side.LEFT, 1.0, 'central'))
    drop = commissure_drop(mesh, palsied)
    assert commissure_drop(mesh, palsied[:, ::-1]) == pytest.approx(-drop, abs=1e-3)


def test_weakness_shows_more_in_a_smile(mesh, astronaut):
    palsy = Palsy.of(Side.RIGHT, 0.8, 'central')
    rest, _ = simulate_still(astronaut, palsy)
    smile, _ = simulate_still(astronaut, palsy, 'smile')
    assert commissure_drop(mesh, smile) < commissure_drop(mesh, rest) - 1.5


def test_a_peripheral_palsy_cannot_close_the_eye(mesh, astronaut):
    rgb, truth = simulate_still(astronaut, Palsy.of(Side.LEFT, 1.0, 'peripheral'), 'eye_close')
    assert lid_gap_difference(mesh, rgb) > 4.0
    left, right = truth.face.lid_gap_mm
    assert left > 8.0
    assert right < 0.5


def test_a_central_palsy_spares_eye_and_forehead(astronaut):
    model = FaceModel(astronaut.points)
    palsy = Palsy.of(Side.LEFT, 1.0, 'central')
    closed = model.displacement(palsy, Expression.of('eye_close'))
    assert model.lid_gap(Side.LEFT, closed) < 0.2 * model.lid_gap(Side.LEFT)
    raised = model.displacement(palsy, Expression.of('brow_raise'))
    left, right = (raised[list(brow), 1].mean()
                   for brow in (landmarks.BROW_LEFT, landmarks.BROW_RIGHT))
    assert left == pytest.approx(right, rel=0.1)


def test_a_peripheral_palsy_stills_the_forehead(astronaut):
    model = FaceModel(astronaut.points)
    raised = model.displacement(Palsy.of(Side.LEFT, 1.0, 'peripheral'),
                                Expression.of('brow_raise'))
    assert raised[list(landmarks.BROW_RIGHT), 1].mean() > 3.0
    assert raised[list(landmarks.BROW_LEFT), 1].mean() < 0.0


def test_a_wide_eye_at_rest(astronaut):
    model = FaceModel(astronaut.points)
    rest = model.displacement(Palsy.of(Side.RIGHT, 1.0, 'peripheral'), REST)
    assert model.lid_gap(Side.RIGHT, rest) > model.lid_gap(Side.RIGHT) + 0.5
    assert model.lid_gap(Side.LEFT, rest) == pytest.approx(model.lid_gap(Side.LEFT), abs=0.05)


def test_smiling_pulls_the_philtrum_to_the_healthy_side(astronaut):
    model = FaceModel(astronaut.points)
    smile = Expression.of('smile')
    weak_left = model.displacement(Palsy.of(Side.LEFT, 1.0, 'central'), smile)
    assert weak_left[landmarks.PHILTRUM, 0] < -1.5  # x grows towards the patient's left


def test_synkinesis_closes_the_weak_eye_in_a_smile(astronaut):
    model = FaceModel(astronaut.points)
    palsy = Palsy(Side.LEFT, 0.4, 0.2, 0.2, 'peripheral', synkinesis=0.9)
    smile = model.displacement(palsy, Expression.of('smile'))
    assert model.lid_gap(Side.LEFT, smile) < 0.7 * model.lid_gap(Side.RIGHT, smile)


def test_a_mirrored_face_with_the_mirrored_palsy_moves_as_in_a_mirror(astronaut):
    points = astronaut.points[:landmarks.COUNT]
    palsy = Palsy(Side.LEFT, 0.7, 0.4, 0.3, 'peripheral', 0.5,
                  Asymmetry(0.1, -0.1, 0.2, 0.5, 0.3))
    expression = Expression.of('smile', 0.8, blink=0.3)
    straight = FaceModel(points).displacement(palsy, expression)
    mirrored = FaceModel(landmarks.mirror_points(points)).displacement(palsy.mirrored, expression)
    np.testing.assert_allclose(landmarks.mirror_points(mirrored), straight, atol=1e-9)


def test_a_healthy_face_at_rest_is_the_photograph(astronaut):
    rgb, truth = SimulatedFace(astronaut, Palsy.of(Side.NONE, 0.0)).draw(REST)
    left, top = np.round(astronaut.texture.vertices - astronaut.project(astronaut.points))[0]
    photograph = astronaut.texture.rgb[int(top):int(top) + 400, int(left):int(left) + 400]
    difference = np.abs(rgb.astype(int) - photograph)
    assert difference.mean() < 0.5
    assert truth.commissure_mm == (0.0, 0.0)


def test_head_motion_is_what_the_truth_says(mesh, astronaut):
    head = HeadMotion(yaw_deg=9.0, pitch_deg=4.0, roll_deg=6.0, right_px=12.0, scale=1.05)
    rgb, truth = simulate_still(astronaut, Palsy.of(Side.NONE, 0.0), head=head)
    seen = normalise(mesh.detect(rgb)[0])
    assert seen.roll_deg == pytest.approx(truth.face.roll_deg, abs=1.5)
    assert seen.yaw_deg == pytest.approx(truth.face.yaw_deg, abs=4.0)
    assert truth.face.yaw_deg > 7.0


@pytest.fixture(scope='module')
def nearby(astronaut):
    """The portrait as a camera at arm's length sees it."""
    return dataclasses.replace(astronaut, camera_mm=500.0)


def test_a_near_camera_leaves_an_unmoved_face_as_photographed(nearby):
    face = SimulatedFace(nearby, Palsy.of(Side.NONE, 0.0))
    as_photographed, _ = face.draw(REST)
    unmoved, _ = face.draw(REST, HeadMotion())
    assert np.abs(unmoved.astype(int) - as_photographed).max() <= 1


def test_a_near_camera_sees_what_turns_towards_it_larger(astronaut, nearby):
    # Turned to his left, his right eye comes nearer and his left one goes away.
    def eyes_px(person):
        place, _ = SimulatedFace(person, Palsy.of(Side.NONE, 0.0))._place(
            np.zeros_like(person.points), person.rotation @ _turn(HeadMotion(30.0)),
            HeadMotion(30.0))
        return [np.linalg.norm(place[outer] - place[inner])
                for outer, inner in ((33, 133), (263, 362))]

    (right, left), (right_near, left_near) = eyes_px(astronaut), eyes_px(nearby)
    assert right_near / left_near > 1.05 * right / left


def test_a_near_camera_shows_a_mirrored_face_mirrored(nearby):
    face = SimulatedFace(dataclasses.replace(nearby, rotation=np.eye(3)), Palsy.of(Side.NONE, 0.0))
    points = nearby.points[:landmarks.COUNT]
    straight = face._turned(points, _turn(HeadMotion(20.0, 10.0)))
    mirrored = face._turned(landmarks.mirror_points(points), _turn(HeadMotion(-20.0, 10.0)))
    np.testing.assert_allclose(mirrored, (straight * (-1.0, 1.0))[landmarks.MIRROR], atol=1e-9)


def test_the_same_generator_draws_the_same_bytes(astronaut):
    first, second = (random_still(astronaut, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]
    noisy = [camera_faults(first[0], np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(*noisy)


@pytest.mark.parametrize('faults', [
    {'side': Side.UNKNOWN}, {'side': Side.LEFT, 'mouth': 1.2, 'pattern': 'central'},
    {'side': Side.NONE, 'mouth': 0.3}, {'side': Side.LEFT, 'pattern': 'bilateral'}])
def test_impossible_patients_are_refused(faults):
    with pytest.raises(ValueError):
        Palsy(**faults)


def test_both_passes_take_the_meshs_left_right_bias_out_of_the_face(mesh):
    rgb = portrait.astronaut()
    straight, mirrored = (
        portrait.portrait(np.ascontiguousarray(picture), mesh=mesh, both_passes=True).points[:478]
        for picture in (rgb, rgb[:, ::-1]))
    np.testing.assert_allclose(landmarks.mirror_points(mirrored), straight, atol=1e-6)
