"""Pictures of patients and running monitors for the tests of the node."""

from __future__ import annotations

import numpy as np
import pytest
from ros_harness import MonitorProcess, Robot

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation import portrait
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.still import simulate_still


@pytest.fixture(scope='session')
def right_weak() -> np.ndarray:
    """A simulated patient whose RIGHT side is weak; uint8 (480, 640, 3)."""
    person = portrait.portrait(portrait.astronaut()).framed(640, 480, 130)
    rgb, _ = simulate_still(person, Palsy.of(Side.RIGHT, 0.9, 'peripheral'))
    return rgb


@pytest.fixture(scope='session')
def left_weak(right_weak) -> np.ndarray:
    """The mirror image: a patient whose LEFT side is weak, equally badly."""
    return np.ascontiguousarray(right_weak[:, ::-1])


@pytest.fixture(scope='session')
def nobody() -> np.ndarray:
    """An empty room."""
    return np.full((480, 640, 3), 127, np.uint8)


@pytest.fixture(scope='module')
def monitor(tmp_path_factory):
    """A monitor that all tests of a module share, raw images."""
    with MonitorProcess(tmp_path_factory.mktemp('monitor') / 'log') as process:
        yield process
        assert process.stop() == 0, process.log


@pytest.fixture
def robot(monitor):
    """A robot connected to the shared monitor, which has forgotten the test before."""
    with Robot() as robot:
        robot.until_connected()
        robot.reset()
        yield robot
