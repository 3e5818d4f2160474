"""Courses of measured values over time, and medians that no alternating bias can shift.

It never knows what the values mean. Left and right columns are treated by the
same operations in the same order, so that mirroring stays exact.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Frames further apart than this do not vouch for the time between them.
LARGEST_STEP_S = 0.25


@dataclass(frozen=True)
class Course:
    """Values of a stretch of frames.

    stamps_s: float64 (n,), seconds, increasing.
    values: float64 (n, ...), NaN throughout for a frame that could not be assessed.
    turns: int64 (n,), 0 and 1 by turns: a video is looked at directly and
        through a mirror alternately, and the mesh's left/right bias changes
        its sign with every frame.
    """

    stamps_s: NDArray[np.float64]
    values: NDArray[np.float64]
    turns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.stamps_s)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """bool (n,): the frame could be assessed."""
        return ~np.isnan(self.values).any(axis=tuple(range(1, self.values.ndim)))

    def between(self, start_s: float, end_s: float) -> Course:
        """The frames with start_s <= stamp <= end_s."""
        first = int(np.searchsorted(self.stamps_s, start_s, side='left'))
        last = int(np.searchsorted(self.stamps_s, end_s, side='right'))
        return Course(self.stamps_s[first:last], self.values[first:last], self.turns[first:last])

    def valid_time_s(self, end_s: float) -> float:
        """Seconds vouched for by valid frames; the last one counts until `end_s`."""
        steps = np.diff(np.append(self.stamps_s, end_s))
        return float(np.clip(steps, 0.0, LARGEST_STEP_S)[self.valid].sum())

    def median(self) -> NDArray[np.float64]:
        """Median per turn, averaged over the two turns; NaN when a turn has no valid frame.

        Returns:
            float64, the shape of one value.
        """
        valid = self.valid
        direct, mirrored = (self.values[valid & (self.turns == turn)] for turn in (0, 1))
        if not len(direct) or not len(mirrored):
            return np.full(self.values.shape[1:], np.nan)
        return (np.median(direct, axis=0) + np.median(mirrored, axis=0)) / 2

    def smoothed(self) -> NDArray[np.float64]:
        """float64 (n, ...): each frame averaged with its neighbours, which look the other way.

        Weights 1/4, 1/2, 1/4 cancel a bias of alternating sign exactly and
        shift nothing in time; beside a missing neighbour they are 1/2, 1/2.
        A frame without any valid neighbour becomes NaN.
        """
        smooth = np.full_like(self.values, np.nan)
        if len(self) < 2:
            return smooth
        near = np.diff(self.stamps_s) <= LARGEST_STEP_S
        valid = self.valid
        pair = valid[:-1] & valid[1:] & near & (self.turns[:-1] != self.turns[1:])
        means = np.full_like(self.values[1:], np.nan)
        means[pair] = (self.values[:-1][pair] + self.values[1:][pair]) / 2
        before, after = np.append(False, pair), np.append(pair, False)
        both = before & after
        smooth[before] = means[before[1:]]
        smooth[after & ~before] = means[(after & ~before)[:-1]]
        smooth[both] = (means[both[1:]] + means[both[:-1]]) / 2
        return smooth


class CourseBuffer:
    """The last frames' values, for as long as somebody may ask for them."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._frames: deque[tuple[float, NDArray[np.float64], int]] = deque()
        self._turn = 0

    def add(self, stamp_s: float, value: NDArray[np.float64]) -> None:
        """Take the next frame's value; NaN when it could not be assessed.

        Nothing new is known of a moment that has been told: a monitor that waits for its
        camera says so again and again, of the same moment.
        """
        if stamp_s == self.last_stamp_s:
            return
        self._frames.append((stamp_s, value, self._turn))
        self._turn = 1 - self._turn
        while self._frames[0][0] < stamp_s - self._keep_s:
            self._frames.popleft()

    def between(self, start_s: float, end_s: float) -> Course:
        """The kept frames with start_s <= stamp <= end_s."""
        kept = [frame for frame in self._frames if start_s <= frame[0] <= end_s]
        shape = self._frames[0][1].shape if self._frames else ()
        return Course(
            np.array([stamp for stamp, _, _ in kept], dtype=np.float64),
            np.array([value for _, value, _ in kept], dtype=np.float64).reshape(
                len(kept), *shape),
            np.array([turn for _, _, turn in kept], dtype=np.int64))

    @property
    def last_stamp_s(self) -> float:
        """Stamp of the newest frame; minus infinity before the first."""
        return self._frames[-1][0] if self._frames else -np.inf

    def clear(self) -> None:
        """Forget all frames."""
        self._frames.clear()
