"""Listens to monitor and simulated patient, and prints what is reported beside what is true.

It never publishes anything. Left and right are the PATIENT's.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from sensor_msgs.msg import Image

from stroke_side_monitor import atomic_file
from stroke_side_monitor.assessment.terms import Basis, Grade, Side
from stroke_side_monitor.perception import image
from stroke_side_msgs.msg import AffectedSide, Severity, SimulatedPatientTruth

_MONITOR = '/stroke_side_monitor'
_FIRST_WITHIN_S = 60.0
_ROW_S = 1.0


class ProcessEndedError(RuntimeError):
    """The monitor or the picture source ended, or nothing was ever reported."""


@dataclass
class Watched:
    """What was seen while watching.

    stable: how often each side was reported as stable; truths: true sides and
        severities; overlay: the last annotated picture, RGB uint8, preferring
        one that names a side.
    """

    stable: Counter[Side] = field(default_factory=Counter)
    truths: Counter[Side] = field(default_factory=Counter)
    overlay: NDArray[np.uint8] | None = None


def watch(seconds: float, processes: Mapping[str, subprocess.Popen[bytes]]) -> Watched:
    """Print a row a second for `seconds` after the first report.

    Raises:
        ProcessEndedError: a process ended, or a minute passed without any report.
    """
    # Whoever calls knows how to end, and what else is to end.
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    table = _Table()
    try:
        deadline = time.monotonic() + _FIRST_WITHIN_S
        print('starting the monitor and the picture source ...', flush=True)
        while not table.reports:
            _check(processes)
            if time.monotonic() > deadline:
                raise ProcessEndedError(f'no report within {_FIRST_WITHIN_S:.0f} s')
            rclpy.spin_once(table, timeout_sec=0.2)
        table.watch_overlay()
        print(_HEADER, flush=True)
        begun = next_row = time.monotonic()
        while time.monotonic() - begun < seconds:
            _check(processes)
            rclpy.spin_once(table, timeout_sec=0.1)
            if time.monotonic() >= next_row + _ROW_S:
                next_row += _ROW_S
                print(table.row(next_row - begun), flush=True)
    finally:
        table.destroy_node()
        rclpy.try_shutdown()
    return table.watched


def verdict(watched: Watched, *, truth_known: bool) -> int:
    """Say in one line whether the reported side was the true one; the exit status."""
    if not watched.stable:
        print('result: no stable side was ever reported')
        return 1
    reported = watched.stable.most_common(1)[0][0]
    if not truth_known:
        print(f'result: reported {reported.name}; nothing is known about the truth here')
        return 0
    if not watched.truths:
        print(f'result: reported {reported.name}; the patient never told the truth')
        return 1
    true = watched.truths.most_common(1)[0][0]
    right = reported is true
    print(f'result: reported {reported.name}, true {true.name}: {"right" if right else "WRONG"}'
          '   (a measurement aid, not a diagnosis)')
    return 0 if right else 1


def write_picture(rgb: NDArray[np.uint8], path: Path) -> None:
    """Write a PNG, whole or not at all."""
    done, data = cv2.imencode('.png', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    assert done
    atomic_file.write(path, data.tobytes())


_HEADER = ('   s | true side severity exercise   | reported side  conf. stable | index grade'
           '              mouth M | latency  frames/s')


class _Table(Node):
    """Keeps the newest messages and what happened since the last row."""

    def __init__(self) -> None:
        super().__init__('demo')
        self.watched = Watched()
        self.reports = 0
        self._side: AffectedSide | None = None
        self._severity: Severity | None = None
        self._truth: SimulatedPatientTruth | None = None
        self._latencies: list[float] = []
        self._overlay_worth = -1.0
        reliable = QoSProfile(depth=10)
        self.create_subscription(
            AffectedSide, f'{_MONITOR}/affected_side', self._on_side, reliable)
        self.create_subscription(Severity, f'{_MONITOR}/severity', self._on_severity, reliable)
        self.create_subscription(
            SimulatedPatientTruth, '/patient/truth', self._on_truth, reliable)

    def watch_overlay(self) -> None:
        """From now on the monitor draws, which it does only while somebody looks."""
        self.create_subscription(
            Image, f'{_MONITOR}/overlay', self._on_overlay, qos_profile_sensor_data)

    def row(self, elapsed_s: float) -> str:
        """The last second in one line."""
        latency = f'{statistics.median(self._latencies):5.1f} ms' if self._latencies else '      - '
        row = (f'{elapsed_s:4.0f} | {self._true_words():28s} | {self._reported_words():27s} | '
               f'{self._severity_words():34s} | {latency} {len(self._latencies) / _ROW_S:6.1f}')
        self._latencies.clear()
        return row

    def _true_words(self) -> str:
        truth = self._truth
        if truth is None:
            return '-'
        severity = max(truth.severity_mouth, truth.severity_eye, truth.severity_brow)
        return f'{Side(truth.side).name:9s} {severity:4.2f}   {truth.exercise}'

    def _reported_words(self) -> str:
        side = self._side
        if side is None:
            return '-'
        if side.side == AffectedSide.UNKNOWN:
            return f'UNKNOWN  {", ".join(side.reasons)}'[:27]
        stable = 'yes' if side.stable else 'no'
        return f'{Side(side.side).name:13s}  {side.confidence:4.2f}  {stable}'

    def _severity_words(self) -> str:
        severity, side = self._severity, self._side
        if severity is None or side is None or severity.grade == Severity.GRADE_UNKNOWN:
            return '-'
        words = f'{Grade(severity.grade).name} ({Basis(severity.basis).name})'.lower()
        return f'{severity.symmetry_index:4.0f}  {words:22s} {side.landmark_score:+5.1f}'

    def _on_side(self, message: AffectedSide) -> None:
        self.reports += 1
        self._side = message
        age = self.get_clock().now() - Time.from_msg(message.header.stamp)
        self._latencies.append(age.nanoseconds * 1e-6)
        if message.stable:
            self.watched.stable[Side(message.side)] += 1

    def _on_severity(self, message: Severity) -> None:
        self._severity = message

    def _on_truth(self, message: SimulatedPatientTruth) -> None:
        self._truth = message
        self.watched.truths[Side(message.side)] += 1

    def _on_overlay(self, message: Any) -> None:
        # The picture kept is the one that says most.
        worth = _worth(self._side)
        if self.watched.overlay is not None and worth < self._overlay_worth:
            return
        self._overlay_worth = worth
        self.watched.overlay = np.array(image.decode_raw(
            message.encoding, message.height, message.width, message.step,
            bool(message.is_bigendian), message.data))


def _worth(report: AffectedSide | None) -> float:
    """How much a report says: a side more than NONE, NONE more than UNKNOWN, a strong one more."""
    if report is None or report.side == AffectedSide.UNKNOWN:
        return -1.0
    return abs(report.landmark_score) + (100.0 if report.side != AffectedSide.NONE else 0.0)


def _check(processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            raise ProcessEndedError(f'the {name} ended with status {process.returncode}')
