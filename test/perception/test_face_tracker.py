"""The face of a video, also where it is far from a camera with many pixels."""

import numpy as np
import pytest

from stroke_side_monitor.perception.face_mesh import FaceMesh
from stroke_side_monitor.perception.face_tracker import VideoFaceTracker


@pytest.fixture
def tracker():
    tracker = VideoFaceTracker()
    yield tracker
    tracker.close()


@pytest.fixture(scope='module')
def head(astronaut):
    """Cut out of the photograph: 39 px between the eyes."""
    return astronaut[20:240, 120:330]


def far_away(head, left, top=250):
    frame = np.full((720, 1280, 3), 90, np.uint8)
    frame[top:top + head.shape[0], left:left + head.shape[1]] = head
    return frame


def centre(face):
    pixels = face.pixels()
    return (pixels.min(axis=0) + pixels.max(axis=0)) / 2


def test_a_face_too_small_for_the_mesh_alone_is_followed_through_the_picture(tracker, head):
    mesh = FaceMesh(tracking=False)
    assert not mesh.detect(far_away(head, 300)), 'a frame that the mesh masters proves nothing'
    mesh.close()
    start = None
    for index, left in enumerate(range(60, 1060, 8)):
        sighting = tracker.look(far_away(head, left), index / 30)
        assert sighting.opinions, f'lost at {left}'
        assert sighting.same_face or index == 0
        start = centre(sighting.face) - left if start is None else start
        assert abs((centre(sighting.face) - left - start)[0]) < 15


def test_a_mirrored_video_of_a_far_face_gives_mirrored_landmarks_bit_for_bit(head):
    direct, mirrored = VideoFaceTracker(), VideoFaceTracker()
    lefts = [*range(300, 460, 8), None, None, *[1000] * 14, 997]
    seen = 0
    for index, left in enumerate(lefts):
        frame = np.full((720, 1280, 3), 90, np.uint8) if left is None else far_away(head, left)
        one = direct.look(frame, index / 30)
        other = mirrored.look(np.ascontiguousarray(frame[:, ::-1]), index / 30)
        assert len(one.opinions) == len(other.opinions)
        assert one.same_face == other.same_face
        if one.opinions:
            seen += 1
            assert np.array_equal(other.face.points, one.face.mirrored().points)
    assert seen > 8
    direct.close()
    mirrored.close()


def test_a_face_that_comes_near_is_kept(tracker, astronaut, head):
    for index in range(4):
        assert tracker.look(far_away(head, 600), index / 30).opinions
    near = np.full((720, 1280, 3), 90, np.uint8)
    near[100:612, 500:1012] = astronaut
    found = [bool(tracker.look(near, (4 + index) / 30).opinions) for index in range(20)]
    assert all(found[-5:])
