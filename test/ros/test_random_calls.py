"""A thousand calls in no sensible order while frames arrive: each answered, nothing left behind."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_harness import MonitorProcess, Robot

COUNTED_AFTER = (200, 600, 1000)


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


def held(process: MonitorProcess) -> tuple[list[str], list[str]]:
    """(names of its threads, what its file descriptors point at)."""
    own = Path(f'/proc/{process.process.pid}')
    names = sorted(path.read_text().strip() for path in own.glob('task/*/comm'))
    return names, sorted(os.readlink(path) for path in own.glob('fd/*'))


@pytest.mark.parametrize('seed', [14])
def test_no_order_of_calls_does_harm(tmp_path, right_weak, seed):
    choice, done = random.Random(seed), []
    with MonitorProcess(tmp_path / 'log', namespace='any') as process, Robot('any') as robot:
        robot.node.create_timer(1 / 30, lambda: robot.camera.publish(robot.message(right_weak)))
        at = []
        for upto in COUNTED_AFTER:
            while len(done) < upto:
                done.append(some_call(robot, choice))
                assert process.process.poll() is None, f'died of {done[-5:]}'
            unconfigured(robot)
            at.append(held(process))
        for threads_or_files in zip(*at, strict=True):
            # DDS starts a thread of its own when it first has to, however late; what calls leave
            # behind grows with them.
            first, second, third = map(len, threads_or_files)
            assert not first < second < third, f'left behind: {threads_or_files}'
        assert len(set(done)) > 20
        assert robot.transition('configure')
        assert robot.transition('activate')
        robot.enable(True)
        _, _, node = robot.status('node', lambda _, message, values: message == 'active')
        assert (node['frames_failed'], node['callbacks_failed']) == ('0', '0')
        assert process.stop() == 0, process.log
        assert 'Traceback' not in process.log
