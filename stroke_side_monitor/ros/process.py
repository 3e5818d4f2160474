"""Runs one node as a process that ends cleanly on SIGINT, SIGTERM and SIGHUP, however often.

It never installs rclpy's own signal handlers: with them a second SIGINT in quick succession
makes the process exit with status 1.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from stroke_side_monitor.ros.ending import end_at_the_latest, ending_signals

_SIGNALS = ending_signals()


def run(make_node: Callable[[], Any]) -> int:
    """Initialise ROS from sys.argv, spin the node in a second thread until a signal, shut it down.

    Args:
        make_node: builds a node with methods autostart(), called before it spins, and end(),
            called once before it is destroyed.

    Returns:
        0 after a signal; 2 when ROS refused the command line; 1 when the node raised.
    """
    end = _End()
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        node = make_node()
    except Exception as error:  # noqa: BLE001 - one clear line instead of a trace
        sys.stderr.write(f'cannot start: {_one_line(error)}\n')
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    ended = threading.Event()
    # executor.shutdown() would destroy what the spinning thread still works with:
    # https://github.com/ros2/rclpy/issues/968.
    waker = node.create_guard_condition(lambda: None)
    failures: list[BaseException] = []

    def spin() -> None:
        try:
            node.autostart()
            while not ended.is_set():
                executor.spin_once()
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread's words
            failures.append(error)
        finally:
            end.wake()

    thread = threading.Thread(target=spin, name='executor')
    thread.start()
    end.wait()
    ended.set()
    waker.trigger()
    thread.join()
    executor.shutdown()
    # Publishes a last UNKNOWN and ends the worker before the context goes.
    node.end()
    for failure in failures:
        traceback.print_exception(type(failure), failure, failure.__traceback__)
    status = 1 if failures else 0
    end_at_the_latest(status)  # from here on nothing can be lost
    node.destroy_node()
    rclpy.try_shutdown()
    return status


class _End:
    """Waits for the first signal; all later ones are ignored, even while Python winds up.

    The wake-up file descriptor is written from C the moment the signal arrives, in whichever
    thread that is; a Python handler alone would wait for the main thread to run again.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        # In this order: a signal between the two must not be lost.
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)

    def wake(self) -> None:
        """End the wait as a signal would."""
        self._writer.send(b'\0')

    def wait(self) -> None:
        """Block until a signal or wake()."""
        self._reader.recv(1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)


def _one_line(error: Exception) -> str:
    return ' '.join(str(error).split())
