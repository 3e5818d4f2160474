"""When the classifier looks.

It never looks itself.
"""

from __future__ import annotations

import math


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
        if self._second_next:
            self._second_next = False
            return True
        if stamp_s - self._pair_began_s < every_s - self._JITTER_S:
            return False
        self._pair_began_s, self._second_next = stamp_s, True
        return True
