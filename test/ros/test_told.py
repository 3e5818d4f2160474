"""What the log says once: what is taken, what nobody understands, what is missing for long."""

from __future__ import annotations

import dataclasses

import pytest
from ros_harness import MonitorProcess, Robot

from stroke_side_monitor.ros import diagnostics
from stroke_side_monitor.ros.diagnostics import Condition, Statistics, Watch


def test_a_misspelt_parameter_is_told_with_the_name_that_was_meant(tmp_path):
    with MonitorProcess(tmp_path / 'log', namespace='spelt', input_mirored=True, max_yaw_deg=9.0,
                        **{'quite.other': 3}) as process, Robot('spelt') as robot:
        robot.until(lambda: robot.state() == 'active', 'the monitor to be active')
        told = [line for line in process.log.splitlines() if 'there is none of that name' in line]
        assert len(told) == 2
        assert all('[WARN]' in line for line in told)
        (mirrored,) = (line for line in told if 'input_mirored' in line)
        assert mirrored.endswith('parameter input_mirored: there is none of that name, its value '
                                 'does nothing; did you mean input_mirrored?')
        (other,) = (line for line in told if 'quite.other' in line)
        assert 'did you mean' not in other
        assert process.stop() == 0


def test_activation_is_one_line_and_a_missing_image_another(tmp_path, right_weak):
    with MonitorProcess(tmp_path / 'log', namespace='quiet') as process, Robot('quiet') as robot:
        def lines(text: str) -> list[str]:
            return [line for line in process.log.splitlines() if text in line]

        robot.until_connected()
        robot.watch(right_weak, 3)
        (active,) = lines('[INFO]')
        for part in ('sensor_msgs/msg/Image on /quiet/image, reliable; ', '-int8; ', 'ROS 2 '):
            assert part in active
        for times in (1, 2):
            robot.until(lambda times=times: len(lines('no image on /quiet/image: 1 publisher'))
                        == times, 'a line in the log')
            for _ in range(2):
                robot.status('images', lambda level, *_: level == 1)
            assert len(lines('[WARN]')) == times
            robot.watch(right_weak, 3)
            robot.status('images', lambda level, message, _: 'no image' not in message)
        assert process.stop() == 0


AWAKE = Condition('active', True, '', 100.0, '/image', '', 1, 0.0)


def test_a_face_lost_for_long_is_told_once_and_again_after_it_came_back():
    watch, snapshot = Watch(), Statistics().snapshot()
    ages = (1.0, 29.0, 31.0, 32.0, 90.0, 0.1, 5.0, 31.0, 40.0)
    told = [watch.news(AWAKE, dataclasses.replace(snapshot, image_age_s=0.0, face_age_s=age))
            for age in ages]
    assert [age for age, lines in zip(ages, told, strict=True) if lines] == [31.0, 31.0]
    assert 'no face in view for 30 s' in told[2][0]


def test_a_monitor_that_takes_no_images_misses_nothing():
    asleep = dataclasses.replace(AWAKE, active_s=None)
    assert Watch().news(asleep, Statistics().snapshot()) == []


@pytest.mark.parametrize(('rate_hz', 'stale_s', 'window_s', 'slow'), [
    (1.5, 1.0, 3.0, True), (2.9, 1.0, 1.0, True), (3.1, 1.0, 1.0, False), (1.5, 3.0, 3.0, False),
    (1.5, 3.0, 1.0, True)])  # three frames never lie in that window: no side is ever told
def test_a_camera_too_slow_for_timeout_or_window_is_told(rate_hz, stale_s, window_s, slow):
    snapshot = dataclasses.replace(Statistics().snapshot(), image_age_s=0.1, face_age_s=0.1,
                                   input_hz=rate_hz, input_span_s=9.0)
    condition = dataclasses.replace(AWAKE, stale_timeout_s=stale_s, window_s=window_s)
    images = diagnostics.report('/m', condition, snapshot).status[1]
    assert (images.level == diagnostics.WARN) is slow
    assert ('too slow: at least 3 Hz' in images.message) is slow
