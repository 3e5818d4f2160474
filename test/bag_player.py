"""Plays a rosbag2 through DDS as `ros2 bag play --clock` does: clock, loop, rate, offset, pause.

The recorded bytes go out unchanged, reliably as they were offered. It replaces
no part of the product: it is the recording's camera.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.time import Time
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock

_CLOCK_PERIOD_S = 0.025


@dataclass(frozen=True)
class Recorded:
    """One message of a bag. raw: its CDR bytes; stamp_ns: when it was recorded."""

    topic: str
    stamp_ns: int
    raw: bytes
    kind: Any

    @property
    def message(self) -> Any:
        """Deserialised by rclpy."""
        return deserialize_message(self.raw, self.kind)


def read(path: Path) -> list[Recorded]:
    """Everything in the bag, in order."""
    with AnyReader([path]) as reader:
        return [Recorded(connection.topic, stamp, bytes(raw), _class(connection.msgtype))
                for connection, stamp, raw in reader.messages()]


class BagPlayer:
    """Publishes a bag from somebody's node; the caller lends its way of waiting."""

    def __init__(self, node: Any, path: Path, spin_for: Callable[[float], None]) -> None:
        self.messages = read(path)
        self._spin_for = spin_for
        self._publishers = {
            one.topic: node.create_publisher(one.kind, one.topic, QoSProfile(depth=10))
            for one in self.messages}
        self._clock = node.create_publisher(Clock, '/clock', QoSProfile(depth=1))

    def connected(self, topic: str) -> bool:
        """Does anybody listen to that topic and to the clock?"""
        return bool(self._publishers[topic].get_subscription_count()
                    and self._clock.get_subscription_count())

    def send(self, one: Recorded) -> None:
        """One message, with the clock at its stamp."""
        self._clock.publish(Clock(clock=Time(nanoseconds=one.stamp_ns).to_msg()))
        self._publishers[one.topic].publish(one.raw)

    def play(self, *, rate: float = 1.0, start_offset_s: float = 0.0,
             until_s: float = float('inf'), wait: Callable[[Recorded], None] = lambda _: None
             ) -> None:
        """Play at `rate` times the recorded pace, from one moment of the bag to another.

        wait: called before each message, may hold it; a late one moves all that follow it, for of
        a burst a monitor looks at the last alone.
        """
        first = self.messages[0].stamp_ns
        began, origin = time.monotonic(), first + round(start_offset_s * 1e9)
        for one in self.messages:
            if not origin <= one.stamp_ns < first + until_s * 1e9:
                continue
            due = began + (one.stamp_ns - origin) * 1e-9 / rate
            while (left := due - time.monotonic()) > 0:
                now = origin + round((time.monotonic() - began) * rate * 1e9)
                self._clock.publish(Clock(clock=Time(nanoseconds=now).to_msg()))
                self._spin_for(min(left, _CLOCK_PERIOD_S))
            wait(one)
            began += time.monotonic() - due
            self.send(one)


def _class(name: str) -> Any:
    package, _, kind = name.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), kind)
