"""Who of several people is the patient: by size, by place, or the one who was it before.

It knows boxes and landmarks of the moment and never recognises anybody: who comes back after a
while, or at another place, is somebody else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.perception import frame
from stroke_side_monitor.perception.face_mesh import Box, FaceLandmarks, box_area

LARGEST, CENTRE, FOLLOW = 'largest', 'centre', 'follow'
POLICIES = (LARGEST, CENTRE, FOLLOW)
# With a second face of at least this relative area nobody can say who the patient is.
AMBIGUOUS_RIVAL = 0.6
# A face gone for longer may come back as somebody else.
ABSENCE_S = 5.0
# A head does not move faster than this, in face widths: at once, and per second.
LARGEST_JUMP = 0.6
LARGEST_SPEED = 3.0
# Of two faces this near to the point, in widths of the nearer, nobody can say which is meant.
_EQUALLY_NEAR = 0.25
# Of the mean width of two faces: heads are wider than faces, and touch at this distance.
_TOUCHING = 1.0
# In widths of the face; and how long a single head must be there to be taken for the one before.
_JUST_THERE, _ALONE_S = 0.6, 1.0
# Who is followed sits or stands; in face widths per second.
_FOLLOWED_SPEED = 0.4
# A face does not grow or shrink faster than by this factor, at once and for each second.
_LARGEST_GROWTH, _GROWTH_PER_S = 1.35, 1.6
# Points that hardly move with expression: canthi, bridge and base of the nose, forehead, temples,
# cheekbones. Of one person smiling and at rest they differ by 1.2 mm (95 %: 2.1), of two people by
# 2.4 mm (RMS, medians; 60 London people): a change of person while somebody else is near, no more.
_STEADY = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 10, 109, 338, 67, 297, 103,
           332, 54, 284, 21, 251, 162, 389, 127, 356, 234, 454, 93, 323)
_OTHER_SHAPE_MM = 2.2
_SHAPE_LEARNT = 0.05


@dataclass(frozen=True)
class Wish:
    """What is known of who the patient is.

    policy: 'largest' face; 'centre': nearest to the picture's centre; 'follow': the face first
        chosen is kept through crossings and short losses.
    region: left, top, width, height of the patient's head in pixels of the picture that is looked
        at, where somebody says so; it goes before the policy.
    """

    policy: str = LARGEST
    region: tuple[int, int, int, int] | None = None

    @property
    def is_of_somebody(self) -> bool:
        """Whether one person is meant, and not whoever is in front."""
        return self.policy != LARGEST or self.region is not None


ANYONE = Wish()


def ranked(boxes: Sequence[Box], width: int, height: int, wish: Wish,
           expected: FaceLandmarks | None, away_s: float) -> list[int]:
    """Which of these faces may be the patient, the likeliest first.

    Args:
        boxes: largest first. width, height: of the picture.
        expected: the patient's face when it was last seen, away_s ago; None when nobody is
            waited for.
    """
    every = list(range(len(boxes)))
    if wish.region is not None:
        there = [i for i in every if _within(boxes[i], wish.region)]
        left, top, across, down = wish.region
        return sorted(there, key=lambda i: _away(boxes[i], (left + across / 2, top + down / 2)))
    if wish.policy == CENTRE:
        return sorted(every, key=lambda i: _away(boxes[i], (width / 2, height / 2)))
    if wish.policy == FOLLOW and expected is not None:
        column, row = expected.centre_px
        likely = [i for i in every if _may_be(boxes[i], expected, away_s)]
        return sorted(likely, key=lambda i: _away(boxes[i], (column, row)))
    return every


def is_ambiguous(boxes: Sequence[Box], width: int, height: int, wish: Wish, *, chosen: bool
                 ) -> bool:
    """Whether nobody can say which of these is the patient.

    Args: as for ranked. chosen: under 'follow' the patient was chosen before.
    """
    if len(boxes) < 2 or (wish.policy == FOLLOW and chosen):
        return False
    if wish.region is not None:
        return sum(_within(box, wish.region) for box in boxes) > 1 and rival(boxes) >= \
            AMBIGUOUS_RIVAL
    if wish.policy == CENTRE:
        first, second = sorted(_away(box, (width / 2, height / 2)) for box in boxes)[:2]
        nearest = min(boxes, key=lambda box: _away(box, (width / 2, height / 2)))
        return second - first < _EQUALLY_NEAR * (nearest[2] - nearest[0])
    return rival(boxes) >= AMBIGUOUS_RIVAL


def is_crowded(boxes: Sequence[Box], face: FaceLandmarks) -> bool:
    """Whether another head is so near to this face that the mesh may slip from one to the other."""
    return len(_near(boxes, face)) > 1


def is_clear(boxes: Sequence[Box], face: FaceLandmarks, alone_s: float) -> bool:
    """Whether the head that was before this face, or touched it, is gone.

    Args:
        alone_s: how long one head alone has been where this face was: nobody knows whose.
    """
    near = _near(boxes, face)
    if len(near) > 1 or (near and near[0] > _JUST_THERE):
        return False
    elsewhere = len(boxes) > len(near)
    return not near or elsewhere or alone_s >= _ALONE_S


def is_alone_there(boxes: Sequence[Box], face: FaceLandmarks) -> bool:
    """Whether one head alone is to be seen, where this face was."""
    near = _near(boxes, face)
    return len(boxes) == 1 and len(near) == 1 and near[0] <= _JUST_THERE


def _near(boxes: Sequence[Box], face: FaceLandmarks) -> list[float]:
    """How far those are, in widths of the face, whose heads could touch it; itself included."""
    width = max(face.width_px, 1.0)
    return [away / width for box in boxes
            if (away := _away(box, face.centre_px)) < _TOUCHING * (width + box[2] - box[0]) / 2]


def rival(boxes: Sequence[Box]) -> float:
    """Area of the second largest relative to the largest, 0 when there is none."""
    areas = [box_area(box) for box in boxes]
    return areas[1] / areas[0] if len(areas) > 1 and areas[0] > 0 else 0.0


def is_where_said(face: FaceLandmarks, wish: Wish) -> bool:
    """Whether a face lies in the region that was given, if one was."""
    return _beyond_region_px(face, wish) <= 0.0


def is_elsewhere(face: FaceLandmarks, wish: Wish) -> bool:
    """Whether a face is plainly not in the region that was given: one that moves may be ahead of
    what is said of it by half its width."""
    return _beyond_region_px(face, wish) > face.width_px / 2


def _beyond_region_px(face: FaceLandmarks, wish: Wish) -> float:
    """How far a face's middle lies outside the region that was given; at most 0 inside, or where
    none was."""
    if wish.region is None:
        return 0.0
    column, row = face.centre_px
    left, top, across, down = wish.region
    return max(left - column, column - (left + across), top - row, row - (top + down))


def shift(before: FaceLandmarks, after: FaceLandmarks) -> float:
    """Distance between two faces in widths of the first."""
    if (before.width, before.height) != (after.width, after.height):
        return math.inf
    (column, row), (was_column, was_row) = after.centre_px, before.centre_px
    return math.hypot(column - was_column, row - was_row) / max(before.width_px, 1.0)


def is_near_enough(before: FaceLandmarks, after: FaceLandmarks, away_s: float) -> bool:
    """Whether a head can have come so far in that time."""
    return shift(before, after) <= LARGEST_JUMP + LARGEST_SPEED * away_s


class Shape:
    """The patient's face as the mesh shows it, for noticing that it is another's all at once."""

    def __init__(self) -> None:
        self._mean: NDArray[np.float64] | None = None

    def forget(self) -> None:
        """The next face is another's."""
        self._mean = None

    def is_another(self, before: FaceLandmarks, after: FaceLandmarks, away_s: float) -> bool:
        """Whether this cannot be the face of before: its size or its shape has leapt."""
        ratio = after.width_px / max(before.width_px, 1.0)
        if max(ratio, 1 / max(ratio, 1e-6)) > _LARGEST_GROWTH * _GROWTH_PER_S ** away_s:
            return True
        steady = _steady(after)
        if self._mean is None or steady is None:
            return False
        apart = math.sqrt(float(((steady - self._mean) ** 2).sum()) / len(_STEADY))
        return apart > _OTHER_SHAPE_MM

    def learn(self, face: FaceLandmarks) -> None:
        """This is the patient."""
        steady = _steady(face)
        if steady is None:
            return
        self._mean = steady if self._mean is None else (
            self._mean + _SHAPE_LEARNT * (steady - self._mean))


def _steady(face: FaceLandmarks) -> NDArray[np.float64] | None:
    """float64 (n, 2), mm; None where the mesh has failed: whose face it is, that does not tell."""
    try:
        points = frame.normalise(face).points[list(_STEADY), :2]
    except frame.DegenerateFaceError:
        return None
    return np.asarray(points - points.mean(axis=0))


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _away(box: Box, point: tuple[float, float]) -> float:
    column, row = _middle(box)
    return math.hypot(column - point[0], row - point[1])


def _within(box: Box, region: tuple[int, int, int, int]) -> bool:
    left, top, across, down = region
    column, row = _middle(box)
    return left <= column <= left + across and top <= row <= top + down


def _may_be(box: Box, before: FaceLandmarks, away_s: float) -> bool:
    width = max(before.width_px, 1.0)
    if _away(box, before.centre_px) > (LARGEST_JUMP + _FOLLOWED_SPEED * away_s) * width:
        return False
    # A detector's box and the landmarks' differ in size, by up to a third.
    ratio = (box[2] - box[0]) / width
    most = _LARGEST_GROWTH * 1.35 * _GROWTH_PER_S ** away_s
    return 1 / most <= ratio <= most
