"""Looks at each frame with as few mesh passes as give an unbiased opinion of the face.

FaceMesh is not mirror-equivariant: it errs differently on a picture and on its
mirror image. On a still both are looked at, after one search for the face. On
video two trackers take turns, one of them seeing mirrored frames, so that each
frame costs one pass and neighbouring frames cancel each other's bias. It never
averages or measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.perception import patient_choice
from stroke_side_monitor.perception.face_mesh import (
    Box,
    FaceDetection,
    FaceDetector,
    FaceLandmarks,
    FaceRegion,
    RegionMesh,
    box_area,
)
from stroke_side_monitor.perception.patient_choice import ABSENCE_S, ANYONE, Wish


@dataclass(frozen=True)
class Sighting:
    """What one look gave: at least one of the two opinions, or neither when no face was found.

    direct: landmarks from the picture as it is.
    through_mirror: landmarks from its mirror image, mirrored back.
    rival: area of the next smaller face relative to the one looked at; 0 when it is alone.
    ambiguous: nobody can say which of several faces is the patient's.
    same_face: False when this may be another person than in the frame before.
    """

    direct: FaceLandmarks | None
    through_mirror: FaceLandmarks | None
    rival: float = 0.0
    ambiguous: bool = False
    same_face: bool = True

    @property
    def opinions(self) -> tuple[FaceLandmarks, ...]:
        """The opinions there are."""
        return tuple(face for face in (self.direct, self.through_mirror) if face is not None)

    @cached_property
    def face(self) -> FaceLandmarks:
        """The mean of the opinions. Needs at least one."""
        first, *others = self.opinions
        if not others:
            return first
        points = sum((other.points for other in others), first.points) / (1 + len(others))
        return replace(first, points=points)


NOTHING = Sighting(None, None)


class StillFaceFinder:
    """Two looks at every picture; pictures are unrelated.

    Of a picture and its mirror image always the same one is searched, and the look at the other
    starts from what the first one saw: so a mirrored picture gives the mirrored result bit for
    bit.
    """

    def __init__(self) -> None:
        self._mesh = RegionMesh()
        self._search = _Search()

    def look(self, rgb: NDArray[np.uint8], stamp_s: float, wish: Wish = ANYONE) -> Sighting:
        """Find the patient's face in one picture, uint8 (H, W, 3); the stamp is not used.

        Both looks must see the face, else neither counts: one opinion alone
        would favour a side.
        """
        flipped: NDArray[Any] = cv2.flip(rgb, 1)
        through_mirror = _right_half_is_brighter(rgb)
        searched, other = (flipped, rgb) if through_mirror else (rgb, flipped)
        for faces in self._ways(searched):
            seen = self._seen(searched, faces, wish, through_mirror)
            again = self._mesh.look(other, seen[0].mirrored().region) if seen else None
            if again is not None:
                direct, mirrored = (again, seen[0]) if through_mirror else (seen[0], again)
                boxes = sorted([_box_of(face, through_mirror) for face in seen],
                               key=box_area, reverse=True)
                return Sighting(
                    direct, mirrored.mirrored(), patient_choice.rival(boxes),
                    patient_choice.is_ambiguous(boxes, again.width, again.height, wish,
                                                chosen=False), same_face=False)
        return NOTHING

    def reset(self) -> None:
        """Nothing is remembered between pictures."""

    def resume(self) -> None:
        """Nothing is remembered between pictures."""

    def close(self) -> None:
        """Release mesh and detectors."""
        self._mesh.close()
        self._search.close()

    def _ways(self, rgb: NDArray[np.uint8]) -> Iterator[Sequence[FaceDetection]]:
        """Faces in the picture, largest first, by ever more costly ways."""
        yield self._search.near(rgb)
        # Faces that are small in the picture, and those that overfill it: they only show
        # within a margin.
        yield self._search.far(rgb)
        yield self._search.beyond(rgb)

    def _seen(self, rgb: NDArray[np.uint8], faces: Sequence[FaceDetection], wish: Wish,
              through_mirror: bool) -> list[FaceLandmarks]:
        """Those in which the mesh sees a face too, the likeliest to be the patient's first."""
        looks = [self._mesh.look(rgb, face.region) for face in faces]
        seen = sorted([face for face in looks if face is not None],
                      key=lambda face: face.box_area, reverse=True)
        order = patient_choice.ranked([_box_of(face, through_mirror) for face in seen],
                                      rgb.shape[1], rgb.shape[0], wish, None, 0.0)
        return [seen[i] for i in order]


