"""How evenly a mouth moves that nobody told to move: talk and smiles over many seconds.

Where the mouth stands at one moment says little while it speaks: each gesture is uneven its own
way. How far the two corners travel, over many gestures, is the weak side's own mark. It never
sees pixels, knows no exercise and names no side. Left and right are the PATIENT's; mirroring all
landmarks negates the result bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor.assessment.course import LARGEST_STEP_S, Course, CourseBuffer

_NOTHING = np.full((2, 2), np.nan)


@dataclass(frozen=True)
class SpontaneousParameters:
    """What counts as movement. Times in seconds, speeds in mm/s as FaceMesh sees them.

    over_s: movement is what lies between two moments so far apart: about a syllable. Over longer
        times a turning head counts for more and the mouth for less (docs/measurement.md, "Talk").
    moving: mean speed of the two corners from which they move. 99 % of a resting mouth's, of a
        simulated moving head, lies below 3.2.
    least_s: of movement, without which nothing is said.
    remember_s: how far back is looked.
    ask_every_s: how often the answer is worked out anew.
    """

    over_s: float = 0.25
    moving: float = 4.0
    least_s: float = 2.0
    remember_s: float = 30.0
    ask_every_s: float = 1.0


DEFAULTS = SpontaneousParameters()


class SpontaneousMovement:
    """Watches one person's mouth corners."""

    def __init__(self, parameters: SpontaneousParameters = DEFAULTS) -> None:
        self._parameters = parameters
        self._buffer = CourseBuffer(parameters.remember_s)
        self._asymmetry = math.nan
        self._asked_s = -math.inf

    def add(self, stamp_s: float, points: NDArray[np.float64] | None) -> float:
        """Take one frame; to be called for every frame that was looked at, in order.

        Args:
            stamp_s: the image's stamp. One that goes back drops the frames before it.
            points: float64 (478, 3), canonical mm of the head-fixed frame; None for a frame that
                failed the quality gate, or in which the patient moves on command.

        Returns:
            See `asymmetry`; NaN until enough has moved.
        """
        if stamp_s < self._buffer.last_stamp_s:
            self.reset()
        self._buffer.add(stamp_s, _NOTHING if points is None else corners(points))
        if stamp_s >= self._asked_s + self._parameters.ask_every_s:
            self._asked_s = stamp_s
            self._asymmetry = asymmetry(
                self._buffer.between(-math.inf, math.inf), self._parameters)
        return self._asymmetry

    def reset(self) -> None:
        """Forget the patient."""
        self._buffer.clear()
        self._asymmetry = math.nan
        self._asked_s = -math.inf


def corners(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64 (2, 2): the patient's right and left commissure; lateral and up, mm.

    Args:
        points: float64 (478, 3), canonical mm of the head-fixed frame.
    """
    return points[[lm.COMMISSURE_RIGHT, lm.COMMISSURE_LEFT], :2]


def asymmetry(course: Course, parameters: SpontaneousParameters = DEFAULTS) -> float:
    """How much less the left corner of the mouth moves than the right one.

    The slope, through zero, of the difference of the two corners' speeds on their mean, over all
    moments at which they move: sum(r² - l²) / (2 sum(((r + l) / 2)²)), r and l being the speeds.
    Twice the D of commanded movements where the sides keep one ratio [own measure].

    Args:
        course: values float64 (n, 2, 2) as `corners` gives them.

    Returns:
        -2 to 2, positive: the left moves less. NaN where less than `least_s` has moved.
    """
    if len(course) < 2:
        return math.nan
    right, left, lasts_s = _speeds(course, parameters.over_s)
    moving = (right + left) / 2 >= parameters.moving  # False where either is NaN
    if lasts_s[moving].sum() < parameters.least_s:
        return math.nan
    right, left, lasts_s = right[moving], left[moving], lasts_s[moving]
    mean = (right + left) / 2
    return float(((right * right - left * left) * lasts_s).sum()
                 / (2 * (mean * mean * lasts_s).sum()))


def _speeds(course: Course, over_s: float
            ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Speeds of the right and left corner from each frame on, and the time each stands for.

    NaN where one of the two frames was not assessed, or nobody looked for too long in between.
    """
    stamps, places = course.stamps_s, course.smoothed()
    later = np.searchsorted(stamps, stamps + over_s)  # the first frame at least so much later
    ended = later == len(stamps)
    later[ended] = len(stamps) - 1
    steps = np.diff(stamps)
    far = np.append(0, np.cumsum(steps > LARGEST_STEP_S))
    known = ~ended & (far[later] == far)
    gone, time_s = (places[later] - places)[known], (stamps[later] - stamps)[known]
    speeds = np.full((len(stamps), 2), np.nan)
    speeds[known] = np.hypot(gone[..., 0], gone[..., 1]) / time_s[:, None]
    return speeds[:, 0], speeds[:, 1], np.append(np.minimum(steps, LARGEST_STEP_S), 0.0)
