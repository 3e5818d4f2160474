"""Looks at each frame with as few mesh passes as give an unbiased opinion of the face.

FaceMesh is not mirror-equivariant: it errs differently on a picture and on its
mirror image. On a still both are looked at. On video two trackers take turns,
one of them seeing mirrored frames, so that each frame costs one pass and
neighbouring frames cancel each other's bias. It never averages or measures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.perception.face_mesh import FaceLandmarks, FaceMesh


@dataclass(frozen=True)
class Sighting:
    """What one look gave: at least one of the two opinions, or neither when no face was found.

    direct: landmarks from the picture as it is.
    through_mirror: landmarks from its mirror image, mirrored back.
    face_count: how many faces the pass with the most of them saw.
    """

    direct: FaceLandmarks | None
    through_mirror: FaceLandmarks | None
    face_count: int

    @property
    def opinions(self) -> tuple[FaceLandmarks, ...]:
        """The opinions there are."""
        return tuple(face for face in (self.direct, self.through_mirror) if face is not None)

    @property
    def face(self) -> FaceLandmarks:
        """The mean of the opinions. Needs at least one."""
        first, *others = self.opinions
        points = sum((other.points for other in others), first.points) / (1 + len(others))
        return replace(first, points=points)


class StillFaceFinder:
    """Both passes on every picture; pictures are unrelated."""

    MAX_FACES = 4

    def __init__(self) -> None:
        self._mesh = FaceMesh(tracking=False, max_faces=self.MAX_FACES)

    def look(self, rgb: NDArray[np.uint8], stamp_s: float) -> Sighting:
        """Find the largest face of one picture, uint8 (H, W, 3); the stamp is not used.

        Both passes must see the face, else neither counts: one opinion alone
        would favour a side.
        """
        direct = self._mesh.detect(rgb)
        mirrored = self._mesh.detect(rgb, through_mirror=True)
        count = max(len(direct), len(mirrored))
        if not direct or not mirrored:
            return Sighting(None, None, count)
        return Sighting(direct[0], mirrored[0], count)

    def reset(self) -> None:
        """Nothing is remembered between pictures."""

    def close(self) -> None:
        """Release the mesh."""
        self._mesh.close()


class VideoFaceTracker:
    """Two trackers that take turns, one pass per frame.

    Which of them starts is decided by the picture itself, in a way that a
    mirror reverses: so a mirrored video gives the mirrored result bit for bit.
    """

    # Opinions further apart than this are of different moments: look twice.
    TURN_LASTS_S = 0.25

    def __init__(self) -> None:
        self._meshes = {False: FaceMesh(tracking=True), True: FaceMesh(tracking=True)}
        self._next_through_mirror = False
        self._last_s = -np.inf
        self._both_next = True

    def look(self, rgb: NDArray[np.uint8], stamp_s: float) -> Sighting:
        """Follow the face into the next frame.

        Args:
            rgb: uint8 (H, W, 3).
            stamp_s: seconds, increasing; call reset() when the clock jumps back.
        """
        if self._both_next or stamp_s - self._last_s > self.TURN_LASTS_S:
            sighting = self._look_twice(rgb)
        else:
            sighting = self._look_once(rgb)
        self._last_s = stamp_s
        # After losing the face in one tracker, ask both until both have it again.
        self._both_next = not sighting.opinions
        return sighting

    def reset(self) -> None:
        """Forget the face; the next frame is looked at by both trackers afresh."""
        for mesh in self._meshes.values():
            mesh.reset()
        self._both_next = True

    def close(self) -> None:
        """Release both meshes."""
        for mesh in self._meshes.values():
            mesh.close()

    def _look_once(self, rgb: NDArray[np.uint8]) -> Sighting:
        through_mirror = self._next_through_mirror
        self._next_through_mirror = not through_mirror
        faces = self._meshes[through_mirror].detect(rgb, through_mirror=through_mirror)
        face = faces[0] if faces else None
        return Sighting(None if through_mirror else face, face if through_mirror else None,
                        len(faces))

    def _look_twice(self, rgb: NDArray[np.uint8]) -> Sighting:
        direct = self._meshes[False].detect(rgb)
        mirrored = self._meshes[True].detect(rgb, through_mirror=True)
        self._next_through_mirror = _right_half_is_brighter(rgb)
        count = max(len(direct), len(mirrored))
        if not direct or not mirrored:
            return Sighting(None, None, count)
        return Sighting(direct[0], mirrored[0], count)


def _right_half_is_brighter(rgb: NDArray[np.uint8]) -> bool:
    half = rgb.shape[1] // 2
    return int(rgb[:, -half:].sum(dtype=np.int64)) > int(rgb[:, :half].sum(dtype=np.int64))
