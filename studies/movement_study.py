"""How well commanded movements are measured: simulated patients with truth through the pipeline.

It never trains or tunes anything; its figures are of SIMULATED patients.
Run: .venv/bin/python -m studies.movement_study --help
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import atomic_file
from stroke_side_monitor.assessment.exercise import ExerciseResult, inward_places, smile_heights
from stroke_side_monitor.assessment.metrics import brow_heights
from stroke_side_monitor.assessment.severity import SeverityEstimate, pooled_ratios
from stroke_side_monitor.assessment.terms import Grade, Pattern, Side
from stroke_side_monitor.perception.face_mesh import FaceMesh
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation import portrait
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.session import Cue, Frame, Session, SessionPlan

# Short, so that many people can be filmed: three smiles are what a session pools,
# two raised brows what it needs. Eight frames a second are a slow camera.
PLAN = SessionPlan(
    exercises=(*('smile',) * 3, *('eye_close',) * 2, *('brow_raise',) * 2, 'pucker'),
    hold_s=1.2, rest_s=1.6, first_rest_s=2.5, fps=8.0)
SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
PATTERNS = {'central': Pattern.LOWER_FACE, 'peripheral': Pattern.WHOLE_FACE}


@dataclass(frozen=True)
class Outcome:
    """One simulated session as it was measured.

    person: file name. severity: 0..1. pattern: central or peripheral.
    commanded: by exercise, the r that the patient was told to show: what the
        weak side achieves of the movement over what the other one does.
    drawn: by exercise, the r that was drawn, measured as the monitor measures it,
        on the drawn landmarks: with the person's own uneven smile, and the mouth
        dragged to the healthy side.
    results: of the repetitions. estimate: the last dynamic one before the end.
    lost: share of frames dropped or covered on purpose.
    """

    person: str
    side: Side
    severity: float
    pattern: str
    commanded: Mapping[str, float]
    drawn: Mapping[str, float]
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
    fates = iter(np.random.default_rng((seed, 99)).random(len(session)))
    truth = _Truth()
    results: list[ExerciseResult] = []
    estimate = None
    for item in session.timeline():
        if isinstance(item, Cue):
            pipeline.cue(item.exercise, item.start, _seconds(session, item.stamp_ns), item.hold_s)
            continue
        truth.add(item)
        fate = next(fates)
        if fate < lost / 2:
            continue
        rgb = np.zeros_like(item.rgb) if fate < lost else item.rgb
        assessment = pipeline.assess(rgb, _seconds(session, item.truth.stamp_ns))
        results += assessment.exercise_results
        if not assessment.view.reasons:
            estimate = assessment.severity
    results += pipeline.finish()
    if estimate is None:
        raise RuntimeError(f'{name}: not one frame could be assessed')
    return Outcome(name, palsy.side, severity, palsy.pattern, truth.commanded(), truth.drawn(),
                   tuple(results), estimate, lost)


_PLACES = {'smile': smile_heights, 'brow_raise': brow_heights, 'pucker': inward_places}


class _Truth:
    """What a session's frames truly showed: medians over the held movements and over rest."""

    def __init__(self) -> None:
        self._intensities: dict[str, list[tuple[float, float]]] = {}
        self._places: dict[str, list[NDArray[np.float64]]] = {}

    def add(self, frame: Frame) -> None:
        truth = frame.truth
        if truth.phase == 'hold':
            self._intensities.setdefault(truth.exercise, []).append(truth.intensity)
        if truth.phase in ('rest', 'hold'):
            self._places.setdefault(truth.exercise, []).append(np.array(
                [measure(frame.points) for measure in _PLACES.values()]
                + [truth.lid_gap_mm[::-1]]))  # (right, left), as the measures are

    def commanded(self) -> dict[str, float]:
        return {exercise: _ratio(np.median(sides, axis=0))
                for exercise, sides in self._intensities.items()}

    def drawn(self) -> dict[str, float]:
        medians = {exercise: np.median(places, axis=0)
                   for exercise, places in self._places.items()}
        rest = medians.pop('rest')
        return {exercise: _ratio(self._moved(exercise, rest, held))
                for exercise, held in medians.items()}

    def _moved(self, exercise: str, rest: NDArray[np.float64], held: NDArray[np.float64]
               ) -> NDArray[np.float64]:
        if exercise == 'eye_close':
            return 1.0 - held[-1] / rest[-1]
        row = list(_PLACES).index(exercise)
        return np.maximum(held[row] - rest[row], 0.0)


def _ratio(sides: NDArray[np.float64]) -> float:
    return float(min(sides) / max(sides))


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
                portrait.read_picture(file), file.name, mesh=mesh, both_passes=True,
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


