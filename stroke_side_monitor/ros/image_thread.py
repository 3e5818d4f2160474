"""Takes the camera's images in a thread of their own, past the executor of the node.

For each message rclpy's executor builds anew the set of all that a node waits for, some twenty
services and topics: a millisecond of Python, more than half of what an image costs that is not
assessed. Here one topic is waited for. It never unpacks an image and never judges one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions

# After an error of the middleware, which might come again at once.
_REST_S = 0.1


class ImageThread:
    """One subscription and the thread that waits for its messages, until close()."""

    def __init__(self, node: Node, image_type: Any, topic: str, image_qos: QoSProfile,
                 take: Callable[[bytes], None], failed: Callable[[str, Exception], None]) -> None:
        """Subscribe and start to take.

        Args:
            node: whose subscription it is; its executor does not hear of it.
            image_type, topic: of the messages.
            image_qos: what is asked for; overridden by parameters, as the node's user wishes.
            take: gets each message as it travelled, in this thread.
            failed: is told what `take` or the middleware raised, in this thread.
        """
        self._node, self._failed = node, failed
        self._subscription = node.create_subscription(
            image_type, topic, take, image_qos, callback_group=_Apart(),
            raw=True,  # most frames are not assessed: only those that are get unpacked
            qos_overriding_options=QoSOverridingOptions.with_default_policies())
        self._context: Any = node.context
        self._waker = GuardCondition(callback=None, callback_group=None, context=self._context)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name='images')
        # Where ROS is shut down under a node that nobody ends, the thread must end too.
        self._context.on_shutdown(self._wake)
        self._thread.start()

    def close(self) -> None:
        """Take no more: once it returns, `take` is not at work. To be called once."""
        self._closing = True
        self._wake()
        self._thread.join()
        self._node.destroy_subscription(self._subscription)
        self._waker.destroy()

    def _wake(self) -> None:
        if self._thread.is_alive():
            self._waker.trigger()

    def _run(self) -> None:
        subscription, waker = self._subscription.handle, self._waker.handle
        take: Any = self._subscription.callback  # the node may have put a guard round it
        with subscription, waker, self._context.handle:
            awaited = rclpy_implementation.WaitSet(1, 1, 0, 0, 0, 0, self._context.handle)
            while not self._closing and self._context.ok():
                try:
                    awaited.clear_entities()
                    awaited.add_subscription(subscription)
                    awaited.add_guard_condition(waker)
                    awaited.wait(-1)
                    taken = subscription.take_message(self._subscription.msg_type, True)
                    if taken is not None and not self._closing:
                        take(taken[0])
                except Exception as error:  # noqa: BLE001 - told; the robot goes on
                    self._failed('images', error)
                    time.sleep(_REST_S)


class _Apart(CallbackGroup):
    """Keeps the executor from the subscription, and from its events: to wait for these is to be
    woken by every message."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        raise AssertionError('nothing of this group is executed')
