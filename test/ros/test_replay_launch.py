"""What replay.launch.py is made of: the topics that it plays, and the wait before it does."""

from __future__ import annotations

import signal

import pytest
import yaml
from ros_harness import MonitorProcess, Robot

from stroke_side_monitor.ros.bag_topics import BagError, BagTopics, choose
from stroke_side_monitor.simulation import recording
from stroke_side_monitor.simulation.request import Request
from stroke_side_monitor.simulation.session import SessionPlan

SHORT = SessionPlan(exercises=('smile',), repeats=1, hold_s=0.2, rest_s=0.2, first_rest_s=0.2,
                    fps=5.0)


@pytest.mark.parametrize('storage', recording.STORAGES)
@pytest.mark.parametrize('transport', recording.TRANSPORTS)
def test_our_own_bag_needs_no_more_than_its_name(tmp_path, storage, transport):
    bag = tmp_path / 'bag'
    recording.write_bag(Request(plan=SHORT).session(), bag, storage=storage, transport=transport)
    topics = choose(bag)
    assert topics == BagTopics('/camera/image_raw', transport, '/stroke_side_monitor/exercise_cue')
    assert topics.recorded == recording.IMAGE_TOPIC + ('/compressed' * (transport != 'raw'))


def bag_of(folder, *topics) -> None:
    """Metadata of a bag with these (name, type, messages)."""
    (folder / 'metadata.yaml').write_text(yaml.safe_dump({'rosbag2_bagfile_information': {
        'topics_with_message_count': [
            {'topic_metadata': {'name': name, 'type': kind}, 'message_count': count}
            for name, kind, count in topics]}}))


RAW, JPEG = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


def test_the_busiest_camera_is_chosen_and_any_that_is_asked_for(tmp_path):
    bag_of(tmp_path, ('/a/image', RAW, 10), ('/b/image/compressed', JPEG, 30),
           ('/b/image', RAW, 5), ('/stroke_side_monitor/overlay', RAW, 99), ('/c', RAW, 0),
           ('/odd', JPEG, 70))
    assert choose(tmp_path) == BagTopics('/b/image', 'compressed', '')
    assert choose(tmp_path, '/a/image') == BagTopics('/a/image', 'raw', '')
    assert choose(tmp_path, transport='raw') == BagTopics('/a/image', 'raw', '')
    assert choose(tmp_path, '/b/image', 'raw') == BagTopics('/b/image', 'raw', '')
    with pytest.raises(BagError, match=r'no compressed pictures on /a/image in this bag, which has '
                                       r'/a/image \(raw\), /b/image \(compressed\)'):
        choose(tmp_path, '/a/image', 'compressed')


def test_what_is_no_bag_is_told_in_one_line(tmp_path):
    with pytest.raises(BagError, match=r'no bag: its metadata\.yaml cannot be read'):
        choose(tmp_path / 'absent')
    for text in ('[', 'a: 1', 'rosbag2_bagfile_information: 3'):
        (tmp_path / 'metadata.yaml').write_text(text)
        with pytest.raises(BagError, match='is not that of a bag') as raised:
            choose(tmp_path)
        assert '\n' not in str(raised.value)


def test_the_wait_ends_when_the_monitor_is_active_and_not_before(tmp_path, start_process):
    waiting = start_process('-m', 'stroke_side_monitor.ros.wait_until_active',
                            '/slow/stroke_side_monitor', '--ros-args')
    with MonitorProcess(tmp_path / 'log', namespace='slow', autostart=False) as process, \
            Robot('slow') as robot:
        services = '/slow/stroke_side_monitor/get_state'
        robot.until(lambda: any(
            name == services for name, _ in _clients(robot, 'wait_until_active')), 'the wait')
        assert robot.transition('configure')
        robot.spin_for(0.5)
        assert waiting.poll() is None
        assert robot.transition('activate')
        assert waiting.wait(60) == 0
        assert process.stop() == 0


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_wait_tells_where_it_stands_and_is_ended_without_a_trace(start_process, capfd, number):
    with Robot('slow') as robot:
        waiting = start_process('-m', 'stroke_side_monitor.ros.wait_until_active',
                                '/slow/stroke_side_monitor')
        robot.until(lambda: _clients(robot, 'wait_until_active'), 'the wait')
        waiting.send_signal(signal.SIGUSR1)
        waiting.send_signal(number)
        assert waiting.wait(60) == 1
    said = capfd.readouterr().err
    assert 'most recent call first' in said
    assert 'Traceback' not in said


def _clients(robot: Robot, name: str):
    """Services that a node calls; none while it is not there."""
    if name not in robot.node.get_node_names():
        return []
    return robot.node.get_client_names_and_types_by_node(name, '/')


def test_the_wait_wants_a_full_name(start_process):
    program = ('-m', 'stroke_side_monitor.ros.wait_until_active')
    assert start_process(*program).wait(60) == 2
    assert start_process(*program, 'monitor').wait(60) == 2
