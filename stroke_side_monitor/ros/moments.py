"""Which stamp, and which cue, a moment of the pipeline's clock was: to the nanosecond.

The pipeline counts seconds in floating point, which leave some 240 ns of a stamp of today. What
is published about an image or a cue carries its very stamp. It never computes a time.
"""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Time

from stroke_side_msgs.msg import ExerciseCue

# Half a minute at 60 Hz: no repetition reaches further back.
_IMAGES, _CUES = 2000, 200


class Moments:
    """Remembers the last images and the START cues. Use it from one thread."""

    def __init__(self) -> None:
        self._images: dict[float, Time] = {}
        # Of one exercise at one moment there may be several: asked for again between two images.
        self._starts: dict[tuple[str, float], list[tuple[int, Time]]] = {}

    def image(self, moment_s: float, stamp: Time) -> None:
        """An image with this stamp was handed to the pipeline at this moment of its clock."""
        self._images[moment_s] = stamp
        _shorten(self._images, _IMAGES)

    def start(self, moment_s: float, cue: ExerciseCue) -> None:
        """A START was handed to the pipeline; one without stamp was given with the last image."""
        stamped = cue.header.stamp.sec or cue.header.stamp.nanosec
        stamp = cue.header.stamp if stamped else self.stamp(moment_s)
        starts = self._starts.setdefault((cue.exercise, moment_s), [])
        starts.append((cue.cue_id, stamp))
        del starts[:-_CUES]
        _shorten(self._starts, _CUES)

    def stamp(self, moment_s: float) -> Time:
        """The stamp of the image of that moment; an empty one where there was none."""
        return self._images.get(moment_s, Time())

    def started(self, exercise: str, moment_s: float) -> tuple[int, Time]:
        """cue_id and stamp of the START of this exercise at that moment.

        Each is given once, in order, as each has one result; the last one again and again.
        """
        starts = self._starts.get((exercise, moment_s), [(0, Time())])
        return starts.pop(0) if len(starts) > 1 else starts[0]

    def clear(self) -> None:
        """Another patient, or a clock that went back."""
        self._images.clear()
        self._starts.clear()


def _shorten(remembered: dict[Any, Any], most: int) -> None:
    while len(remembered) > most:
        del remembered[next(iter(remembered))]