@dataclass(frozen=True)
class _Reading:
    """One measured r and what it should have been; pooled: of a whole session."""

    person: str
    severity: float
    pooled: bool
    measured: float
    drawn: float
    commanded: float


def _readings(outcomes: Sequence[Outcome], exercise: str) -> list[_Reading]:
    found = []
    for o in outcomes:
        measured = [(False, r.ratio) for r in o.results if r.exercise == exercise and r.valid]
        measured += [(True, pooled) for name, pooled in pooled_ratios(o.results).items()
                     if name == exercise]
        found += [_Reading(o.person, o.severity, pooled, ratio, o.drawn[exercise],
                           o.commanded[exercise]) for pooled, ratio in measured]
    return found


def _ratio_lines(outcomes: Sequence[Outcome], exercise: str) -> list[str]:
    readings = _readings(outcomes, exercise)
    asked = sum(r.exercise == exercise for o in outcomes for r in o.results
                if 'needs_second_repetition' not in r.reasons)
    lines = [f'{exercise}: {sum(not reading.pooled for reading in readings)} of {asked} '
             'repetitions valid']
    for pooled in (False, True):
        group = [reading for reading in readings if reading.pooled is pooled]
        for truth in ('drawn', 'commanded') if group else ():
            lines.append(f'  {"session" if pooled else "single"} r against the {truth} one: '
                         + _error_text(group, truth))
    for severity in sorted({reading.severity for reading in readings}):
        group = [r for r in readings if r.severity == severity and r.pooled]
        lines.append(f'    session, severity {severity:.2f}: drawn {_error_text(group, "drawn")}; '
                     f'commanded {_error_text(group, "commanded")}')
    return lines


NEAR = 0.15  # an r this close to the truth counts as right


def _error_text(readings: Sequence[_Reading], truth: str) -> str:
    errors = np.array([reading.measured - getattr(reading, truth) for reading in readings])
    low, high = _interval([reading.person for reading in readings], np.abs(errors) <= NEAR)
    return (f'{np.median(errors):+.2f}, mean abs {np.abs(errors).mean():.2f}, '
            f'within {NEAR}: {(np.abs(errors) <= NEAR).mean():.0%} [{low:.0%}, {high:.0%}] '
            f'of {len(errors)}')


def _interval(people: Sequence[str], hits: NDArray[np.bool_]) -> tuple[float, float]:
    """95 % bootstrap interval of a share, resampling people (Efron & Tibshirani 1993)."""
    names, member = np.unique(np.asarray(people), return_inverse=True)
    right, all_of = np.bincount(member, weights=hits), np.bincount(member)
    draws = np.random.default_rng(0).integers(0, len(names), (2000, len(names)))
    shares = right[draws].sum(axis=1) / all_of[draws].sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def _pattern_lines(outcomes: Sequence[Outcome]) -> list[str]:
    severe = [o for o in outcomes if o.severity >= 0.5]
    right = sum(o.estimate.pattern is PATTERNS[o.pattern] for o in severe)
    wrong = sum(o.estimate.pattern in PATTERNS.values()
                and o.estimate.pattern is not PATTERNS[o.pattern] for o in severe)
    text = (f'pattern at severity >= 0.5: right {right}, the other one {wrong}, '
            f'undecided {len(severe) - right - wrong}, of {len(severe)}')
    if not severe:
        return [text]
    low, high = _interval([o.person for o in severe], np.array(
        [o.estimate.pattern is PATTERNS[o.pattern] for o in severe]))
    return [f'{text} [{low:.0%}, {high:.0%}]']


_FIELDS = ('person', 'side', 'severity', 'pattern', 'lost', 'exercise', 'repetition', 'valid',
           'ratio', 'pooled_ratio', 'drawn_ratio', 'commanded_ratio', 'excursion_left',
           'excursion_right', 'synkinesis_left', 'lag_ms', 'quality', 'reasons', 'grade',
           'symmetry_index', 'pattern_seen')


def write_csv(outcomes: Sequence[Outcome], path: Path) -> None:
    """One row per repetition; the file appears whole."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _FIELDS, extrasaction='ignore')
    writer.writeheader()
    for o in outcomes:
        pooled = pooled_ratios(o.results)
        for result in o.results:
            writer.writerow({
                **result.__dict__, 'person': o.person, 'side': o.side.name.lower(),
                'severity': o.severity, 'pattern': o.pattern, 'lost': o.lost,
                'pooled_ratio': pooled.get(result.exercise, math.nan),
                'drawn_ratio': o.drawn[result.exercise],
                'commanded_ratio': o.commanded[result.exercise],
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
