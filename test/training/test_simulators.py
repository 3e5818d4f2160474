"""The trainer's own simulators: the named side droops, in every one of them."""

import cv2
import numpy as np
import pytest

from stroke_side_monitor import landmarks
from stroke_side_monitor.perception.face_mesh import FaceMesh
from stroke_side_monitor.perception.frame import normalise
from training import simulators
from training.common import TrainingError
from training.simulate import find_people, people_of, simulate


@pytest.fixture(scope='module')
def mesh():
    mesh = FaceMesh(tracking=False, max_faces=2)
    yield mesh
    mesh.close()


@pytest.fixture(scope='module')
def person(shared):
    name = '008.jpg'
    return [cv2.cvtColor(cv2.resize(cv2.imread(str(
        shared / 'data/london_faces' / kind / name)), (600, 600)), cv2.COLOR_BGR2RGB)
        for kind in ('neutral', 'smiling')]


def left_drop_mm(mesh, rgb):
    seen = [normalise(mesh.detect(rgb)[0]).points,
            normalise(mesh.detect(rgb, through_mirror=True)[0]).points]
    points = (seen[0] + seen[1]) / 2
    return points[landmarks.COMMISSURE_RIGHT, 1] - points[landmarks.COMMISSURE_LEFT, 1]


@pytest.mark.parametrize('warp', list(simulators.WARPS))
@pytest.mark.parametrize(('side', 'sign'), [('left', 1), ('right', -1)])
def test_the_weak_sides_commissure_droops(mesh, person, warp, side, sign):
    points = mesh.detect(person[0])[0].pixels()
    palsy = simulators.Palsy(side, 1.0, 0.0, 0.0, 0.5)
    drawn = simulators.WARPS[warp](person[0], points, palsy, np.random.default_rng(4))
    assert sign * (left_drop_mm(mesh, drawn) - left_drop_mm(mesh, person[0])) > 2.0


@pytest.mark.parametrize(('side', 'sign'), [('left', 1), ('right', -1)])
def test_half_a_smile_leaves_the_weak_side_behind(mesh, person, side, sign):
    points = [mesh.detect(rgb)[0].pixels() for rgb in person]
    drops = []
    for shown in (side, 'none'):
        palsy = simulators.Palsy(shown, 1.0 if shown == side else 0.0, 0.0, 0.0, 0.0)
        drawn, _ = simulators.half_smile(person[0], points[0], person[1], points[1], palsy,
                                         np.random.default_rng(4))
        drops.append(left_drop_mm(mesh, drawn))
    assert sign * (drops[0] - drops[1]) > 1.0


def test_moving_both_sides_alike_is_no_side(mesh, person):
    points = mesh.detect(person[0])[0].pixels()
    palsy = simulators.Palsy('none', 1.0, 0.5, 0.5, 1.0)
    drawn = simulators.spline_palsy(person[0], points, palsy, np.random.default_rng(4))
    assert palsy.signed == 0.0
    assert not np.array_equal(drawn, person[0])


def photographs(folder, *names, table=''):
    """A folder of files that are named like photographs."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'no picture')
    if table:
        (folder / 'people.csv').write_text(table)
    return folder


@pytest.mark.parametrize(('names', 'told'), [
    ((('ward_a', '001.jpg'), ('ward_b', '001.jpg')), 'would be one person, ward_001'),
    ((('ward_a', 'neutral/001.jpg'), ('ward_b', '001.jpg')), 'would be one person, ward_001'),
    ((('ward_a', '001.jpg'), ('ward_a', '001.png')), 'differ in their ending only'),
    ((('ward_a', '001.jpg'), ('ward_b', '002.jpg')), ''),
    ((('ward_a', '001.jpg'), ('clinic_a', '001.jpg')), ''),
    ((('ward_a', 'neutral/001.jpg'), ('ward_a', 'smiling/001.jpg')), '')])
def test_two_photographs_never_get_one_name(tmp_path, names, told):
    folders = list(dict.fromkeys(photographs(tmp_path / folder, name) for folder, name in names))
    if not told:
        assert len(people_of(folders, 0)) == 2
        return
    with pytest.raises(TrainingError, match=told) as stopped:
        simulate(folders, tmp_path / 'out', generators=('spline',), per_photo=1, largest=0, seed=1)
    assert '\n' not in str(stopped.value)
    assert not (tmp_path / 'out').exists()


def test_a_table_of_people_with_other_columns_stops_in_one_line(tmp_path):
    folder = photographs(tmp_path / 'ward', '001.jpg', table='name,age,face_eth\n001,70,\n')
    with pytest.raises(TrainingError, match='face_age, face_gender, face_id; it needs') as stopped:
        find_people(folder)
    assert '\n' not in str(stopped.value)


def test_the_same_seed_gives_the_same_folder(shared, tmp_path):
    photographs = shared / 'data/london_faces'
    assert len({p.subject for p in find_people(photographs)}) == 80
    for name in ('a', 'b'):
        simulate([photographs], tmp_path / name, generators=('healthy', 'bump', 'mesh'),
                 per_photo=1, largest=2, seed=3)
    files = sorted(p.name for p in (tmp_path / 'a').iterdir())
    assert len(files) == 2 * 2 * 3 + len(('truth.csv', '.made_by'))
    for name in files:
        assert (tmp_path / 'a' / name).read_bytes() == (tmp_path / 'b' / name).read_bytes()