class _Search:
    """The ways to find faces in a picture, uint8 (H, W, 3); each gives the largest first."""

    MAX_FACES = 4

    def __init__(self) -> None:
        self._near, self._far = FaceDetector(), FaceDetector(far=True)

    def near(self, rgb: NDArray[np.uint8]) -> list[FaceDetection]:
        """Faces down to some seventh of the picture's width."""
        return self._refined(rgb, self._near.detect(rgb))

    def far(self, rgb: NDArray[np.uint8]) -> list[FaceDetection]:
        """Faces down to some fifteenth of it; costs as much as the mesh."""
        return self._refined(rgb, self._far.detect(rgb))

    def beyond(self, rgb: NDArray[np.uint8]) -> list[FaceDetection]:
        """Faces that overfill the picture."""
        margin = round(self._MARGIN * max(rgb.shape[:2]))
        padded = np.pad(rgb, ((margin, margin), (margin, margin), (0, 0)))
        return [face.within(-margin, -margin)
                for face in self._refined(padded, self._far.detect(padded))]

    def close(self) -> None:
        self._near.close()
        self._far.close()

    def boxes(self, rgb: NDArray[np.uint8], *, through_mirror: bool) -> tuple[Box, ...]:
        """Only where faces are, in the coordinates of `rgb`; see FaceDetector.boxes."""
        return self._near.boxes(rgb, through_mirror=through_mirror)

    def _refined(self, rgb: NDArray[np.uint8], faces: Sequence[FaceDetection]
                 ) -> list[FaceDetection]:
        """The faces, the small ones as the near detector finds them in a cut, if it does.

        A detector sees the whole picture at 128 or 192 px: of a small face it knows the place
        only coarsely, and a region that lies askew moves the landmarks.
        """
        refined = []
        for face in faces[:self.MAX_FACES]:
            left, top, right, bottom = face.box
            if max(right - left, bottom - top) >= self._SMALL * max(rgb.shape[:2]):
                refined.append(face)
                continue
            left, top, right, bottom = _widened(face.box, self._SURROUND)
            nearby = [one.within(left, top)
                      for one in self._near.detect(rgb[top:bottom, left:right])]
            # The cut may hold a neighbour too.
            refined += [one for one in nearby if _is_centred_in(face.box, one.region)][:1]
        return refined

    # Of the picture's longer side twice, and of the face's box.
    _MARGIN, _SMALL, _SURROUND = 0.3, 0.25, 0.6


