"""The face of a still, also where it is small in the picture or overfills it."""

import cv2
import numpy as np
import pytest

from stroke_side_monitor.perception.face_mesh import FaceMesh


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


def test_a_small_face_is_looked_at_from_nearby(finder, astronaut):
    mesh = FaceMesh(tracking=False)
    close_up = astronaut[:300, 60:390]
    looks = [mesh.detect(close_up, through_mirror=way)[0].pixels() for way in (False, True)]
    mesh.close()
    expected = np.mean(looks, axis=0) + np.array([60, 300])
    errors = []
    for left in (30, 200, 344):
        found = finder.look(within_a_scene(astronaut, size=1600, left=left), 0.0).face.pixels()
        errors.append(np.abs(found - expected - (left, 0)).max() / np.ptp(expected[:, 0]))
    # Through regions as the detectors give them from afar: 0.019.
    assert np.mean(errors) < 0.0125


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


def test_halves_of_equal_brightness_are_mirrored_bit_for_bit_too(finder, astronaut):
    scene = within_a_scene(astronaut)
    rows = scene[::8].astype(int)
    missing = int(rows[:, 600:].sum() - rows[:, :600].sum())
    assert missing > 0
    # Lighten the last of the rows that count in the left half until nothing is missing.
    patch = scene[::8][-60:, :600].reshape(-1)
    whole, rest = divmod(missing, 165)
    patch[:whole] += 165
    patch[whole] += rest
    scene[::8][-60:, :600] = patch.reshape(60, 600, 3)
    assert scene[::8, 600:].sum(dtype=int) == scene[::8, :600].sum(dtype=int)
    direct = finder.look(scene, 0.0)
    mirrored = finder.look(np.ascontiguousarray(scene[:, ::-1]), 0.0)
    assert direct.opinions
    assert np.array_equal(mirrored.face.points, direct.face.mirrored().points)


def test_a_small_face_is_not_confused_with_its_neighbour(finder, astronaut):
    face = astronaut[70:180, 190:265]
    smaller = cv2.resize(face, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    scene = within_a_scene(face, size=500, left=200, top=200)
    scene[200:200 + smaller.shape[0], 275:275 + smaller.shape[1]] = smaller
    assert finder.look(scene, 0.0).rival == pytest.approx(0.7 ** 2, abs=0.05)


def test_two_small_faces_alike_are_told(finder, astronaut):
    scene = within_a_scene(astronaut)
    scene[300:812, 40:552] = astronaut
    assert finder.look(scene, 0.0).rival > 0.6


@pytest.mark.parametrize('seed', range(3))
def test_what_holds_no_face_still_holds_none(finder, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (480, 640, 3), np.uint8)
    assert not finder.look(noise, 0.0).opinions
    assert not finder.look(np.full((480, 640, 3), 60 * seed, np.uint8), 0.0).opinions
