"""`assess` on a bag and the node on its replay: the same answer to every frame, whatever the bag.

The bags are those that robots bring home: damaged pictures, stamps out of order, cues of other
clocks, cameras that stood still.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from bag_player import BagPlayer
from ros_harness import MonitorProcess, Robot
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer

from stroke_side_monitor import assess
from stroke_side_monitor.assessment.terms import Grade, Side
from stroke_side_monitor.offline.inputs import typestore
from stroke_side_monitor.ros.conversions import stamp_s
from stroke_side_monitor.simulation import portrait, recording
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.session import Session, SessionPlan

IMAGE = '/camera/image_raw/compressed'
CUE = recording.CUE_TOPIC
PLAN = SessionPlan(exercises=('smile',), hold_s=1.0, rest_s=0.8, first_rest_s=2.0, fps=10.0,
                   blinks_per_minute=0.0)
TOPIC = (f'qos_overrides.{IMAGE}.subscription.reliability', 'reliable')


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    """A session as it should be."""
    path = tmp_path_factory.mktemp('bag') / 'plain'
    person = portrait.portrait(portrait.astronaut(), 'astronaut')
    recording.write_bag(Session(person, Palsy.of(Side.LEFT, 0.9, 'central'), PLAN, seed=4), path)
    return path


class Edited:
    """One message of the bag, open to be changed; data: the picture's bytes, if it is one."""

    def __init__(self, topic, received_ns, message):
        self.topic, self.received_ns, self.message = topic, received_ns, message
        self.stamp_ns = message.header.stamp.sec * 10 ** 9 + message.header.stamp.nanosec
        self.data = getattr(message, 'data', None)
        self.format = getattr(message, 'format', '')

    def fields(self, types):
        """As keyword arguments of its type."""
        stamp = types['builtin_interfaces/msg/Time'](
            sec=self.stamp_ns // 10 ** 9, nanosec=self.stamp_ns % 10 ** 9)
        changed = {**vars(self.message), 'header': types['std_msgs/msg/Header'](
            stamp=stamp, frame_id=self.message.header.frame_id)}
        changed.pop('__msgtype__', None)
        if self.data is not None:
            changed.update(data=self.data, format=self.format)
        return changed


def edited(plain: Path, path: Path, change) -> Path:
    """Write the bag anew, its messages put through change(messages) -> messages."""
    store = typestore()
    with AnyReader([plain], default_typestore=store) as reader:
        kinds = {one.topic: one.msgtype for one in reader.connections}
        messages = [Edited(connection.topic, received,
                           reader.deserialize(raw, connection.msgtype))
                    for connection, received, raw in reader.messages()]
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {topic: writer.add_connection(topic, kind, typestore=store)
                       for topic, kind in kinds.items()}
        for one in change(messages):
            kind = kinds[one.topic]
            message = store.types[kind](**one.fields(store.types))
            writer.write(connections[one.topic], one.received_ns,
                         store.serialize_cdr(message, kind))
    return path


def images(messages):
    return [one for one in messages if one.topic == IMAGE]


def unchanged(messages):
    return messages


def damaged_every_third(messages):
    for one in images(messages)[2::3]:
        one.data = one.data[:len(one.data) // 2]
    return messages


def depth_between(messages):
    for one in images(messages)[3::7]:
        one.format = '16UC1; compressedDepth'
    return messages


def late_every_fifth(messages):
    for one in images(messages)[4::5]:
        one.stamp_ns -= 130_000_000
    return messages


def clock_goes_back(messages):
    """As a driver that starts again from nothing, in the middle of the exercise."""
    first = images(messages)[0].stamp_ns
    for one in images(messages)[30:]:
        one.stamp_ns = one.stamp_ns - images(messages)[30].received_ns + first - 5 * 10 ** 9
    return messages


def cues_without_stamp(messages):
    for one in messages:
        if one.topic == CUE:
            one.stamp_ns = 0
    return messages


def cues_of_another_clock(messages):
    for one in messages:
        if one.topic == CUE:
            one.stamp_ns += 400_000_000 * 10 ** 9
    return messages


def start_and_stop_at_once(messages):
    cues = [one for one in messages if one.topic == CUE]
    for one in cues:
        one.stamp_ns = cues[0].stamp_ns + 7_000_000
    return messages


def stop_lost(messages):
    cues = [one for one in messages if one.topic == CUE]
    return [one for one in messages if one is not cues[-1]]


def everything_at_once(messages):
    return damaged_every_third(late_every_fifth(cues_without_stamp(messages)))


ODD = (unchanged, damaged_every_third, depth_between, late_every_fifth, clock_goes_back,
       cues_without_stamp, cues_of_another_clock, start_and_stop_at_once, stop_lost,
       everything_at_once)


def offline(bag, out):
    """Records of every frame, and the notes."""
    assert assess.main([str(bag), '--out', str(out), '--per', 'frame',
                        '--topic', IMAGE]) == 0
    records = [json.loads(line)
               for line in (out / 'assessments.jsonl').read_text().splitlines()]
    return records, records[-1].get('notes', [])


def online(robot, player, records):
    """What the node says of each frame that `assess` has a record of, in that order.

    Each is waited for before the next is sent; other frames get no answer. A cue is known to have
    arrived by its status.
    """
    due = defaultdict(list)
    for record in records:
        due[round(record['stamp_s'] * 1e6)].append(record)
    said = []
    for one in player.messages:
        if one.topic not in (IMAGE, CUE):
            continue
        before = len(robot.sides), len(robot.severities), len(robot.statuses)
        player.send(one)
        if one.topic == CUE:
            robot.until(lambda before=before: len(robot.statuses) > before[2], 'a status')
            continue
        header = one.message.header
        if not due[round(stamp_s(header) * 1e6)]:
            continue
        due[round(stamp_s(header) * 1e6)].pop()

        def answer(header=header, before=before):
            found = [[one for one in outputs[count:] if one.header == header]
                     for outputs, count in zip((robot.sides, robot.severities), before[:2],
                                               strict=True)]
            return [one[0] for one in found] if all(found) else None

        said.append(robot.until(answer, f'an answer to the frame at {stamp_s(header):.3f}'))
    return said


def as_told(record):
    """A record in the words of the messages."""
    def number(value):
        return np.float32(math.nan if value is None else value)

    return (Side[record['side'].upper()].value, number(record['M']), number(record['confidence']),
            record['stable'], Grade[record['grade'].upper()].value,
            number(record['symmetry_index']))


def as_heard(side, severity):
    return (side.side, np.float32(side.landmark_score), np.float32(side.confidence), side.stable,
            severity.grade, np.float32(severity.symmetry_index))


def assert_same(records, said):
    assert len(records) == len(said)
    for record, messages in zip(records, said, strict=True):
        for told, heard in zip(as_told(record), as_heard(*messages), strict=True):
            np.testing.assert_equal(heard, told, err_msg=f'at {record["stamp_s"]}')


# Before the module's own monitor stands: the two would hear each other's camera.

def pause(messages):
    """The camera stood still for two seconds; as many pictures before it as the second value."""
    for one in images(messages)[20:]:
        one.stamp_ns += 2 * 10 ** 9
        one.received_ns += 2 * 10 ** 9
    return images(messages)


def outage(messages):
    for one in images(messages)[20:38]:
        one.data = one.data[:100]
    return images(messages)


@pytest.mark.parametrize(('change', 'reason'), [
    (pause, 'no_image'), (outage, 'undecodable_image')])
def test_after_a_while_without_pictures_the_answers_are_the_same(tmp_path, plain, change, reason):
    bag = edited(plain, tmp_path / 'bag', change)
    records, _ = offline(bag, tmp_path / 'out')
    seen = [record for record in records if record['reasons'] != [reason]]
    assert (len(records) > len(seen)) is (change is outage), 'what nobody could see is told'
    values = {'use_sim_time': True, 'image_transport': 'compressed', 'stale_timeout_s': 5.0,
              TOPIC[0]: TOPIC[1]}
    with MonitorProcess(tmp_path / 'log', reliable=False,
                        arguments=('-r', 'image:=/camera/image_raw'), **values), \
            Robot(transport='compressed', image_topic='/camera/image_raw') as robot:
        robot.until_connected()
        player = BagPlayer(robot.node, bag, robot.spin_for)
        robot.until(lambda: player.connected(IMAGE), 'the monitor to take images and clock')
        shown = [one for one in player.messages if one.topic == IMAGE]
        player.messages = shown[:25 if change is outage else 20]
        said = online(robot, player, seen[:20])
        robot.until_withdrawn(reason)
        player.messages = shown[len(player.messages):]
        said += online(robot, player, seen[20:])
    assert_same(seen, said)


@pytest.fixture(scope='module')
def monitor(tmp_path_factory):
    """A monitor that only the recording's time can make impatient."""
    values = {'use_sim_time': True, 'image_transport': 'compressed', TOPIC[0]: TOPIC[1]}
    with MonitorProcess(tmp_path_factory.mktemp('same') / 'log', reliable=False,
                        arguments=('-r', 'image:=/camera/image_raw'), **values) as process:
        yield process
        assert process.stop() == 0, process.log


@pytest.fixture
def robot(monitor):
    with Robot(transport='compressed', image_topic='/camera/image_raw') as made:
        made.until_connected()
        made.reset()
        yield made


@pytest.mark.parametrize('change', ODD)
def test_every_frame_gets_the_same_answer(robot, plain, tmp_path, change):
    bag = edited(plain, tmp_path / 'bag', change)
    records, notes = offline(bag, tmp_path / 'out')
    assert 'left' in {record['side'] for record in records}
    player = BagPlayer(robot.node, bag, robot.spin_for)
    robot.until(lambda: player.connected(IMAGE) and player.connected(CUE), 'the monitor')
    said = online(robot, player, records)
    # The node cannot say again what it said before an exercise turned out to be cut short.
    known = [index for index in range(len(records))
             if change is not clock_goes_back or index not in range(20, 30)]
    assert_same([records[index] for index in known], [said[index] for index in known])
    assert bool(notes) is (change not in (unchanged, cues_without_stamp, stop_lost)), notes
