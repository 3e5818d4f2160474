"""Measures the measurement: norms, false sides, simulated palsies, calibration, gain.

Writes the plots of docs/measurement.md and prints its figures. It never tunes
what it reports on: people are split, and thresholds come from the package.
Run: .venv/bin/python -m studies.measurement_study --data ../shared/data
"""

from __future__ import annotations

import argparse
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor import resources
from stroke_side_monitor.assessment import metrics, side
from stroke_side_monitor.assessment.norms import Context, Norms
from stroke_side_monitor.assessment.side import Evidence, SideRule
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.perception import frame
from stroke_side_monitor.perception.face_tracker import StillFaceFinder
from stroke_side_monitor.perception.side_classifier import SideClassifier
from stroke_side_monitor.simulation import palsy as palsies
from stroke_side_monitor.simulation.face import FaceTruth, HeadMotion
from stroke_side_monitor.simulation.portrait import Portrait, portrait, read_picture
from stroke_side_monitor.simulation.still import camera_faults, simulate_still
from studies import norms_from_faces
from studies.intervals import wilson
from studies.norms_from_faces import Sample
from training import splits
from training.simulate import find_people, some

mpl.use('Agg')
from matplotlib import pyplot as plt

FOLDS = 5
SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
RULE = SideRule()
# The classifier may contradict, but not support.
WITHOUT_SUPPORT = replace(RULE, supported_on=RULE.mouth_on)
# Congress people of whom the shipped classifier's pictures were drawn; docs/classifier.md.
CONGRESS_DRAWN = 260


@dataclass(frozen=True)
class Simulated:
    """One simulated still, measured. sign: +1 left weak, −1 right weak, 0 healthy."""

    sample: Sample
    sign: int
    severity: float
    pattern: str
    exercise: str
    truth: FaceTruth
    single_pass: float  # commissure height from the direct pass alone, mm


def main() -> None:
    """Run every part of the study."""
    options = _parse()
    classifier = SideClassifier(resources.model_path('side_classifier.tflite'))
    healthy = list(norms_from_faces.measure_folders(options.data, classifier))
    simulated = list(simulate(options.data, options.people, options.seed, classifier))
    fold = folds([person_key(sample) for sample in healthy])
    evidence = held_out_evidence([*healthy, *(item.sample for item in simulated)], healthy, fold)
    trained_on = people_trained_on(options.data)
    for rule, name in ((WITHOUT_SUPPORT, 'WITHOUT the classifier\'s support'),
                       (RULE, 'AS SHIPPED')):
        strengths = np.array([side.evidence_strength(one, rule) for one in evidence])
        healthy_strength, simulated_strength = np.split(strengths, [len(healthy)])
        print(f'\n=== {name}')
        report_healthy(healthy, healthy_strength, trained_on)
        report_simulated(simulated, simulated_strength, trained_on)
        report_separation(healthy, healthy_strength, simulated, simulated_strength)
    report_calibration(healthy, healthy_strength, simulated, simulated_strength, fold,
                       options.out)
    report_gain(simulated, options.out)
    plot_norms(healthy, options.out)


def person_key(sample: Sample) -> str:
    """The two London folders and the simulated patients show the same people."""
    return f'{sample.source.split("_")[0]}/{sample.person}'


def folds(keys: Sequence[str]) -> dict[str, int]:
    """Person → fold, at random but always the same."""
    people = sorted(set(keys))
    order = np.random.default_rng(0).permutation(len(people))
    return {people[index]: place % FOLDS for place, index in enumerate(order)}


def people_trained_on(data: Path) -> frozenset[str]:
    """Keys of the people whose pictures the shipped classifier was trained on."""
    drawn = [*find_people(data / 'london_faces'), *find_people(data / 'canada_faces'),
             *some(find_people(data / 'congress_portraits'), CONGRESS_DRAWN)]
    return frozenset(person.subject.replace('_', '/', 1) for person in drawn
                     if splits.split_of(person.subject) == 'train')


