"""What several tests of perception look through."""

import pytest

from stroke_side_monitor.perception import crop
from stroke_side_monitor.perception.face_tracker import StillFaceFinder
from training.occlusion import people


@pytest.fixture(scope='module')
def finder():
    """Finds faces on unrelated pictures."""
    finder = StillFaceFinder()
    yield finder
    finder.close()


@pytest.fixture(scope='module')
def face(finder, astronaut):
    """A face to draw on."""
    return people.framed(people.find(finder, astronaut), 80.0, 0.0)


@pytest.fixture(scope='module')
def looked(finder):
    """What is seen of the face in a picture: its crop, and the sighting."""
    def look(rgb):
        sighting = finder.look(rgb, 0.0)
        return crop.aligned_crop(rgb, sighting.face), sighting
    return look
