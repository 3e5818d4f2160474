"""The live simulated patient, watched from another process through DDS."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from ros_harness import PATIENCE_S
from sensor_msgs.msg import CompressedImage

from stroke_side_monitor.ros.conversions import stamp_s
from stroke_side_monitor.simulation.request import Request
from stroke_side_monitor.simulation.session import SessionPlan
from stroke_side_msgs.msg import ExerciseCue, SimulatedPatientTruth

PLAN = SessionPlan(exercises=('smile',), hold_s=0.5, rest_s=0.3, first_rest_s=0.3, fps=5.0)


@pytest.fixture
def viewer():
    """(spin until a predicate holds, pictures, truths, cues)."""
    context = Context()
    context.init()
    node = rclpy.create_node('viewer', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    pictures, truths, cues = [], [], []
    deep = QoSProfile(depth=200)
    node.create_subscription(SimulatedPatientTruth, '/patient/truth', truths.append, deep)
    node.create_subscription(ExerciseCue, '/stroke_side_monitor/exercise_cue', cues.append, deep)

    def watch():
        node.create_subscription(CompressedImage, '/head/image/compressed', pictures.append,
                                 qos_profile_sensor_data)

    yield executor, node, watch, pictures, truths, cues
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


def start_patient(start_process, **values):
    arguments = ['-m', 'stroke_side_monitor.ros', 'patient', '--ros-args',
                 '-r', 'image:=/head/image']
    for name, value in values.items():
        arguments += ['-p', f'{name}:={value}']
    return start_process(*arguments)


def test_a_session_is_published_with_its_truth_and_cues_and_then_ends(start_process, viewer):
    executor, node, watch, pictures, truths, cues = viewer
    process = start_patient(
        start_process, side='right', severity='0.8', seed='9', image_transport='compressed',
        loop='false', exercises='smile', hold_s='0.5', rest_s='0.3', first_rest_s='0.3',
        fps='5.0')
    # Truth and cues first, so that nothing of the session can be missed.
    while not (node.count_publishers('/patient/truth')
               and node.count_publishers('/stroke_side_monitor/exercise_cue')):
        executor.spin_once(timeout_sec=0.05)
    watch()
    while process.poll() is None:
        executor.spin_once(timeout_sec=0.05)
    assert process.wait(PATIENCE_S) == 0

    assert {truth.side for truth in truths} == {SimulatedPatientTruth.RIGHT}
    assert [(cue.exercise, cue.phase) for cue in cues] == [
        ('smile', ExerciseCue.START), ('smile', ExerciseCue.STOP)]
    stamps = [stamp_s(truth.header) for truth in truths]
    assert stamps == sorted(stamps)
    assert {'rest', 'smile'} == {truth.exercise for truth in truths}
    truth_of = {stamp_s(truth.header): truth for truth in truths}
    assert len(pictures) >= 3
    # The very frames that the same request gives offline.
    session = Request('right', 0.8, seed=9, plan=PLAN).session()
    began = stamp_s(cues[0].header) - PLAN.first_rest_s
    for picture in pictures[1:3]:
        assert stamp_s(picture.header) in truth_of
        index = round((stamp_s(picture.header) - began) * PLAN.fps)
        shown = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(shown[..., ::-1], session.frame(index).rgb)


@pytest.mark.parametrize(('values', 'said'), [
    ({'side': 'up'}, "side: 'up' is not one of left, right, none"),
    ({'severity': '2.0'}, 'severity'),
    ({'photo': 'nobody.jpg'}, 'nobody.jpg: cannot be read'),
    ({'exercises': 'yawn'}, 'exercise yawn is not one of')])
def test_what_cannot_be_simulated_ends_with_one_line(start_process, capfd, values, said):
    assert start_patient(start_process, **values).wait(PATIENCE_S) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if 'cannot start' in line]
    assert len(lines) == 1
    assert said in lines[0]