class VideoFaceTracker:
    """Two trackers that take turns, one pass per frame, on the patient's face.

    Which of them starts is decided by the picture itself, in a way that a
    mirror reverses: so a mirrored video gives the mirrored result bit for bit.
    """

    # Opinions further apart than this are of different moments: look twice.
    TURN_LASTS_S = 0.25
    # How often other faces are looked for; more often where one person is meant and others are
    # there, or were a while ago.
    COUNT_EVERY_S = 1.0
    WATCH_EVERY_S, WATCHED_S = 0.06, 3.0

    def __init__(self) -> None:
        self._mesh, self._search = RegionMesh(), _Search()
        self._trackers = {through_mirror: _OneWayTracker(self._mesh, self._search, through_mirror)
                          for through_mirror in (False, True)}
        self._next_through_mirror = False
        self._shape = patient_choice.Shape()
        self.reset()

    def reset(self) -> None:
        """Forget the face; the next frame is looked at by both trackers afresh."""
        for tracker in self._trackers.values():
            tracker.reset()
        self._both_next = True
        self._last_look_s = self._last_count_s = -math.inf
        self._last_seen: tuple[float, FaceLandmarks] | None = None
        self._shape.forget()
        self._expected = self._ambiguous = self._chosen = self._covered = False
        self._rival = 0.0
        self._others_seen_s = self._alone_since_s = -math.inf

    def resume(self) -> None:
        """After a pause: search afresh, and take the face found next for the one before."""
        self._expected = self._last_seen is not None
        self._restart()

    def look(self, rgb: NDArray[np.uint8], stamp_s: float, wish: Wish = ANYONE) -> Sighting:
        """Follow the face into the next frame.

        Args:
            rgb: uint8 (H, W, 3).
            stamp_s: seconds, increasing; call reset() when the clock jumps back.
            wish: who the patient is; may change at any time.
        """
        self._now_s, self._wish = stamp_s, wish
        if stamp_s - self._last_count_s >= self._count_every_s:
            self._last_count_s = stamp_s
            self._count(rgb)
        if self._covered:
            self._both_next = True
            return NOTHING
        if self._both_next or stamp_s - self._last_look_s > self.TURN_LASTS_S:
            sighting = self._look_twice(rgb)
        else:
            sighting = self._look_once(rgb)
        self._last_look_s = stamp_s
        if sighting.opinions and patient_choice.is_elsewhere(sighting.face, wish):
            # Followed so far, but the patient is over there, found or not.
            self._restart()
            return NOTHING
        if sighting.opinions and self._is_somebody_else(sighting.face):
            self._look_where_it_was()
            self._covered = True
            sighting = NOTHING
        # After losing the face in one tracker, ask both until both have it again.
        self._both_next = not sighting.opinions
        return self._with_identity(sighting) if sighting.opinions else sighting

    def close(self) -> None:
        """Release mesh and detectors."""
        self._mesh.close()
        self._search.close()

    def _count(self, rgb: NDArray[np.uint8]) -> None:
        height, width = rgb.shape[:2]
        found = [tracker.count(rgb) for tracker in self._trackers.values()]
        self._rival = max(patient_choice.rival(boxes) for boxes in found)
        if self._rival > 0.0:
            self._others_seen_s = self._now_s
        was_covered, self._covered = self._covered, self._is_covered(found)
        if was_covered and not self._covered and self._last_seen is not None:
            self._look_where_it_was()
        ambiguous = [patient_choice.is_ambiguous(
            boxes, width, height, self._wish, chosen=self._chosen) for boxes in found]
        self._ambiguous = any(ambiguous)
        # Another face is now clearly the one that is meant: the patient is that one.
        if self._last_seen is not None and not self._ambiguous and all(
                boxes and not self._is_followed(boxes, width, height) for boxes in found):
            self._restart()

    @property
    def _count_every_s(self) -> float:
        watching = self._wish.is_of_somebody and self._are_others_about
        return self.WATCH_EVERY_S if watching else self.COUNT_EVERY_S

    @property
    def _are_others_about(self) -> bool:
        return self._now_s - self._others_seen_s <= self.WATCHED_S

    def _is_covered(self, found: Sequence[Sequence[Box]]) -> bool:
        """Another head is before the patient's, or so near that nobody can say whose face the
        mesh sees."""
        face, away_s = self._waited_for
        if not self._wish.is_of_somebody or not self._chosen or face is None or \
                away_s == math.inf or not self._are_others_about or \
                not patient_choice.is_where_said(face, self._wish):
            return False
        if not all(patient_choice.is_alone_there(boxes, face) for boxes in found):
            self._alone_since_s = self._now_s
        if self._covered:
            alone_s = self._now_s - self._alone_since_s
            return not all(patient_choice.is_clear(boxes, face, alone_s) for boxes in found)
        return any(patient_choice.is_crowded(boxes, face) for boxes in found)

    def _is_followed(self, boxes: Sequence[Box], width: int, height: int) -> bool:
        """Whether of these faces the one that is followed is the likeliest to be the patient's."""
        assert self._last_seen is not None
        order = patient_choice.ranked(boxes, width, height, self._wish, *self._waited_for)
        # Where none is likely, there is nobody to change to.
        return not order or _inside(self._last_seen[1], boxes[order[0]])

    @property
    def _waited_for(self) -> tuple[FaceLandmarks | None, float]:
        """The patient's face when it was last seen, and how long ago; None: whoever comes."""
        if self._last_seen is None:
            return None, 0.0
        at_s, face = self._last_seen
        away_s = self._now_s - at_s
        if away_s <= ABSENCE_S:
            return face, away_s
        # After a pause the patient may be anywhere, but is nearest to where he was.
        return (face, math.inf) if self._expected else (None, 0.0)

    def _is_somebody_else(self, face: FaceLandmarks) -> bool:
        """The one who is followed has become another, all at once."""
        before, away_s = self._waited_for
        if not self._wish.is_of_somebody or before is None or self._expected or \
                not self._are_others_about or \
                not patient_choice.is_where_said(before, self._wish):
            return False
        return not patient_choice.is_near_enough(before, face, away_s) or \
            self._shape.is_another(before, face, away_s)

    def _restart(self) -> None:
        for tracker in self._trackers.values():
            tracker.reset()
        self._both_next = True

    def _look_where_it_was(self) -> None:
        """The mesh has slipped to another face: back to the place of the one who is followed."""
        assert self._last_seen is not None
        for tracker in self._trackers.values():
            tracker.look_at(self._last_seen[1])

    def _look_once(self, rgb: NDArray[np.uint8]) -> Sighting:
        through_mirror = self._next_through_mirror
        self._next_through_mirror = not through_mirror
        face = self._trackers[through_mirror].look(rgb, self._ranked)
        return Sighting(None if through_mirror else face, face if through_mirror else None)

    def _look_twice(self, rgb: NDArray[np.uint8]) -> Sighting:
        direct, mirrored = (self._trackers[through_mirror].look(rgb, self._ranked)
                            for through_mirror in (False, True))
        self._next_through_mirror = _right_half_is_brighter(rgb)
        if direct is None or mirrored is None:
            return NOTHING
        return Sighting(direct, mirrored)

    def _ranked(self, boxes: Sequence[Box], width: int, height: int) -> list[int]:
        return patient_choice.ranked(boxes, width, height, self._wish, *self._waited_for)

    def _with_identity(self, sighting: Sighting) -> Sighting:
        face = sighting.face
        same_face, self._expected = self._expected, False
        if self._last_seen is not None and not same_face:
            away_s = self._now_s - self._last_seen[0]
            same_face = away_s <= ABSENCE_S and patient_choice.is_near_enough(
                self._last_seen[1], face, away_s)
            if not same_face and away_s <= ABSENCE_S:
                # The two trackers may be on two people: let both start anew.
                self._restart()
        if not same_face:
            self._shape.forget()
            self._chosen = False
        self._last_seen = (self._now_s, face)
        if self._wish.is_of_somebody:
            self._shape.learn(face)
            self._chosen = self._chosen or not self._ambiguous
        return replace(sighting, rival=self._rival, ambiguous=self._ambiguous,
                       same_face=same_face)


