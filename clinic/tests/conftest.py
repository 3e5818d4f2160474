"""What every test of the page can use: people with each role, and a simulated patient's picture.

It never replaces a real part by a stand-in.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import translation

from clinic.cases.access import ADMINISTRATOR, CLINICIAN, EXPERT
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import astronaut, portrait
from stroke_side_monitor.simulation.still import simulate_still

PASSWORD = 'Correct-Horse-7-Staple'


def png(rgb):
    """RGB uint8 (H, W, 3) → PNG."""
    return cv2.imencode('.png', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def jpeg(rgb):
    """RGB uint8 (H, W, 3) → JPEG."""
    return cv2.imencode('.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR),
                        [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


@pytest.fixture(autouse=True)
def english():
    """The language of the last request does not stay for the next test."""
    with translation.override('en'):
        yield


@pytest.fixture(scope='session')
def framed():
    """A healthy face of the public domain, 640x480, 110 px between the eyes."""
    return portrait(np.ascontiguousarray(astronaut()), 'astronaut').framed(640, 480, 110.0)


@pytest.fixture(scope='session')
def left_weak(framed):
    """SIMULATED patient whose left side is weak, smiling: RGB uint8 (480, 640, 3)."""
    return simulate_still(framed, Palsy.of(Side.LEFT, 1.0, 'central'), 'smile')[0]


@pytest.fixture(scope='session')
def healthy(framed):
    """The same person without a palsy, at rest."""
    return simulate_still(framed, Palsy.of(Side.NONE, 0.0, 'central'), 'rest')[0]


@pytest.fixture
def person(db):
    """A function (name, *roles) → user."""
    def make(name, *roles):
        user = User.objects.create_user(name, password=PASSWORD,
                                        is_staff=ADMINISTRATOR in roles)
        user.groups.set(Group.objects.filter(name__in=roles))
        return user
    return make


@pytest.fixture
def people(person):
    """One user a role, one without, and a second clinician."""
    return {'clinician': person('carla', CLINICIAN), 'other': person('otto', CLINICIAN),
            'expert': person('erik', EXPERT), 'administrator': person('ada', ADMINISTRATOR),
            'nobody': person('noel')}


@pytest.fixture
def browse(people):
    """A function (role or None) → logged-in test client that checks CSRF not."""
    def make(role):
        client = Client()
        if role:
            client.force_login(people[role], 'django.contrib.auth.backends.ModelBackend')
        return client
    return make


@pytest.fixture
def stored():
    """A function → every file in the page's folder but database and key."""
    def listed():
        return sorted(str(path.relative_to(settings.DATA)) for path in settings.DATA.rglob('*')
                      if path.is_file() and path.name != 'secret_key'
                      and not path.name.startswith('clinic.sqlite3'))
    return listed
