"""The way of one frame, from pixels to an Assessment, top to bottom.

It never talks to ROS, never opens a file after construction and never keeps a
picture. Left and right are the PATIENT's; a camera that mirrors or
hangs askew is put right at the door and nowhere else. Use one Pipeline from one thread.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from stroke_side_monitor import resources
from stroke_side_monitor.assessment import metrics
from stroke_side_monitor.assessment.baseline import PersonalBaseline
from stroke_side_monitor.assessment.exercise import ExerciseResult
from stroke_side_monitor.assessment.norms import Norms, NormsError
from stroke_side_monitor.assessment.severity import SeverityEstimate
from stroke_side_monitor.perception import crop, frame, quality
from stroke_side_monitor.perception.face_mesh import FaceLandmarks
from stroke_side_monitor.perception.face_tracker import (
    Sighting,
    StillFaceFinder,
    VideoFaceTracker,
)
from stroke_side_monitor.perception.hidden_eye import HiddenEye
from stroke_side_monitor.perception.hidden_mouth import HiddenMouth
from stroke_side_monitor.perception.orientation import Orientation
from stroke_side_monitor.perception.patient_choice import Wish
from stroke_side_monitor.perception.side_classifier import SideClassifier
from stroke_side_monitor.pipeline import door
from stroke_side_monitor.pipeline.opinions import Measured, Opinions
from stroke_side_monitor.pipeline.person import Person
from stroke_side_monitor.pipeline.result import Assessment, View
from stroke_side_monitor.pipeline.rhythm import EvenFrames, PairedLooks
from stroke_side_monitor.pipeline.settings import PipelineSettings

# Why a session began; ros/frames.py has reasons of its own.
STARTED = 'started'
RESET = 'reset'
ANOTHER_FACE = 'another_face'
CLOCK_WENT_BACK = 'clock_went_back'
# Why nothing is known where there is no picture to assess.
NO_IMAGE = 'no_image'
UNDECODABLE = 'undecodable_image'
# A region that says who the patient is holds for this long: people move.
REGION_LASTS_S = 2.0


class Pipeline:
    """Carries one camera's patient from pixels to an Assessment, frame by frame."""

    def __init__(self, settings: PipelineSettings, *, video: bool,
                 norms_path: Path | None = None, model_path: Path | None = None,
                 session_numbers: Iterator[int] | None = None,
                 clock: Callable[[], float] = time.perf_counter) -> None:
        """Load norms, meshes and classifier.

        Args:
            settings: may be replaced later through the attribute of the same
                name; classifier_threads and use_classifier only take effect here.
            video: True for the frames of one camera in order, False for
                unrelated pictures.
            norms_path, model_path: default to the files shipped with the package.
            session_numbers: gives the number of each session; default 1, 2, 3 ...
            clock: what Assessment.timings_ms is taken by, seconds; wall time by default.

        Raises:
            NormsError, ModelError: one line saying what is wrong with the file.
        """
        self.settings = settings
        self._video, self._clock = video, clock
        self._session_numbers = session_numbers or itertools.count(1)
        self._begin_session(STARTED)
        self._norms = load_norms(norms_path or resources.config_path('norms.yaml'))
        self.classifier = SideClassifier(
            model_path or resources.model_path('side_classifier.tflite'),
            threads=settings.classifier_threads) if settings.use_classifier else None
        self._finder = VideoFaceTracker() if video else StillFaceFinder()
        self._orientation = Orientation()
        self._hidden_mouth = HiddenMouth(resources.model_path('hidden_mouth.tflite'))
        self._hidden_eye = HiddenEye()
        self._opinions = Opinions()
        self._looks = PairedLooks()
        self._frames = EvenFrames()
        self._faceless_since_s = math.nan
        self._parting: Assessment | None = None
        self._pointed: tuple[door.Box, float] | None = None
        self._person = Person(self._norms, window_s=settings.window_s,
                              stable_after_s=settings.stable_after_s,
                              least_frames=3 if video else 1)

    def due(self, stamp_s: float) -> bool:
        """Whether this frame of a video is worth assessing; asked once per frame, in order.

        Movements are followed in every frame: when a side begins to move is told by milliseconds.
        A window of rest knows no more from thirty frames than from fifteen, and an empty picture
        is nothing to hurry for.

        Args:
            stamp_s: the frame's own stamp in seconds; one that does not advance is due.
        """
        if self._person.moving:
            rate_hz = math.inf
        elif stamp_s - self._faceless_since_s > _SEARCHED_HARD_S:
            rate_hz = min(self.settings.search_rate_hz, self.settings.assess_rate_hz)
        else:
            rate_hz = self.settings.assess_rate_hz
        return self._frames.due(stamp_s, rate_hz)

    def assess(self, rgb: NDArray[np.uint8], stamp_s: float) -> Assessment:
        """Assess one frame.

        Args:
            rgb: uint8 (H, W, 3).
            stamp_s: the frame's own stamp in seconds. On video it must not go
                back; call reset() when the clock does.
        """
        wish = self._wish(rgb.shape[1], rgb.shape[0], stamp_s)
        if not self._video:
            self.reset()
        timings: dict[str, float] = {}
        rgb = door.put_right(rgb, self.settings)

        with _Stopwatch(self._clock, timings, 'mesh'):
            sighting = self._finder.look(rgb, stamp_s, wish)
        if not sighting.opinions:
            if math.isnan(self._faceless_since_s):
                self._faceless_since_s = stamp_s
            return self.lost(stamp_s, 'no_face')
        self._faceless_since_s = math.nan
        if not sighting.same_face and self._opinions:
            # Nobody to forget before the first face: a cue given by then must stand.
            self._parting = self._part(stamp_s)
            self._forget_person(ANOTHER_FACE)

        with _Stopwatch(self._clock, timings, 'crop'):
            face_crop = crop.aligned_crop(rgb, sighting.face)
        with _Stopwatch(self._clock, timings, 'assess'):
            try:
                measured = self._opinions.measure(sighting, stamp_s)
            except frame.DegenerateFaceError:
                return self.lost(stamp_s, 'degenerate_face')
            view = self._view(rgb, sighting, measured, face_crop, stamp_s)
            z = self._norms.z(measured.metrics, measured.context)
        classifier_score = self._classify(stamp_s, view, face_crop, timings)
        with _Stopwatch(self._clock, timings, 'conclude'):
            if _INVENTED.intersection(view.reasons):
                assessment = self._person.miss(stamp_s, view, {}, {})
            elif view.reasons:
                assessment = self._person.miss(stamp_s, view, measured.metrics, z)
            else:
                assessment = self._person.conclude(
                    stamp_s, view, measured, z, classifier_score, self.settings.rule)
            reported = metrics.gain_corrected(assessment.metrics) \
                if self.settings.gain_correction else assessment.metrics
        timings['assess'] += timings.pop('conclude')
        return replace(self._of_session(assessment), metrics=reported, timings_ms=timings)

    def lost(self, stamp_s: float, reason: str) -> Assessment:
        """The assessment of a moment without a usable face: UNKNOWN with that reason.

        Args:
            stamp_s: the moment, on the frames' clock.
            reason: a reason code.
        """
        return self._of_session(self._person.miss(stamp_s, View(reasons=(reason,)), {}, {}))

    def point_at(self, region: door.Box | None) -> None:
        """The patient's head is there, says somebody who knows; for REGION_LASTS_S of frames.

        Of unrelated pictures it is said of the next one. A reset for another patient takes it back.

        Args:
            region: left, top, width, height in the picture as received, pixels; None: nobody
                says so any more.
        """
        self._pointed = None if region is None else (region, math.nan)

    def _wish(self, width: int, height: int, stamp_s: float) -> Wish:
        """Who is the patient, for a picture of that size as received."""
        if self._pointed is None:
            return Wish(self.settings.patient)
        region, since_s = self._pointed
        if math.isnan(since_s):  # the frames' clock begins to count
            since_s = stamp_s
        if not 0.0 <= stamp_s - since_s <= REGION_LASTS_S:
            self._pointed = None  # for good, whatever the clock does
            return Wish(self.settings.patient)
        self._pointed = (region, since_s)
        return Wish(self.settings.patient, door.as_looked_at(region, width, height, self.settings))

    def cue(self, exercise: str, start: bool, stamp_s: float, hold_s: float = 0.0
            ) -> tuple[str, ...]:
        """Take the exercise controller's cue; see ExerciseTracker.cue for what is answered."""
        return self._person.cue(exercise, start, stamp_s, hold_s)

    def use_baseline(self, baseline: PersonalBaseline | None) -> None:
        """Compare with this patient's own face too; None: no longer."""
        self._person.use_baseline(baseline)

    def enrol_baseline(self) -> None:
        """Start gathering this patient's own face as reference; Assessment.personal tells of it."""
        self._person.enrol_baseline()

    def finish(self) -> tuple[ExerciseResult, ...]:
        """The recording has ended: the results of the exercises still under way."""
        return self._person.finish()

    @property
    def severity_so_far(self) -> SeverityEstimate:
        """What rest and the concluded exercises come to beside the last side, without a trend."""
        return self._person.severity_so_far

    def reset(self, reason: str = RESET) -> None:
        """Forget the patient, and say why: a new one, or a clock that went back."""
        self._finder.reset()
        self._frames.reset()
        self._faceless_since_s = math.nan
        if reason == RESET:
            self._pointed = None  # it was of the patient before
        elif self._pointed is not None:  # the clock may be another
            self._pointed = (self._pointed[0], math.nan)
        self._forget_person(reason)

    def resume(self) -> None:
        """Frames come again after a pause, of the same patient: only reset() forgets.

        The face may have moved; wherever it comes up next, it is taken for the one before.
        """
        self._finder.resume()
        self._frames.reset()

    def _begin_session(self, reason: str) -> None:
        self.session, self.session_reason = next(self._session_numbers), reason

    def _of_session(self, assessment: Assessment) -> Assessment:
        parting, self._parting = self._parting, None
        return replace(assessment, session=self.session, session_reason=self.session_reason,
                       parting=parting)

    def _part(self, stamp_s: float) -> Assessment | None:
        """What the exercises under way come to, as whoever does them has gone; None: there are
        none."""
        results, severity = self._person.finish(), self._person.severity_so_far
        if not results:
            return None
        return replace(self.lost(stamp_s, ANOTHER_FACE), exercise_results=results,
                       severity=severity)

    def _forget_person(self, reason: str) -> None:
        self._begin_session(reason)
        # Not left to the next look: a frame that is refused anyway is not looked at.
        self._orientation.reset()
        self._hidden_mouth.reset()
        self._hidden_eye.reset()
        self._looks.reset()
        self._opinions.forget()
        self._person.forget()

    def close(self) -> None:
        """Release meshes and classifier."""
        self._finder.close()

    def _view(self, rgb: NDArray[np.uint8], sighting: Sighting, measured: Measured,
              face_crop: NDArray[np.uint8], stamp_s: float) -> View:
        judged = quality.judge(sighting.face, measured.face, face_crop, self.settings.limits)
        reasons: tuple[str, ...] = judged.reasons
        if self._orientation.is_upside_down(rgb, sighting, stamp_s):
            reasons = ('upside_down', *reasons)
        # A face that is refused anyway is not looked at: too small or too dark, it tells nothing.
        if not reasons and self._hidden_mouth.is_hidden(face_crop, sighting, stamp_s):
            reasons = ('mouth_hidden',)
        limits: tuple[str, ...] = ()
        if self._person.blinks(measured):
            limits += ('blink',)
        elif not quality.lids_tell(measured.face.interocular_px, measured.lid_gaps):
            limits += ('lids_unclear',)
        if not reasons and self._hidden_eye.is_hidden(face_crop, sighting, stamp_s):
            limits += ('eye_hidden',)
        if sighting.ambiguous:
            reasons += ('several_faces',)
        elif sighting.rival > 0.0:
            limits += ('several_faces',)
        limits += quality.pose_limits(measured.face)
        return View(
            face=sighting.face, points=measured.face.points, yaw_deg=measured.face.yaw_deg,
            pitch_deg=measured.face.pitch_deg, roll_deg=measured.face.roll_deg,
            interocular_px=measured.face.interocular_px,
            millimetre_per_pixel=measured.face.millimetre_per_pixel,
            mouth_width_mm=measured.context.mouth_width_mm,
            luminance=judged.luminance, sharpness=judged.sharpness,
            box_px=door.as_received(_box(sighting.face), sighting.face.width,
                                    sighting.face.height, self.settings), reasons=reasons,
            limits=limits)

    def _classify(self, stamp_s: float, view: View, face_crop: NDArray[np.uint8],
                  timings: dict[str, float]) -> float:
        if self.classifier is None or view.reasons:
            return math.nan
        if self._video and not self._looks.due(stamp_s, self._classifier_rest_s):
            return math.nan
        with _Stopwatch(self._clock, timings, 'classify'):
            return self.classifier.score(face_crop).score

    @property
    def _classifier_rest_s(self) -> float:
        # At least two pairs of looks in every window, else its vote would come and go.
        return min(2.0 / self.settings.classifier_rate_hz, self.settings.window_s / 2)


# A face that turned away comes back at once; after this long nobody is there.
_SEARCHED_HARD_S = 1.0

# With these the mesh has drawn what is not seen: its figures are nobody's, and what was gathered
# before is not carried over.
_INVENTED = frozenset({'upside_down', 'mouth_hidden'})


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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NormsError(f'norms: {path} is not YAML; rebuild it with "make norms"') from error
    return Norms.from_mapping(content)


def _box(face: FaceLandmarks) -> door.Box:
    left, top, right, bottom = face.bounds_px
    first, last = max(math.floor(left), 0), min(math.ceil(right), face.width)
    upper, lower = max(math.floor(top), 0), min(math.ceil(bottom), face.height)
    return first, upper, max(last - first, 0), max(lower - upper, 0)


class _Stopwatch:
    """Writes the time of a with-block into a dict, milliseconds."""

    def __init__(self, clock: Callable[[], float], timings: dict[str, float], stage: str) -> None:
        self._clock, self._timings, self._stage = clock, timings, stage

    def __enter__(self) -> None:
        self._start = self._clock()

    def __exit__(self, *_: object) -> None:
        self._timings[self._stage] = (self._clock() - self._start) * 1e3
