"""How well commanded movements are measured: simulated patients with truth through the pipeline.

It never trains or tunes anything; its figures are of SIMULATED patients.
Run: python -m stroke_side_monitor.simulation.movement_study --help
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stroke_side_monitor import atomic_file
from stroke_side_monitor.assessment.exercise import ExerciseResult
from stroke_side_monitor.assessment.severity import SeverityEstimate
from stroke_side_monitor.assessment.terms import Grade, Pattern, Side
from stroke_side_monitor.perception.face_mesh import FaceMesh
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation import portrait
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.session import Session, SessionPlan

# One repetition each, brow two: the shortest session that lets every rule apply.
PLAN = SessionPlan(exercises=('smile', 'eye_close', 'brow_raise', 'brow_raise', 'pucker'),
                   hold_s=1.5, rest_s=1.8, first_rest_s=2.5, fps=12.0)
SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
PATTERNS = {'central': Pattern.LOWER_FACE, 'peripheral': Pattern.WHOLE_FACE}


@dataclass(frozen=True)
class Outcome:
    """One simulated session as it was measured.

    person: file name. severity: 0..1. pattern: central or peripheral.
    true_ratios: commanded r by exercise, from the truth of the held frames.
    results: of the repetitions. estimate: the last dynamic one before the end.
    lost: share of frames dropped or covered on purpose.
    """

    person: str
    side: Side
    severity: float
    pattern: str
    true_ratios: dict[str, float]
    results: tuple[ExerciseResult, ...]
    estimate: SeverityEstimate
    lost: float


def run_session(pipeline: Pipeline, patient: portrait.Portrait, name: str, palsy: Palsy,
                severity: float, seed: int, *, lost: float = 0.0,
                plan: SessionPlan = PLAN) -> Outcome:
    """Film one simulated session and assess it as the robot would.

    Args:
        lost: share of frames that are lost: half of them dropped, half of them black.
    """
    session = Session(patient, palsy, plan, seed=seed)
    pipeline.reset()
    fate = np.random.default_rng((seed, 99)).random(len(session))
    cues = list(session.cues)
    truth: dict[str, list[tuple[float, float]]] = {}
    results: list[ExerciseResult] = []
    estimate = None
    for index, frame in enumerate(session):
        while cues and cues[0].stamp_ns <= frame.truth.stamp_ns:
            cue = cues.pop(0)
            pipeline.cue(cue.exercise, cue.start, _seconds(session, cue.stamp_ns), cue.hold_s)
        if frame.truth.phase == 'hold':
            truth.setdefault(frame.truth.exercise, []).append(frame.truth.intensity)
        if fate[index] < lost / 2:
            continue
        rgb = np.zeros_like(frame.rgb) if fate[index] < lost else frame.rgb
        assessment = pipeline.assess(rgb, _seconds(session, frame.truth.stamp_ns))
        results += assessment.exercise_results
        if not assessment.view.reasons:
            estimate = assessment.severity
    results += pipeline.finish()
    if estimate is None:
        raise RuntimeError(f'{name}: not one frame could be assessed')
    ratios = {exercise: min(middle) / max(middle) for exercise, middle in
              ((exercise, np.median(values, axis=0)) for exercise, values in truth.items())}
    return Outcome(name, palsy.side, severity, palsy.pattern, ratios, tuple(results), estimate,
                   lost)


def _seconds(session: Session, stamp_ns: int) -> float:
    return (stamp_ns - session.start_ns) * 1e-9


def study(neutral: Path, smiling: Path | None, people: int, severities: Sequence[float],
          lost: float, skip: int = 0) -> Iterator[Outcome]:
    """Sessions of the first `people` persons of a folder of neutral portraits, in sorted order.

    Args:
        neutral: folder of photographs. smiling: the same names smiling, or None.
        severities: each with both patterns; the weak side alternates between people.
        skip: leave out the first so many, to share a study out; changes nothing for the others.
    """
    mesh = FaceMesh(tracking=False, max_faces=2)
    pipeline = Pipeline(PipelineSettings(use_classifier=False), video=True)
    for number, file in list(enumerate(sorted(neutral.glob('*.jpg'))))[skip:people]:
        try:
            patient = portrait.portrait(
                portrait.read_picture(file), file.name, mesh=mesh,
                smiling_rgb=portrait.read_picture(smiling / file.name) if smiling else None)
        except portrait.PictureError as error:
            print(f'left out: {error}', file=sys.stderr)
            continue
        side = (Side.LEFT, Side.RIGHT)[number % 2]
        for severity in severities:
            for pattern in PATTERNS if severity else ('none',):
                palsy = Palsy.of(side, severity, pattern) if severity else Palsy(Side.NONE)
                yield run_session(pipeline, patient, file.name, palsy, severity, number,
                                  lost=lost)
    pipeline.close()
    mesh.close()


def report(outcomes: Sequence[Outcome]) -> str:
    """The figures that docs/clinical.md quotes, as text."""
    people = len({outcome.person for outcome in outcomes})
    lines = [f'{len(outcomes)} simulated sessions of {people} people']
    for exercise in ('smile', 'eye_close', 'brow_raise', 'pucker'):
        lines += _ratio_lines(outcomes, exercise)
    lines += ['grade by severity, sessions: '
              + ' '.join(grade.name.lower() for grade in Grade)]
    for pattern, severity in sorted({(o.pattern, o.severity) for o in outcomes}):
        group = [o for o in outcomes if (o.pattern, o.severity) == (pattern, severity)]
        counts = [sum(o.estimate.grade is grade for o in group) for grade in Grade]
        index = float(np.nanmedian([o.estimate.symmetry_index for o in group]))
        lines.append(f'  {pattern:10s} {severity:.2f}: {" ".join(f"{c:3d}" for c in counts)}'
                     f'   median index {index:.0f}')
    lines += _pattern_lines(outcomes)
    return '\n'.join(lines)


def _ratio_lines(outcomes: Sequence[Outcome], exercise: str) -> list[str]:
    rows = [(o.severity, result.ratio - o.true_ratios[exercise]) for o in outcomes
            for result in o.results if result.exercise == exercise and result.valid]
    asked = sum(r.exercise == exercise for o in outcomes for r in o.results
                if 'needs_second_repetition' not in r.reasons)
    if not rows:
        return [f'{exercise}: no valid repetition of {asked}']
    errors = np.array([error for _, error in rows])
    lines = [f'{exercise}: valid {len(rows)} of {asked}; r off by median {np.median(errors):+.2f}, '
             f'mean abs {np.abs(errors).mean():.2f}, '
             f'within 0.15: {(np.abs(errors) <= 0.15).mean():.0%}']
    for severity in sorted({severity for severity, _ in rows}):
        own = np.array([error for s, error in rows if s == severity])
        lines.append(f'  severity {severity:.2f}: median {np.median(own):+.2f}, '
                     f'mean abs {np.abs(own).mean():.2f}, '
                     f'within 0.15: {(np.abs(own) <= 0.15).mean():.0%} of {len(own)}')
    return lines


def _pattern_lines(outcomes: Sequence[Outcome]) -> list[str]:
    severe = [o for o in outcomes if o.severity >= 0.5]
    right = sum(o.estimate.pattern is PATTERNS[o.pattern] for o in severe)
    wrong = sum(o.estimate.pattern in PATTERNS.values()
                and o.estimate.pattern is not PATTERNS[o.pattern] for o in severe)
    return [f'pattern at severity >= 0.5: right {right}, the other one {wrong}, '
            f'undecided {len(severe) - right - wrong}, of {len(severe)}']


_FIELDS = ('person', 'side', 'severity', 'pattern', 'lost', 'exercise', 'repetition', 'valid',
           'ratio', 'true_ratio', 'excursion_left', 'excursion_right', 'synkinesis_left',
           'lag_ms', 'quality', 'reasons', 'grade', 'symmetry_index', 'pattern_seen')


def write_csv(outcomes: Sequence[Outcome], path: Path) -> None:
    """One row per repetition; the file appears whole."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _FIELDS, extrasaction='ignore')
    writer.writeheader()
    for o in outcomes:
        for result in o.results:
            writer.writerow({
                **result.__dict__, 'person': o.person, 'side': o.side.name.lower(),
                'severity': o.severity, 'pattern': o.pattern, 'lost': o.lost,
                'true_ratio': o.true_ratios[result.exercise],
                'reasons': ' '.join(result.reasons), 'grade': o.estimate.grade.name.lower(),
                'symmetry_index': o.estimate.symmetry_index,
                'pattern_seen': o.estimate.pattern.name.lower()})
    atomic_file.write(path, text.getvalue().encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('neutral', type=Path, help='folder of neutral frontal portraits (*.jpg)')
    parser.add_argument('--smiling', type=Path, help='the same people smiling, same file names')
    parser.add_argument('--people', type=int, default=20)
    parser.add_argument('--skip', type=int, default=0, help='leave out the first so many of them')
    parser.add_argument('--severities', type=float, nargs='+', default=list(SEVERITIES))
    parser.add_argument('--lost', type=float, default=0.0,
                        help='share of frames dropped or black, 0..1')
    parser.add_argument('--out', type=Path, help='CSV of all repetitions')
    options = parser.parse_args(arguments)
    outcomes = []
    for outcome in study(options.neutral, options.smiling, options.people, options.severities,
                         options.lost, options.skip):
        outcomes.append(outcome)
        if options.out:  # a long run that is cut short has not been for nothing
            write_csv(outcomes, options.out)
    print(report(outcomes))
    return 0


if __name__ == '__main__':
    sys.exit(main())
