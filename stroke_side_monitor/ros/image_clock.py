"""The images' own time, which goes on even where a camera driver forgets to stamp.

It never reads a clock and never changes a message: published stamps stay the images'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# A repeated image and its successor may lie this far out of order.
_TOLERANCE_S = 0.25


@dataclass(frozen=True)
class Moment:
    """When an image was taken.

    seconds: never before the last moment's, unless went_back. went_back: the camera's clock
    did, and everything remembered from before must be forgotten.
    """

    seconds: float
    went_back: bool


class ImageClock:
    """Turns stamps into moments, one per image in order of arrival.

    A stamp that stands still (always zero, or repeated) would let nothing ever grow old: the
    windows would fill for ever and no exercise would end. There, time goes on as the images arrive.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the last image."""
        self.seconds = 0.0
        self._stamp_s = self._arrived_s = math.nan

    def take(self, stamp_s: float, arrived_s: float) -> Moment:
        """Take the next image.

        Args:
            stamp_s: its stamp.
            arrived_s: when it arrived, on any clock of this machine that never goes back.
        """
        went_back = False
        if stamp_s == self._stamp_s:
            self.seconds += arrived_s - self._arrived_s
        elif math.isnan(self._stamp_s):
            self.seconds = stamp_s
        else:
            went_back = stamp_s < self._stamp_s or stamp_s < self.seconds - _TOLERANCE_S
            self.seconds = stamp_s if went_back else max(stamp_s, self.seconds)
        self._stamp_s, self._arrived_s = stamp_s, arrived_s
        return Moment(self.seconds, went_back)
