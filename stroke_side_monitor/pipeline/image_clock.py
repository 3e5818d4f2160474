"""The images' own time, which goes on even where a camera driver forgets to stamp.

It never reads a clock and never changes a message: published stamps stay the images'.
"""

from __future__ import annotations

import math

from stroke_side_monitor.pipeline import rhythm

# An image older than this is no "now" for an exercise to begin.
_NOW_S = 3.0

# A repeated image and its successor may lie this far out of order.
_TOLERANCE_S = 0.25


class ImageClock:
    """Turns stamps into moments, one per image in order of arrival.

    seconds: the last image's moment; never before an earlier one's unless the clock went back.
    Minus infinity before the first: whatever has a stamp comes after it.

    A stamp that stands still (always zero, or repeated) would let nothing ever grow old: the
    windows would fill for ever and no exercise would end. There, time goes on as the images arrive.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the last image."""
        self.seconds = -math.inf
        self._stamp_s = self._arrived_s = math.nan

    @property
    def running(self) -> bool:
        """False before the first image, and after a reset until the next one."""
        return not math.isnan(self._stamp_s)

    def is_late(self, stamp_s: float, jump_back_s: float) -> bool:
        """Whether an image of this stamp is to be dropped; see rhythm.is_late."""
        return rhythm.is_late(stamp_s, self._stamp_s, jump_back_s)

    def of_cue(self, stamp_s: float, start: bool, arrived_s: float) -> float:
        """The moment that a cue of this stamp was given; one without stamp means now.

        NaN where there is no now: before the first image, and for a START where the last one came
        more than three seconds before: it would have ended before the next.

        Args:
            stamp_s: its stamp, 0 for none.
            start: a START; a STOP without stamp ends what was seen up to the last image.
            arrived_s: when the cue came, on the clock of take(); NaN where nobody knows.
        """
        if stamp_s:
            return stamp_s
        if not self.running or (start and arrived_s - self._arrived_s > _NOW_S):
            return math.nan
        return self.seconds

    def moment_of(self, stamp_s: float, arrived_s: float) -> float:
        """The moment of an image that is not taken, for it shows nothing; arguments as of take."""
        if stamp_s == self._stamp_s:
            return self.seconds + (arrived_s - self._arrived_s)
        return stamp_s

    def take(self, stamp_s: float, arrived_s: float) -> bool:
        """Take the next image; True when the camera's clock went back.

        Everything remembered from before must then be forgotten.

        Args:
            stamp_s: its stamp.
            arrived_s: when it arrived, on any clock of this machine that never goes back.
        """
        went_back = False
        if stamp_s == self._stamp_s:
            self.seconds = self.moment_of(stamp_s, arrived_s)
        elif not self.running:
            self.seconds = stamp_s
        else:
            went_back = stamp_s < self._stamp_s or stamp_s < self.seconds - _TOLERANCE_S
            self.seconds = stamp_s if went_back else max(stamp_s, self.seconds)
        self._stamp_s, self._arrived_s = stamp_s, arrived_s
        return went_back
