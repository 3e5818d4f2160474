"""A recording's frames and cues → assessments, by the rules that the node has for a live camera.

Which frames are late, due or damaged, when a clock has gone back and what a cue without stamp means
is the same here as in ros/frames.py; only the time between frames is the recording's instead of
this machine's. It never reads a file and never writes a record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.assessment.exercise import ExerciseResult
from stroke_side_monitor.assessment.severity import SeverityEstimate
from stroke_side_monitor.offline.inputs import Cue, Frame, Note
from stroke_side_monitor.perception.image import ImageDecodeError
from stroke_side_monitor.pipeline import (
    ANOTHER_FACE,
    CLOCK_WENT_BACK,
    NO_IMAGE,
    UNDECODABLE,
    Assessment,
    Pipeline,
)
from stroke_side_monitor.pipeline.image_clock import ImageClock

# The node's default stale_timeout_s.
_STALE_S = 1.0


@dataclass(frozen=True)
class Assessed:
    """What became of one frame; rgb uint8 (H, W, 3) as received, None of one not decoded."""

    assessment: Assessment
    rgb: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Ended:
    """A recording was over, stood still or went back, or the patient left: what the exercises until
    then came to."""

    results: tuple[ExerciseResult, ...]
    severity: SeverityEstimate


class Stream:
    """Carries one recording through one pipeline, which must be new or reset."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._clock = ImageClock()
        self._silent_since_s = self._assessed_at_s = np.nan
        self._undecodable = False
        self._counts: Counter[str] = Counter()
        self._faults: dict[str, str] = {}
        self._refused: Counter[tuple[str, str]] = Counter()
        self._invalid: Counter[tuple[str, str]] = Counter()
        self._told: list[str] = []

    def assessed(self, items: Iterable[Frame | Cue | Note]) -> Iterator[Assessed | Ended]:
        """What became of the frames that were due, in order, and the end."""
        for item in items:
            if isinstance(item, Note):
                self._told.append(item.text)
            elif isinstance(item, Cue):
                self._cue(item)
            else:
                yield from self._frame(item)
        yield from self._end()

    @property
    def decoded(self) -> int:
        """Frames that were assessed."""
        return self._counts['decoded']

    def notes(self) -> list[str]:
        """What a user should know of the recording, each in one line; empty when all was well."""
        counts = self._counts
        of = f'of {counts["frames"]} frames'
        notes = [*self._told]
        notes += [f'{counts[kind]} {of} could not be decoded ({kind}); the first: {text}'
                  for kind, text in self._faults.items()]
        if counts['late']:
            notes.append(f'{counts["late"]} {of} were stamped earlier than the one before and left '
                         'out')
        if counts['went back']:
            notes.append(f'the frames\' clock went back {counts["went back"]} times: each time a '
                         'new session began')
        if counts['another face']:
            notes.append(f'another person may have come into view (moments: '
                         f'{counts["another face"]}): what is told of the whole may be of several '
                         'people')
        if counts['unstamped']:
            notes.append(f'{counts["unstamped"]} {of} carry no stamp')
        notes += [f'{count} cues for {exercise} were refused ({reason})'
                  for (exercise, reason), count in self._refused.items()]
        notes += [f'{count} exercises ({exercise}) gave no result ({reasons})'
                  for (exercise, reasons), count in self._invalid.items()]
        return notes

    def _cue(self, cue: Cue) -> None:
        moment_s = self._clock.of_cue(cue.stamp_s, cue.start, cue.received_s)
        status = self._pipeline.cue(cue.exercise, cue.start, moment_s, cue.hold_s)
        if status:
            self._refused[cue.exercise[:40], ', '.join(status)] += 1

    def _frame(self, frame: Frame) -> Iterator[Assessed | Ended]:
        self._counts['frames'] += 1
        yield from self._silence(frame)
        if self._clock.is_late(frame.stamp_s, self._pipeline.settings.jump_back_s):
            self._counts['late'] += 1
            return
        if not self._pipeline.due(frame.stamp_s):
            self._passed_over(frame)
            return
        try:
            rgb = frame.decode()
        except ImageDecodeError as error:
            self._undecodable = True
            self._counts[error.kind] += 1
            self._faults.setdefault(error.kind, str(error))
            return
        self._undecodable = False
        self._silent_since_s = self._assessed_at_s = frame.received_s
        self._counts['decoded'] += 1
        self._counts['unstamped'] += frame.stamp_s == 0.0 < frame.received_s
        if self._clock.take(frame.stamp_s, frame.received_s):
            self._counts['went back'] += 1
            yield from self._end()
            self._pipeline.reset(CLOCK_WENT_BACK)
        session = self._pipeline.session
        assessment = self._pipeline.assess(rgb, self._clock.seconds)
        self._counts['another face'] += (
            assessment.session != session and assessment.session_reason == ANOTHER_FACE)
        if assessment.parting:
            self._count(assessment.parting.exercise_results)
            yield Ended(assessment.parting.exercise_results, assessment.parting.severity)
        self._count(assessment.exercise_results)
        yield Assessed(assessment, rgb)

    def _passed_over(self, frame: Frame) -> None:
        # Stamps that hardly advance make no frame due: a stream of those is silence, too.
        believed_s = max(_STALE_S, self._pipeline.settings.longest_step_s)
        if not self._undecodable and frame.received_s - self._assessed_at_s < believed_s:
            self._silent_since_s = frame.received_s

    def _silence(self, frame: Frame) -> Iterator[Assessed | Ended]:
        """What the node says when nothing could be assessed for a while, up to this frame."""
        if np.isnan(self._silent_since_s):
            self._silent_since_s = frame.received_s
        if frame.received_s - self._silent_since_s <= _STALE_S:
            return
        self._silent_since_s = frame.received_s
        lost = self._pipeline.lost(
            self._clock.seconds, UNDECODABLE if self._undecodable else NO_IMAGE)
        self._count(lost.exercise_results)
        if self._undecodable:
            # A pause of the recording needs no record; frames that nobody could see do.
            yield Assessed(replace(lost, stamp_s=self._clock.moment_of(
                frame.stamp_s, frame.received_s)), None)
        elif lost.exercise_results:
            yield Ended(lost.exercise_results, self._pipeline.severity_so_far)

    def _count(self, results: tuple[ExerciseResult, ...]) -> None:
        for result in results:
            if not result.valid and not result.awaits_repetition:
                self._invalid[result.exercise, ', '.join(result.reasons)] += 1

    def _end(self) -> Iterator[Ended]:
        results = self._pipeline.finish()
        self._count(results)
        if results:
            yield Ended(results, self._pipeline.severity_so_far)
