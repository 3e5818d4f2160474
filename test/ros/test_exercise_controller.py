"""The example controller runs whole sessions with a simulated patient who does what is asked."""

from __future__ import annotations

import re
import signal
import threading

import pytest
from ros_harness import REPOSITORY, MonitorProcess, Robot

CONTROLLER = str(REPOSITORY / 'examples' / 'exercise_controller.py')


class Session:
    """Monitor, obeying patient and controller in one namespace."""

    def __init__(self, tmp_path, start_process, name):
        self.name = name
        at = ('--ros-args', '-r', f'__ns:=/{name}')
        self.monitor = MonitorProcess(tmp_path / 'log', namespace=name, reliable=False,
                                      image_transport='compressed')
        self.patient = start_process(
            '-m', 'stroke_side_monitor.ros', 'patient', *at, '-p', 'obey_cues:=true',
            '-p', 'side:=right', '-p', 'severity:=0.8', '-p', 'image_transport:=compressed',
            '-p', 'head_motion:=0.2', '-p', 'wait_for_viewer:=false')
        self.controller = start_process(
            CONTROLLER, *at, '-p', 'exercises:=[smile, eye_close]', '-p', 'repetitions:=2',
            '-p', 'hold_s:=1.5', '-p', 'rest_s:=2.0', '-p', 'patience_s:=6.0',
            '-p', 'listeners:=2')
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.controller.stdout:
            self.lines.append(line.strip())

    def said(self, pattern):
        return [line for line in self.lines if re.search(pattern, line)]


@pytest.fixture
def session(tmp_path, start_process, request):
    made = Session(tmp_path, start_process, f'session{abs(hash(request.node.name)) % 10 ** 6}')
    with made.monitor:
        yield made


def test_a_session_is_run_to_its_end_and_the_weak_side_moves_less(session):
    assert session.controller.wait(150.0) == 0, session.lines
    session.reader.join()
    assert len(session.said(r'^\d/4 ')) == 4
    assert len(session.said('the right reached')) == 4, session.lines
    assert session.said('4 of 4 repetitions could be used')


def test_it_survives_reset_pause_and_a_monitor_that_goes_and_comes(session, tmp_path):
    with Robot(session.name, transport='compressed') as robot:
        robot.until(lambda: session.said('^1/4'), 'the first repetition', 120.0)
        robot.reset()
        robot.enable(False)
        robot.spin_for(2.0)
        robot.enable(True)
        robot.until(lambda: session.said('^2/4'), 'the second repetition', 120.0)
        assert robot.transition('deactivate')
        robot.spin_for(1.0)
        assert robot.transition('activate')
    assert session.controller.wait(200.0) in (0, 1), session.lines
    session.reader.join()
    assert len(session.said(r'^\d/4 ')) == 4, session.lines
    assert session.said('repetitions could be used')


def test_a_monitor_that_is_killed_costs_the_repetition_that_it_was_at(session, tmp_path):
    with Robot(session.name, transport='compressed') as robot:
        robot.until(lambda: robot.statuses, 'a cue taken', 120.0)
        seen = len(robot.sides)
        robot.until(lambda: len(robot.sides) > seen + 3, 'the exercise begun')
        session.monitor.stop(signal.SIGKILL)
        # What it last sent may die with it: then the controller asks again, and nothing is lost.
        robot.until(lambda: session.said('no (answer|result) came'), 'it to be missed', 120.0)
    with MonitorProcess(tmp_path / 'log2', namespace=session.name, reliable=False,
                        image_transport='compressed'):
        assert session.controller.wait(200.0) == 0, session.lines
    session.reader.join()
    assert len(session.said(r'^\d/4 ')) == 4
    lost = len(session.said('no result came'))
    assert len(session.said('the right reached')) == 4 - lost, session.lines
