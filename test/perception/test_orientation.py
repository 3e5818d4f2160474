"""A head upside down is told from one upright, however it is tilted; a mirror changes nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from stroke_side_monitor.perception.face_tracker import NOTHING
from stroke_side_monitor.perception.orientation import Orientation


@pytest.fixture(scope='module')
def orientation():
    return Orientation()


@pytest.fixture(scope='module')
def upright(astronaut):
    """The head in the middle, with room to turn it."""
    turn = cv2.getRotationMatrix2D((224, 120), 0, 1.4)
    turn[:, 2] += (320 - 224, 240 - 120)
    return cv2.warpAffine(astronaut, turn, (640, 480), borderMode=cv2.BORDER_REPLICATE)


def turned(picture, angle):
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    return cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize('angle', [-30, -15, 0, 15, 30])
def test_a_tilted_head_is_upright(finder, orientation, upright, angle):
    picture = turned(upright, angle)
    assert orientation.uprightness(picture, finder.look(picture, 0.0)) > 0.2


@pytest.mark.parametrize('angle', range(120, 241, 10))
def test_a_head_upside_down_is_never_seen_upright(finder, orientation, upright, angle):
    picture = turned(upright, angle)
    sighting = finder.look(picture, 0.0)
    if sighting is NOTHING or abs(roll(sighting)) > 30:
        return  # there is no face, or a head that lies on its side: each has its own reason
    assert orientation.uprightness(picture, sighting) < -0.2


def roll(sighting):
    across = sighting.face.points[263] - sighting.face.points[33]
    return np.degrees(np.arctan2(across[1], across[0]))


def test_a_clock_that_went_back_stops_no_looking(finder, upright):
    own = Orientation()
    one = (finder.look(picture, 0.0) for picture in (upright, turned(upright, 180)))
    # One opinion on the same face: it is looked at only now and then.
    seen, over = (replace(sighting, same_face=True, through_mirror=None)
                  for sighting in one)
    assert not own.is_upside_down(upright, seen, 100.0)
    assert own.is_upside_down(turned(upright, 180), over, 5.0)


def test_a_mirror_changes_nothing(finder, orientation, upright):
    for angle in (3, 177):
        picture = turned(upright, angle)
        mirrored = np.ascontiguousarray(picture[:, ::-1])
        assert orientation.uprightness(picture, finder.look(picture, 0.0)) \
            == orientation.uprightness(mirrored, finder.look(mirrored, 0.0))
