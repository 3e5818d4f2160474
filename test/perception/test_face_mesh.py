"""FaceMesh behind our names: patient's sides, mirror passes, largest face first."""

import os
import time

import cv2
import numpy as np
import pytest

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor.perception import face_mesh, light_mediapipe
from stroke_side_monitor.perception.face_mesh import FaceDetector, FaceMesh, RegionMesh


@pytest.fixture(scope='module')
def mesh():
    mesh = FaceMesh(tracking=False, max_faces=4)
    yield mesh
    mesh.close()


@pytest.fixture(scope='module')
def region_mesh():
    mesh = RegionMesh()
    yield mesh
    mesh.close()


@pytest.fixture(scope='module')
def detector():
    detector = FaceDetector()
    yield detector
    detector.close()


def flipped(picture):
    return np.ascontiguousarray(picture[:, ::-1])


def test_the_mirror_permutation_pairs_every_landmark():
    assert np.array_equal(lm.MIRROR[lm.MIRROR], np.arange(lm.COUNT))
    fixed = np.flatnonzero(np.arange(lm.COUNT) == lm.MIRROR)
    assert np.array_equal(fixed, np.sort(lm.MIDLINE))
    assert lm.MIRROR[lm.COMMISSURE_RIGHT] == lm.COMMISSURE_LEFT
    assert [lm.MIRROR[i] for i in lm.UPPER_LID_RIGHT] == list(lm.UPPER_LID_LEFT)
    assert [lm.MIRROR[i] for i in lm.LOWER_LID_RIGHT] == list(lm.LOWER_LID_LEFT)
    assert [lm.MIRROR[i] for i in lm.BROW_RIGHT] == list(lm.BROW_LEFT)
    assert [lm.MIRROR[i] for i in lm.IRIS_EDGES_RIGHT] == list(lm.IRIS_EDGES_LEFT)
    assert lm.MIRROR[lm.IRIS_CENTRE_RIGHT] == lm.IRIS_CENTRE_LEFT


def test_the_patients_left_is_on_the_right_of_an_unmirrored_picture(astronaut_face):
    pixels = astronaut_face.pixels()
    for right, left in ((lm.COMMISSURE_RIGHT, lm.COMMISSURE_LEFT),
                        (lm.OUTER_CANTHUS_RIGHT, lm.OUTER_CANTHUS_LEFT),
                        (lm.IRIS_CENTRE_RIGHT, lm.IRIS_CENTRE_LEFT)):
        assert pixels[left, 0] > pixels[right, 0] + 10
    assert pixels[lm.CHIN, 1] > pixels[lm.NASION, 1] + 10


def test_mirroring_landmarks_twice_changes_no_bit(astronaut_face):
    assert np.array_equal(astronaut_face.mirrored().mirrored().points, astronaut_face.points)


def test_looking_through_the_mirror_equals_mirroring_the_flipped_picture(mesh, astronaut):
    through, = mesh.detect(astronaut, through_mirror=True)
    of_flipped, = mesh.detect(flipped(astronaut))
    assert np.array_equal(through.points, of_flipped.mirrored().points)


def test_both_passes_see_the_same_face(mesh, astronaut):
    direct, = mesh.detect(astronaut)
    through, = mesh.detect(astronaut, through_mirror=True)
    width = np.ptp(direct.points[:, 0])
    assert np.abs(direct.points[:, :2] - through.points[:, :2]).max() < 0.06 * width
    assert not np.array_equal(direct.points, through.points)  # the bias that both cancel


def test_the_largest_face_comes_first(mesh, astronaut):
    small = cv2.resize(astronaut[:300, 60:390], None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    canvas = np.full((300, 330 + small.shape[1], 3), 200, np.uint8)
    canvas[:small.shape[0], :small.shape[1]] = small
    canvas[:, small.shape[1]:] = astronaut[:300, 60:390]
    faces = mesh.detect(canvas)
    assert len(faces) == 2
    assert faces[0].box_area > 1.6 * faces[1].box_area


@pytest.mark.parametrize('visible', [False, True])
def test_landmarks_are_read_alike_from_any_message(astronaut, visible):
    """The quick way reads plain x, y, z messages; with more in them the slow way must do."""
    found = light_mediapipe.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True)
    face, = found.process(astronaut).multi_face_landmarks
    found.close()
    if visible:
        face.landmark[7].visibility = 0.5
    expected = np.array([(point.x, point.y, point.z) for point in face.landmark])
    assert np.array_equal(face_mesh._coordinates(face.SerializeToString()).T, expected)


