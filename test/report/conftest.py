"""Recorded sessions written by the real recorder, whose figures are known."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor.assessment.exercise import ExerciseTracker
from stroke_side_monitor.assessment.severity import dynamic_severity, static_severity
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.patient_files.session_record import SessionRecorder

START = datetime(2026, 3, 2, 9, 30, tzinfo=timezone.utc)
FPS = 10


def smiles(points, right, left, number=2):
    """Results of `number` smiles whose true excursions on the diagonal are right and left, mm."""
    # FaceMesh shows 1 / 1.3 of the difference between the sides of the mouth.
    middle, half = (right + left) / 2, (right - left) / 2 / 1.3
    right, left = middle + half, middle - half
    tracker = ExerciseTracker()
    for repetition in range(number):
        begin_s = 10.0 * repetition
        tracker.cue('smile', True, begin_s + 4.0)
        tracker.cue('smile', False, begin_s + 7.0)
        for frame in range(10 * FPS):
            moved = points.copy()
            if 45 <= frame < 70:
                moved[lm.COMMISSURE_RIGHT, 1] += right * 2 ** 0.5
                moved[lm.COMMISSURE_LEFT, 1] += left * 2 ** 0.5
            tracker.add(begin_s + frame / FPS, moved)
    return tracker.results


def frame(side, mouth_score, severity, reasons=()):
    """A recorded frame's values; with reasons it could not be assessed."""
    assessed = not reasons
    return {
        'side': side if assessed else Side.UNKNOWN, 'M': mouth_score, 'E': 0.2,
        'symmetry_index': severity.symmetry_index, 'grade': severity.grade,
        'basis': severity.basis if assessed else 'unknown',
        'mouth_severity': severity.mouth_severity, 'eye_severity': severity.eye_severity,
        'pattern': severity.pattern, 'nihss': (severity.nihss_min, severity.nihss_max),
        'house_brackmann': (severity.house_brackmann_min, severity.house_brackmann_max),
        'severity_reasons': severity.reasons, 'reasons': list(reasons), 'assessed': assessed}


@pytest.fixture
def record(tmp_path, symmetric_points):
    """record(right=8, left=4, day=0, ...) → folder: 30 s, a smile at 4..7 and 14..17 s.

    The mouth score is 3 (left weaker) at rest; every fifth frame from 20 s on is lost to yaw.
    """
    def write(right=8.0, left=4.0, *, day=0, key='p-7', exercises=True, side=Side.LEFT):
        recorder = SessionRecorder(
            tmp_path / 'sessions', patient_key=key, versions={'software': '0.1.0'},
            parameters={}, tell=print, started=START + timedelta(days=day))
        results = smiles(symmetric_points, right, left) if exercises else ()
        watch(recorder, 1000.0, results, side)
        for result in results:
            recorder.exercise(_shifted(result, 1000.0))
        recorder.close()
        return recorder.folder
    return write


def watch(recorder, begin_s, results, side, seconds=30, mouth_score=3.0):
    """Frames of somebody who does that; every fifth from 20 s on is lost to yaw."""
    for number in range(seconds * FPS):
        stamp_s = number / FPS
        done = [result for result in results if result.stamp_s < stamp_s]
        severity = dynamic_severity(done, mouth_score, 0.2) if done else \
            static_severity(mouth_score, 0.2)
        lost = ('yaw',) if number >= 20 * FPS and number % 5 == 0 else ()
        recorder.frame(begin_s + stamp_s, frame(side, mouth_score, severity, lost))


@pytest.fixture
def recording(tmp_path, symmetric_points):
    """recording(part, ...) → folder. Each part is 30 s from 1000 s on, with a smile each 10 s.

    A part is (why it began, excursion right, left, smiles). old: as recorders wrote it that told
    of nothing but resets.
    """
    def write(*parts, old=False, seconds=30, day=0):
        recorder = SessionRecorder(
            tmp_path / 'sessions', patient_key='p-7', versions={'software': '0.1.0'},
            parameters={}, tell=print, started=START + timedelta(days=day))
        for place, (reason, right, left, number) in enumerate(parts):
            begin_s = 1000.0 + seconds * place
            if reason == 'reset':
                recorder.event(begin_s, 'reset')
            if not old:
                recorder.event(begin_s, 'session_began', {'session': 70 + place, 'reason': reason})
            results = smiles(symmetric_points, right, left, number) if number else ()
            side, score = (Side.LEFT, 3.0) if left < right else (Side.RIGHT, -3.0)
            watch(recorder, begin_s, results, side, seconds, score)
            for result in results:
                recorder.exercise(_shifted(result, begin_s))
        recorder.close()
        return recorder.folder
    return write


def _shifted(result, by_s):
    return replace(result, start_s=result.start_s + by_s, stamp_s=result.stamp_s + by_s)