# Which of these boxes in a picture of that width and height may be the patient's.
_Ranked = Callable[[Sequence[Box], int, int], list[int]]


class _OneWayTracker:
    """Follows the patient's face, on pictures as they are or on mirror images.

    As MediaPipe's tracking does: each look is through a region around the landmarks of the one
    before, and a face is searched for only where there was none.
    """

    # The near detector finds faces down to some twentieth of the picture between the eyes: in
    # smaller pictures every face that is worth assessing.
    LARGE_PX = 1000
    # While nobody is there, the far detector is asked now and then.
    _FAR_EVERY = 10

    def __init__(self, mesh: RegionMesh, search: _Search, through_mirror: bool) -> None:
        self._mesh, self._search = mesh, search
        self._through_mirror = through_mirror
        self.reset()

    def reset(self) -> None:
        """Search in the next picture."""
        self._region: FaceRegion | None = None
        self._attempts = 0

    def look_at(self, face: FaceLandmarks) -> None:
        """Look where this face is next time, whoever is there."""
        self._region = (face.mirrored() if self._through_mirror else face).region

    def count(self, rgb: NDArray[np.uint8]) -> tuple[Box, ...]:
        return self._search.boxes(rgb, through_mirror=self._through_mirror)

    def look(self, rgb: NDArray[np.uint8], ranked: _Ranked) -> FaceLandmarks | None:
        if self._through_mirror:
            rgb = cv2.flip(rgb, 1)  # type: ignore[assignment]
        regions = [self._region] if self._region is not None else self._found(rgb, ranked)
        looks = (self._mesh.look(rgb, region) for region in regions)
        face = next((one for one in looks if one is not None), None)
        self._region = None if face is None else face.region
        return face.mirrored() if face is not None and self._through_mirror else face

    def _found(self, rgb: NDArray[np.uint8], ranked: _Ranked) -> list[FaceRegion]:
        """Where faces are that may be the patient's, the likeliest first."""
        faces = self._search.near(rgb)
        ask_far = self._attempts % self._FAR_EVERY == 0 and max(rgb.shape[:2]) >= self.LARGE_PX
        if not faces and ask_far:
            faces = self._search.far(rgb)
        self._attempts = 0 if faces else self._attempts + 1
        height, width = rgb.shape[:2]
        boxes = [_unmirrored(face.box, width) if self._through_mirror else face.box
                 for face in faces]
        return [faces[i].region for i in ranked(boxes, width, height)]


def _widened(box: Box, share: float) -> Box:
    """The box with this share of its longer side added all round; never beyond the top left."""
    left, top, right, bottom = box
    reach = round(share * max(right - left, bottom - top))
    return max(left - reach, 0), max(top - reach, 0), right + reach, bottom + reach


def _is_centred_in(box: Box, region: FaceRegion) -> bool:
    left, top, right, bottom = box
    return left <= region.column <= right and top <= region.row <= bottom


def _unmirrored(box: Box, width: int) -> Box:
    left, top, right, bottom = box
    return width - right, top, width - left, bottom


def _box_of(face: FaceLandmarks, through_mirror: bool) -> Box:
    """The face's box in the picture, which it was seen in or through a mirror."""
    left, top, right, bottom = face.bounds_px
    box = (math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))
    return _unmirrored(box, face.width) if through_mirror else box


def _inside(face: FaceLandmarks, box: Box) -> bool:
    column, row = face.centre_px
    left, top, right, bottom = box
    return bool(left <= column <= right and top <= row <= bottom)


def _right_half_is_brighter(rgb: NDArray[np.uint8]) -> bool:
    """Of a picture and its mirror image True for the one and False for the other."""
    half = rgb.shape[1] // 2
    some = rgb[::8]  # every eighth row tells as well
    right, left = (sum(cv2.sumElems(part)) for part in (some[:, -half:], some[:, :half]))
    if right == left:
        return bool(cv2.flip(rgb, 1).tobytes() < rgb.tobytes())
    return right > left
