"""Every message of ours crosses processes over DDS and rests in a bag without losing a field.

Nothing about when or why the messages are published is tested here.
"""

from __future__ import annotations

import time
from enum import IntEnum
from pathlib import Path

import message_samples
import pytest
import rclpy
from message_samples import NAMES, sample, topic
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from stroke_side_monitor.assessment import terms
from stroke_side_msgs import msg

DEADLINE_S = 60.0
DEFINITIONS = Path(__file__).resolve().parents[1] / 'stroke_side_msgs' / 'msg'


@pytest.fixture
def node():
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node('sample_receiver', context=context)
    yield node
    node.destroy_node()
    context.shutdown()


def test_every_definition_is_built():
    written = {path.stem for path in DEFINITIONS.glob('*.msg')}
    assert written == set(NAMES)


def test_every_message_crosses_processes(node, start_process):
    received = {}
    for name in NAMES:
        node.create_subscription(
            getattr(msg, name), topic(name),
            lambda message, name=name: received.setdefault(name, message), 10)
    publisher = start_process(message_samples.__file__)

    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + DEADLINE_S
    while len(received) < len(NAMES) and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=1.0)
    executor.remove_node(node)

    assert received == {name: sample(name) for name in NAMES}
    publisher.stdin.close()
    assert publisher.wait(timeout=DEADLINE_S) == 0


@pytest.mark.parametrize('storage', [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_every_message_rests_in_a_bag(tmp_path, storage):
    typestore = _typestore_with_our_messages()
    bag = tmp_path / 'bag'
    with Writer(bag, version=9, storage_plugin=storage) as writer:
        for stamp, name in enumerate(NAMES):
            connection = writer.add_connection(topic(name), _type(name), typestore=typestore)
            writer.write(connection, stamp, serialize_message(sample(name)))

    found = {}
    with Reader(bag) as reader:
        for connection, _, data in reader.messages():
            name = connection.msgtype.rsplit('/', 1)[1]
            found[name] = deserialize_message(bytes(data), getattr(msg, name))
            # Read by rosbags, written by rosbags, read by rclpy: rosbags knows every field too.
            decoded = typestore.deserialize_cdr(data, connection.msgtype)
            again = bytes(typestore.serialize_cdr(decoded, connection.msgtype))
            assert deserialize_message(again, getattr(msg, name)) == sample(name)
    assert found == {name: sample(name) for name in NAMES}


@pytest.mark.parametrize(('message', 'prefix', 'enumeration'), [
    (msg.AffectedSide, '', terms.Side),
    (msg.AffectedSide, 'CLASSIFIER_', terms.ClassifierAgreement),
    (msg.Severity, 'GRADE_', terms.Grade),
    (msg.Severity, 'BASIS_', terms.Basis),
    (msg.Severity, 'REGION_', terms.RegionSeverity),
    (msg.Severity, 'PATTERN_', terms.Pattern),
    (msg.Severity, 'TREND_', terms.Trend),
])
def test_constants_are_the_terms(message, prefix: str, enumeration: type[IntEnum]):
    assert {name: getattr(message, prefix + name) for name in enumeration.__members__} == {
        name: int(value) for name, value in enumeration.__members__.items()}


def test_ground_truth_uses_the_numbers_of_the_affected_side():
    truth = msg.SimulatedPatientTruth
    assert (truth.NONE, truth.LEFT, truth.RIGHT) == (
        msg.AffectedSide.NONE, msg.AffectedSide.LEFT, msg.AffectedSide.RIGHT)


def _typestore_with_our_messages():
    typestore = get_typestore(Stores.ROS2_HUMBLE)
    types = {}
    for name in NAMES:
        text = (DEFINITIONS / f'{name}.msg').read_text('utf-8')
        types.update(get_types_from_msg(text, _type(name)))
    typestore.register(types)
    return typestore


def _type(name: str) -> str:
    return f'stroke_side_msgs/msg/{name}'
