"""A person's own face as the reference: gathered at rest, compared with ever after.

It never stores anything and never sees an image; see baseline_store for the file.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from statistics import median
from typing import Any

import numpy as np

from stroke_side_monitor.assessment.course import LARGEST_STEP_S
from stroke_side_monitor.assessment.exercise import ExerciseResult

SCHEMA = 1
REST_NEEDED_S = 60.0
REPEATS_NEEDED = 3
# An exercise is waited for this long after its last usable repetition, or after it was begun.
REPEATS_WAITED_S = 180.0
_BLOCK_S = 10.0


class BaselineError(ValueError):
    """A baseline cannot be used; the text says why and how to mend it."""


class Departure(Enum):
    """How far a metric is from the person's own baseline (spec metrics 9)."""

    NONE = 'none'
    CAUTION = 'caution'
    ALARM = 'alarm'


def departure(z_personal: float, *, caution: float = 2.0, alarm: float = 3.0) -> Departure:
    """Words for abs(z) against the own baseline; NONE for NaN, which is no finding."""
    if not abs(z_personal) > caution:
        return Departure.NONE
    return Departure.ALARM if abs(z_personal) > alarm else Departure.CAUTION


@dataclass(frozen=True)
class PersonalBaseline:
    """What one person's face shows at rest and how well each side moves.

    metrics: median at rest by metric name, in the metric's unit, without what the pose shows
        (Norms.level); positive: left weaker.
    repeat_sd: standard deviation of the medians of ten-second blocks, the
        measurement's repeatability on this person; same keys.
    ratios: r of each valid repetition by exercise, oldest first; only of exercises with
        REPEATS_NEEDED of them, may be empty.
    rest_s: seconds of valid rest that went in.
    enrolled_stamp_s: stamp of the last frame that went in.
    """

    metrics: Mapping[str, float]
    repeat_sd: Mapping[str, float]
    ratios: Mapping[str, tuple[float, ...]]
    rest_s: float
    enrolled_stamp_s: float

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for a JSON file; from_mapping reads them back exactly."""
        return {
            'schema': SCHEMA, 'metrics': dict(self.metrics), 'repeat_sd': dict(self.repeat_sd),
            'ratios': {name: list(values) for name, values in self.ratios.items()},
            'rest_s': self.rest_s, 'enrolled_stamp_s': self.enrolled_stamp_s}

    @classmethod
    def from_mapping(cls, content: Any) -> PersonalBaseline:
        """Read what to_mapping wrote.

        Raises:
            BaselineError: another schema, or a figure is missing or not finite.
        """
        if not isinstance(content, Mapping) or content.get('schema') != SCHEMA:
            raise BaselineError(f'schema {SCHEMA} expected; enrol the baseline again')
        try:
            baseline = cls(
                {str(name): float(value) for name, value in content['metrics'].items()},
                {str(name): float(value) for name, value in content['repeat_sd'].items()},
                {str(name): tuple(float(value) for value in values)
                 for name, values in content['ratios'].items()},
                float(content['rest_s']), float(content['enrolled_stamp_s']))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BaselineError(f'unreadable entry ({error!r}); enrol the baseline again') \
                from error
        figures = [*baseline.metrics.values(), *baseline.repeat_sd.values()]
        if not baseline.metrics or baseline.metrics.keys() != baseline.repeat_sd.keys() \
                or not all(map(math.isfinite, figures)):
            raise BaselineError('a figure is missing or not finite; enrol the baseline again')
        return baseline


@dataclass(frozen=True)
class EnrolmentProgress:
    """How far an enrolment has come.

    rest_s: valid seconds of rest so far, of REST_NEEDED_S.
    baseline: set once when enough has been gathered.
    reasons: why the last frame did not count; empty when it did.
    """

    rest_s: float
    baseline: PersonalBaseline | None = None
    reasons: tuple[str, ...] = ()


@dataclass
class BaselineEnrolment:
    """Gathers a baseline frame by frame. The patient rests; exercises on cue are welcome too."""

    _frames: list[tuple[float, Mapping[str, float]]] = field(default_factory=list)
    _ratios: dict[str, list[float]] = field(default_factory=dict)
    _waiting_since_s: dict[str, float] = field(default_factory=dict)
    _rest_s: float = 0.0
    _done: bool = False

    def add(self, stamp_s: float, metrics: Mapping[str, float] | None, *, at_rest: bool,
            reasons: Sequence[str] = ()) -> EnrolmentProgress:
        """Take one frame.

        Args:
            stamp_s: the frame's stamp, increasing.
            metrics: by name, in their units; None when the frame could not be assessed.
            at_rest: no exercise is under way.
            reasons: why the frame could not be assessed.
        """
        if metrics is None or not at_rest:
            return EnrolmentProgress(
                self._rest_s, reasons=tuple(reasons) or ('exercising',))
        if self._rest_s < REST_NEEDED_S:
            self._gather(stamp_s, metrics)
        lacking = self._lacks_repeats(stamp_s)
        if self._rest_s < REST_NEEDED_S or self._done or lacking:
            return EnrolmentProgress(self._rest_s, reasons=lacking)
        self._done = True
        return EnrolmentProgress(self._rest_s, self._baseline())

    def _gather(self, stamp_s: float, metrics: Mapping[str, float]) -> None:
        if self._frames:
            self._rest_s += min(max(stamp_s - self._frames[-1][0], 0.0), LARGEST_STEP_S)
        self._frames.append((stamp_s, metrics))

    def add_result(self, result: ExerciseResult) -> None:
        """Take one repetition; an exercise once begun needs REPEATS_NEEDED valid ones.

        One that has not got them REPEATS_WAITED_S later is left out: who cannot do it, or is not
        asked again, is enrolled all the same.
        """
        ratios = self._ratios.setdefault(result.exercise, [])
        usable = result.valid or result.awaits_repetition
        if usable:
            ratios.append(result.ratio)
        if usable or result.exercise not in self._waiting_since_s:
            self._waiting_since_s[result.exercise] = result.stamp_s

    def _lacks_repeats(self, now_s: float) -> tuple[str, ...]:
        lacking = any(len(ratios) < REPEATS_NEEDED
                      and now_s - self._waiting_since_s[exercise] <= REPEATS_WAITED_S
                      for exercise, ratios in self._ratios.items())
        return ('needs_more_repetitions',) if lacking else ()

    def _baseline(self) -> PersonalBaseline:
        blocks: dict[int, list[Mapping[str, float]]] = defaultdict(list)
        first_s = self._frames[0][0]
        for stamp_s, metrics in self._frames:
            blocks[int((stamp_s - first_s) // _BLOCK_S)].append(metrics)
        names = self._frames[0][1]
        by_block = {name: [median(metrics[name] for metrics in block)
                           for block in blocks.values()] for name in names}
        return PersonalBaseline(
            metrics={name: median(metrics[name] for _, metrics in self._frames)
                     for name in names},
            repeat_sd={name: float(np.std(values, ddof=1)) for name, values in by_block.items()},
            ratios={name: tuple(values) for name, values in self._ratios.items()
                    if len(values) >= REPEATS_NEEDED},
            rest_s=self._rest_s, enrolled_stamp_s=self._frames[-1][0])
