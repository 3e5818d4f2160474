"""Phantom heads are found, straightened and measured; what is not brain is left out."""

import cv2
import numpy as np
import pytest

from training.scans import lesions, writing
from training.scans.head import SIZE, enough_brain, prepare_slice
from training.scans.measure import NAMES, measurements
from training.scans.phantom import draw_patient
from training.scans.reading import WINDOWS, through_window


def channels(hu):
    return np.stack([through_window(hu, *one) for one in WINDOWS], axis=-1)


def middle(phantom):
    return channels(phantom.hu[int(0.7 * len(phantom.hu))])


@pytest.fixture(scope='module', params=['a', 'b'])
def phantoms(request):
    return [draw_patient(seed, stroke=False, scanner=request.param, slices=20)
            for seed in range(40, 46)]


def test_a_phantom_is_the_same_to_the_bit_and_knows_its_lesion():
    one, two = (draw_patient(5, stroke=True, slices=19, pixels=128) for _ in range(2))
    assert np.array_equal(one.hu, two.hu)
    assert one.label == 'stroke'
    assert 0 < (one.truth.any(axis=(1, 2))).sum() < 19
    assert not draw_patient(5, stroke=False, slices=19, pixels=128).truth.any()


@pytest.mark.parametrize('kind', lesions.KINDS)
def test_every_lesion_differs_from_the_healthy_head_where_its_truth_says(kind):
    sick = draw_patient(8, stroke=True, kind=kind, contrast=10 if kind == 'ischaemia' else 35)
    assert sick.truth.any()
    inside = sick.hu[sick.truth].mean()
    brain = sick.hu[sick.truth.any(axis=(1, 2))]
    around = np.median(brain[(brain > 15) & (brain < 50)])
    assert inside < around - 3 if kind == 'ischaemia' else inside > around + 12


def test_heads_are_straightened_to_two_degrees(phantoms):
    off = [prepare_slice(middle(one)).angle_deg - one.tilt_deg for one in phantoms]
    assert np.abs(off).max() < 2


def test_a_turned_picture_is_turned_back():
    grey = middle(draw_patient(3, stroke=False, slices=20))
    straight = prepare_slice(grey)
    n = grey.shape[0]
    for angle in (-25, 25):
        matrix = cv2.getRotationMatrix2D(((n - 1) / 2,) * 2, straight.angle_deg - angle, 1)
        found = prepare_slice(cv2.warpAffine(grey, matrix, (n, n)))
        assert found.angle_deg == pytest.approx(angle, abs=2)


def test_table_holder_and_letters_fall_away(phantoms):
    for one in phantoms:
        grey = writing.picture(one.hu[int(0.7 * len(one.hu))], one, '0001')
        cv2.putText(grey, 'R L 512', (5, 505), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
        found = prepare_slice(np.repeat(grey[..., None], 3, axis=2))
        assert not found.picture[:4].any()
        assert not found.picture[:, :2].any()
        corners = [found.picture[a, b] for a in (slice(0, 24), slice(-24, None))
                   for b in (slice(0, 24), slice(-24, None))]
        assert not np.concatenate(corners).any()


def test_the_skull_fills_the_picture_and_the_way_back_leads_to_it(phantoms):
    for one in phantoms:
        found = prepare_slice(middle(one))
        rows = np.flatnonzero(found.picture[..., 0].any(axis=1))
        assert rows[-1] - rows[0] > 0.85 * SIZE
        assert 0.35 < found.inside.mean() < 0.75
        y, x = np.argwhere(found.inside).mean(axis=0)
        column, row = found.to_original @ [x, y, 1]
        there = one.hu[int(0.7 * len(one.hu))][int(row) - 9:int(row) + 9,
                                               int(column) - 9:int(column) + 9]
        assert 15 < np.median(there) < 60


def test_jaw_and_vertex_are_left_out_and_the_middle_kept(phantoms):
    for one in phantoms:
        found = [prepare_slice(channels(hu)) for hu in one.hu]
        kept = enough_brain([p.share if p else np.nan for p in found])
        assert not kept[0]
        assert not kept[-1]
        assert all(kept[10:16])
        assert 0.4 < np.mean(kept) < 0.9


def test_a_mirrored_head_is_the_mirrored_head(phantoms):
    for one in phantoms[:3]:
        seen, mirrored = (prepare_slice(np.ascontiguousarray(c))
                          for c in (middle(one), middle(one)[:, ::-1]))
        assert mirrored.angle_deg == pytest.approx(-seen.angle_deg, abs=1.1)
        straight, turned = (measurements(p.picture, p.inside) for p in (seen, mirrored))
        assert np.abs(straight - turned).max() < 1.5


def test_measurements_are_equal_to_the_bit_for_the_mirrored_prepared_slice(phantoms):
    found = prepare_slice(middle(phantoms[0]))
    one = measurements(found.picture, found.inside)
    two = measurements(np.ascontiguousarray(found.picture[:, ::-1]),
                       np.ascontiguousarray(found.inside[:, ::-1]))
    assert one == pytest.approx(two, abs=0.02)


def test_a_rim_on_one_side_is_measured_and_the_scanner_hardly_matters():
    name = NAMES.index('bright one-sided share 2.5')
    healthy, sick = [], []
    for scanner in 'ab':
        for seed in range(60, 64):
            one = draw_patient(seed, stroke=True, kind='subdural', size=8, contrast=35,
                               scanner=scanner, slices=24)
            worst = int(one.truth.sum(axis=(1, 2)).argmax())
            plain = draw_patient(seed, stroke=False, scanner=scanner, slices=24)
            for kept, hu in ((sick, one.hu[worst]), (healthy, plain.hu[worst])):
                found = prepare_slice(channels(hu))
                kept.append(measurements(found.picture, found.inside)[name])
    assert np.mean(np.array(sick) > np.array(healthy)) > 0.7


def test_pictures_without_a_head_are_none():
    assert prepare_slice(np.zeros((100, 100, 3), np.uint8)) is None
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    found = prepare_slice(noise)
    assert found is None or found.share < 0.9
    assert not measurements(np.zeros((SIZE, SIZE, 3), np.uint8), np.zeros((SIZE, SIZE), bool)).any()
