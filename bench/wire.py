"""What the monitor costs and how late it answers as a process of its own, over real DDS.

It never measures inside the monitor: processor time and memory come from /proc, latency from the
stamp the camera gave to the moment the answer is received here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from stroke_side_monitor.pipeline import PipelineSettings
from stroke_side_monitor.pipeline.rhythm import EvenFrames
from stroke_side_monitor.ros import conversions
from stroke_side_msgs.msg import AffectedSide, ExerciseCue

RATE_HZ = 30.0
_PATIENCE_S = 60.0
_WARM_UP_S = 3.0
_ASK_AGAIN_S = 2.0


class MonitorUnreachableError(RuntimeError):
    """The monitor's process did not answer in time; its output says why."""


@contextmanager
def monitor_process(*parameters: str) -> Iterator[subprocess.Popen[bytes]]:
    """A monitor waiting to be configured, with parameters `name:=value`; ended by SIGINT."""
    given = [word for parameter in ('autostart:=false', *parameters) for word in ('-p', parameter)]
    process = subprocess.Popen(
        [sys.executable, '-m', 'stroke_side_monitor.ros', 'monitor', '--ros-args', *given],
        stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_PATIENCE_S)


class Camera:
    """Publishes raw images at so many Hz and listens to the answers."""

    def __init__(self, rate_hz: float = RATE_HZ) -> None:
        rclpy.init()
        self.node = rclpy.create_node('bench_camera')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.publisher = self.node.create_publisher(Image, 'image', qos_profile_sensor_data)
        self.node.create_subscription(
            AffectedSide, 'stroke_side_monitor/affected_side', self._answer, QoSProfile(depth=100))
        self._changer: Any = self.node.create_client(
            ChangeState, 'stroke_side_monitor/change_state')
        self._cues = self.node.create_publisher(
            ExerciseCue, 'stroke_side_monitor/exercise_cue', QoSProfile(depth=10))
        self._messages: Sequence[Image] = ()
        self.shown_s: list[float] = []
        self.latencies_ms: list[float] = []
        self.node.create_timer(1 / rate_hz, self._show)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()

    def point_at(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """What to show from now on; uint8 (H, W, 3) each."""
        self._messages = [conversions.image_message(rgb, Header()) for rgb in frames]

    def cue(self, exercise: str) -> None:
        """Ask for an exercise, now."""
        cue = ExerciseCue(exercise=exercise, phase=ExerciseCue.START)
        cue.header.stamp = self.node.get_clock().now().to_msg()
        self._cues.publish(cue)

    def transition(self, identifier: int) -> None:
        """Ask the monitor for a lifecycle transition and wait for it."""
        self.until(self._changer.service_is_ready)
        asked: list[Any] = []

        def done() -> bool:
            # A monitor that was killed counts as ready for a while, and nobody hears the request.
            if not asked or time.monotonic() - asked[-1][0] > _ASK_AGAIN_S:
                asked.append((time.monotonic(), self._changer.call_async(
                    ChangeState.Request(transition=Transition(id=identifier)))))
            return any(future.done() for _, future in asked)

        self.until(done)

    def run(self, seconds: float) -> None:
        """Show and listen for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def until(self, predicate: Callable[[], Any]) -> None:
        """Show and listen until the predicate gives something true."""
        deadline = time.monotonic() + _PATIENCE_S
        while not predicate():
            if time.monotonic() > deadline:
                raise MonitorUnreachableError('the monitor does not answer; start it by hand and '
                                              'read what it writes')
            self._executor.spin_once(timeout_sec=0.05)

    def _show(self) -> None:
        if self._messages:
            message = self._messages[len(self.shown_s) % len(self._messages)]
            message.header.stamp = self.node.get_clock().now().to_msg()
            self.publisher.publish(message)
            self.shown_s.append(conversions.stamp_s(message.header))

    def _answer(self, message: AffectedSide) -> None:
        now = self.node.get_clock().now().nanoseconds * 1e-9
        self.latencies_ms.append((now - conversions.stamp_s(message.header)) * 1e3)


@contextmanager
def running(frames: Sequence[NDArray[np.uint8]], *parameters: str, rate_hz: float = RATE_HZ
            ) -> Iterator[tuple[int, Camera]]:
    """An active monitor's process id and the camera that shows it these frames."""
    with monitor_process(*parameters) as process:
        camera = Camera(rate_hz)
        try:
            camera.transition(Transition.TRANSITION_CONFIGURE)
            camera.transition(Transition.TRANSITION_ACTIVATE)
            camera.point_at(frames)
            yield process.pid, camera
        finally:
            camera.close()


def measure(frames: Sequence[NDArray[np.uint8]], seconds: float) -> dict[str, Any]:
    """Processor share, memory and latency: with a face, without one, and inactive.

    Args:
        frames: uint8 (H, W, 3) with a face.
        seconds: length of each phase.
    """
    nobody = [np.full_like(frames[0], 127)]
    figures: dict[str, Any] = {'seconds': seconds, 'rate_hz': RATE_HZ}
    settings = PipelineSettings()
    with monitor_process() as process:
        camera = Camera()
        try:
            camera.transition(Transition.TRANSITION_CONFIGURE)
            camera.point_at(frames)
            figures['inactive'] = _phase(process.pid, camera, seconds, 0.0)
            camera.transition(Transition.TRANSITION_ACTIVATE)
            figures['active'] = _phase(process.pid, camera, seconds, settings.assess_rate_hz)
            camera.point_at(nobody)
            figures['no_face'] = _phase(process.pid, camera, seconds, settings.search_rate_hz)
        finally:
            camera.close()
    return figures


def measure_rate(frames: Sequence[NDArray[np.uint8]], seconds: float, rate_hz: float,
                 assess_rate_hz: float) -> dict[str, Any]:
    """Processor share, memory, latency and share answered of a camera at another rate.

    Args:
        frames: uint8 (H, W, 3) with a face.
        assess_rate_hz: the monitor's parameter.
    """
    with running(frames, f'assess_rate_hz:={assess_rate_hz:.1f}', rate_hz=rate_hz) as (pid, camera):
        return _phase(pid, camera, seconds, assess_rate_hz)


def _phase(pid: int, camera: Camera, seconds: float, assessed_hz: float) -> dict[str, Any]:
    camera.run(_WARM_UP_S)
    camera.latencies_ms.clear()
    camera.shown_s.clear()
    cpu, start = cpu_s(pid), time.monotonic()
    camera.run(seconds)
    used = cpu_s(pid) - cpu
    elapsed = time.monotonic() - start
    answers = list(camera.latencies_ms)
    frames = EvenFrames()
    due = sum(frames.due(at, assessed_hz) for at in camera.shown_s) if assessed_hz else 0
    figures: dict[str, Any] = {
        'cpu_percent': 100 * used / elapsed, 'rss_mb': rss_mb(pid),
        'shared_mb': shared_mb(pid), 'shown': len(camera.shown_s),
        'due': due, 'answers': len(answers), 'answered': min(len(answers) / max(due, 1), 1.0)}
    if answers:
        figures['latency_ms'] = dict(zip(
            ('p50', 'p95', 'p99'), np.percentile(answers, (50, 95, 99)).tolist(), strict=True))
    return figures


def cpu_s(pid: int) -> float:
    """Processor time a process has used, user and system, seconds."""
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def rss_mb(pid: int) -> float:
    """Resident memory of a process, megabytes."""
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def shared_mb(pid: int) -> float:
    """That part of it which is shared memory, the camera's images above all, megabytes."""
    status = Path(f'/proc/{pid}/status').read_text()
    return int(status.split('RssShmem:')[1].split()[0]) * 1024 / 1e6
