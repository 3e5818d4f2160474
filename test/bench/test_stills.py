"""The bench of stills runs the real ways on memory and files, and compares them as it says."""

import cv2
import pytest

from bench import stills


def check(rates):
    assert set(rates) == {'assess_per_s', 'looks_per_s', 'mesh_per_s', 'ratio'}
    assert all(rate > 0 for rate in rates.values())
    assert rates['ratio'] == pytest.approx(rates['assess_per_s'] / rates['mesh_per_s'])


def test_pictures_in_memory_are_looked_at_in_every_way(astronaut):
    check(stills.of_frames([astronaut], 3))


def test_files_are_read_in_every_way_and_none_is_left_behind(astronaut, tmp_path):
    path = tmp_path / 'face.jpg'
    cv2.imwrite(str(path), cv2.cvtColor(astronaut, cv2.COLOR_RGB2BGR))
    check(stills.of_files([path, path, path]))
    assert list(tmp_path.iterdir()) == [path]
