"""What one camera costs in one process, message bytes to finished messages, beside the networks.

It never uses DDS and never judges the figures. Costs are processor time of all threads, per second
of a 30 Hz camera, so that machines can be compared; of stages, wall time too. Beside the chain,
frame by frame in turns so that both see the same machine, run the bare networks: FaceMesh on every
frame; and as the floor FaceMesh on those frames that the chain assesses, and the classifier
whenever the chain's looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tqdm import tqdm

from stroke_side_monitor import resources
from stroke_side_monitor.perception.light_mediapipe import face_mesh
from stroke_side_monitor.perception.side_classifier import SideClassifier
from stroke_side_monitor.pipeline import Assessment, Pipeline, PipelineSettings
from stroke_side_monitor.ros import conversions

CAMERA_HZ = 30
_WARM_UP = 2 * CAMERA_HZ


class _Chain:
    """The node's way of a frame, timed by stage on a clock that gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pipeline = Pipeline(PipelineSettings(), video=True, clock=clock)
        self.stages_ms: dict[str, list[float]] = {}

    def run(self, data: bytes) -> Assessment | None:
        """One frame; None where it was not due."""
        start = self._clock()
        if not self._pipeline.due(conversions.serialised_stamp_s(data)):
            return None
        message = conversions.camera_image(data, Image)
        received = self._clock()
        rgb = conversions.picture(message)
        decoded = self._clock()
        assessment = self._pipeline.assess(rgb, conversions.stamp_s(message.header))
        assessed = self._clock()
        for convert in (conversions.affected_side, conversions.severity, conversions.asymmetry):
            serialize_message(convert(assessment, message.header))
        end = self._clock()
        stages = {'deserialise': received - start, 'decode': decoded - received,
                  **{name: elapsed / 1e3 for name, elapsed in assessment.timings_ms.items()},
                  'to messages': end - assessed}
        for stage, elapsed in stages.items():
            self.stages_ms.setdefault(stage, []).append(elapsed * 1e3)
        return assessment

    def medians_ms(self) -> dict[str, float]:
        """Of each stage."""
        return {stage: float(np.median(times)) for stage, times in self.stages_ms.items()}


class _Cost:
    """Processor time of calls, in milliseconds each."""

    def __init__(self) -> None:
        self.calls_ms: list[float] = []

    def of(self, call: Callable[[], Any]) -> Any:
        """Do it, and note what it cost."""
        start = time.process_time()
        result = call()
        self.calls_ms.append((time.process_time() - start) * 1e3)
        return result


def measure(frames: Sequence[NDArray[np.uint8]], count: int) -> dict[str, Any]:
    """With a face and with nobody there.

    Args:
        frames: uint8 (H, W, 3) with a face, shown in a loop at 30 Hz.
        count: frames that count, of each; at least 300 for a figure to be quoted.
    """
    nobody = [np.full_like(frames[0], 127)]
    return {'frames': count, 'face': _measure(frames, count, face=True),
            'nobody': _measure(nobody, count, face=False)}


def _measure(frames: Sequence[NDArray[np.uint8]], count: int, *, face: bool) -> dict[str, Any]:
    chain, mesh = _Chain(time.perf_counter), face_mesh.FaceMesh(
        static_image_mode=False, max_num_faces=1, refine_landmarks=True)
    classifier = SideClassifier(resources.model_path('side_classifier.tflite'))._interpreter
    ours, bare, invoke = _Cost(), _Cost(), _Cost()
    looked: list[str] = []
    for number in tqdm(range(_WARM_UP + count), unit='frame', disable=None,
                       desc='with a face' if face else 'nobody there'):
        if number == _WARM_UP:
            for costs in (ours, bare, invoke):
                costs.calls_ms.clear()
            chain.stages_ms.clear()
            looked.clear()
        rgb = frames[number % len(frames)]
        data = _message(rgb, number)
        # Whoever comes second finds warmer caches: take turns, by twos as every other is due.
        if number // 2 % 2:
            said = ours.of(partial(chain.run, data))
            bare.of(partial(mesh.process, rgb))
        else:
            bare.of(partial(mesh.process, rgb))
            said = ours.of(partial(chain.run, data))
        looked.append(_kind(said, face))
        if looked[-1] == 'classified':
            invoke.of(classifier.invoke)
    return {**_figures(np.array(looked), *(np.array(costs.calls_ms)
                                           for costs in (ours, bare, invoke))),
            'stages_ms': chain.medians_ms(), 'stages_cpu_ms': _stages_cpu_ms(frames, count // 2)}


def _stages_cpu_ms(frames: Sequence[NDArray[np.uint8]], count: int) -> dict[str, float]:
    """Processor time of all threads by stage, medians: more than wall time where several work."""
    chain = _Chain(time.process_time)
    for number in range(_WARM_UP + count):
        if number == _WARM_UP:
            chain.stages_ms.clear()
        chain.run(_message(frames[number % len(frames)], number))
    return chain.medians_ms()


def _message(rgb: NDArray[np.uint8], number: int) -> bytes:
    stamp = conversions.stamp_of(round((1000.0 + number / CAMERA_HZ) * 1e9))
    return serialize_message(conversions.image_message(rgb, Header(stamp=stamp)))


def _kind(said: Assessment | None, face: bool) -> str:
    if said is None:
        return 'passed over'
    if face and (not said.metrics or said.view.reasons):
        raise RuntimeError(f'the bench frame was not assessed: {said.view.reasons}')
    return 'classified' if 'classify' in said.timings_ms else 'assessed'


def _figures(looked: NDArray[np.str_], ours: NDArray[np.float64], bare: NDArray[np.float64],
             invoke: NDArray[np.float64]) -> dict[str, Any]:
    seconds = ours.size / CAMERA_HZ
    per_second = {'chain': ours.sum() / seconds / 1e3,
                  'floor': (bare[looked != 'passed over'].sum() + invoke.sum()) / seconds / 1e3,
                  'mesh_on_every_frame': bare.sum() / seconds / 1e3}
    plain = looked == 'assessed'
    return {
        'assessed_per_s': float((looked != 'passed over').sum() / seconds),
        'classified_per_s': float((looked == 'classified').sum() / seconds),
        'cpu_s_per_camera_s': {name: float(value) for name, value in per_second.items()},
        'ratio_to_floor': float(per_second['chain'] / per_second['floor']),
        'ratio_to_mesh': float(per_second['chain'] / per_second['mesh_on_every_frame']),
        'passed_over_ms': float(np.median(ours[looked == 'passed over'])),
        # Of the same frames, so that what a frame shows weighs alike on both.
        'frame_over_mesh': float(np.median(ours[plain]) / np.median(bare[plain]))}
