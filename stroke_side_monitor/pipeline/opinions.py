"""The two opinions on one face: the mesh of the picture and that of its mirror image.

FaceMesh is not mirror-equivariant; the mean of both opinions is. On video the two
trackers take turns, so the last one of each is kept for a moment. It never looks at
pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stroke_side_monitor.assessment import metrics
from stroke_side_monitor.assessment.norms import Context
from stroke_side_monitor.perception import frame
from stroke_side_monitor.perception.face_mesh import FaceLandmarks
from stroke_side_monitor.perception.face_tracker import Sighting, VideoFaceTracker
from stroke_side_monitor.perception.frame import NormalisedFace


class Opinions:
    """The newest opinion of each kind on one person."""

    def __init__(self) -> None:
        self._newest: dict[bool, Opinion] = {}

    def __bool__(self) -> bool:
        return bool(self._newest)

    def forget(self) -> None:
        """The next opinion is on another face."""
        self._newest.clear()

    def measure(self, sighting: Sighting, stamp_s: float) -> Measured:
        """Take in what was just seen; the mean of the opinions that still hold.

        Args:
            sighting: at least one opinion.
            stamp_s: its frame's stamp, seconds.

        Raises:
            DegenerateFaceError: the landmarks are no face.
        """
        for through_mirror, seen in ((False, sighting.direct), (True, sighting.through_mirror)):
            if seen is not None:
                self._newest[through_mirror] = Opinion.of(seen, stamp_s)
        return _average(
            [opinion for opinion in self._newest.values()
             if stamp_s - opinion.stamp_s <= VideoFaceTracker.TURN_LASTS_S])


@dataclass(frozen=True)
class Opinion:
    """One mesh pass, measured.

    lid_gaps: right, left; mouth_width; all in canonical mm.
    """

    stamp_s: float
    normalised: NormalisedFace
    metrics: Mapping[str, float]
    lid_gaps: tuple[float, float]
    mouth_width: float

    @staticmethod
    def of(seen: FaceLandmarks, stamp_s: float) -> Opinion:
        normalised = frame.normalise(seen)
        points = metrics.rows(normalised.points)
        return Opinion(stamp_s, normalised, metrics.measure_all(points),
                        metrics.lid_gaps(points), metrics.mouth_width(points))


@dataclass(frozen=True)
class Measured:
    """The mean of the opinions there are.

    face: mean pose and scale of all of them; its points are of the newest frame only.
    """

    face: NormalisedFace
    metrics: Mapping[str, float]
    lid_gaps: tuple[float, float]
    context: Context


def _average(opinions: list[Opinion]) -> Measured:
    # Two terms at most, and a sum of two does not depend on their order: the
    # mean over both opinions is as mirror-exact as each of them.
    newest_s = max(opinion.stamp_s for opinion in opinions)
    newest = [opinion.normalised.points for opinion in opinions if opinion.stamp_s == newest_s]
    faces = [opinion.normalised for opinion in opinions]
    gaps = [opinion.lid_gaps for opinion in opinions]
    face = NormalisedFace(
        points=sum(newest[1:], newest[0]) / len(newest),
        **{name: _mean([getattr(face, name) for face in faces]) for name in (
            'yaw_deg', 'pitch_deg', 'roll_deg', 'millimetre_per_pixel', 'fit_error_mm')})
    width = _mean([opinion.mouth_width for opinion in opinions])
    return Measured(
        face=face,
        metrics={name: _mean([opinion.metrics[name] for opinion in opinions])
                 for name in opinions[0].metrics},
        lid_gaps=(_mean([gap[0] for gap in gaps]), _mean([gap[1] for gap in gaps])),
        context=Context(face.yaw_deg, face.roll_deg, width, face.interocular_px))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