def to_report(sample: Sample) -> bool:
    """Is this person of the half on which `supported_on` was not chosen?"""
    name = 'half ' + person_key(sample).replace('/', '_', 1)
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 2 == 1


def simulate(data: Path, people: int, seed: int, classifier: SideClassifier) -> list[Simulated]:
    """Ten stills of each person: five severities at rest and in a smile, all else at random."""
    finder = StillFaceFinder()
    rng = np.random.default_rng(seed)
    done = []
    for source, name, person in tqdm(_portraits(data, people), desc='simulated'):
        framed = person.framed(640, 480, 110.0)
        for exercise in ('rest', 'smile'):
            for severity in SEVERITIES:
                item = _simulated(finder, framed, source, name, exercise, severity, rng,
                                  classifier)
                if item is not None:
                    done.append(item)
    return done


def _simulated(finder: StillFaceFinder, person: Portrait, source: str, name: str, exercise: str,
               severity: float, rng: np.random.Generator, classifier: SideClassifier
               ) -> Simulated | None:
    pattern = ('central', 'peripheral')[int(rng.integers(2))]
    weak = (Side.LEFT, Side.RIGHT)[int(rng.integers(2))]
    patient = palsies.Palsy.of(weak, severity, pattern, natural=palsies.random_natural(rng))
    head = HeadMotion(*(float(angle) for angle in np.clip(rng.normal(0, (3, 3, 2)), -9, 9)))
    rgb, truth = simulate_still(person, patient, exercise, float(rng.uniform(0.5, 1.0)),
                                style=palsies.random_style(rng), head=head)
    rgb = camera_faults(rgb, rng, 0.6)
    sample = norms_from_faces.measure(finder, rgb, source, name, 0, classifier)
    if sample is None:
        return None
    direct = finder.look(rgb, 0.0).direct
    assert direct is not None
    single = metrics.commissure_height(frame.normalise(direct).points)
    sign = {Side.LEFT: 1, Side.RIGHT: -1, Side.NONE: 0}[patient.side]
    return Simulated(sample, sign, severity, pattern, exercise, truth.face, single)


def _portraits(data: Path, people: int) -> list[tuple[str, str, Portrait]]:
    """The London people with their own smiles, then the Canadian ones."""
    found = []
    for path in sorted((data / 'london_faces/neutral').glob('*.jpg')):
        smiling = data / 'london_faces/smiling' / path.name
        found.append(('london_neutral', path.stem, portrait(
            read_picture(path), path.name, smiling_rgb=read_picture(smiling),
            smiling_name=smiling.name)))
    for path in sorted((data / 'canada_faces').glob('*.jpg')):
        found.append(('canada', path.stem, portrait(read_picture(path), path.name)))
    return found[:people]


def held_out_evidence(samples: Sequence[Sample], healthy: Sequence[Sample], fold: dict[str, int]
                      ) -> list[Evidence]:
    """Evidence of every sample by norms of the healthy ones, computed without that person."""
    norms = []
    for left_out in range(FOLDS):
        training = [sample for sample in healthy if fold[person_key(sample)] != left_out]
        norms.append(Norms({metric.name: norms_from_faces.fit(training, metric.name)
                            for metric in metrics.METRICS}))

    def evidence(sample: Sample) -> Evidence:
        z = norms[fold[person_key(sample)]].z(sample.values, sample.context)
        return Evidence(side.mouth_score(z), side.eye_score(z), sample.classifier)

    return [evidence(sample) for sample in samples]


