"""No exception in a callback, and no request that the state does not allow, ends the node."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from ros_harness import REPOSITORY, MonitorProcess, Robot

from stroke_side_msgs.msg import ExerciseCue

PROGRAM = str(REPOSITORY / 'test' / 'broken_monitor.py')


def ask(robot: Robot, name: str, right_weak) -> None:
    """Have the monitor call this method of its, and see that whoever asked is answered."""
    if name == '_on_image':
        robot.until(robot.camera.get_subscription_count, 'the monitor to subscribe')
        robot.camera.publish(robot.message(right_weak))
    elif name == '_on_cue':
        robot.until(robot.cues.get_subscription_count, 'the monitor to hear cues')
        robot.cues.publish(ExerciseCue())
    elif name == '_change_parameters':
        reason = robot.set_parameter('max_yaw_deg', 9.0).reason
        assert 'BrokenError: _change_parameters is broken' in reason
    elif name != '_publish_diagnostics':
        service = {'_on_enable': lambda: robot.enable(True), '_on_reset': robot.reset,
                   '_on_enrol_baseline': robot.enrol}[name]
        answer = service()
        assert not answer.success
        assert answer.message == f'{name.strip("_")}: BrokenError: {name} is broken'


@pytest.mark.parametrize('name', ['_on_image', '_on_cue', '_on_enable', '_on_reset',
                                  '_on_enrol_baseline', '_change_parameters',
                                  '_publish_diagnostics'])
def test_a_callback_that_raises_is_told_and_does_no_more(tmp_path, right_weak, name):
    # Configuring declares parameters, which are checked too: that one would keep it from starting.
    active = name != '_change_parameters'
    with MonitorProcess(tmp_path / 'log', program=(PROGRAM, name), autostart=active) as process, \
            Robot() as robot:
        for _ in range(2):
            ask(robot, name, right_weak)
        level, message, node = robot.status(
            'node', lambda *judged: judged[2]['callbacks_failed'] != '0')
        # rclpy calls what checks a parameter from a callback of its own.
        raised = name.strip('_') if active else 'set_parameters_callback'
        assert f'callbacks failed: {raised}: BrokenError: {name} is broken' in message
        assert level == 2
        assert node['last_callback_failure']
        assert robot.state() == ('active' if active else 'unconfigured')
        assert process.log.count('Traceback') == 1
        assert process.stop() == 0, process.log


def in_a_process(program: str) -> None:
    """Run a program with a Monitor of its own as `node`, in its own process.

    What rclpy keeps of a node that was destroyed answers nobody, but is found by the clients of
    the tests after it.
    """
    whole = ('from rclpy.context import Context\n'
             'from stroke_side_monitor.ros.monitor import Monitor\n'
             'context = Context()\n'
             'context.init()\n'
             "arguments = ['--ros-args', '-p', 'use_sim_time:=true']\n"
             'node = Monitor(context=context, cli_args=arguments)\n'
             f'{textwrap.dedent(program)}'
             'node.destroy_node()\n'
             'context.try_shutdown()\n'
             'assert not context.ok()\n')
    done = subprocess.run(
        [sys.executable, '-c', whole], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_callback_of_the_node_is_guarded():
    in_a_process('''
        assert node.trigger_configure() == node.trigger_activate()
        entities = [*node.services, *node.subscriptions, *node.timers]
        bare = [type(entity).__name__ for entity in entities
                if not hasattr(entity.callback, '__wrapped__')]
        assert bare == []
        assert len(entities) > 10, 'nothing was looked at'
        node.end()
        ''')


@pytest.mark.parametrize('transition', [
    Transition(id=Transition.TRANSITION_ACTIVATE), Transition(id=Transition.TRANSITION_CLEANUP),
    Transition(id=Transition.TRANSITION_ACTIVE_SHUTDOWN), Transition(id=77),
    Transition(label='activate'), Transition(label='levitate')],
    ids=lambda one: one.label or str(one.id))
def test_a_transition_the_state_does_not_allow_is_refused(asleep, transition):
    process, robot = asleep
    for _ in range(2):
        assert not robot.call(ChangeState, 'change_state',
                              ChangeState.Request(transition=transition)).success
    assert robot.state() == 'unconfigured'
    # The asker's mistake, not the node's.
    level, message, node = robot.status('node')
    assert (level, node['callbacks_failed']) == (0, '0'), message
    assert 'Traceback' not in process.log


def test_a_parameter_of_no_type_that_exists_is_refused(asleep):
    _, robot = asleep
    request = SetParameters.Request(parameters=[
        Parameter(name='max_yaw_deg', value=ParameterValue(type=99)), Parameter(name='other')])
    results = robot.call(SetParameters, 'set_parameters', request).results
    assert [one.successful for one in results] == [False, False]
    assert '99' in results[0].reason
    assert robot.state() == 'unconfigured'


@pytest.fixture
def asleep(tmp_path):
    """A monitor that nobody has configured, and a robot."""
    with MonitorProcess(tmp_path / 'log', namespace='asleep', autostart=False) as process, \
            Robot('asleep') as robot:
        yield process, robot
        assert process.stop() == 0, process.log


def test_shutting_down_twice_is_one_shutdown():
    in_a_process('''
        node.end()
        node.end()
        ''')
