"""Who of two people is the patient: by policy, by a region that somebody gives, and mirrored.

The patient is weak on the RIGHT, the therapist, the mirror image, on the LEFT.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from rclpy.duration import Duration
from ros_harness import MonitorProcess, Robot
from sensor_msgs.msg import RegionOfInterest

from stroke_side_msgs.msg import AffectedSide

SIDES = {AffectedSide.LEFT: 'left', AffectedSide.RIGHT: 'right', AffectedSide.UNKNOWN: 'unknown'}


@pytest.fixture(scope='module')
def scene(right_weak, left_weak):
    """Patient at the left of the picture, the therapist larger, at the right; uint8."""
    picture = np.full((480, 1100, 3), 127, np.uint8)
    small = cv2.resize(right_weak[:, 100:540], (330, 360), interpolation=cv2.INTER_AREA)
    picture[60:420, 20:350] = small
    picture[:, 460:1100] = left_weak
    return picture


def region(robot):
    return robot.node.create_publisher(
        RegionOfInterest, 'stroke_side_monitor/patient_region', 10)


def settled(robot, picture, frames=25):
    return SIDES[robot.watch(picture, frames).side]


def test_a_region_says_who_is_the_patient_while_it_is_fresh(tmp_path, scene):
    with MonitorProcess(tmp_path / 'log', namespace='room') as process, Robot('room') as robot:
        robot.until_connected()
        said = region(robot)
        robot.until(said.get_subscription_count, 'the monitor to hear regions')
        assert settled(robot, scene) == 'left'  # the largest: the therapist
        sides = [robot.sides[-1]]
        for _ in range(50):
            said.publish(RegionOfInterest(x_offset=20, y_offset=60, width=330, height=360))
            sides.append(robot.show(scene))
        assert SIDES[sides[-1].side] == 'right'
        assert sides[-1].session > sides[0].session
        # What was gathered of the therapist is never said of the patient.
        first = next(i for i, one in enumerate(sides) if one.session == sides[-1].session)
        assert 'left' not in {SIDES[one.side] for one in sides[first:]}
        # Two seconds later nobody says so any more; others are looked for once a second.
        robot.now_s += 2.0
        assert settled(robot, scene, 60) == 'left'
        assert process.stop() == 0, process.log


def test_a_region_said_while_no_images_are_taken_is_of_a_moment_that_is_over(tmp_path, scene):
    with MonitorProcess(tmp_path / 'log', namespace='early', autostart=False) as process, \
            Robot('early') as robot:
        assert robot.transition('configure')
        said = region(robot)
        robot.until(said.get_subscription_count, 'the monitor to hear regions')
        said.publish(RegionOfInterest(x_offset=0, y_offset=0, width=5, height=5))
        assert said.wait_for_all_acked(Duration(seconds=30))
        assert robot.transition('activate')
        robot.until_connected()
        assert 'no_face' not in robot.show(scene).reasons
        assert process.stop() == 0, process.log


@pytest.mark.parametrize('orientation', [{}, {'input_mirrored': True},
                                         {'image_rotation_deg': 180}])
def test_a_region_is_of_the_picture_as_received(tmp_path, scene, orientation):
    picture, box = scene, (20, 60, 330, 360)
    if 'input_mirrored' in orientation:
        picture, box = scene[:, ::-1], (1100 - 350, 60, 330, 360)
    if 'image_rotation_deg' in orientation:
        picture, box = scene[::-1, ::-1], (1100 - 350, 480 - 420, 330, 360)
    with MonitorProcess(tmp_path / 'log', namespace='camera', **orientation) as process, \
            Robot('camera') as robot:
        robot.until_connected()
        said = region(robot)
        robot.until(said.get_subscription_count, 'the monitor to hear regions')
        for _ in range(45):
            said.publish(RegionOfInterest(
                x_offset=box[0], y_offset=box[1], width=box[2], height=box[3]))
            answer = robot.show(np.ascontiguousarray(picture))
        assert SIDES[answer.side] == 'right'
        assert process.stop() == 0, process.log


def test_who_was_there_first_is_kept_and_policies_change_while_it_runs(tmp_path, scene):
    alone = scene.copy()
    alone[:, 400:] = 127
    with MonitorProcess(tmp_path / 'log', namespace='kept', patient='follow') as process, \
            Robot('kept') as robot:
        robot.until_connected()
        assert settled(robot, alone) == 'right'
        both = [robot.show(scene) for _ in range(60)]
        assert {SIDES[one.side] for one in both} == {'right'}
        assert len({one.session for one in both}) == 1
        assert robot.set_parameter('patient', 'largest').successful
        assert settled(robot, scene, 60) == 'left'
        assert not robot.set_parameter('patient', 'loudest').successful
        assert process.stop() == 0, process.log