def test_no_face_is_no_face(mesh):
    assert mesh.detect(np.full((240, 320, 3), 128, np.uint8)) == ()


def test_detector_boxes_mirror_exactly(detector, astronaut):
    boxes = detector.boxes(astronaut)
    of_flipped = detector.boxes(flipped(astronaut), through_mirror=True)
    width = astronaut.shape[1]
    assert len(boxes) == 1
    assert [(width - right, top, width - left, bottom)
            for left, top, right, bottom in of_flipped] == list(boxes)


def turned(picture, degrees):
    """The head turned about the face's middle."""
    return cv2.warpAffine(picture, cv2.getRotationMatrix2D((225, 120), degrees, 1.0), (512, 400))


@pytest.mark.parametrize('degrees', [-15, 0, 15])
def test_the_mesh_sees_in_a_detected_region_what_it_sees_on_a_still(
        mesh, region_mesh, detector, astronaut, degrees):
    picture = turned(astronaut, degrees)
    expected, = mesh.detect(picture)
    detection, = detector.detect(picture)
    found = region_mesh.look(picture, detection.region)
    assert np.abs(found.points - expected.points).max() < 0.02
    assert (found.width, found.height) == (512, 400)


@pytest.mark.parametrize('degrees', [-15, 0, 15])
def test_landmarks_tell_where_to_look_again(region_mesh, detector, astronaut, degrees):
    picture = turned(astronaut, degrees)
    detection, = detector.detect(picture)
    seen = region_mesh.look(picture, detection.region)
    tracking = FaceMesh(tracking=True)
    tracking.detect(picture)
    followed, = tracking.detect(picture)  # from the landmarks of the frame before
    tracking.close()
    assert np.abs(region_mesh.look(picture, seen.region).points - followed.points).max() < 0.02
    assert np.abs(seen.points - followed.points).max() > 0.2


@pytest.mark.parametrize('degrees', [-15, 0, 15])
def test_mirrored_landmarks_tell_where_the_face_is_in_the_mirror(
        region_mesh, detector, astronaut, degrees):
    picture = turned(astronaut, degrees)
    detection, = detector.detect(picture)
    direct = region_mesh.look(picture, detection.region)
    through = region_mesh.look(flipped(picture), direct.mirrored().region).mirrored()
    width = np.ptp(direct.points[:, 0])
    assert np.abs(direct.points[:, :2] - through.points[:, :2]).max() < 0.06 * width


def test_a_detection_in_a_cut_is_told_in_the_whole_picture(detector, astronaut):
    cut, = detector.detect(astronaut[20:400, 50:450])
    whole = cut.within(50, 20)
    assert whole.region.column == cut.region.column + 50
    assert whole.region.row == cut.region.row + 20
    assert (whole.region.side, whole.region.rotation) == (cut.region.side, cut.region.rotation)
    assert np.array_equal(np.subtract(whole.box, cut.box), [50, 20, 50, 20])


def test_a_region_without_a_face_shows_none(region_mesh, detector, astronaut):
    detection, = detector.detect(astronaut)
    assert region_mesh.look(np.full_like(astronaut, 128), detection.region) is None


def test_a_mesh_that_is_closed_leaves_no_thread_behind(astronaut, detector):
    def threads() -> int:
        return len(os.listdir('/proc/self/task'))

    region, most = detector.detect(astronaut)[0].region, 0
    for _ in range(3):
        mesh = RegionMesh()
        mesh.look(astronaut, region)
        mesh.close()
        most = most or threads()
    deadline = time.monotonic() + 60.0  # one that has been joined is listed a moment longer
    while threads() > most and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threads() <= most
