"""Every lifecycle transition, twice in a row, while frames keep arriving."""

from __future__ import annotations

import shutil

import pytest
from ros_harness import REPOSITORY, MonitorProcess, Robot

from stroke_side_msgs.msg import AffectedSide, ExerciseCue


@pytest.fixture
def waiting(tmp_path):
    """A monitor that waits for a lifecycle manager, and a robot whose camera never stops."""
    with MonitorProcess(tmp_path / 'log', autostart=False) as process, Robot() as robot:
        yield process, robot
        assert process.stop() == 0, process.log


def test_transitions_twice_in_a_row_with_frames_arriving(waiting, right_weak):
    process, robot = waiting
    robot.node.create_timer(1 / 30, lambda: robot.camera.publish(robot.message(right_weak)))
    assert robot.state() == 'unconfigured'
    before, after_each = process.threads(), []
    for _ in range(4):
        for label, state in (('configure', 'inactive'), ('activate', 'active'),
                             ('deactivate', 'inactive'), ('activate', 'active'),
                             ('deactivate', 'inactive'), ('cleanup', 'unconfigured')):
            assert robot.transition(label), label
            assert robot.state() == state
            assert not robot.transition(label), f'{label} in state {state}'
            assert robot.state() == state
            if state == 'active':
                robot.sides.clear()
                robot.until(lambda: robot.sides and robot.sides[-1].side == AffectedSide.RIGHT,
                            'the right side')
            elif label == 'deactivate':
                assert robot.until_withdrawn('inactive').side == AffectedSide.UNKNOWN
                robot.sides.clear()
                robot.spin_for(0.3)
                assert not robot.sides, 'an inactive monitor spoke'
        robot.until(lambda: process.threads() == before, 'its threads to end')
        after_each.append(process.all_threads())
    # Not one more for each: a library may start one of its own when it first needs it.
    robot.until(lambda: process.all_threads() < after_each[0] + 3, 'all threads to end')


def test_shutdown_from_active_withdraws_the_side(waiting, right_weak):
    process, robot = waiting
    assert robot.transition('configure')
    configured = process.threads()
    assert robot.transition('activate')
    robot.until_connected()
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    assert robot.transition('shutdown')
    assert robot.until_withdrawn('shutting_down').side == AffectedSide.UNKNOWN
    assert robot.state() == 'finalized'
    robot.until(lambda: process.threads() < configured, 'its threads to end')
    assert not robot.transition('activate')


@pytest.mark.parametrize('last', ['deactivate', 'shutdown', 'disable'])
def test_a_start_has_its_result_before_the_monitor_falls_silent(waiting, right_weak, last):
    _, robot = waiting
    assert robot.transition('configure')
    assert robot.transition('activate')
    robot.until_connected()
    robot.watch(right_weak, 5)
    robot.cues.publish(ExerciseCue(exercise='smile', phase=ExerciseCue.START, cue_id=5))
    robot.until(lambda: robot.statuses, 'an answer to the cue')
    robot.watch(right_weak, 3)
    assert robot.enable(False).success if last == 'disable' else robot.transition(last)
    result, = robot.until(lambda: robot.results, 'the result')
    assert (result.cue_id, result.valid) == (5, False)


def test_an_inactive_monitor_enabled_or_disabled_stays_silent_until_activated(waiting, right_weak):
    _, robot = waiting
    assert robot.transition('configure')
    assert not robot.enable(False).message.startswith('enabled')
    assert robot.transition('activate')
    robot.spin_for(0.3)
    assert robot.camera.get_subscription_count() == 0
    answer = robot.enable(True)
    assert (answer.success, answer.message) == (True, 'enabled')
    robot.until_connected()
    assert robot.watch(right_weak).side == AffectedSide.RIGHT


def test_a_configure_that_fails_leaves_no_thread_and_may_be_tried_again(tmp_path):
    absent = tmp_path / 'absent.tflite'
    with MonitorProcess(tmp_path / 'log', namespace='again', autostart=False,
                        model_path=absent) as process, Robot('again') as robot:
        assert robot.state() == 'unconfigured'
        before = process.threads()
        for _ in range(6):
            assert not robot.transition('configure')
            assert robot.state() == 'unconfigured'
            robot.until(lambda: process.threads() == before, 'its threads to end')
        robot.until(lambda: not robot.node.count_publishers('stroke_side_monitor/affected_side'),
                    'its publishers to go')
        assert f'model: cannot read {absent}' in robot.status('node', lambda level, *_: level)[1]
        for kind in ('tflite', 'json'):
            shutil.copy(REPOSITORY / 'models' / f'side_classifier.{kind}',
                        tmp_path / f'absent.{kind}')
        assert robot.transition('configure')
        # The mesh's and the assessment's threads, which the failures did not leave.
        assert process.threads() > before
        assert process.stop() == 0


def test_an_error_while_activating_leaves_nothing_behind(tmp_path, right_weak):
    bad = 'qos_overrides./image.subscription.history'
    with MonitorProcess(tmp_path / 'log', autostart=False, **{bad: 'nonsense'}) as process, \
            Robot() as robot:
        assert robot.transition('configure')
        configured = process.threads()
        assert not robot.transition('activate')
        assert robot.state() == 'unconfigured'
        _, message, _ = robot.status('node', lambda level, *_: level == 2)
        assert 'on_activate: Unexpected QoS override for policy `history`: `nonsense`' in message
        robot.until(lambda: process.threads() < configured, 'its threads to end')
        assert process.stop() == 0
