"""An Assessment as one flat record: what `assess` writes for a picture, a frame or a second.

It never assesses and never writes a file. Left and right are the PATIENT's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from stroke_side_monitor.assessment.metrics import METRICS
from stroke_side_monitor.assessment.severity import NO_VALID_EXERCISE, SeverityEstimate
from stroke_side_monitor.assessment.terms import Basis, Side
from stroke_side_monitor.pipeline import Assessment

Record = dict[str, Any]

METRIC_NAMES = tuple(metric.name for metric in METRICS)


def from_assessment(path: str, assessment: Assessment) -> Record:
    """One record; figures that are not known are None."""
    side, view = assessment.side, assessment.view
    return {
        'input': path,
        'stamp_s': assessment.stamp_s,
        'side': side.side.name.lower(),
        'confidence': side.confidence,
        'p_left': _known(side.p_left),
        'p_none': _known(side.p_none),
        'p_right': _known(side.p_right),
        'M': _known(side.landmark_score),
        'E': _known(side.eye_score),
        'classifier_score': _known(side.classifier_score),
        'classifier_agreement': side.agreement.name.lower(),
        'stable': side.stable,
        **severity_fields(assessment.severity),
        'reasons': list(side.reasons),
        'yaw_deg': _known(view.yaw_deg),
        'pitch_deg': _known(view.pitch_deg),
        'roll_deg': _known(view.roll_deg),
        'interocular_px': _known(view.interocular_px),
        'mouth_width_mm': _known(view.mouth_width_mm),
        'luminance': _known(view.luminance),
        'sharpness': _known(view.sharpness),
        'metrics': {name: _known(value) for name, value in assessment.metrics.items()},
        'z': {name: _known(value) for name, value in assessment.z.items()},
    }


def severity_fields(severity: SeverityEstimate) -> Record:
    """The part of a record that says how severe."""
    return {
        'symmetry_index': _known(severity.symmetry_index),
        'grade': severity.grade.name.lower(),
        'basis': severity.basis.name.lower(),
        'mouth_severity': severity.mouth_severity.name.lower(),
        'eye_severity': severity.eye_severity.name.lower(),
        'pattern': severity.pattern.name.lower(),
        'severity_reasons': list(severity.reasons),
    }


_SEVERITY = ('symmetry_index', 'grade', 'basis', 'mouth_severity', 'eye_severity', 'pattern',
             'severity_reasons')


def from_error(path: str, problem: str) -> Record:
    """The record of an input that could not be assessed at all."""
    return {'input': path, 'error': writable(problem)}


def writable(text: str) -> str:
    """The text as it goes into results, which are UTF-8; it may tell a name that is not."""
    return text.encode('utf-8', 'backslashreplace').decode()


def summarise_second(frames: Sequence[Record]) -> Record:
    """One record for the frames of one second: medians, and the side most frames name.

    A second of which fewer than half the frames could be assessed is UNKNOWN,
    and so is one in which two sides are named equally often. Its severity is
    that of one frame: index, grade and basis belong together.
    """
    named = [frame for frame in frames if frame['side'] != Side.UNKNOWN.name.lower()]
    side = majority([frame['side'] for frame in named]) if 2 * len(named) >= len(frames) else None
    speaking = [frame for frame in named if frame['side'] == side] or list(frames)
    severe = _standing(speaking)
    summary = {**speaking[-1], **{name: severe[name] for name in _SEVERITY}}
    if side is None:
        summary.update(side='unknown', confidence=0.0, p_left=None, p_none=None, p_right=None,
                       stable=False, reasons=_reasons(frames) or ['side_changing'])
    else:
        summary['reasons'] = _reasons(speaking)
    for key, value in summary.items():
        if key in _MEDIANS and side is not None:
            summary[key] = _median(frame[key] for frame in speaking)
        elif isinstance(value, Mapping):
            summary[key] = {name: _median(frame[key].get(name) for frame in speaking)
                            for name in value}
    summary['stamp_s'] = frames[0]['stamp_s']
    summary['frames'] = len(frames)
    summary['frames_assessed'] = len(named)
    return summary


_MEDIANS = ('confidence', 'p_left', 'p_none', 'p_right', 'M', 'E', 'classifier_score',
            'yaw_deg', 'pitch_deg', 'roll_deg', 'interocular_px',
            'mouth_width_mm', 'luminance', 'sharpness')


def exercised(records: Iterable[Record]) -> bool:
    """Whether exercises were done, or tried in vain."""
    return any(map(_tells_of_exercises, records))


def _tells_of_exercises(record: Record) -> bool:
    # Runs of before they were kept have no reasons.
    return record['basis'] == Basis.DYNAMIC.name.lower() \
        or NO_VALID_EXERCISE in record.get('severity_reasons', ())


def graded(records: Sequence[Record]) -> list[Record]:
    """Those that their severity is told from: with exercises all measured ones, else the named."""
    if exercised(records):
        return [record for record in records if record['basis'] != Basis.UNKNOWN.name.lower()]
    return [record for record in records if record['side'] != Side.UNKNOWN.name.lower()]


def _standing(records: Sequence[Record]) -> Record:
    """The one whose severity stands for all: the last that tells what exercises came to, or the
    middle one at rest; as of report.summary.verdict."""
    moved = [record for record in records if record['basis'] == Basis.DYNAMIC.name.lower()]
    tried = [record for record in records if _tells_of_exercises(record)]
    if tried:
        return (moved or tried)[-1]
    calm = [record for record in records if record['symmetry_index'] is not None]
    ranked = sorted(calm, key=lambda record: float(record['symmetry_index']))
    return ranked[(len(ranked) - 1) // 2] if ranked else records[-1]


def summarise_input(records: Sequence[Record]) -> Record:
    """One row of summary.csv: what the records of one input say together."""
    first = records[0]
    if 'error' in first:
        return {'input': first['input'], 'error': first['error']}
    counts = Counter(record['side'] for record in records)
    named = [record for record in records if record['side'] != 'unknown']
    of_severity = graded(records)
    severe = _standing(of_severity) if of_severity else {}
    return {
        'input': first['input'],
        'records': len(records),
        'side': majority([record['side'] for record in named]) or 'unknown',
        **{f'records_{side.name.lower()}': counts[side.name.lower()] for side in Side},
        'median_M': _median(record['M'] for record in named),
        'median_E': _median(record['E'] for record in named),
        'median_symmetry_index': severe['symmetry_index'] if exercised(records)
        else _median(record['symmetry_index'] for record in named),
        'basis': severe.get('basis', Basis.UNKNOWN.name.lower()),
        'reasons': ' '.join(_reasons(records)),
        'notes': '; '.join(records[-1].get('notes', ())),
        'error': '',
    }


def majority(names: Sequence[str]) -> str | None:
    """What is named most often; None where nothing is, or two are as often."""
    ranked = Counter(names).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def _reasons(records: Iterable[Record]) -> list[str]:
    counts = Counter(reason for record in records for reason in record['reasons'])
    return [reason for reason, _ in counts.most_common()]


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
