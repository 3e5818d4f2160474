"""Waits for a monitor to be active: `wait_until_active /stroke_side_monitor`, before a bag plays.

It asks no node for a transition, and never gives up by itself: whoever started it ends it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.executors import ExternalShutdownException

from stroke_side_monitor.ros import ending

_AGAIN_S = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """0 once the node that is named is active; 1 when ended before that; 2 without a name."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or not given[0].startswith('/'):
        sys.stderr.write('give the full name of the node to wait for, e.g. /stroke_side_monitor\n')
        return 2
    ending.tell_stacks_on_request()
    rclpy.init()
    status = 1
    try:
        node = rclpy.create_node('wait_until_active', use_global_arguments=False)
        _wait(node, given[0])
        status = 0
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        # A signal shuts ROS down, and whatever is asked of it next raises as it likes.
        if rclpy.ok():
            raise
    finally:
        ending.end_at_the_latest(status)
        rclpy.try_shutdown()
    return status


def _wait(node: Any, name: str) -> None:
    client: Any = node.create_client(GetState, f'{name}/get_state')
    while True:
        if not client.wait_for_service(_AGAIN_S):
            continue
        future = client.call_async(GetState.Request())
        # A node that dies meanwhile never answers: ask its successor.
        rclpy.spin_until_future_complete(node, future, timeout_sec=5.0)
        if future.done() and future.result().current_state.id == State.PRIMARY_STATE_ACTIVE:
            return
        rclpy.spin_once(node, timeout_sec=_AGAIN_S)


if __name__ == '__main__':
    raise SystemExit(main())
