"""Sends raw colour images from one process to another over best-effort QoS and counts them.

A program for tests (`raw_images.py pair WIDTH HEIGHT COUNT`); it never looks at the pictures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import rclpy
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Empty

from stroke_side_monitor.ros import ending

RATE_HZ = 30.0
# Deep, so that a reader that gets no processor for a while is not taken for a loss in transport.
QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=60,
                 reliability=ReliabilityPolicy.BEST_EFFORT)


def publish(node: Node, width: int, height: int, count: int) -> None:
    """Wait for a reader, publish `count` images at 30 Hz at most, say when that is done."""
    images = node.create_publisher(Image, 'image', QOS)
    done = node.create_publisher(Empty, 'done', 1)
    image = Image(width=width, height=height, encoding='rgb8', step=3 * width)
    image.data = bytes(3 * width * height)
    while not (images.get_subscription_count() and done.get_subscription_count()):
        rclpy.spin_once(node, timeout_sec=0.05)
    sys.stdin.readline()  # the reader has found the publisher too
    for _ in range(count):
        images.publish(image)
        # After each: a sender that was held up sends no burst, as no camera does.
        time.sleep(1.0 / RATE_HZ)
    done.publish(Empty())
    sys.stdin.read()


def count_images(node: Node) -> None:
    """Print `ready` once the publishers are found, then how many images had come when done."""
    received, ended = [0], [False]

    def more(_: Image) -> None:
        received[0] += 1

    def end(_: Empty) -> None:
        ended[0] = True

    node.create_subscription(Image, 'image', more, QOS)
    node.create_subscription(Empty, 'done', end, 1)
    while not (node.count_publishers('image') and node.count_publishers('done')):
        rclpy.spin_once(node, timeout_sec=0.05)
    print('ready', flush=True)
    while not ended[0]:
        rclpy.spin_once(node, timeout_sec=0.5)
    before = -1
    while before != received[0]:  # what is still in the queue
        before = received[0]
        rclpy.spin_once(node, timeout_sec=0.5)
    print(received[0], flush=True)


def pair(size_and_count: list[str]) -> None:
    """Run both ends as processes; print how many images arrived.

    The variables named RECEIVER_X are X in the receiver's environment only.
    """
    prefix = 'RECEIVER_'
    receiver_only = {name.removeprefix(prefix): value for name, value in os.environ.items()
                     if name.startswith(prefix)}
    program = [sys.executable, '-u', __file__]
    with subprocess.Popen([*program, 'publish', *size_and_count], stdin=subprocess.PIPE,
                          text=True) as publisher, \
            subprocess.Popen([*program, 'count'], env={**os.environ, **receiver_only},
                             stdout=subprocess.PIPE, text=True) as receiver:
        assert publisher.stdin is not None
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == 'ready\n'
        publisher.stdin.write('go\n')
        publisher.stdin.flush()
        print(receiver.stdout.readline(), end='', flush=True)
        publisher.stdin.close()


def main() -> None:
    """Run both ends, or one."""
    ending.tell_stacks_on_request()
    if sys.argv[1] == 'pair':
        pair(sys.argv[2:])
        return
    rclpy.init()
    node = rclpy.create_node(f'{sys.argv[1]}_raw_images')
    if sys.argv[1] == 'publish':
        publish(node, *(int(argument) for argument in sys.argv[2:]))
    else:
        count_images(node)
    ending.end_at_the_latest(0)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    main()
