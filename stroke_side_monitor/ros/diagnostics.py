"""Counts what passes through the node and says once a second, in words, how it fares.

It never touches an image, never decides about a face, and keeps no more than ten seconds.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from stroke_side_monitor.pipeline import Assessment

SILENCE_S = 2.0        # without images for this long after activation, say why
FACELESS_S = 2.0
STUCK_S = 5.0
# What the log says once, each time anew.
TOLD_IMAGELESS_S = 3.0
TOLD_FACELESS_S = 30.0
# Fewer frames than this in the stale timeout, and sides come and go with every late one; in the
# window of the evidence, and none is told.
_LEAST_FRAMES = 3
_RECENT_S = 10.0
_MOST_RECENT = 600     # ten seconds at 60 Hz
STAGES = ('decode', 'mesh', 'crop', 'classify', 'assess', 'publish', 'total')

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Snapshot:
    """What the counters stood at. Rates in Hz over ten seconds, ages in seconds (None: never).

    input_span_s: how long before now the oldest of those ten seconds came.
    stages_ms: wall time per stage: (median, 95th percentile).
    latency_ms: image stamp to publication by the ROS clock: (median, 95th percentile).
    undecodable_age_s: since the last image that could not be decoded.
    undecodable_kinds: how often each kind of undecodable image was seen.
    callbacks_failed: how often a callback raised: a subscription's, service's or timer's.
    last_undecodable, last_failure, last_callback_failure: what was wrong last, one line each;
        '' when nothing was.
    """

    received: int
    assessed: int
    passed_over: int
    late: int
    dropped: int
    undecodable: int
    failed: int
    input_hz: float
    input_span_s: float
    output_hz: float
    image_age_s: float | None
    face_age_s: float | None
    undecodable_age_s: float | None
    stages_ms: Mapping[str, tuple[float, float]]
    latency_ms: tuple[float, float]
    reasons: tuple[str, ...]
    stamp_note: str
    undecodable_kinds: Mapping[str, int]
    last_undecodable: str
    last_failure: str
    callbacks_failed: int
    last_callback_failure: str


class Statistics:
    """Counters that the executor's thread and the worker's thread share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Start afresh, as after `configure`."""
        with self._lock:
            self._counts: Counter[str] = Counter()
            self._kinds: Counter[str] = Counter()
            self._failures: Counter[str] = Counter()
            self._last_undecodable = ''
            self._undecodable_at: float | None = None
            self._arrivals: deque[float] = deque(maxlen=_MOST_RECENT)
            self._outputs: deque[float] = deque(maxlen=_MOST_RECENT)
            self._stages: dict[str, deque[float]] = {
                stage: deque(maxlen=_MOST_RECENT) for stage in STAGES}
            self._latencies: deque[float] = deque(maxlen=_MOST_RECENT)
            self._face_at: float | None = None
            self._reasons: tuple[str, ...] = ()
            self._stamp_note = ''
            self._last_failure = ''
            self._last_callback_failure = ''

    def image_received(self, dropped: bool) -> None:
        """An image arrived; `dropped`: it pushed an older one out of the slot."""
        with self._lock:
            self._counts['received'] += 1
            self._counts['dropped'] += dropped
            self._arrivals.append(time.monotonic())

    def frame_passed_over(self) -> None:
        """A frame was not due (assess_rate_hz, search_rate_hz) and was not unpacked."""
        with self._lock:
            self._counts['passed_over'] += 1

    def frame_late(self) -> None:
        """A frame was older than the one before, by no more than jump_back_s, and was dropped."""
        with self._lock:
            self._counts['late'] += 1

    def image_undecodable(self, kind: str, text: str) -> bool:
        """An image could not be decoded, as `text` says; True for the first of its kind."""
        with self._lock:
            self._counts['undecodable'] += 1
            self._kinds[kind] += 1
            self._last_undecodable = text
            self._undecodable_at = time.monotonic()
            return self._kinds[kind] == 1

    def frame_failed(self, kind: str, text: str) -> bool:
        """Assessing a frame raised `text`; True for the first of its kind."""
        with self._lock:
            self._counts['failed'] += 1
            self._failures[kind] += 1
            self._last_failure = text
            return self._failures[kind] == 1

    def callback_failed(self, kind: str, text: str) -> bool:
        """A callback of the node raised `text`; True for the first of its kind."""
        with self._lock:
            self._counts['callbacks_failed'] += 1
            self._failures[kind] += 1
            self._last_callback_failure = text
            return self._failures[kind] == 1

    def frame_assessed(self, assessment: Assessment, stages_ms: Mapping[str, float],
                       latency_s: float, stamp_note: str) -> None:
        """One output set was published."""
        now = time.monotonic()
        with self._lock:
            self._counts['assessed'] += 1
            self._outputs.append(now)
            for stage, elapsed in stages_ms.items():
                self._stages[stage].append(elapsed)
            self._latencies.append(latency_s * 1e3)
            if assessment.view.face is not None:
                self._face_at = now
            self._reasons = assessment.view.reasons
            self._stamp_note = stamp_note

    def snapshot(self) -> Snapshot:
        """The counters now."""
        now = time.monotonic()
        with self._lock:
            counts = self._counts
            return Snapshot(
                received=counts['received'], assessed=counts['assessed'],
                passed_over=counts['passed_over'], late=counts['late'],
                dropped=counts['dropped'],
                undecodable=counts['undecodable'], failed=counts['failed'],
                input_hz=_rate(self._arrivals, now),
                input_span_s=max(
                    (now - at for at in self._arrivals if now - at <= _RECENT_S), default=0.0),
                output_hz=_rate(self._outputs, now),
                image_age_s=now - self._arrivals[-1] if self._arrivals else None,
                face_age_s=None if self._face_at is None else now - self._face_at,
                undecodable_age_s=None if self._undecodable_at is None
                else now - self._undecodable_at,
                stages_ms={stage: _percentiles(values)
                           for stage, values in self._stages.items() if values},
                latency_ms=_percentiles(self._latencies), reasons=self._reasons,
                stamp_note=self._stamp_note, undecodable_kinds=dict(self._kinds),
                last_undecodable=self._last_undecodable, last_failure=self._last_failure,
                callbacks_failed=counts['callbacks_failed'],
                last_callback_failure=self._last_callback_failure)


def _rate(times: Sequence[float], now: float) -> float:
    recent = [at for at in times if now - at <= _RECENT_S]
    if len(recent) < 2:
        return 0.0
    return (len(recent) - 1) / max(now - recent[0], 1e-3)


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return float('nan'), float('nan')
    median, high = np.percentile(values, (50, 95))
    return float(median), float(high)


@dataclass(frozen=True)
class Condition:
    """What the node knows besides the counters.

    lifecycle: label of the state; enabled: by ~/enable; problem: why configure failed, or ''.
    active_s: seconds since activation or enabling, None while no images are taken.
    topic: fully resolved image topic; silence: why nothing arrives, '' unless asked for.
    publishers: how many publish the image topic.
    busy_s: how long the worker has been at one frame.
    model: name, sha256 and runtime by key; empty before configure.
    cue: the last exercise cue and what was wrong with it.
    enrolment: how far the enrolment of a baseline has come.
    not_written: the last file of the patient's that could not be written, and why.
    stale_timeout_s, window_s: the parameters.
    """

    lifecycle: str
    enabled: bool
    problem: str
    active_s: float | None
    topic: str
    silence: str
    publishers: int
    busy_s: float
    model: Mapping[str, str] = field(default_factory=dict)
    cue: str = ''
    enrolment: str = ''
    not_written: str = ''
    stale_timeout_s: float = 1.0
    window_s: float = 1.0

    @property
    def taking_images(self) -> bool:
        """Whether images are subscribed at all."""
        return self.active_s is not None


class Watch:
    """Remembers what the log was told, so that it is told once and again only after it was over."""

    def __init__(self) -> None:
        """Nothing has been told."""
        self._told: set[str] = set()

    def news(self, condition: Condition, snapshot: Snapshot) -> list[str]:
        """Lines for the log at level WARN: no image for long, no face for long."""
        imageless = _waited_s(condition, snapshot.image_age_s)
        faceless = 0.0 if images_missing(condition, snapshot) else _waited_s(
            condition, snapshot.face_age_s)
        return [
            *self._once(condition.silence, imageless, TOLD_IMAGELESS_S, SILENCE_S),
            *self._once('no face in view for 30 s: is the patient before the camera, upright and '
                        'in the light?', faceless, TOLD_FACELESS_S, FACELESS_S)]

    def _once(self, text: str, waited_s: float, least_s: float, over_s: float) -> Iterator[str]:
        kind = str(least_s)
        if waited_s < over_s:
            self._told.discard(kind)
        elif waited_s >= least_s and kind not in self._told:
            self._told.add(kind)
            yield text


def _waited_s(condition: Condition, age_s: float | None) -> float:
    """Since when there was none, counted from the activation on; 0 while none are taken."""
    if condition.active_s is None:
        return 0.0
    return condition.active_s if age_s is None else min(age_s, condition.active_s)


def images_missing(condition: Condition, snapshot: Snapshot) -> bool:
    """Whether images should have arrived by now and have not."""
    if condition.active_s is None or condition.active_s < SILENCE_S:
        return False
    return snapshot.image_age_s is None or snapshot.image_age_s > SILENCE_S


def report(name: str, condition: Condition, snapshot: Snapshot) -> DiagnosticArray:
    """The DiagnosticArray of this second, without its stamp.

    Args:
        name: fully qualified node name, the prefix of every status.
    """
    return DiagnosticArray(status=[
        _status(name, 'node', _node(condition, snapshot)),
        _status(name, 'images', _images(condition, snapshot)),
        _status(name, 'face', _face(condition, snapshot)),
        _status(name, 'timing', _timing(condition, snapshot)),
    ])


_Judged = tuple[bytes, str, dict[str, object]]


def _status(name: str, part: str, judged: _Judged) -> DiagnosticStatus:
    level, message, values = judged
    return DiagnosticStatus(
        level=level, name=f'{name}: {part}', message=message, hardware_id=name,
        values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()])


def _text(value: object) -> str:
    if value is None:
        return 'never'
    return f'{value:.3f}' if isinstance(value, float) else str(value)


def _node(condition: Condition, snapshot: Snapshot) -> _Judged:
    values: dict[str, object] = {
        'lifecycle_state': condition.lifecycle, 'enabled': condition.enabled, **condition.model,
        'exercise_cue': condition.cue, 'enrolment': condition.enrolment,
        'not_written': condition.not_written,
        'frames_failed': snapshot.failed,
        'last_failure': snapshot.last_failure,
        'callbacks_failed': snapshot.callbacks_failed,
        'last_callback_failure': snapshot.last_callback_failure}
    if condition.problem:
        return ERROR, condition.problem, values
    if snapshot.failed:
        return ERROR, f'{snapshot.failed} frames failed: {snapshot.last_failure}', values
    if snapshot.callbacks_failed:
        return ERROR, (f'{snapshot.callbacks_failed} callbacks failed: '
                       f'{snapshot.last_callback_failure}'), values
    if condition.busy_s > STUCK_S:
        return ERROR, f'one frame has been at work for {condition.busy_s:.0f} s', values
    if condition.not_written:
        return WARN, condition.not_written, values
    disabled = '' if condition.enabled else ', disabled by ~/enable'
    return OK, condition.lifecycle + disabled, values


def _images(condition: Condition, snapshot: Snapshot) -> _Judged:
    values: dict[str, object] = {
        'topic': condition.topic, 'publishers': condition.publishers,
        'frames_received': snapshot.received, 'frames_assessed': snapshot.assessed,
        'frames_passed_over': snapshot.passed_over, 'frames_late': snapshot.late,
        'frames_dropped': snapshot.dropped, 'frames_undecodable': snapshot.undecodable,
        'input_hz': snapshot.input_hz, 'output_hz': snapshot.output_hz,
        'seconds_since_image': snapshot.image_age_s}
    values |= {f'undecodable: {kind}': count for kind, count in snapshot.undecodable_kinds.items()}
    if not condition.taking_images:
        return OK, 'no images are taken in this state', values
    if images_missing(condition, snapshot):
        return WARN, condition.silence, values
    if condition.publishers > 1:
        return WARN, (f'{condition.publishers} publishers on {condition.topic}: frames of '
                      'different cameras must not be mixed'), values
    if snapshot.stamp_note:
        return WARN, f'{condition.topic}: {snapshot.stamp_note}', values
    if snapshot.undecodable_age_s is not None and snapshot.undecodable_age_s <= _RECENT_S:
        return WARN, f'{snapshot.undecodable} so far; last {snapshot.last_undecodable}', values
    least_hz = _LEAST_FRAMES / min(condition.stale_timeout_s, condition.window_s)
    # Not from the first few frames.
    if snapshot.input_span_s > _RECENT_S / 2 and snapshot.input_hz < least_hz:
        return WARN, (f'{snapshot.input_hz:.1f} Hz on {condition.topic}, too slow: at least '
                      f'{least_hz:.2g} Hz, or longer stale_timeout_s and window_s'), values
    return OK, f'{snapshot.input_hz:.1f} Hz on {condition.topic}', values


def _face(condition: Condition, snapshot: Snapshot) -> _Judged:
    values: dict[str, object] = {'seconds_since_face': snapshot.face_age_s,
                                 'quality_reasons': ', '.join(snapshot.reasons)}
    if not condition.taking_images or images_missing(condition, snapshot):
        return OK, 'no images', values
    if snapshot.face_age_s is None or snapshot.face_age_s > FACELESS_S:
        unseen = snapshot.undecodable_age_s is not None \
            and snapshot.undecodable_age_s <= FACELESS_S
        return WARN, 'images cannot be decoded' if unseen else 'no face in view', values
    if snapshot.reasons:
        return WARN, 'face not assessed: ' + ', '.join(snapshot.reasons), values
    return OK, 'face assessed', values


def _timing(condition: Condition, snapshot: Snapshot) -> _Judged:
    values: dict[str, object] = {}
    for stage, (median, high) in snapshot.stages_ms.items():
        values[f'{stage}_ms_p50'], values[f'{stage}_ms_p95'] = median, high
    values['stamp_to_publish_ms_p50'], values['stamp_to_publish_ms_p95'] = snapshot.latency_ms
    total = snapshot.stages_ms.get('total')
    if total is None:
        return OK, 'nothing assessed yet', values
    return OK, f'{total[0]:.1f} ms per frame', values
