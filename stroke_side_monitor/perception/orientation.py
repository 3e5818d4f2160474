"""Tells a head that is upside down from one that stands upright, by the picture around the eyes.

FaceMesh draws every face upright: on a head upside down it puts the mouth on the forehead, and
its landmarks look like anybody's. A face detector prefers upright heads. It is shown the eyes
with as much above as below them, as they are and turned by half a turn, and is surer of one of
the two. It never changes a picture, and a mirror changes none of its answers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.perception import crop, light_mediapipe, tflite
from stroke_side_monitor.perception.face_tracker import Sighting

# The detector that FaceMesh starts with, asked directly: what its graph adds (boxes, landmarks,
# suppression of doubles) costs more than the network and is not needed.
_DETECTOR = light_mediapipe.FOLDER / 'modules/face_detection/face_detection_short_range.tflite'
_SIZE_PX = 128
# From the eyes to the edges: the whole head fits in, whichever way up it is. From nearer and from
# farther away the two are told apart less well (docs/measurement.md).
_REACH_MM = 240.0


class Orientation:
    """Which way up the head in view is. Use it from one thread."""

    # How often a head that is followed is looked at, and one that was upside down. A followed
    # head turns over by way of its side, which has a reason of its own, and one that is found
    # anew is looked at at once; but a camera's mounting may be mended at any moment.
    LOOK_EVERY_S = 2.0
    LOOK_AGAIN_S = 0.2

    def __init__(self) -> None:
        """Load the detector.

        Raises:
            ModelError: no runtime is installed.
        """
        self._interpreter, _ = tflite.load(
            _DETECTOR.read_bytes(), _DETECTOR,
            'install mediapipe as requirements/runtime.txt pins it')
        self._input = self._interpreter.get_input_details()[0]['index']
        self._scores = min(self._interpreter.get_output_details(),
                           key=lambda output: output['shape'][-1])['index']
        self.reset()

    def reset(self) -> None:
        """Forget the head; the next one is looked at."""
        self._looked_s = -math.inf
        self._upside_down = False

    def is_upside_down(self, rgb: NDArray[np.uint8], sighting: Sighting, stamp_s: float) -> bool:
        """Whether the head stands on its crown; looked at now and then, else as last seen.

        Args:
            rgb: uint8 (H, W, 3).
            sighting: at least one opinion on the face in it.
            stamp_s: seconds; where they go back, it is looked at again at once.
        """
        # Both opinions at once: the trackers have just begun, or the pictures are unrelated.
        anew = len(sighting.opinions) > 1 or not sighting.same_face
        pause = self.LOOK_AGAIN_S if self._upside_down else self.LOOK_EVERY_S
        if anew or not 0.0 <= stamp_s - self._looked_s < pause:
            self._looked_s = stamp_s
            self._upside_down = self.uprightness(rgb, sighting) <= 0.0
        return self._upside_down

    def uprightness(self, rgb: NDArray[np.uint8], sighting: Sighting) -> float:
        """How much surer the detector is of the head as it is than turned, as a log odds ratio."""
        around = crop.surroundings(rgb, sighting.face, _REACH_MM, _SIZE_PX)
        seen, _ = crop.canonical_view(around)
        return self._surest(seen) - self._surest(seen[::-1, ::-1])

    def _surest(self, rgb: NDArray[Any]) -> float:
        """The highest score, log odds, of all the places where a face could be."""
        # It wants -1 to 1 (MediaPipe's face_detection_short_range graph).
        self._interpreter.set_tensor(self._input, rgb[None].astype(np.float32) / 127.5 - 1.0)
        self._interpreter.invoke()
        return float(self._interpreter.get_tensor(self._scores).max())