def report_healthy(healthy: Sequence[Sample], strength: NDArray[np.float64],
                   trained_on: frozenset[str]) -> None:
    """False sides on healthy people: all, the half to report on, strangers to the classifier."""
    print('\nhealthy people called one-sided (Wilson 95 %): all; the half on which supported_on '
          'was not chosen; people on whom the classifier was not trained')
    groups: tuple[Callable[[Sample], bool], ...] = (
        lambda sample: True, to_report, lambda sample: person_key(sample) not in trained_on)
    for source in (*(source.name for source in norms_from_faces.SOURCES), 'all portraits'):
        figures = []
        for belongs in groups:
            chosen = [index for index, sample in enumerate(healthy) if sample.scale == 0
                      and source in (sample.source, 'all portraits') and belongs(sample)]
            named = int((np.abs(strength[chosen]) >= RULE.mouth_on).sum())
            figures.append(share(named, len(chosen)))
        print(f'  {source:16s} {"; ".join(figures)}')
    for folder in norms_from_faces.SOURCES:
        for scale, pixels in enumerate(norms_from_faces.RESAMPLED_INTEROCULAR_PX, start=1):
            again = [abs(value) for value, sample in zip(strength, healthy, strict=True)
                     if (sample.source, sample.scale) == (folder.name, scale)]
            if again:
                named = sum(value >= RULE.mouth_on for value in again)
                print(f'  {folder.name:16s} seen again at {pixels:.0f} px between the eyes '
                      f'{share(named, len(again))}')


def report_simulated(simulated: Sequence[Simulated], strength: NDArray[np.float64],
                     trained_on: frozenset[str]) -> None:
    """Side and share decided on simulated palsies."""
    print('\nSIMULATED palsies: side right of the decided; decided (Wilson 95 %)')
    def decisive(exercise: str, belongs: Callable[[Sample], bool] = lambda sample: True
                 ) -> Callable[[Simulated], bool]:
        return lambda item: (item.exercise == exercise and item.severity >= 0.5
                             and belongs(item.sample))

    def course(exercise: str, pattern: str, severity: float) -> Callable[[Simulated], bool]:
        return lambda item: ((item.exercise, item.pattern, item.severity)
                             == (exercise, pattern, severity))

    groups: dict[str, Callable[[Sample], bool]] = {
        'half to report on': to_report,
        'not trained on': lambda sample: person_key(sample) not in trained_on}
    exercises = ('rest', 'smile')
    rows = [(f'{exercise:5s} {pattern:10s} severity {severity}',
             course(exercise, pattern, severity))
            for exercise in exercises for pattern in ('central', 'peripheral')
            for severity in SEVERITIES[1:]]
    rows += [(f'{exercise:5s} severity >= 0.5', decisive(exercise)) for exercise in exercises]
    rows += [(f'{exercise:5s} severity >= 0.5, {group}', decisive(exercise, belongs))
             for exercise in exercises for group, belongs in groups.items()]
    for name, chosen in rows:
        values = np.array([value * item.sign for value, item in zip(strength, simulated,
                                                                   strict=True) if chosen(item)])
        decided = np.abs(values) >= RULE.mouth_on
        print(f'  {name:40s} {share(int((values[decided] > 0).sum()), int(decided.sum()))}   '
              f'{share(int(decided.sum()), len(values))}')


def report_separation(healthy: Sequence[Sample], healthy_strength: NDArray[np.float64],
                      simulated: Sequence[Simulated], strength: NDArray[np.float64]) -> None:
    """Area under the ROC curve, |strength| of simulated palsies against healthy portraits."""
    print('\nAUC of |strength|, SIMULATED palsies of severity >= 0.5 against healthy portraits')
    reference = np.abs(healthy_strength[[sample.scale == 0 for sample in healthy]])
    for exercise in ('rest', 'smile'):
        for pattern in ('central', 'peripheral'):
            ill = np.abs([value for value, item in zip(strength, simulated, strict=True)
                          if item.exercise == exercise and item.pattern == pattern
                          and item.severity >= 0.5])
            print(f'  {exercise:5s} {pattern:10s} {auc(ill, reference):.3f}')


