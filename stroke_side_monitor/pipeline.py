"""One frame and its stamp → one Assessment: the only place where perception and assessment meet.

It never talks to ROS, never opens a file after construction and never keeps a
picture. Left and right are the PATIENT's; `input_mirrored` is undone here, at
the door, and nowhere else. Use one Pipeline from one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from stroke_side_monitor import resources
from stroke_side_monitor.assessment import metrics, severity, side
from stroke_side_monitor.assessment.baseline import PersonalBaseline
from stroke_side_monitor.assessment.exercise import ExerciseResult, ExerciseTracker
from stroke_side_monitor.assessment.norms import Context, Norms, NormsError
from stroke_side_monitor.assessment.personal import PersonalFindings, PersonalReference
from stroke_side_monitor.assessment.severity import SeverityEstimate
from stroke_side_monitor.assessment.side import Evidence, SideDecision, SideFilter, SideRule
from stroke_side_monitor.assessment.terms import Basis
from stroke_side_monitor.assessment.trend import MINIMAL_DETECTABLE_CHANGE, TrendMonitor
from stroke_side_monitor.perception import crop, frame, quality
from stroke_side_monitor.perception.face_mesh import FaceLandmarks
from stroke_side_monitor.perception.face_tracker import (
    AMBIGUOUS_RIVAL,
    Sighting,
    StillFaceFinder,
    VideoFaceTracker,
)
from stroke_side_monitor.perception.frame import NormalisedFace
from stroke_side_monitor.perception.quality import QualityLimits
from stroke_side_monitor.perception.side_classifier import SideClassifier


@dataclass(frozen=True)
class PipelineSettings:
    """How to assess. Every field is a parameter of the node under the same name.

    Angles in degrees, times in seconds, sizes in pixels, scores in healthy
    standard deviations; see QualityLimits and SideRule.
    """

    input_mirrored: bool = False
    use_classifier: bool = True
    classifier_threads: int = 1
    classifier_rate_hz: float = 6.0
    gain_correction: bool = False
    window_s: float = 1.0
    stable_after_s: float = 0.5
    min_interocular_px: float = QualityLimits.min_interocular_px
    max_yaw_deg: float = QualityLimits.max_yaw_deg
    max_pitch_deg: float = QualityLimits.max_pitch_deg
    max_roll_deg: float = QualityLimits.max_roll_deg
    min_luminance: float = QualityLimits.min_luminance
    max_luminance: float = QualityLimits.max_luminance
    min_sharpness: float = QualityLimits.min_sharpness
    mouth_on: float = SideRule.mouth_on
    mouth_off: float = SideRule.mouth_off
    supported_on: float = SideRule.supported_on
    eye_on: float = SideRule.eye_on
    movement_on: float = SideRule.movement_on
    conflict_below: float = SideRule.conflict_below

    @property
    def limits(self) -> QualityLimits:
        """The quality gate's part."""
        return QualityLimits(
            self.min_interocular_px, self.max_yaw_deg, self.max_pitch_deg, self.max_roll_deg,
            self.min_luminance, self.max_luminance, self.min_sharpness)

    @property
    def rule(self) -> SideRule:
        """The side decision's part."""
        return SideRule(self.mouth_on, self.mouth_off, self.supported_on, self.eye_on,
                        self.movement_on, self.conflict_below)


