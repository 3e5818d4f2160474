"""What makes a face unassessable is named, and a mirror changes none of it."""

import cv2
import numpy as np
import pytest

from stroke_side_monitor.perception import crop, frame, quality
from stroke_side_monitor.perception.face_mesh import FaceMesh
from stroke_side_monitor.perception.quality import BlinkDetector, QualityLimits
from stroke_side_monitor.simulation.portrait import portrait
from stroke_side_monitor.simulation.still import camera_faults


@pytest.fixture(scope='module')
def mesh():
    mesh = FaceMesh(tracking=False)
    yield mesh
    mesh.close()


def judged(mesh, picture, limits=None):
    face, = mesh.detect(picture)
    return quality.judge(face, frame.normalise(face), crop.aligned_crop(picture, face),
                         limits or QualityLimits(max_yaw_deg=40, max_pitch_deg=40,
                                                 max_roll_deg=40, min_interocular_px=30))


def test_a_good_face_has_no_reasons(mesh, astronaut):
    assert judged(mesh, astronaut).reasons == ()


def test_a_small_face_is_too_small(mesh, astronaut):
    small = cv2.resize(astronaut, (300, 300), interpolation=cv2.INTER_AREA)
    assert 'too_small' in judged(mesh, small, QualityLimits(
        max_yaw_deg=40, max_pitch_deg=40, max_roll_deg=40)).reasons


def test_pose_beyond_its_limit_is_named(mesh, astronaut):
    tilted = cv2.warpAffine(astronaut, cv2.getRotationMatrix2D((224, 120), 35, 1.0), (512, 512))
    limits = QualityLimits(max_yaw_deg=40, max_pitch_deg=40, min_interocular_px=30)
    assert judged(mesh, tilted, limits).reasons == ('roll',)


@pytest.mark.parametrize(('gain', 'offset', 'reason'), [(0.15, 0, 'too_dark'),
                                                        (0.25, 190, 'too_bright')])
def test_bad_light_is_named(mesh, astronaut, gain, offset, reason):
    picture = (astronaut * gain + offset).astype(np.uint8)
    assert reason in judged(mesh, picture).reasons


def test_blur_is_named(mesh, astronaut):
    assert 'blurred' in judged(mesh, cv2.GaussianBlur(astronaut, (0, 0), 6)).reasons


def of_size(picture, pixels, faults):
    """The portrait in even light, so many pixels between the eyes, as such a camera sees it."""
    person = portrait(picture, 'astronaut').framed(round(4.2 * pixels), 5 * pixels, pixels)
    even = (0.6 * person.texture.rgb + 50).astype(np.uint8)
    return [camera_faults(even, np.random.default_rng(seed), faults) for seed in range(6)]


@pytest.mark.parametrize('pixels', [38, 45, 55, 100])
def test_an_ordinary_camera_is_sharp_enough_for_a_small_face(mesh, astronaut, pixels):
    seen = [judged(mesh, picture).reasons for picture in of_size(astronaut, pixels, 0.8)]
    assert not any('blurred' in reasons for reasons in seen)


@pytest.mark.parametrize('pixels', [42, 55, 100])
def test_a_face_out_of_focus_is_blurred_whatever_its_size(mesh, astronaut, pixels):
    sharp, *_ = of_size(astronaut, pixels, 0.0)
    soft = cv2.GaussianBlur(sharp, (0, 0), pixels / 15)
    assert 'blurred' in judged(mesh, soft).reasons


def test_a_face_cut_by_the_border_is_named_from_where_it_matters(mesh, astronaut):
    face, = mesh.detect(astronaut)
    (left, top), (right, bottom) = face.pixels().min(axis=0), face.pixels().max(axis=0)
    width, height = right - left, bottom - top

    def cut(left_share, top_share, bottom_share):
        part = astronaut[int(max(top + top_share * height, 0)):int(bottom - bottom_share * height),
                         int(max(left + left_share * width, 0)):]
        return 'cut_by_border' in judged(mesh, part).reasons

    assert not cut(-1.0, -1.0, -0.2)
    assert not cut(-1.0, 0.05, 0.05)
    assert cut(-1.0, 0.2, -0.2)
    assert cut(-1.0, -1.0, 0.2)
    assert cut(0.1, -1.0, -0.2)


def test_a_mirror_changes_no_figure(mesh, astronaut):
    face, = mesh.detect(astronaut)
    flipped = np.ascontiguousarray(astronaut[:, ::-1])
    limits = QualityLimits()
    direct = quality.judge(face, frame.normalise(face), crop.aligned_crop(astronaut, face), limits)
    mirrored = quality.judge(face.mirrored(), frame.normalise(face.mirrored()),
                             crop.aligned_crop(flipped, face.mirrored()), limits)
    assert mirrored == direct


def test_a_blink_is_told_from_an_eye_that_is_always_narrow():
    blinks = BlinkDetector()
    assert not any(blinks.add(4.0, 9.0) for _ in range(60))
    assert blinks.add(1.5, 9.0)
    assert blinks.add(4.0, 3.0)
    assert not blinks.add(4.0, 9.0)


def test_the_blink_memory_ends_with_the_person():
    blinks = BlinkDetector()
    for _ in range(60):
        blinks.add(9.0, 9.0)
    blinks.reset()
    assert not blinks.add(4.0, 4.0)
