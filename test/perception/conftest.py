"""What several tests of perception look through."""

import pytest

from stroke_side_monitor.perception.face_tracker import StillFaceFinder


@pytest.fixture(scope='module')
def finder():
    """Finds faces on unrelated pictures."""
    finder = StillFaceFinder()
    yield finder
    finder.close()
