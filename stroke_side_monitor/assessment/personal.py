"""One patient against their own face: enrolment, departure from the baseline, new asymmetry.

It never changes the side: a patient whose palsy was there at enrolment still has
a weak side, though nothing departs from the baseline. It never stores anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stroke_side_monitor.assessment.baseline import (
    BaselineEnrolment,
    Departure,
    EnrolmentProgress,
    PersonalBaseline,
    departure,
)
from stroke_side_monitor.assessment.exercise import ExerciseResult
from stroke_side_monitor.assessment.norms import Context, Norms
from stroke_side_monitor.assessment.side import mouth_score
from stroke_side_monitor.assessment.trend import NewAsymmetry, NewAsymmetryWatch

DEPARTURE_CODES: Mapping[Departure, tuple[str, ...]] = {
    Departure.NONE: (), Departure.CAUTION: ('baseline_caution',),
    Departure.ALARM: ('baseline_alarm',)}
NEW_ASYMMETRY = 'new_asymmetry'


@dataclass(frozen=True)
class PersonalFindings:
    """What one frame says about change.

    codes: for the published reasons; empty when nothing has changed.
    new_asymmetry: set on the frame that establishes it.
    enrolment: how far an enrolment under way has come; None when none is.
    """

    codes: tuple[str, ...] = ()
    new_asymmetry: NewAsymmetry | None = None
    enrolment: EnrolmentProgress | None = None


class PersonalReference:
    """Keeps one patient's baseline and watches for change against it."""

    def __init__(self, norms: Norms) -> None:
        self._norms = norms
        self.baseline: PersonalBaseline | None = None
        self._enrolment: BaselineEnrolment | None = None
        self._watch = NewAsymmetryWatch()

    def use(self, baseline: PersonalBaseline | None) -> None:
        """Compare with this baseline from now on; None: with the first half minute."""
        self.baseline = baseline
        # What is watched is M beyond the baseline's: nothing, on the face that was enrolled.
        self._watch = NewAsymmetryWatch() if baseline is None else NewAsymmetryWatch(0.0)

    def enrol(self) -> None:
        """Start gathering a new baseline; the old one holds until it is complete."""
        self._enrolment = BaselineEnrolment()

    def reset(self) -> None:
        """The face may be another person's: an enrolment under way is given up."""
        self._enrolment = None
        self._watch.reset()

    def add(self, stamp_s: float, measured: Mapping[str, float], context: Context, *,
            steady_mouth_score: float, at_rest: bool, results: Sequence[ExerciseResult]
            ) -> PersonalFindings:
        """Take one assessed frame.

        Args:
            stamp_s: the frame's stamp, seconds.
            measured: metrics by name, in their units, not gain-corrected.
            context: how the face was seen.
            steady_mouth_score: M as published, the median over the window.
            at_rest: no exercise is under way.
            results: repetitions that ended with this frame.
        """
        # As compared: what the pose shows is taken off both.
        level = None if self._enrolment is None else self._norms.level(measured, context)
        progress = self._gather(stamp_s, level, at_rest, results)
        shift = 0.0 if self.baseline is None else self._baseline_score(context)
        change = steady_mouth_score - shift if at_rest else math.nan
        codes = () if self.baseline is None else DEPARTURE_CODES[departure(change)]
        event = self._watch.add(stamp_s, change)
        if event is not None:
            codes = (*codes, NEW_ASYMMETRY)
        return PersonalFindings(codes, event, progress)

    def miss(self, stamp_s: float, reasons: Sequence[str],
             results: Sequence[ExerciseResult] = ()) -> PersonalFindings:
        """Take a frame that could not be assessed; a repetition may end with it all the same."""
        progress = self._gather(stamp_s, None, False, results, reasons)
        return PersonalFindings((), self._watch.add(stamp_s, math.nan), progress)

    def _gather(self, stamp_s: float, measured: Mapping[str, float] | None, at_rest: bool,
                results: Sequence[ExerciseResult], reasons: Sequence[str] = ()
                ) -> EnrolmentProgress | None:
        if self._enrolment is None:
            return None
        for result in results:
            self._enrolment.add_result(result)
        progress = self._enrolment.add(stamp_s, measured, at_rest=at_rest, reasons=reasons)
        if progress.baseline is not None:
            self.use(progress.baseline)
            self._enrolment = None
        return progress

    def _baseline_score(self, context: Context) -> float:
        """M of the enrolled face as it would score in this context."""
        assert self.baseline is not None
        own = self.baseline.metrics
        return mouth_score({name: own.get(name, 0.0) / norm.sd(context)
                            for name, norm in self._norms.metrics.items()})