@dataclass(frozen=True)
class View:
    """What perception saw of the patient in one frame; NaN and None without a face.

    face: landmarks in the picture after input_mirrored has been undone.
    points: float64 (478, 3), canonical mm in the head-fixed frame, one opinion only.
    yaw_deg, pitch_deg, roll_deg: head pose; see frame.NormalisedFace.
    box_px: (left, top, width, height) of the face in the picture AS RECEIVED.
    reasons: why the frame cannot be assessed; empty when it can.
    limits: what limits trust though the frame can be assessed (blink, several_faces).
    """

    face: FaceLandmarks | None = None
    points: NDArray[np.float64] | None = None
    yaw_deg: float = math.nan
    pitch_deg: float = math.nan
    roll_deg: float = math.nan
    interocular_px: float = math.nan
    millimetre_per_pixel: float = math.nan
    luminance: float = math.nan
    sharpness: float = math.nan
    box_px: tuple[int, int, int, int] = (0, 0, 0, 0)
    reasons: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assessment:
    """Everything that one frame led to.

    stamp_s: the frame's stamp, seconds.
    metrics: by name, in metrics.UNITS; z: the same in healthy standard
        deviations. Empty without a face.
    timings_ms: wall time of the stages mesh, crop, classify, assess, milliseconds.
    """

    stamp_s: float
    side: SideDecision
    severity: SeverityEstimate
    view: View
    metrics: Mapping[str, float] = field(default_factory=dict)
    z: Mapping[str, float] = field(default_factory=dict)
    exercise_results: tuple[ExerciseResult, ...] = ()
    personal: PersonalFindings = field(default_factory=PersonalFindings)
    timings_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Opinion:
    """One mesh pass, measured.

    lid_gaps: right, left; mouth_width; all in canonical mm.
    """

    stamp_s: float
    normalised: NormalisedFace
    metrics: Mapping[str, float]
    lid_gaps: tuple[float, float]
    mouth_width: float

    @staticmethod
    def of(seen: FaceLandmarks, stamp_s: float) -> _Opinion:
        normalised = frame.normalise(seen)
        points = normalised.points
        return _Opinion(stamp_s, normalised, metrics.measure_all(points),
                        metrics.lid_gaps(points), metrics.mouth_width(points))


