"""What the controller is promised beside the side: sessions, cues answered, stamps to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from ros_harness import MonitorProcess, Robot
from std_msgs.msg import Header

from stroke_side_monitor.assessment.exercise import EXERCISES
from stroke_side_monitor.ros.conversions import stamp_ns, stamp_of
from stroke_side_msgs.msg import AffectedSide, ExerciseCue

# A stamp of today: in floating-point seconds it is one with its neighbours, 240 ns around.
TODAY_NS = 1_795_263_256_558_728_123


def cue(robot: Robot, name: str, phase: int, at_ns: int | None = None, **more) -> ExerciseCue:
    """Published, with the stamp of now on the images' clock unless told otherwise."""
    stamp = stamp_of(round(robot.now_s * 1e9) if at_ns is None else at_ns)
    message = ExerciseCue(header=Header(stamp=stamp), exercise=name, phase=phase, **more)
    robot.cues.publish(message)
    return message


def answer(robot: Robot, asked: ExerciseCue):
    """The status that answers this cue, and it only."""
    found = robot.until(lambda: [one for one in robot.statuses if one.cue_id == asked.cue_id],
                        'an answer to the cue')
    assert len(found) == 1
    assert (found[0].header, found[0].exercise, found[0].phase) == (
        asked.header, asked.exercise, asked.phase)
    return found[0]


def result_of(robot: Robot, cue_id: int):
    """The one result of this START; that of an earlier test may come after it was forgotten."""
    result, = robot.until(lambda: [one for one in robot.results if one.cue_id == cue_id],
                          'the result')
    return result


def test_every_exercise_has_its_name_in_the_message():
    constants = {name: getattr(ExerciseCue, name.upper()) for name in EXERCISES}
    assert constants == {name: name for name in EXERCISES}


def test_each_cue_is_answered(robot, right_weak):
    robot.watch(right_weak, 3)
    taken = answer(robot, cue(robot, ExerciseCue.SMILE, ExerciseCue.START, cue_id=11))
    assert (taken.accepted, list(taken.reasons)) == (True, [])
    assert taken.session == robot.sides[-1].session > 0
    odd = answer(robot, cue(robot, 'pucker', ExerciseCue.START, cue_id=12))
    assert (odd.accepted, list(odd.reasons)) == (True, ['overlapping_start'])
    unknown = answer(robot, cue(robot, 'juggle', ExerciseCue.START, cue_id=13))
    assert not unknown.accepted
    assert 'unknown_exercise' in unknown.reasons
    wrong = answer(robot, cue(robot, 'snarl', ExerciseCue.STOP, cue_id=14))
    assert not wrong.accepted


def test_a_cue_that_cannot_be_taken_says_why(tmp_path):
    with MonitorProcess(tmp_path / 'log', namespace='asleep', autostart=False) as process, \
            Robot('asleep') as robot:
        robot.until(robot.cues.get_subscription_count, 'the monitor to hear cues')
        robot.until_found()

        def why(cue_id: int) -> list[str]:
            said = answer(robot, cue(robot, 'smile', ExerciseCue.START, cue_id=cue_id))
            assert not said.accepted
            return list(said.reasons)

        assert why(1) == ['unconfigured']
        assert robot.transition('configure')
        assert why(2) == ['inactive']
        assert robot.transition('activate')
        assert robot.enable(False).success
        assert why(3) == ['disabled']
        assert process.stop() == 0


def test_services_answer_why_not_while_unconfigured(tmp_path):
    with MonitorProcess(tmp_path / 'log', namespace='empty', model_path=tmp_path / 'absent.tflite'
                        ) as process, Robot('empty') as robot:
        assert robot.state() == 'unconfigured'
        for answered in (robot.reset(), robot.enrol()):
            assert not answered.success
            assert answered.message.startswith('not configured: model: cannot read')
        assert robot.enable(True).success
        assert process.stop() == 0


def test_a_result_carries_the_cue_and_the_very_stamp_of_an_image(robot, right_weak):
    stamps = []

    def show(at_ns: int) -> None:
        message = robot.message(right_weak)
        message.header.stamp = stamp_of(at_ns)
        robot.answer_to(message)
        stamps.append(at_ns)

    for index in range(80):
        show(TODAY_NS + index * 33_333_333)
    start = stamps[-1] + 1
    answer(robot, cue(robot, 'smile', ExerciseCue.START, start, cue_id=2 ** 32 - 1))
    for index in range(40):
        show(start + 1 + index * 33_333_333)
    answer(robot, cue(robot, 'smile', ExerciseCue.STOP, stamps[-1] + 1, cue_id=5))
    for _ in range(9):
        show(stamps[-1] + 33_333_333)
    result = result_of(robot, 2 ** 32 - 1)
    assert stamp_ns(Header(stamp=result.cue_stamp)) == start
    assert stamp_ns(result.header) in stamps
    assert (result.session, result.session_reason) == (
        robot.sides[-1].session, robot.sides[-1].session_reason)


