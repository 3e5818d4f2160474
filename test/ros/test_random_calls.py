"""A thousand calls in no sensible order while frames arrive: each answered, nothing left behind."""

from __future__ import annotations

import os
import random

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_harness import MonitorProcess, Robot

CALLS = 1000
WARM_UP = 200


def change_state(robot: Robot, transition: Transition) -> None:
    robot.call(ChangeState, 'change_state', ChangeState.Request(transition=transition))


def some_call(robot: Robot, choice: random.Random) -> str:
    """Make one call, wait for its answer, and return what it was."""
    label = choice.choice(('configure', 'activate', 'deactivate', 'cleanup', 'levitate'))
    number = choice.choice((1, 2, 3, 4, 77))  # 5 to 7 shut it down for good
    name, value = choice.choice((
        ('max_yaw_deg', 9.0), ('max_yaw_deg', 900.0), ('max_yaw_deg', 'wide'),
        ('input_mirrored', True), ('input_mirrored', False), ('stale_timeout_s', 0.5),
        ('mouth_off', 19.0), ('norms_path', '/nowhere'), ('no_such_parameter', 1)))
    calls = {
        f'transition {label}': lambda: robot.transition(label),
        f'transition {number}': lambda: change_state(robot, Transition(id=number)),
        'enable': lambda: robot.enable(True), 'disable': lambda: robot.enable(False),
        'reset': robot.reset, 'enrol': robot.enrol, 'state': robot.state,
        f'{name}={value}': lambda: robot.set_parameter(name, value)}
    what = choice.choice(list(calls))
    calls[what]()
    return what


def unconfigured(robot: Robot) -> None:
    robot.transition('deactivate')
    robot.transition('cleanup')
    assert robot.state() == 'unconfigured'


@pytest.mark.parametrize('seed', [14])
def test_no_order_of_calls_does_harm(tmp_path, right_weak, seed):
    choice, done = random.Random(seed), []
    with MonitorProcess(tmp_path / 'log', namespace='any') as process, Robot('any') as robot:
        robot.node.create_timer(1 / 30, lambda: robot.camera.publish(robot.message(right_weak)))
        counts = []
        for upto in (WARM_UP, CALLS):
            while len(done) < upto:
                done.append(some_call(robot, choice))
                assert process.process.poll() is None, f'died of {done[-5:]}'
            unconfigured(robot)
            counts.append((process.threads(),
                           len(os.listdir(f'/proc/{process.process.pid}/fd'))))
        assert counts[0] == counts[1], 'threads or files were left behind'
        assert len(set(done)) > 20
        assert robot.transition('configure')
        assert robot.transition('activate')
        robot.enable(True)
        _, _, node = robot.status('node', lambda _, message, values: message == 'active')
        assert (node['frames_failed'], node['callbacks_failed']) == ('0', '0')
        assert process.stop() == 0, process.log
        assert 'Traceback' not in process.log
