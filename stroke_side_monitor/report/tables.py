"""The report's figures as CSV text, for a spreadsheet.

It never computes and never writes files. Left and right are the PATIENT's.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stroke_side_monitor.assessment.severity import NOT_ESTIMATED
from stroke_side_monitor.report.summary import SessionSummary
from stroke_side_monitor.report.words import weaker_side

_SESSION = ('session', 'patient_key', 'started_utc', 'duration_s', 'frames', 'assessed_share',
            'weaker_side', 'side_at_rest', 'side_at_rest_share', 'mouth_score', 'eye_score',
            'symmetry_index', 'grade', 'basis', 'mouth_severity', 'eye_severity', 'pattern',
            'nihss_min', 'nihss_max', 'house_brackmann_min', 'house_brackmann_max',
            'severity_reasons')
_EXERCISE = ('session', 'exercise', 'repetition', 'start_s', 'stamp_s', 'valid',
             'excursion_left', 'excursion_right', 'unit', 'ratio', 'asymmetry', 'lag_ms',
             'trajectory_correlation', 'residual_opening_left', 'residual_opening_right',
             'synkinesis_left', 'synkinesis_right', 'item_score', 'quality', 'reasons')
_PART = ('session', 'part', 'began', 'start_s', 'end_s', 'assessed_s', 'usable', 'repetitions',
         'reported')
_SECOND = ('session', 'time_s', 'side', 'mouth_score', 'symmetry_index')


def all_tables(sessions: Sequence[SessionSummary]) -> dict[str, str]:
    """CSV text by file name: one row per session, repetition, second and part of a recording.

    All but the last are of the part that is reported. Always all, so that none of an earlier
    report in the same folder stays beside those of this one.
    """
    return {
        'sessions.csv': _csv(_SESSION, map(_session, sessions)),
        'exercises.csv': _csv(_EXERCISE, (
            _repetition(session, line) for session in sessions for line in session.repetitions)),
        'seconds.csv': _csv(_SECOND, (
            {'session': session.name, 'time_s': second.time_s, 'side': second.side.name.lower(),
             'mouth_score': second.mouth_score, 'symmetry_index': second.index}
            for session in sessions for second in session.seconds)),
        'parts.csv': _csv(_PART, (
            {**part.__dict__, 'session': session.name, 'part': place + 1, 'began': part.reason,
             'reported': place == session.part}
            for session in sessions for place, part in enumerate(session.parts)))}


def _session(summary: SessionSummary) -> Mapping[str, Any]:
    return {
        **summary.__dict__, 'session': summary.name, 'started_utc': summary.started.isoformat(),
        'weaker_side': weaker_side(summary).name.lower(),
        'side_at_rest': summary.side.name.lower(), 'side_at_rest_share': summary.side_share,
        'symmetry_index': summary.index,
        'grade': summary.grade.name.lower(), 'basis': summary.basis.name.lower(),
        'mouth_severity': summary.mouth.name.lower(), 'eye_severity': summary.eye.name.lower(),
        'pattern': summary.pattern.name.lower(),
        **_bounds('nihss', summary.nihss),
        **_bounds('house_brackmann', summary.house_brackmann),
        'severity_reasons': ' '.join(summary.severity_reasons)}


def _bounds(name: str, bounds: tuple[int, int]) -> Mapping[str, Any]:
    known = NOT_ESTIMATED not in bounds
    return {f'{name}_{end}': bound if known else None
            for end, bound in zip(('min', 'max'), bounds, strict=True)}


def _repetition(summary: SessionSummary, line: Mapping[str, Any]) -> Mapping[str, Any]:
    # Older records lack what later ones measure.
    return {**{name: line.get(name) for name in _EXERCISE}, 'session': summary.name,
            'reasons': ' '.join(line['reasons'])}


def _csv(fields: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, extrasaction='ignore', lineterminator='\n')
    writer.writeheader()
    writer.writerows({field: _cell(row[field]) for field in fields} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    # An empty cell is what spreadsheets take for "not known".
    return '' if value is None or (isinstance(value, float) and math.isnan(value)) else value