def report_calibration(healthy: Sequence[Sample], healthy_strength: NDArray[np.float64],
                       simulated: Sequence[Simulated], strength: NDArray[np.float64],
                       fold: dict[str, int], out: Path) -> None:
    """Fit steepness and midpoint on half of the people, draw the reliability of the others."""
    samples = [*healthy, *(item.sample for item in simulated)]
    values = np.concatenate([healthy_strength, strength])
    signs = np.concatenate([np.zeros(len(healthy), int), [item.sign for item in simulated]])
    weights = np.where(signs == 0, 0.5 / (signs == 0).sum(), 0.5 / (signs != 0).sum())
    half = np.array([fold[person_key(sample)] % 2 == 0 for sample in samples])
    grid = [(steepness, midpoint, _log_loss(values[half], signs[half], weights[half],
                                            steepness, midpoint))
            for steepness in np.arange(0.5, 6.01, 0.25) for midpoint in np.arange(0.5, 3.01, 0.1)]
    steepness, midpoint, _ = min(grid, key=lambda row: row[2])
    others = values[~half], signs[~half], weights[~half]
    print(f'\ncalibration: fitted on one half of the people steepness {steepness:.2f}, midpoint '
          f'{midpoint:.1f}; log loss on the others {_log_loss(*others, steepness, midpoint):.3f}'
          f'; shipped {RULE.steepness}, {RULE.midpoint}: '
          f'{_log_loss(*others, RULE.steepness, RULE.midpoint):.3f}')
    _plot_reliability(values[~half], signs[~half], weights[~half], out)


def _log_loss(values: NDArray[np.float64], signs: NDArray[np.int_], weights: NDArray[np.float64],
              steepness: float, midpoint: float) -> float:
    rule = SideRule(steepness=steepness, midpoint=midpoint)
    probabilities = np.array([side.side_probabilities(float(value), rule) for value in values])
    true = probabilities[np.arange(len(values)), 1 - signs]  # left, none, right
    return float(-(weights * np.log(np.maximum(true, 1e-12))).sum() / weights.sum())


def _plot_reliability(values: NDArray[np.float64], signs: NDArray[np.int_],
                      weights: NDArray[np.float64], out: Path) -> None:
    probabilities = np.array([side.side_probabilities(float(value), RULE) for value in values])
    figure, axes = plt.subplots(figsize=(4.6, 4.2))
    for column, label, colour in ((0, 'LEFT', '#d95f02'), (1, 'NONE', '#1b9e77'),
                                  (2, 'RIGHT', '#7570b3')):
        happened = signs == 1 - column
        bins = np.clip((probabilities[:, column] * 8).astype(int), 0, 7)
        points = [(np.average(probabilities[bins == b, column], weights=weights[bins == b]),
                   np.average(happened[bins == b], weights=weights[bins == b]))
                  for b in range(8) if (bins == b).sum() >= 8]
        axes.plot(*zip(*points, strict=True), 'o-', color=colour, label=label)
    axes.plot([0, 1], [0, 1], color='0.6', lw=1, zorder=0)
    axes.set(xlabel='stated probability', ylabel='how often true', aspect='equal',
             title='Reliability, held-out people\n(healthy portraits + simulated palsies, 1:1)')
    axes.legend(frameon=False)
    _save(figure, out / 'reliability.png')


def report_gain(simulated: Sequence[Simulated], out: Path) -> None:
    """How much of the drawn asymmetry the pipeline reports, metric by metric."""
    print('\ngain: slope of measured on drawn asymmetry, SIMULATED patients')
    gains = {metric.name: _Gain.of(
        np.array([metric.measure(item.truth.points) for item in simulated]),
        _values(simulated, metric.name)) for metric in metrics.METRICS}
    for metric in metrics.METRICS:
        print(f'  {metric.name:26s} {gains[metric.name].text(metric.unit)}')
    height = gains['mouth.commissure_height']
    single = _Gain.of(height.true, np.array([item.single_pass for item in simulated]))
    print(f'  commissure height, one pass only: {single.text("mm")}')
    figure, axes = plt.subplots(1, 4, figsize=(14, 3.6))
    for plot, (title, name) in zip(axes, _PLOTTED.items(), strict=True):
        gain = gains[name]
        plot.plot(gain.true, gain.measured, '.', ms=3, alpha=0.4, color='#2b6cb0')
        reach = np.array([gain.true.min(), gain.true.max()])
        plot.plot(reach, reach, color='0.6', lw=1)
        plot.set(xlabel='drawn, mm', ylabel='measured, mm', title=title)
    figure.tight_layout()
    _save(figure, out / 'gain.png')


