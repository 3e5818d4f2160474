"""The face of a still, also where it is small in the picture or overfills it."""

import numpy as np
import pytest

from stroke_side_monitor.perception.face_mesh import FaceMesh
from stroke_side_monitor.perception.face_tracker import StillFaceFinder


@pytest.fixture(scope='module')
def finder():
    finder = StillFaceFinder()
    yield finder
    finder.close()


def within_a_scene(picture, size=1200, left=600, top=300):
    scene = np.full((size, size, 3), 90, np.uint8)
    scene[top:top + picture.shape[0], left:left + picture.shape[1]] = picture
    return scene


def test_a_face_too_small_for_the_mesh_alone_is_found_where_it_is(finder, astronaut):
    scene = within_a_scene(astronaut)
    mesh = FaceMesh(tracking=False)
    assert not mesh.detect(scene), 'a scene that the mesh masters proves nothing'
    mesh.close()
    found = finder.look(scene, 0.0).face
    expected = finder.look(astronaut, 0.0).face.pixels() + np.array([600, 300])
    width = np.ptp(expected[:, 0])
    assert np.abs(found.pixels() - expected).max() < 0.05 * width
    assert (found.width, found.height) == (1200, 1200)


def test_a_face_that_overfills_the_picture_is_found_within_a_margin(finder, astronaut):
    left, top, right, bottom = 200, 85, 250, 160  # brow to mouth, cut at both cheeks
    part = np.ascontiguousarray(astronaut[top:bottom, left:right])
    mesh = FaceMesh(tracking=False)
    assert not mesh.detect(part), 'a picture that the mesh masters proves nothing'
    mesh.close()
    found = finder.look(part, 0.0)
    expected = finder.look(astronaut, 0.0).face.pixels() - (left, top)
    assert found.opinions
    assert np.abs(found.face.pixels() - expected).max() < 0.2 * np.ptp(expected[:, 0])


@pytest.mark.parametrize('left', [30, 344, 660])
def test_a_mirrored_scene_gives_the_mirrored_landmarks_bit_for_bit(finder, astronaut, left):
    scene = within_a_scene(astronaut, left=left)
    direct = finder.look(scene, 0.0)
    mirrored = finder.look(np.ascontiguousarray(scene[:, ::-1]), 0.0)
    assert np.array_equal(mirrored.direct.points, direct.through_mirror.mirrored().points)
    assert np.array_equal(mirrored.face.points, direct.face.mirrored().points)


def test_two_small_faces_alike_are_told(finder, astronaut):
    scene = within_a_scene(astronaut)
    scene[300:812, 40:552] = astronaut
    assert finder.look(scene, 0.0).rival > 0.6


@pytest.mark.parametrize('seed', range(3))
def test_what_holds_no_face_still_holds_none(finder, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (480, 640, 3), np.uint8)
    assert not finder.look(noise, 0.0).opinions
    assert not finder.look(np.full((480, 640, 3), 60 * seed, np.uint8), 0.0).opinions
