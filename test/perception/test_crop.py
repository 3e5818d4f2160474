"""The classifier's crop: upright, patient's left on the right, exact in a mirror."""

import cv2
import numpy as np
import pytest

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor.perception import crop
from stroke_side_monitor.perception.face_mesh import FaceLandmarks, FaceMesh


@pytest.fixture(scope='module')
def mesh():
    mesh = FaceMesh(tracking=False)
    yield mesh
    mesh.close()


def eyes_in(mesh, picture):
    face, = mesh.detect(picture)
    pixels = face.pixels()
    return (pixels[[lm.OUTER_CANTHUS_RIGHT, lm.INNER_CANTHUS_RIGHT]].mean(axis=0),
            pixels[[lm.OUTER_CANTHUS_LEFT, lm.INNER_CANTHUS_LEFT]].mean(axis=0))


@pytest.mark.parametrize('angle', [-25, 0, 18])
@pytest.mark.parametrize('factor', [0.8, 1.0, 3.0])
def test_eyes_are_level_and_at_their_place(mesh, astronaut, angle, factor):
    turn = cv2.getRotationMatrix2D((224, 120), angle, factor)
    turn[:, 2] += (320 - 224, 240 - 120)
    picture = cv2.warpAffine(astronaut, turn, (640, 480))
    face, = mesh.detect(picture)
    cut = crop.aligned_crop(picture, face)
    assert cut.shape == (crop.SIZE, crop.SIZE, 3)
    assert cut.dtype == np.uint8
    right, left = eyes_in(mesh, cut)
    distance = crop.SIZE * 63.0 / 152.0
    assert left[0] - right[0] == pytest.approx(distance, rel=0.06)
    assert abs(left[1] - right[1]) < 0.05 * distance
    assert (left[0] + right[0]) / 2 == pytest.approx(crop.SIZE / 2, abs=4)
    assert (left[1] + right[1]) / 2 == pytest.approx(crop.SIZE * 35 / 152, abs=4)


@pytest.mark.parametrize('size', [(480, 640), (481, 637), (1024, 1024)])
def test_the_crop_of_a_mirrored_picture_is_the_mirrored_crop(mesh, astronaut, size):
    picture = cv2.resize(astronaut, size[::-1], interpolation=cv2.INTER_AREA)
    face, = mesh.detect(picture)
    cut = crop.aligned_crop(picture, face)
    mirrored = crop.aligned_crop(np.ascontiguousarray(picture[:, ::-1]), face.mirrored())
    assert np.array_equal(mirrored, cut[:, ::-1])


def test_beyond_the_picture_is_black(mesh, astronaut):
    face, = mesh.detect(astronaut)
    top = int(face.pixels()[lm.NASION, 1])
    cut_off = astronaut[top:]
    lower = type(face)(
        np.column_stack([face.points[:, 0],
                         cut_off.shape[0] / 2 - (face.pixels()[:, 1] - top), face.points[:, 2]]),
        face.width, cut_off.shape[0])
    cut = crop.aligned_crop(cut_off, lower)
    whole = crop.aligned_crop(astronaut, face)
    assert not cut[:20].any()
    assert np.array_equal(cut[120:], whole[120:])


def test_a_face_exactly_in_the_middle_mirrors_exactly_too(astronaut, symmetric_points):
    """Neither half of the picture is the face's own then."""
    face = FaceLandmarks(symmetric_points * 2.0 + np.array([0.0, 60.0, 0.0]), 512, 512)
    cut = crop.aligned_crop(astronaut, face)
    mirrored = crop.aligned_crop(np.ascontiguousarray(astronaut[:, ::-1]), face.mirrored())
    assert np.array_equal(mirrored, cut[:, ::-1])


@pytest.mark.parametrize('shift', [-60, 60])
def test_both_halves_of_the_picture_give_the_same_crop(mesh, astronaut, shift):
    picture = np.roll(astronaut, shift, axis=1)
    face, = mesh.detect(astronaut)
    moved = FaceLandmarks(face.points + np.array([shift, 0.0, 0.0]), face.width, face.height)
    difference = crop.aligned_crop(picture, moved).astype(int) - crop.aligned_crop(astronaut, face)
    assert np.abs(difference).max() <= 12  # interpolation in steps of 1/32 px
    assert np.abs(difference).mean() < 0.5
