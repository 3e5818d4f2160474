"""Images are taken past the executor; the thread ends with close() and with ROS."""

from __future__ import annotations

import queue

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from std_msgs.msg import String

from stroke_side_monitor.ros.image_thread import ImageThread

PATIENCE_S = 30.0


@pytest.fixture
def node():
    context = rclpy.Context()
    rclpy.init(context=context)
    made = rclpy.create_node('camera', namespace='image_thread', context=context)
    yield made
    made.destroy_node()
    rclpy.try_shutdown(context=context)


class Taker:
    """A thread that puts what it takes into a queue, and a publisher that is matched with it."""

    def __init__(self, node):
        self.taken, self.told = queue.Queue(), queue.Queue()
        self.thread = ImageThread(node, String, 'image', QoSProfile(depth=10), self.take,
                                  lambda name, error: self.told.put((name, str(error))))
        self.publisher = node.create_publisher(String, 'image', QoSProfile(depth=10))
        while not self.publisher.get_subscription_count():
            pass

    def take(self, serialised):
        said = deserialize_message(serialised, String).data
        if said == 'bad':
            raise ValueError(said)
        self.taken.put(said)

    def show(self, said):
        self.publisher.publish(String(data=said))

    @property
    def alive(self):
        return self.thread._thread.is_alive()


def test_each_message_is_taken_though_nobody_spins(node):
    taker = Taker(node)
    for said in map(str, range(5)):
        taker.show(said)
        assert taker.taken.get(timeout=PATIENCE_S) == said
    taker.thread.close()
    assert not taker.alive
    assert not any(one.topic_name.endswith('/image') for one in node.subscriptions)


def test_what_is_raised_is_told_and_the_next_one_is_taken(node):
    taker = Taker(node)
    taker.show('bad')
    assert taker.told.get(timeout=PATIENCE_S) == ('images', 'bad')
    taker.show('good')
    assert taker.taken.get(timeout=PATIENCE_S) == 'good'
    taker.thread.close()


def test_the_executor_takes_none_and_is_not_woken(node):
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    taker = Taker(node)
    executor.spin_once(timeout_sec=0.0)  # whatever the new entities have woken it for
    for said in map(str, range(5)):
        taker.show(said)
        assert taker.taken.get(timeout=PATIENCE_S) == said
        executor.spin_once(timeout_sec=0.0)
    assert taker.taken.empty()
    taker.thread.close()
    executor.shutdown()


@pytest.mark.parametrize('closed', [False, True])
def test_the_thread_ends_where_ros_is_shut_down_under_it(node, closed):
    taker = Taker(node)
    rclpy.shutdown(context=node.context)
    taker.thread._thread.join(PATIENCE_S)
    assert not taker.alive
    if closed:
        taker.thread.close()


def test_closed_at_once_it_has_ended(node):
    for _ in range(20):
        thread = ImageThread(node, String, 'image', QoSProfile(depth=10), print, print)
        thread.close()
        assert not thread._thread.is_alive()
