"""What a face does that nobody asked for: speech and smiles, as a course of expressions.

It knows no palsy and draws nothing; a weak side makes of it what it can (palsy.py). A model of
talking, not a person's: syllables at the rate of speech whose two sides differ a little, each
time another way. Left and right are the PATIENT's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.simulation.palsy import Expression

# Columns of a gesture: jaw, then (left, right) of smile and of pucker.
_JAW, _SMILE, _PUCKER = 0, slice(1, 3), slice(3, 5)
_NOTHING = np.zeros(5)

_SYLLABLE_S = (0.15, 0.30)  # four to six syllables a second, drawn out now and then
_SPOKEN_S, _SMILED_S, _SILENT_S = (2.0, 6.0), (0.8, 2.5), (0.8, 3.0)
# Sides of one gesture differ by this factor (log SD) and by this share of a full movement (SD),
# anew each time: healthy people's mouths are uneven from moment to moment [own choice].
_UNEVEN_FACTOR, _UNEVEN_SHARE = 0.15, 0.03
_SMILES_OF_BOUTS = 0.35


class Talk:
    """A stretch of conversation. The same random numbers give the same course."""

    def __init__(self, duration_s: float, rng: np.random.Generator) -> None:
        """Make it up.

        Args:
            duration_s: after this the face is at rest.
            rng: every draw comes from here.
        """
        self._times, self._gestures = [0.0], [_NOTHING]
        time = float(rng.uniform(*_SILENT_S))
        while time < duration_s - 1.0:
            self._go_to(time, _NOTHING)
            if rng.random() < _SMILES_OF_BOUTS:
                time = self._smile(time, rng)
            else:
                time = self._speak(time, min(time + float(rng.uniform(*_SPOKEN_S)),
                                             duration_s - 0.5), rng)
            self._go_to(time, _NOTHING)
            time += float(rng.uniform(*_SILENT_S))

    def at(self, time_s: float, ease: Callable[[float], float]) -> Expression:
        """The expression intended at a moment.

        Args:
            time_s: seconds from the beginning.
            ease: from 0 to 1, the way from one gesture to the next.
        """
        after = bisect_right(self._times, time_s)
        if after == len(self._times):
            return Expression()
        start, end = self._times[after - 1], self._times[after]
        share = ease((time_s - start) / (end - start))
        gesture = self._gestures[after - 1] * (1.0 - share) + self._gestures[after] * share
        jaw, smile_left, smile_right, pucker_left, pucker_right = map(float, gesture)
        return Expression(smile=(smile_left, smile_right), pucker=(pucker_left, pucker_right),
                          jaw=jaw)

    def _go_to(self, time: float, gesture: NDArray[np.float64]) -> None:
        if time > self._times[-1]:
            self._times.append(time)
            self._gestures.append(gesture)

    def _smile(self, time: float, rng: np.random.Generator) -> float:
        gesture = _gesture(0.0, float(rng.uniform(0.3, 0.9)), 0.0, rng)
        time += float(rng.uniform(0.4, 0.8))
        self._go_to(time, gesture)
        time += float(rng.uniform(*_SMILED_S))
        self._go_to(time, gesture)
        return time + float(rng.uniform(0.4, 0.8))

    def _speak(self, time: float, end: float, rng: np.random.Generator) -> float:
        while time < end:
            time += float(rng.uniform(*_SYLLABLE_S))
            jaw = float(rng.uniform(0.05, 0.6))
            spread, rounded = (float(rng.uniform(0.0, 0.35)), 0.0) if rng.random() < 0.6 \
                else (0.0, float(rng.uniform(0.1, 0.6)))
            self._go_to(time, _gesture(jaw, spread, rounded, rng))
        return time + 0.25


def _gesture(jaw: float, smile: float, pucker: float, rng: np.random.Generator
             ) -> NDArray[np.float64]:
    gesture = np.empty(5)
    gesture[_JAW] = jaw
    for columns, effort in ((_SMILE, smile), (_PUCKER, pucker)):
        half = 0.5 * float(rng.normal(0.0, _UNEVEN_FACTOR))
        share = float(rng.normal(0.0, _UNEVEN_SHARE)) if effort else 0.0
        gesture[columns] = np.maximum(
            effort * np.exp([half, -half]) + [share / 2, -share / 2], 0.0)
    return gesture
