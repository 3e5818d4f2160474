"""What is known of the person in view: evidence gathered, exercises, trend, own baseline.

One frame is added at a time. It never sees pixels and knows nothing of the way they
came; who the person is it never knows, only that it is still the same one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.assessment import severity, side
from stroke_side_monitor.assessment.baseline import PersonalBaseline
from stroke_side_monitor.assessment.exercise import ExerciseResult, ExerciseTracker
from stroke_side_monitor.assessment.norms import Norms
from stroke_side_monitor.assessment.personal import PersonalReference
from stroke_side_monitor.assessment.severity import SeverityEstimate
from stroke_side_monitor.assessment.side import Evidence, SideFilter, SideRule
from stroke_side_monitor.assessment.spontaneous import SpontaneousMovement
from stroke_side_monitor.assessment.terms import Basis, Side
from stroke_side_monitor.assessment.trend import MINIMAL_DETECTABLE_CHANGE, TrendMonitor
from stroke_side_monitor.perception.quality import BlinkDetector
from stroke_side_monitor.pipeline.opinions import Measured
from stroke_side_monitor.pipeline.result import Assessment, View

# Among the reasons while what moves unasked is weighed.
TALKING = 'talking'


class Person:
    """Everything that is forgotten when another person comes into view."""

    def __init__(self, norms: Norms, *, window_s: float, stable_after_s: float,
                 least_frames: int) -> None:
        """Know nothing yet.

        Args:
            norms: of healthy faces.
            window_s, stable_after_s: see SideFilter, seconds.
            least_frames: frames without which no side is named.
        """
        self._blinks = BlinkDetector()
        self._filter = SideFilter(window_s, stable_after_s, least_frames)
        self._exercises = ExerciseTracker()
        self._spontaneous = SpontaneousMovement()
        self._movement_asymmetry = math.nan
        self._rest_scores, self._rest_eye_unclear = (math.nan, math.nan), False
        self._side = Side.UNKNOWN
        self._trend = TrendMonitor(MINIMAL_DETECTABLE_CHANGE['symmetry_index'])
        self._trend_of = (Basis.UNKNOWN, False)
        self._personal = PersonalReference(norms)

    def forget(self) -> None:
        """The next frame shows somebody else."""
        self._blinks.reset()
        self._filter.reset()
        self._exercises.reset()
        self._spontaneous.reset()
        self._movement_asymmetry = math.nan
        self._rest_scores, self._rest_eye_unclear = (math.nan, math.nan), False
        self._side = Side.UNKNOWN
        self._trend.reset()
        self._personal.reset()

    def cue(self, exercise: str, start: bool, stamp_s: float, hold_s: float) -> tuple[str, ...]:
        """Take the exercise controller's cue; see ExerciseTracker.cue."""
        return self._exercises.cue(exercise, start, stamp_s, hold_s)

    def use_baseline(self, baseline: PersonalBaseline | None) -> None:
        """Compare with this patient's own face too; None: no longer."""
        self._personal.use(baseline)

    def enrol_baseline(self) -> None:
        """Start gathering this patient's own face as reference."""
        self._personal.enrol()

    def finish(self) -> tuple[ExerciseResult, ...]:
        """The recording has ended: the results of the exercises still under way."""
        return self._exercises.finish()

    @property
    def severity_so_far(self) -> SeverityEstimate:
        """What rest and the concluded exercises come to beside the last side, without a trend."""
        return severity.beside_side(self._rest_and_exercises, self._side)

    @property
    def _rest_and_exercises(self) -> SeverityEstimate:
        return severity.dynamic_severity(self._exercises.results, *self._rest_scores,
                                         eye_unclear=self._rest_eye_unclear)

    @property
    def moving(self) -> bool:
        """Whether an exercise is on, or has only just ended."""
        return not self._exercises.at_rest

    def blinks(self, measured: Measured) -> bool:
        """Whether the lids are closed beside what they have been."""
        return self._blinks.add(*measured.lid_gaps)

    def conclude(self, stamp_s: float, view: View, measured: Measured, z: Mapping[str, float],
                 classifier_score: float, rule: SideRule) -> Assessment:
        """Add one frame that can be assessed.

        Args:
            stamp_s: the frame's stamp, seconds.
            view, measured, z: what was seen, without reasons against it.
            classifier_score: NaN when the classifier did not look.
            rule: how a side is decided.
        """
        turned = 'turned' in view.limits
        moving = None if turned else view.points
        finished = self._follow_exercise(stamp_s, moving)
        at_rest = self._exercises.at_rest
        unasked = self._spontaneous.add(stamp_s, moving if at_rest else None)
        eye_hidden = 'eye_hidden' in view.limits
        no_lids = eye_hidden or 'blink' in view.limits
        evidence = Evidence(
            side.mouth_score(z),
            math.nan if no_lids else side.eye_score(z),
            math.nan if eye_hidden else classifier_score,
            self._movement_asymmetry,
            lids_tell=math.nan if no_lids else float('lids_unclear' not in view.limits),
            unasked=unasked if at_rest else math.nan,
            eye_hidden=float(eye_hidden),
            pitch_deg=view.pitch_deg)
        decision = self._filter.add(stamp_s, evidence, rule)
        if at_rest:
            self._rest_scores = (decision.landmark_score, decision.eye_score)
            self._rest_eye_unclear = self._filter.lids_unclear
        personal = self._personal.add(
            stamp_s, measured.metrics, measured.context,
            at_rest=at_rest and not eye_hidden and not turned, results=finished,
            steady_mouth_score=decision.landmark_score)
        talking = () if math.isnan(evidence.unasked) else (TALKING,)
        reasons = dict.fromkeys(decision.reasons + view.limits + talking + personal.codes)
        decision = replace(decision, reasons=tuple(reasons))
        self._side = decision.side
        estimate = self._with_trend(stamp_s, self._rest_and_exercises)
        if estimate.basis is Basis.DYNAMIC:
            estimate = severity.beside_side(estimate, decision.side)
        else:
            estimate = severity.of_this_moment(estimate, decision.landmark_score,
                                               decision.eye_score, decision.side,
                                               eye_unclear=self._filter.lids_unclear)
        return Assessment(stamp_s, decision, estimate, view, measured.metrics, z, finished,
                          personal)

    def miss(self, stamp_s: float, view: View, measured: Mapping[str, float],
             z: Mapping[str, float]) -> Assessment:
        """Add one frame that cannot be assessed: UNKNOWN, with the view's reasons.

        Args:
            measured, z: metrics all the same, where there was a face; else empty.
        """
        finished = self._follow_exercise(stamp_s, None)
        self._spontaneous.add(stamp_s, None)
        evidence = Evidence(side.mouth_score(z), side.eye_score(z)) if z else None
        return Assessment(stamp_s, self._filter.miss(stamp_s, view.reasons, evidence),
                          severity.unknown_severity(view.reasons), view, measured, z, finished,
                          self._personal.miss(stamp_s, view.reasons, finished))

    def _follow_exercise(self, stamp_s: float, points: NDArray[np.float64] | None
                         ) -> tuple[ExerciseResult, ...]:
        finished = self._exercises.add(stamp_s, points)
        if finished:  # repetitions are many; pooling them anew for every frame would cost
            self._movement_asymmetry = severity.movement_asymmetry(self._exercises.results)
        return finished

    def _with_trend(self, stamp_s: float, estimate: SeverityEstimate) -> SeverityEstimate:
        without_eye = (severity.EYE_NOT_MEASURED in estimate.reasons
                       and not math.isnan(estimate.symmetry_index))
        if (estimate.basis, without_eye) != self._trend_of:
            # Indices from movement and from rest, with the eye and without, are not of one course.
            self._trend.reset()
            self._trend_of = (estimate.basis, without_eye)
        found = self._trend.add(stamp_s, estimate.symmetry_index)
        return replace(estimate, trend=found.trend, trend_per_minute=60.0 * found.slope)
