"""The default simulated person, found once for all tests of the simulation."""

import pytest

from stroke_side_monitor.perception.face_mesh import FaceMesh
from stroke_side_monitor.simulation import portrait


@pytest.fixture(scope='session')
def mesh():
    """A FaceMesh for unrelated pictures."""
    mesh = FaceMesh(tracking=False, max_faces=2)
    yield mesh
    mesh.close()


@pytest.fixture(scope='session')
def astronaut(mesh):
    """The public-domain portrait, 110 px between the eyes in a 400×400 picture."""
    person = portrait.portrait(portrait.astronaut(), 'astronaut', mesh=mesh)
    return person.framed(400, 400, 110.0)
