"""Which frames are looked at, and when the classifier looks.

It never looks itself.
"""

from __future__ import annotations

import math


def is_late(stamp_s: float, last_s: float, jump_back_s: float) -> bool:
    """Whether a frame is older than the one before by jitter, not by a new beginning.

    Some drivers send now and then a frame a few milliseconds behind the last: it tells nothing
    that the newer one has not told. Further back than `jump_back_s` a recording has begun anew.

    Args:
        stamp_s, last_s: stamps of this frame and the one before, seconds; last_s is NaN or -inf
            before the first, which is never late.
        jump_back_s: seconds.
    """
    return 0.0 < last_s - stamp_s <= jump_back_s


class EvenFrames:
    """Chooses frames of a camera evenly by their stamps, as many a second as are wanted.

    The wanted moments lie on a grid, and each frame nearest after its moment is taken: so a
    camera that is not punctual, or whose rate is no multiple of the one wanted, still gives that
    many on average. A camera slower than wanted gives all it has.
    """

    # The frame nearest to a moment is taken, also before it, but not by more than this share of
    # a step: after a gap the camera's interval is not known.
    _EARLY = 0.25

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The next frame is taken."""
        self._last_s = self._taken_s = self._next_s = -math.inf

    def due(self, stamp_s: float, rate_hz: float) -> bool:
        """Whether to take this frame; each frame is asked about once, in order.

        Args:
            stamp_s: its stamp in seconds. One that stands still or goes back says nothing about
                time: such a frame is always taken, and whoever gets it sees to its stamp.
            rate_hz: frames a second wanted; may change from frame to frame.
        """
        step_s = 1.0 / rate_hz
        interval_s, self._last_s = stamp_s - self._last_s, stamp_s
        if interval_s <= 0.0:
            self._taken_s, self._next_s = stamp_s, stamp_s + step_s
            return True
        # A rate that has risen since must not wait for a moment chosen before.
        self._next_s = min(self._next_s, self._taken_s + (1.0 + self._EARLY) * step_s)
        if stamp_s < self._next_s - min(interval_s / 2, self._EARLY * step_s):
            return False
        on_grid = stamp_s - self._next_s < step_s
        self._taken_s, self._next_s = stamp_s, (self._next_s if on_grid else stamp_s) + step_s
        return True


class PairedLooks:
    """When the classifier looks: at two neighbouring frames, then not for a while.

    Its vote is a median over the window, and neighbouring frames hardly differ: a
    look at every frame costs a third of all work and tells nothing more. Two at a
    time, because neighbouring frames are aligned by the two trackers in turns.
    """

    # Cameras are not punctual.
    _JITTER_S = 0.005

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._pair_began_s = -math.inf
        self._second_next = False

    def due(self, stamp_s: float, every_s: float) -> bool:
        """Whether to look at this frame, in pairs `every_s` seconds apart; at once where its stamp
        goes back.
        """
        if self._second_next:
            self._second_next = False
            return True
        if 0.0 <= stamp_s - self._pair_began_s < every_s - self._JITTER_S:
            return False
        self._pair_began_s, self._second_next = stamp_s, True
        return True
