"""What one frame costs in one process: message bytes to finished messages, and the floor.

It never uses DDS and never judges the figures. Floor: bare FaceMesh and a bare classifier
invocation on every frame, in turns with the whole chain, so that both see the same machine. The
chain lets the classifier look at two neighbouring frames of a few (classifier_rate_hz): both are
therefore averaged over whole cycles of its turns, and the median is of those.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from tqdm import tqdm

from stroke_side_monitor import resources
from stroke_side_monitor.perception.light_mediapipe import face_mesh
from stroke_side_monitor.perception.side_classifier import SideClassifier
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.ros import conversions

_WARM_UP = 60
_FRAME_S = 1 / 30
# In so many frames the classifier's turn, two of them, comes round once.
_CYCLE = round(2 / (_FRAME_S * PipelineSettings.classifier_rate_hz))


class _Chain:
    """The node's way of a frame, timed by stage."""

    def __init__(self) -> None:
        self._pipeline = Pipeline(PipelineSettings(), video=True)
        self.times: dict[str, list[float]] = {}

    def run(self, data: bytes) -> None:
        """One frame."""
        start = time.perf_counter()
        message = deserialize_message(data, Image)
        received = time.perf_counter()
        rgb = conversions.picture(message)
        decoded = time.perf_counter()
        assessment = self._pipeline.assess(rgb, conversions.stamp_s(message.header))
        assessed = time.perf_counter()
        for convert in (conversions.affected_side, conversions.severity, conversions.asymmetry):
            serialize_message(convert(assessment, message.header))
        end = time.perf_counter()
        if not assessment.metrics or assessment.view.reasons:
            raise RuntimeError(f'the bench frame was not assessed: {assessment.view.reasons}')
        stages = {'deserialise': received - start, 'decode': decoded - received,
                  **{name: elapsed / 1e3 for name, elapsed in assessment.timings_ms.items()},
                  'to messages': end - assessed}
        for stage, elapsed in stages.items():
            self.times.setdefault(stage, []).append(elapsed * 1e3)
        looked = 'frame with' if 'classify' in assessment.timings_ms else 'frame without'
        for name in ('frame', f'{looked} classifier'):
            self.times.setdefault(name, []).append((end - start) * 1e3)


class _Floor:
    """Nothing but the two networks."""

    def __init__(self) -> None:
        self._mesh: Any = face_mesh.FaceMesh(
            static_image_mode=False, max_num_faces=1, refine_landmarks=True)
        model = resources.model_path('side_classifier.tflite')
        self._interpreter = SideClassifier(model)._interpreter
        self.times: dict[str, list[float]] = {'mesh': [], 'invoke': [], 'floor': []}

    def run(self, rgb: NDArray[np.uint8]) -> None:
        """One frame."""
        start = time.perf_counter()
        self._mesh.process(rgb)
        meshed = time.perf_counter()
        self._interpreter.invoke()
        end = time.perf_counter()
        for stage, elapsed in (('mesh', meshed - start), ('invoke', end - meshed),
                               ('floor', end - start)):
            self.times[stage].append(elapsed * 1e3)


def measure(frames: Sequence[NDArray[np.uint8]], count: int) -> dict[str, Any]:
    """Medians over `count` frames after a warm-up, milliseconds; frame and floor: see above.

    Args:
        frames: uint8 (H, W, 3), shown in a loop.
        count: frames that count; at least 300 for a figure to be quoted.
    """
    chain, floor = _Chain(), _Floor()
    for number in tqdm(range(_WARM_UP + count), desc='frames', unit='frame', disable=None):
        if number == _WARM_UP:
            for times in (*chain.times.values(), *floor.times.values()):
                times.clear()
        rgb = frames[number % len(frames)]
        header = Header(stamp=conversions.stamp_of(round((1000.0 + number * _FRAME_S) * 1e9)))
        data = serialize_message(conversions.image_message(rgb, header))
        # Whoever comes second finds warmer caches: take turns.
        if number % 2:
            chain.run(data)
            floor.run(rgb)
        else:
            floor.run(rgb)
            chain.run(data)
    frame, bare = _of_cycles(chain.times.pop('frame')), _of_cycles(floor.times['floor'])
    return {'frames': count,
            'stages_ms': {stage: float(np.median(times)) for stage, times in chain.times.items()},
            'frame_ms': frame, 'floor_ms': bare,
            'floor_mesh_ms': float(np.median(floor.times['mesh'])),
            'floor_invoke_ms': float(np.median(floor.times['invoke'])),
            'ratio_to_floor': frame / bare}


def _of_cycles(times: Sequence[float]) -> float:
    """Median over cycles of the mean frame."""
    whole = len(times) // _CYCLE * _CYCLE
    return float(np.median(np.reshape(times[:whole], (-1, _CYCLE)).mean(axis=1)))
