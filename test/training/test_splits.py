"""Nobody stands on two sides of a split."""

import cv2
import numpy as np
import pytest

from stroke_side_monitor.simulation.portrait import astronaut
from training import splits
from training.common import TrainingError


def pairs_of(*pictures):
    return {(i, j) for i, j, _ in splits.near_pairs([splits.fingerprint(p) for p in pictures])}


def test_copies_of_a_picture_are_found_and_other_people_are_not(shared):
    files = sorted((shared / 'data/london_faces/neutral').glob('*.jpg'))[:12]
    people = [cv2.imread(str(file)) for file in files]
    face = people[0]
    small = cv2.resize(face, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    poor = cv2.imdecode(cv2.imencode('.jpg', face, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1)
    bright = cv2.convertScaleAbs(face, alpha=1.1, beta=10)
    found = pairs_of(*people, small, poor, bright, cv2.flip(face, 1))
    assert {(0, 12), (0, 13), (0, 14), (0, 15)} <= found
    assert not {pair for pair in found if pair[1] < 12}


def test_equal_pixels_have_equal_exact_prints():
    face = astronaut()
    changed = face.copy()
    changed[0, 0, 0] ^= 1
    assert splits.fingerprint(face).exact == splits.fingerprint(face.copy()).exact
    assert splits.fingerprint(face).exact != splits.fingerprint(changed).exact


def test_a_blank_picture_has_a_print():
    assert np.isfinite(splits.fingerprint(np.zeros((50, 40, 3), np.uint8)).near).all()


def test_groups_are_subjects_else_files_joined_by_duplicates():
    names = splits.groups(['Ann', 'Ann', '', '', 'Bo'], ['a', 'b', 'c', 'c', 'd'], [(1, 4)])
    assert names[0] == names[1] == names[4]
    assert names[2] == names[3] != names[0]


def test_a_group_keeps_its_side_when_pictures_are_added():
    before = splits.assign(['p1', 'p2'], ['', ''])
    after = splits.assign(['p0', 'p1', 'p2', 'p3'], [''] * 4)
    assert after[1:3] == before


def test_about_two_tenths_are_for_test_and_one_for_validation():
    found = splits.assign([f'person{i}' for i in range(3000)], [''] * 3000)
    assert abs(found.count('test') / 3000 - 0.2) < 0.03
    assert abs(found.count('validation') / 3000 - 0.1) < 0.03


def test_a_demanded_split_wins_for_the_whole_group():
    assert splits.assign(['a', 'a'], ['test', '']) == ['test', 'test']


def test_an_earlier_side_wins_over_the_draw_and_nobody_leaves_the_test():
    train, validation, test = (next(name for name in map(str, range(99))
                                    if splits.split_of(name) == side) for side in splits.SPLITS)
    names, sides = [train, train, test, validation, test], [''] * 5
    assert splits.assign(names, sides, '', [{'test'}, (), {'train'}, {'train', 'validation'}, ()]
                         ) == ['test', 'test', 'train', 'validation', 'train']
    assert splits.assign([train] * 3, [''] * 3, '', [{'train'}, {'test'}, {'validation'}]
                         ) == ['test'] * 3
    assert splits.assign([train], ['validation'], '', [{'test'}]) == ['validation']


def test_a_subject_demanded_on_two_sides_stops():
    with pytest.raises(TrainingError, match=r'on two sides.*"a"'):
        splits.assign(['a', 'a', 'b'], ['train', 'test', ''])


def test_an_unknown_split_stops():
    with pytest.raises(TrainingError, match='unknown split "dev"'):
        splits.assign(['a'], ['dev'])


@pytest.mark.parametrize(('names', 'exact'), [(['a', 'a'], ['x', 'y']), (['a', 'b'], ['x', 'x'])])
def test_a_leak_is_never_let_through(names, exact):
    with pytest.raises(TrainingError, match='is in test and in train'):
        splits.check_disjoint(names, exact, ['train', 'test'])
    splits.check_disjoint(names, exact, ['train', 'train'])