class Pipeline:
    """Carries one camera's patient from pixels to an Assessment, frame by frame."""

    def __init__(self, settings: PipelineSettings, *, video: bool,
                 norms_path: Path | None = None, model_path: Path | None = None) -> None:
        """Load norms, meshes and classifier.

        Args:
            settings: may be replaced later through the attribute of the same
                name; classifier_threads and use_classifier only take effect here.
            video: True for the frames of one camera in order, False for
                unrelated pictures.
            norms_path, model_path: default to the files shipped with the package.

        Raises:
            NormsError, ModelError: one line saying what is wrong with the file.
        """
        self.settings = settings
        self._video = video
        self._norms = load_norms(norms_path or resources.config_path('norms.yaml'))
        self.classifier = SideClassifier(
            model_path or resources.model_path('side_classifier.tflite'),
            threads=settings.classifier_threads) if settings.use_classifier else None
        self._finder = VideoFaceTracker() if video else StillFaceFinder()
        self._looks = _PairedLooks()
        self._blinks = quality.BlinkDetector()
        least_frames = 3 if video else 1
        self._filter = SideFilter(settings.window_s, settings.stable_after_s, least_frames)
        self._opinions: dict[bool, _Opinion] = {}
        self._exercises = ExerciseTracker()
        self._movement_asymmetry = math.nan
        self._rest_scores = (math.nan, math.nan)
        self._trend = TrendMonitor(MINIMAL_DETECTABLE_CHANGE['symmetry_index'])
        self._trend_basis = Basis.UNKNOWN
        self._personal = PersonalReference(self._norms)

    def assess(self, rgb: NDArray[np.uint8], stamp_s: float) -> Assessment:
        """Assess one frame.

        Args:
            rgb: uint8 (H, W, 3).
            stamp_s: the frame's own stamp in seconds. On video it must not go
                back; call reset() when the clock does.
        """
        if not self._video:
            self.reset()
        timings: dict[str, float] = {}
        if self.settings.input_mirrored:
            rgb = np.ascontiguousarray(rgb[:, ::-1])

        with _Stopwatch(timings, 'mesh'):
            sighting = self._finder.look(rgb, stamp_s)
        if not sighting.opinions:
            return self.lost(stamp_s, 'no_face')
        if not sighting.same_face and self._opinions:
            # Nobody to forget before the first face: a cue given by then must stand.
            self._forget_person()
        face = sighting.face

        with _Stopwatch(timings, 'crop'):
            face_crop = crop.aligned_crop(rgb, face)
        with _Stopwatch(timings, 'assess'):
            try:
                measured, view = self._measure(sighting, face, face_crop, stamp_s)
            except frame.DegenerateFaceError:
                return self.lost(stamp_s, 'degenerate_face')
            z = self._norms.z(measured.metrics, measured.context)
        classifier_score = self._classify(stamp_s, view, face_crop, timings)
        with _Stopwatch(timings, 'conclude'):
            reported = metrics.gain_corrected(measured.metrics) if self.settings.gain_correction \
                else measured.metrics
            assessment = self._conclude(stamp_s, view, measured, z, classifier_score)
        timings['assess'] += timings.pop('conclude')
        return replace(assessment, metrics=reported, timings_ms=timings)

    def lost(self, stamp_s: float, reason: str) -> Assessment:
        """The assessment of a moment without a usable face: UNKNOWN with that reason.

        Args:
            stamp_s: the moment, on the frames' clock.
            reason: a reason code.
        """
        return self._unassessable(stamp_s, View(reasons=(reason,)), {}, {})

    def cue(self, exercise: str, start: bool, stamp_s: float, hold_s: float = 0.0
            ) -> tuple[str, ...]:
        """Take the exercise controller's cue; see ExerciseTracker.cue for what is answered."""
        return self._exercises.cue(exercise, start, stamp_s, hold_s)

    def use_baseline(self, baseline: PersonalBaseline | None) -> None:
        """Compare with this patient's own face too; None: no longer."""
        self._personal.use(baseline)

    def enrol_baseline(self) -> None:
        """Start gathering this patient's own face as reference; Assessment.personal tells of it."""
        self._personal.enrol()

    def finish(self) -> tuple[ExerciseResult, ...]:
        """The recording has ended: the results of the exercises still under way."""
        return self._exercises.finish()

    @property
    def severity_so_far(self) -> SeverityEstimate:
        """What rest and the concluded exercises come to, without a trend."""
        return severity.dynamic_severity(self._exercises.results, *self._rest_scores)

    def reset(self) -> None:
        """Forget the patient: a new one, or a clock that went back."""
        self._finder.reset()
        self._forget_person()

    def _forget_person(self) -> None:
        self._looks.reset()
        self._filter.reset()
        self._blinks.reset()
        self._opinions.clear()
        self._exercises.reset()
        self._movement_asymmetry = math.nan
        self._rest_scores = (math.nan, math.nan)
        self._trend.reset()
        self._personal.reset()

    def close(self) -> None:
        """Release meshes and classifier."""
        self._finder.close()

    def _measure(self, sighting: Sighting, face: FaceLandmarks, face_crop: NDArray[np.uint8],
                 stamp_s: float) -> tuple[_Measured, View]:
        for through_mirror, seen in ((False, sighting.direct), (True, sighting.through_mirror)):
            if seen is not None:
                self._opinions[through_mirror] = _Opinion.of(seen, stamp_s)
        measured = _average(
            [opinion for opinion in self._opinions.values()
             if stamp_s - opinion.stamp_s <= VideoFaceTracker.TURN_LASTS_S])

        judged = quality.judge(face, measured.face, face_crop, self.settings.limits)
        right_gap, left_gap = measured.lid_gaps
        reasons: tuple[str, ...] = judged.reasons
        limits: tuple[str, ...] = ()
        if self._blinks.add(right_gap, left_gap):
            limits += ('blink',)
        if sighting.rival >= AMBIGUOUS_RIVAL:
            reasons += ('several_faces',)
        elif sighting.rival > 0.0:
            limits += ('several_faces',)
        return measured, View(
            face=face, points=measured.face.points, yaw_deg=measured.face.yaw_deg,
            pitch_deg=measured.face.pitch_deg, roll_deg=measured.face.roll_deg,
            interocular_px=measured.face.interocular_px,
            millimetre_per_pixel=measured.face.millimetre_per_pixel,
            luminance=judged.luminance, sharpness=judged.sharpness,
            box_px=_box(face, self.settings.input_mirrored), reasons=reasons, limits=limits)

    def _classify(self, stamp_s: float, view: View, face_crop: NDArray[np.uint8],
                  timings: dict[str, float]) -> float:
        if self.classifier is None or view.reasons:
            return math.nan
        if self._video and not self._looks.due(stamp_s, self._classifier_rest_s):
            return math.nan
        with _Stopwatch(timings, 'classify'):
            return self.classifier.score(face_crop).score

    @property
    def _classifier_rest_s(self) -> float:
        # At least two pairs of looks in every window, else its vote would come and go.
        return min(2.0 / self.settings.classifier_rate_hz, self.settings.window_s / 2)

    def _conclude(self, stamp_s: float, view: View, measured: _Measured,
                  z: Mapping[str, float], classifier_score: float) -> Assessment:
        if view.reasons:
            return self._unassessable(stamp_s, view, measured.metrics, z)
        finished = self._follow_exercise(stamp_s, view.points)
        eye = math.nan if 'blink' in view.limits else side.eye_score(z)
        evidence = Evidence(side.mouth_score(z), eye, classifier_score,
                            self._movement_asymmetry)
        decision = self._filter.add(stamp_s, evidence, self.settings.rule)
        at_rest = self._exercises.at_rest
        if at_rest:
            self._rest_scores = (decision.landmark_score, decision.eye_score)
        personal = self._personal.add(
            stamp_s, measured.metrics, measured.context, at_rest=at_rest, results=finished,
            steady_mouth_score=decision.landmark_score)
        decision = replace(decision, reasons=decision.reasons + view.limits + personal.codes)
        estimate = self._with_trend(stamp_s, self.severity_so_far)
        return Assessment(stamp_s, decision, estimate, view, measured.metrics, z, finished,
                          personal)

    def _follow_exercise(self, stamp_s: float, points: NDArray[np.float64] | None
                         ) -> tuple[ExerciseResult, ...]:
        finished = self._exercises.add(stamp_s, points)
        if finished:  # repetitions are many; pooling them anew for every frame would cost
            self._movement_asymmetry = severity.movement_asymmetry(self._exercises.results)
        return finished

    def _with_trend(self, stamp_s: float, estimate: SeverityEstimate) -> SeverityEstimate:
        if estimate.basis is not self._trend_basis:
            # An index from movement and one from rest are not points of one course.
            self._trend.reset()
            self._trend_basis = estimate.basis
        found = self._trend.add(stamp_s, estimate.symmetry_index)
        return replace(estimate, trend=found.trend, trend_per_minute=60.0 * found.slope)

    def _unassessable(self, stamp_s: float, view: View, measured: Mapping[str, float],
                      z: Mapping[str, float]) -> Assessment:
        finished = self._follow_exercise(stamp_s, None)
        evidence = Evidence(side.mouth_score(z), side.eye_score(z)) if z else None
        return Assessment(stamp_s, self._filter.miss(stamp_s, view.reasons, evidence),
                          severity.unknown_severity(view.reasons), view, measured, z, finished,
                          self._personal.miss(stamp_s, view.reasons))


