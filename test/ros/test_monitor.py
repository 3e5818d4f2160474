"""What a robot sees of the monitor through real DDS, from another process."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy, qos_profile_sensor_data
from ros_harness import REPOSITORY, MonitorProcess, Robot
from sensor_msgs.msg import Image

from stroke_side_monitor.ros.conversions import stamp_s
from stroke_side_msgs.msg import AffectedSide, ExerciseCue, Severity


def test_a_weak_right_side_reads_right_and_its_mirror_image_left(robot, right_weak, left_weak):
    right = robot.watch(right_weak)
    assert (right.side, right.stable) == (AffectedSide.RIGHT, True)
    robot.reset()
    left = robot.watch(left_weak)
    assert (left.side, left.stable) == (AffectedSide.LEFT, True)
    # Mirror-fair to the last bit, also across the wire.
    assert left.landmark_score == -right.landmark_score
    assert left.probability_left == right.probability_right
    assert left.confidence == right.confidence


def test_a_mirroring_camera_is_undone_by_input_mirrored(robot, left_weak):
    assert robot.watch(left_weak).side == AffectedSide.LEFT
    region = robot.asymmetries[-1].face_region
    try:
        assert robot.set_parameter('input_mirrored', True).successful
        robot.reset()
        assert robot.watch(left_weak).side == AffectedSide.RIGHT
        # The region is told in the picture as received, whoever mirrored it.
        assert robot.asymmetries[-1].face_region.x_offset == pytest.approx(region.x_offset, abs=4)
    finally:
        robot.set_parameter('input_mirrored', False)


def test_every_frame_gets_one_output_set_with_its_own_header(robot, right_weak, nobody):
    sent = [robot.message(rgb) for rgb in (right_weak, right_weak, nobody, right_weak) * 3]
    for message in sent:
        robot.answer_to(message)
    for outputs in (robot.sides, robot.severities, robot.asymmetries):
        # On a busy machine the watchdog may speak in between; it answers no frame.
        answers = [output.header for output in outputs if 'no_image' not in output.reasons]
        assert answers == [message.header for message in sent]
        assert answers[0].frame_id == 'head_camera'


def test_losing_the_face_publishes_unknown_with_its_reason_at_once(robot, right_weak, nobody):
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    lost = robot.show(nobody)
    assert (lost.side, lost.confidence, lost.stable) == (AffectedSide.UNKNOWN, 0.0, False)
    assert list(lost.reasons) == ['no_face']
    assert math.isnan(lost.probability_left)
    assert robot.severities[-1].grade == Severity.GRADE_UNKNOWN
    assert len(robot.asymmetries[-1].metrics) == 0
    assert robot.asymmetries[-1].face_region.width == 0


def test_an_output_takes_the_qos_that_is_asked_for(tmp_path):
    override = 'qos_overrides./asked/stroke_side_monitor/affected_side.publisher'
    with MonitorProcess(tmp_path / 'log', namespace='asked', **{
            f'{override}.reliability': 'best_effort',
            f'{override}.durability': 'transient_local'}) as process, Robot('asked') as robot:
        robot.until_connected()
        offered = {name: robot.node.get_publishers_info_by_topic(
            f'/asked/stroke_side_monitor/{name}')[0].qos_profile
            for name in ('affected_side', 'severity')}
        assert offered['affected_side'].reliability == QoSReliabilityPolicy.BEST_EFFORT
        assert offered['severity'].reliability == QoSReliabilityPolicy.RELIABLE
        # No output may be latched, whatever is asked: nobody hears the last patient's side.
        assert {profile.durability for profile in offered.values()} == {
            QoSDurabilityPolicy.VOLATILE}
        assert process.stop() == 0


def test_the_measured_face_is_reported_with_units(robot, right_weak):
    robot.watch(right_weak, 5)
    seen = robot.asymmetries[-1]
    units = {metric.name: metric.unit for metric in seen.metrics}
    assert units['mouth.commissure_height'] == 'mm'
    assert units['mouth.smile_angle'] == 'deg'
    assert seen.interocular_px == pytest.approx(130, abs=10)
    assert seen.millimetre_per_pixel == pytest.approx(63 / seen.interocular_px, rel=1e-5)
    assert 100 < seen.face_region.width < 400
    assert 40 < seen.face_luminance < 220


def test_silence_of_the_camera_withdraws_the_side(robot, right_weak):
    last = robot.watch(right_weak)
    assert last.side == AffectedSide.RIGHT
    stale = robot.until_silence_is_told()
    assert stale.side == AffectedSide.UNKNOWN
    assert stale.header == last.header  # there is no newer image to speak of
    assert robot.severities[-1].grade == Severity.GRADE_UNKNOWN
    again = robot.watch(right_weak)
    assert (again.side, list(again.reasons)) == (AffectedSide.RIGHT, [])


def test_a_stamp_that_goes_back_starts_afresh(robot, right_weak, left_weak):
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    first = robot.show(right_weak, at_s=10.0)
    assert first.side == AffectedSide.UNKNOWN
    assert 'warming_up' in first.reasons
    assert robot.watch(left_weak).side == AffectedSide.LEFT
    assert stamp_s(robot.sides[-1].header) < 20.0


@pytest.mark.parametrize('back_s', [1.05, 900.0])
def test_a_real_step_back_in_time_forgets(robot, monitor, right_weak, back_s):
    before = robot.watch(right_weak, 40)
    assert (before.side, before.stable) == (AffectedSide.RIGHT, True)
    lines = monitor.log.count('went back')
    first = robot.show(right_weak, at_s=robot.now_s - back_s)
    # By the stamps alone the trackers could take a small step for the next frame of the same face.
    assert (first.side, list(first.reasons)) == (AffectedSide.UNKNOWN, ['warming_up'])
    after = robot.watch(right_weak, 5)
    assert (after.side, after.stable) == (AffectedSide.RIGHT, False)
    assert monitor.log.count('went back') == lines + 1


@pytest.mark.parametrize('stamp', [0.0, 3e9 - 2 ** 30])
def test_odd_stamps_are_assessed_and_named(robot, right_weak, stamp):
    for _ in range(4):
        robot.show(right_weak, at_s=stamp)
    assert robot.sides[-1].side in (AffectedSide.RIGHT, AffectedSide.UNKNOWN)
    said = {0.0: 'no stamp', 3e9 - 2 ** 30: 'in the future'}[stamp]
    if stamp:
        robot.watch(right_weak, 3)
        assert robot.watch(right_weak).side == AffectedSide.RIGHT
    level, message, _ = robot.status('images', lambda level, message, values: said in message)
    assert level == 1
    assert '/image' in message


def test_disabled_it_withdraws_the_side_and_takes_no_images(robot, right_weak):
    robot.watch(right_weak)
    assert robot.enable(False).success
    assert robot.until_withdrawn('disabled').side == AffectedSide.UNKNOWN
    assert robot.status('node')[1] == 'active, disabled by ~/enable'
    assert robot.enable(True).success
    robot.until_connected()
    assert robot.watch(right_weak).side == AffectedSide.RIGHT


def test_the_overlay_is_drawn_only_while_somebody_looks(robot, right_weak):
    robot.watch(right_weak, 3)
    pictures: list[Image] = []
    looking = robot.node.create_subscription(
        Image, 'stroke_side_monitor/overlay', pictures.append, qos_profile_sensor_data)
    robot.until(lambda: looking.get_publisher_count(), 'the overlay')
    robot.until(lambda: robot.show(right_weak) and pictures, 'an overlay picture')
    drawn = np.frombuffer(pictures[-1].data, np.uint8).reshape(480, 640, 3)
    assert pictures[-1].encoding == 'rgb8'
    assert pictures[-1].header.frame_id == 'head_camera'
    assert 0.005 < np.mean(np.any(drawn != right_weak, axis=2)) < 0.6
    robot.node.destroy_subscription(looking)


def test_live_parameters_hold_from_the_next_frame(robot, right_weak):
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    assert robot.set_parameter('min_interocular_px', 500.0).successful
    try:
        assert list(robot.show(right_weak).reasons) == ['too_small']
    finally:
        assert robot.set_parameter('min_interocular_px', 80.0).successful
    assert 'too_small' not in robot.show(right_weak).reasons


@pytest.mark.parametrize(('name', 'value', 'said'), [
    ('max_yaw_deg', 90.0, 'max_yaw_deg'),
    ('max_yaw_deg', 10, 'Wrong parameter type'),
    ('max_yaw_deg', math.nan, 'max_yaw_deg'),
    ('mouth_off', 9.0, 'mouth_off: 9.0 is above mouth_on'),
    ('assess_rate_hz', 1.5, 'assess_rate_hz: 1.5 gives fewer than 4 frames in window_s'),
    ('image_transport', 'compressed', 'read-only'),
    ('window_s', 2.0, 'read-only'),
])
def test_a_bad_value_is_refused_and_changes_nothing(robot, right_weak, name, value, said):
    before = robot.watch(right_weak)
    result = robot.set_parameter(name, value)
    assert not result.successful
    assert said in result.reason
    after = robot.show(right_weak)
    assert (after.side, after.reasons) == (before.side, before.reasons)


def test_a_cue_is_taken_and_an_unknown_one_answered_with_a_status(robot, right_weak):
    robot.watch(right_weak, 3)
    robot.cues.publish(ExerciseCue(exercise='juggle', phase=ExerciseCue.START))
    robot.status('node', lambda level, message, values: values['exercise_cue'].startswith(
        'juggle start: unknown_exercise'))
    robot.cues.publish(ExerciseCue(exercise='smile', phase=ExerciseCue.START, hold_s=1.0))
    robot.status('node', lambda level, message, values: values['exercise_cue'] == 'smile start')
    assert robot.watch(right_weak, 3).side != AffectedSide.LEFT


def test_diagnostics_tell_how_it_fares(robot, right_weak):
    robot.watch(right_weak)
    level, message, node = robot.status('node')
    assert (level, message, node['lifecycle_state']) == (0, 'active', 'active')
    assert node['frames_failed'] == '0'
    card = json.loads((REPOSITORY / 'models' / 'side_classifier.json').read_text())
    assert (node['model'], node['model_sha256']) == (card['name'], card['sha256'])
    assert (node['runtime'], node['threads']) == ('LiteRT', '1')

    def images_ok(level, message, values):
        robot.watch(right_weak, 2)
        return level == 0

    _, _, images = robot.status('images', images_ok)
    assert int(images['frames_assessed']) >= 20
    assert images['frames_undecodable'] == '0'
    assert float(images['input_hz']) > 0
    assert float(images['output_hz']) > 0
    _, _, timing = robot.status('timing')
    stages = ('decode', 'mesh', 'assess', 'publish', 'total')
    medians = [float(timing[f'{stage}_ms_p50']) for stage in stages]
    assert medians[-1] >= max(medians[:-1]) > 0
    assert 'stamp_to_publish_ms_p95' in timing
    _, _, face = robot.status('face')
    assert float(face['seconds_since_face']) >= 0


def test_a_camera_mounted_upside_down_is_put_right_live(robot, right_weak):
    upside_down = np.ascontiguousarray(right_weak[::-1, ::-1])
    try:
        assert not robot.set_parameter('image_rotation_deg', 100).successful
        assert robot.set_parameter('image_rotation_deg', 180).successful
        robot.reset()
        assert robot.watch(upside_down).side == AffectedSide.RIGHT
        turned = robot.asymmetries[-1].face_region
        assert robot.set_parameter('image_rotation_deg', 0).successful
        robot.reset()
        assert robot.watch(right_weak).side == AffectedSide.RIGHT
        upright = robot.asymmetries[-1].face_region
        height, width = right_weak.shape[:2]
        assert (turned.x_offset, turned.y_offset) == (
            width - upright.x_offset - upright.width, height - upright.y_offset - upright.height)
    finally:
        robot.set_parameter('image_rotation_deg', 0)
        robot.reset()
