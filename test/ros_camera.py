"""A camera in a process of its own: publishes noise at 30 Hz once matched, then says how much.

Needed because Fast DDS reads its profile once per process. `python test/ros_camera.py TOPIC WIDTH
HEIGHT COUNT`.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from stroke_side_monitor.ros import ending
from stroke_side_monitor.ros.conversions import image_message


def main() -> None:
    """Publish COUNT raw images over best-effort QoS."""
    topic, width, height, count = sys.argv[1], *(int(word) for word in sys.argv[2:])
    ending.tell_stacks_on_request()
    rclpy.init()
    node = rclpy.create_node('camera')
    publisher = node.create_publisher(Image, topic, qos_profile_sensor_data)
    message = image_message(np.random.default_rng(3).integers(
        0, 256, (height, width, 3), np.uint8), Header())
    while not publisher.get_subscription_count():
        time.sleep(0.02)
    for _ in range(count):
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        time.sleep(1 / 30)
    print(count, flush=True)
    sys.stdin.read()  # stay matched until the reader has looked
    ending.end_at_the_latest(0)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    main()