def load_norms(path: Path) -> Norms:
    """Read a norms file.

    Raises:
        NormsError: the file is missing or is not a norms file.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise NormsError(f'norms: cannot read {path} ({error.strerror}); '
                         'run "make norms" or set norms_path') from error
    except yaml.YAMLError as error:
        raise NormsError(f'norms: {path} is not YAML; rebuild it with "make norms"') from error
    return Norms.from_mapping(content)


@dataclass(frozen=True)
class _Measured:
    """The mean of the opinions there are.

    face: mean pose and scale of all of them; its points are of the newest frame only.
    """

    face: NormalisedFace
    metrics: Mapping[str, float]
    lid_gaps: tuple[float, float]
    context: Context


def _average(opinions: list[_Opinion]) -> _Measured:
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
    return _Measured(
        face=face,
        metrics={name: _mean([opinion.metrics[name] for opinion in opinions])
                 for name in opinions[0].metrics},
        lid_gaps=(_mean([gap[0] for gap in gaps]), _mean([gap[1] for gap in gaps])),
        context=Context(face.yaw_deg, face.roll_deg, width, face.interocular_px))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _box(face: FaceLandmarks, mirrored: bool) -> tuple[int, int, int, int]:
    pixels = face.pixels()
    left, top = np.floor(pixels.min(axis=0)).astype(int)
    right, bottom = np.ceil(pixels.max(axis=0)).astype(int)
    left, right = max(left, 0), min(right, face.width)
    top, bottom = max(top, 0), min(bottom, face.height)
    if mirrored:
        left, right = face.width - right, face.width - left
    return int(left), int(top), int(max(right - left, 0)), int(max(bottom - top, 0))


class _PairedLooks:
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


class _Stopwatch:
    """Writes the wall time of a with-block into a dict, milliseconds."""

    def __init__(self, timings: dict[str, float], stage: str) -> None:
        self._timings, self._stage = timings, stage

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._timings[self._stage] = (time.perf_counter() - self._start) * 1e3
