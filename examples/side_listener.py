"""Prints the side that a controller may act on: stable, fresh, and withdrawn when it ends."""

import contextlib

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from stroke_side_msgs.msg import AffectedSide

NAMES = {AffectedSide.NONE: 'none', AffectedSide.LEFT: 'left', AffectedSide.RIGHT: 'right'}
SILENCE_S = 2.0  # two stale timeouts of the monitor


class SideListener(Node):
    def __init__(self):
        super().__init__('side_listener')
        self.side = 'unknown'
        self.create_subscription(AffectedSide, 'stroke_side_monitor/affected_side', self.hear, 10)
        self.watchdog = self.create_timer(SILENCE_S, lambda: self.act('unknown', ['silence']))

    def hear(self, message):
        self.watchdog.reset()
        side = NAMES.get(message.side, 'unknown') if message.stable else 'unknown'
        self.act(side, message.reasons)

    def act(self, side, reasons):
        if side != self.side:
            self.side = side
            print(side, *reasons, flush=True)


rclpy.init()
with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
    rclpy.spin(SideListener())