_PLOTTED = {'commissure height': 'mouth.commissure_height',
            'commissure lateral': 'mouth.commissure_lateral',
            'palpebral fissure': 'eye.palpebral_fissure', 'brow height': 'brow.height'}


@dataclass(frozen=True)
class _Gain:
    """true, measured: float64 (n,), the metric on the drawn landmarks and as measured."""

    true: NDArray[np.float64]
    measured: NDArray[np.float64]
    slope: float
    error: float
    residual: float

    @staticmethod
    def of(true: NDArray[np.float64], measured: NDArray[np.float64]) -> _Gain:
        slope, offset = np.polyfit(true, measured, 1)
        residual = float((measured - (slope * true + offset)).std())
        return _Gain(true, measured, float(slope),
                     1.96 * residual / (float(true.std()) * math.sqrt(len(true))), residual)

    def text(self, unit: str) -> str:
        return (f'{self.slope:.2f} ± {self.error:.2f}, residual SD {self.residual:.2f} {unit}, '
                f'drawn SD {self.true.std():.2f}')


def _values(simulated: Sequence[Simulated], name: str) -> NDArray[np.float64]:
    return np.array([item.sample.values[name] for item in simulated])


def plot_norms(healthy: Sequence[Sample], out: Path) -> None:
    """What healthy asymmetry depends on, and the norm that follows it."""
    norms = norms_from_faces.fit(healthy, 'mouth.commissure_height')
    values = np.array([sample.values['mouth.commissure_height'] for sample in healthy])
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True)
    colours = {'london': '#2b6cb0', 'canada': '#2f855a', 'congress': '#b7791f'}
    sweeps = (
        ('yaw_deg', 'head yaw, degrees', np.linspace(-20, 20, 81)),
        ('mouth_width_mm', 'mouth width, mm (a smile widens it)', np.linspace(42, 75, 81)),
        ('interocular_px', 'eye distance, px', np.linspace(40, 190, 81)))
    for plot, (name, label, sweep) in zip(axes, sweeps, strict=True):
        for group, colour in colours.items():
            chosen = [sample.source.startswith(group) for sample in healthy]
            plot.plot([getattr(sample.context, name) for sample, is_in in
                       zip(healthy, chosen, strict=True) if is_in], values[chosen], '.', ms=3,
                      alpha=0.4, color=colour, label=group)
        base = {'yaw_deg': 0.0, 'roll_deg': 0.0, 'mouth_width_mm': 50.0, 'interocular_px': 120.0}
        contexts = [Context(**{**base, name: float(value)}) for value in sweep]
        middle = np.array([norms.expected(context) for context in contexts])
        spread = np.array([norms.sd(context) for context in contexts])
        plot.plot(sweep, middle, color='k', lw=1)
        plot.fill_between(sweep, middle - 2 * spread, middle + 2 * spread, color='0.5', alpha=0.2,
                          label='±2 SD norm')
        plot.set(xlabel=label)
    axes[0].set(ylabel='commissure height, right − left, mm')
    axes[2].legend(frameon=False, fontsize=8, markerscale=2)
    figure.tight_layout()
    _save(figure, out / 'norms.png')


def share(hits: int, count: int) -> str:
    """k/n with its Wilson score interval."""
    if count == 0:
        return '0/0'
    low, high = wilson(hits, count)
    return f'{hits}/{count} = {100 * hits / count:.1f} % [{100 * low:.1f}, {100 * high:.1f}]'


def auc(ill: NDArray[np.float64], healthy: NDArray[np.float64]) -> float:
    """Probability that an ill one scores higher than a healthy one (Mann–Whitney)."""
    return float((ill[:, None] > healthy[None]).mean() + 0.5 * (ill[:, None] == healthy).mean())


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, bbox_inches='tight')
    plt.close(figure)
    print(f'  -> {path}')


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--out', type=Path, default=Path('docs/images'))
    parser.add_argument('--people', type=int, default=120)
    parser.add_argument('--seed', type=int, default=20)
    return parser.parse_args()


if __name__ == '__main__':
    main()