def test_the_session_grows_when_the_monitor_starts_afresh(robot, right_weak):
    before = robot.watch(right_weak, 3)
    same = robot.watch(right_weak, 3)
    assert same.session == before.session
    robot.reset()
    after = robot.show(right_weak)
    assert (after.session, after.session_reason) == (before.session + 1, 'reset')
    assert robot.severities[-1].session == after.session
    back = robot.show(right_weak, at_s=10.0)
    assert (back.session, back.session_reason) == (after.session + 1, 'clock_went_back')


def test_the_session_does_not_start_over_with_the_node(tmp_path, right_weak):
    sessions = []
    for run in range(2):
        with MonitorProcess(tmp_path / f'log{run}', namespace='born') as process, \
                Robot('born') as robot:
            robot.until_connected()
            robot.watch(right_weak, 3)
            for _ in range(2):
                robot.until(lambda: robot.sides, 'a side')
                sessions.append(robot.sides[-1].session)
                assert robot.transition('deactivate')
                assert robot.transition('cleanup')
                assert robot.transition('configure')
                assert robot.transition('activate')
                robot.until_connected()
                robot.sides.clear()
                assert robot.watch(right_weak, 3).side in (
                    AffectedSide.UNKNOWN, AffectedSide.RIGHT)
            assert process.stop() == 0
    assert sessions == sorted(set(sessions)), sessions


@pytest.mark.parametrize('stamp', [0, 1])
def test_no_message_is_without_a_session(robot, right_weak, stamp):
    robot.show(right_weak, at_s=float(stamp))
    assert min(side.session for side in robot.sides) > 0


@pytest.mark.parametrize('back_s', [0.001, 0.007, 0.05, 0.9])
def test_a_late_frame_is_dropped_and_forgets_nobody(robot, right_weak, back_s):
    before = robot.watch(right_weak)
    counted = int(robot.status('images')[2]['frames_late'])
    late = robot.message(right_weak, robot.now_s - back_s)
    robot.camera.publish(late)
    # Before the next one, which would take its place in the slot.
    robot.status('images', lambda level, message, values: int(values['frames_late']) > counted)
    robot.now_s += back_s
    after = robot.watch(right_weak)
    assert after.session == before.session
    assert (after.side, after.stable) == (AffectedSide.RIGHT, True)
    assert all(said.header != late.header for said in robot.sides)


@pytest.mark.parametrize('pause_s', [0.3, 40.0])
def test_a_pause_keeps_the_patient_and_only_reset_forgets(robot, right_weak, left_weak, pause_s):
    before = robot.watch(right_weak)
    robot.enable(False)
    robot.until_withdrawn('disabled')
    robot.enable(True)
    robot.until_connected()
    robot.now_s += pause_s
    # The patient has sat down elsewhere meanwhile.
    moved = np.roll(right_weak, 40, axis=1)
    again = robot.watch(moved)
    assert again.session == before.session
    assert again.side == AffectedSide.RIGHT
    robot.reset()
    assert robot.watch(left_weak).session == before.session + 1


def test_swapping_left_and_right_withdraws_the_side_at_once(robot, right_weak):
    before = robot.watch(right_weak)
    count = len(robot.sides)
    try:
        assert robot.set_parameter('input_mirrored', True).successful
        said = robot.until(lambda: next((one for one in robot.sides[count:]), None), 'withdrawal')
        assert (said.side, list(said.reasons)) == (AffectedSide.UNKNOWN, ['orientation_changed'])
        after = robot.watch(right_weak)
        assert (after.side, after.session) == (AffectedSide.LEFT, before.session + 1)
        assert after.session_reason == 'orientation_changed'
        assert not any(one.stable and one.side == AffectedSide.RIGHT
                       for one in robot.sides[count:])
    finally:
        robot.set_parameter('input_mirrored', False)
        robot.reset()


def test_a_phase_that_is_neither_start_nor_stop_is_refused(robot, right_weak):
    robot.watch(right_weak, 3)
    odd = answer(robot, cue(robot, ExerciseCue.SMILE, 7, cue_id=61))
    assert (odd.accepted, list(odd.reasons)) == (False, ['bad_phase'])


def test_a_start_gets_its_result_also_when_its_patient_is_forgotten(robot, right_weak):
    robot.watch(right_weak, 10)
    for cue_id, forget in ((71, robot.reset), (72, lambda: robot.show(right_weak, at_s=1.0))):
        session = robot.sides[-1].session
        assert answer(robot, cue(robot, ExerciseCue.SMILE, ExerciseCue.START,
                                 cue_id=cue_id)).accepted
        robot.watch(right_weak, 5)
        forget()
        robot.watch(right_weak, 3)
        result = result_of(robot, cue_id)
        assert (result.valid, result.session) == (False, session)
        assert stamp_ns(result.header) > 0
