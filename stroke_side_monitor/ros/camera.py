"""The node `camera`: a local webcam as an image topic, so that the demo can film its user.

It never stores a frame. On a robot the camera's own driver does this job.
"""

from __future__ import annotations

from array import array
from typing import Any

import cv2
from rclpy.node import Node
from sensor_msgs.msg import Image

from stroke_side_monitor.ros import qos


class Camera(Node):
    """Publishes `image`, bgr8, sensor-data QoS, as fast as the camera delivers."""

    def __init__(self, **node_arguments: Any) -> None:
        """Open the camera.

        Raises:
            ValueError: no camera of that number.
        """
        super().__init__('camera', **node_arguments)
        device = int(self.declare_parameter('device', 0).value or 0)
        self._capture = cv2.VideoCapture(device)
        if not self._capture.isOpened():
            raise ValueError(f'no camera {device}; list them with "ls /dev/video*"')
        self._images = self.create_publisher(Image, 'image', qos.sensor_data())

    def autostart(self) -> None:
        """Start filming."""
        self.create_timer(0.001, self._film)

    def end(self) -> None:
        """Give the camera back."""
        self._capture.release()

    def _film(self) -> None:
        taken, bgr = self._capture.read()  # waits for the next frame
        if not taken:
            return
        height, width = bgr.shape[:2]
        message = Image(height=height, width=width, encoding='bgr8', step=3 * width,
                        data=array('B', bgr.tobytes()))
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = 'camera'
        self._images.publish(message)
