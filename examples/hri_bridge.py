"""Tells the monitor which of the faces that ROS4HRI (REP-155) tracks is the patient's.

ros2 run with your own package, or: python3 hri_bridge.py --ros-args -p face_id:=bq7rs
                                       -p width:=640 -p height:=480
It hears /humans/faces/<face_id>/roi and says the same on stroke_side_monitor/patient_region. Where
that topic is a sensor_msgs/RegionOfInterest already, remap it to ~/patient_region instead.
"""

import contextlib
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import RegionOfInterest

try:
    from hri_msgs.msg import NormalizedRegionOfInterest2D
except ImportError:
    NormalizedRegionOfInterest2D = None


class HriBridge(Node):
    def __init__(self):
        super().__init__('hri_bridge')
        face = self.declare_parameter('face_id', '').value
        self.size = [self.declare_parameter(name, 0).value for name in ('width', 'height')]
        if not face or 0 in self.size:
            raise SystemExit('hri_bridge: face_id, width and height (of the image) are needed')
        self.said = self.create_publisher(
            RegionOfInterest, 'stroke_side_monitor/patient_region', 10)
        self.create_subscription(
            NormalizedRegionOfInterest2D, f'/humans/faces/{face}/roi', self.hear, 10)

    def hear(self, roi):
        width, height = self.size
        left, right = (round(min(max(x, 0.0), 1.0) * width) for x in (roi.xmin, roi.xmax))
        top, bottom = (round(min(max(y, 0.0), 1.0) * height) for y in (roi.ymin, roi.ymax))
        self.said.publish(RegionOfInterest(
            x_offset=left, y_offset=top, width=max(right - left, 0), height=max(bottom - top, 0)))


if __name__ == '__main__':
    if NormalizedRegionOfInterest2D is None:
        sys.exit('hri_bridge: hri_msgs is not installed; apt install ros-$ROS_DISTRO-hri-msgs')
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(HriBridge())
