"""Whether answers come true as often as they say, by expression, size and pose.

It prints the table of docs/measurement.md ("Confidence") and draws its figure. Expressions, turns,
distances and palsies are SIMULATED, with perspective, on photographs of healthy people; as many
pictures are of healthy as of palsied ones. By default the people of the Canada set, on whom no
probability was fitted.
Run: .venv/bin/python -m studies.confidence_study --pictures ../shared/data/canada_faces
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.face import HeadMotion, SimulatedFace, angles
from stroke_side_monitor.simulation.palsy import Expression, Palsy, random_natural, random_style
from stroke_side_monitor.simulation.portrait import Portrait
from stroke_side_monitor.simulation.session import minimum_jerk
from stroke_side_monitor.simulation.still import camera_faults
from stroke_side_monitor.simulation.talk import Talk
from studies.intervals import by_person, interval, wilson
from studies.people import usable

mpl.use('Agg')
from matplotlib import pyplot as plt

# Of the picture, in eye distances: wider, the portraits would be seen to end.
WIDTH, HEIGHT = 4.2, 5.0
INTEROCULAR_PX = (36.0, 110.0)
YAW_DEG, PITCH_DEG, ROLL_DEG = 25.0, 20.0, 8.0
CAMERA_MM = 1000.0
CAMERA_FAULTS = 0.5
EXPRESSIONS = ('rest', 'smile', 'speech')
SEVERITIES = (0.0, 0.0, 0.5, 0.75)
DRAWN_EACH = 12


@dataclass(frozen=True)
class Answer:
    """Of one picture. yaw_deg, pitch_deg, roll_deg: as drawn. probability: of what is true.

    person: by number.
    """

    person: int
    severity: float
    expression: str
    eyes_px: float
    yaw_deg: float
    pitch_deg: float
    true: Side
    said: Side
    confidence: float
    probability: float


def answers(pictures: Sequence[Path], pipeline: Pipeline) -> Iterator[Answer]:
    """Every person at random in every expression; sides by turns."""
    for number, person in usable(pictures):
        rng = np.random.default_rng((number, 17))
        for count in range(DRAWN_EACH * len(SEVERITIES)):
            yield _answer(number, count, person, rng, pipeline)


def _answer(number: int, count: int, person: Portrait, rng: np.random.Generator,
            pipeline: Pipeline) -> Answer:
    severity = SEVERITIES[count % len(SEVERITIES)]
    name = EXPRESSIONS[count // len(SEVERITIES) % len(EXPRESSIONS)]
    weak = (Side.LEFT, Side.RIGHT)[int(rng.integers(2))]
    palsy = Palsy.of(weak, severity, ('central', 'peripheral')[int(rng.integers(2))],
                     natural=random_natural(rng))
    eyes_px = float(rng.uniform(*INTEROCULAR_PX))
    filmed = person.framed(round(WIDTH * eyes_px), round(HEIGHT * eyes_px), eyes_px, CAMERA_MM)
    wanted = rng.uniform(-1.0, 1.0, 3) * (YAW_DEG, PITCH_DEG, ROLL_DEG)
    head = HeadMotion(*(float(w - now) for w, now in zip(wanted, angles(filmed.rotation),
                                                         strict=True)))
    rgb, truth = SimulatedFace(filmed, palsy, random_style(rng)).draw(_expression(name, rng), head)
    said = pipeline.assess(camera_faults(rgb, rng, CAMERA_FAULTS), 0.0).side
    true = weak if severity else Side.NONE
    probabilities = {Side.LEFT: said.p_left, Side.NONE: said.p_none, Side.RIGHT: said.p_right}
    return Answer(number, severity, name, eyes_px, truth.yaw_deg, truth.pitch_deg, true, said.side,
                  said.confidence, probabilities[true])


def _expression(name: str, rng: np.random.Generator) -> Expression:
    if name == 'speech':
        return Talk(30.0, rng).at(float(rng.uniform(3.0, 27.0)), minimum_jerk)
    return Expression.of(name, float(rng.uniform(0.4, 1.0)))


BANDS: Mapping[str, Callable[[Answer], bool]] = {
    'all': lambda one: True,
    'at rest': lambda one: one.expression == 'rest',
    'smiling': lambda one: one.expression == 'smile',
    'speaking': lambda one: one.expression == 'speech',
    '36 to 50 px': lambda one: one.eyes_px < 50,
    '50 to 75 px': lambda one: 50 <= one.eyes_px < 75,
    '75 to 110 px': lambda one: one.eyes_px >= 75,
    'within 10°': lambda one: max(abs(one.yaw_deg), abs(one.pitch_deg)) < 10,
    'yaw 10 to 25°': lambda one: abs(one.yaw_deg) >= 10 and abs(one.pitch_deg) < 10,
    'turned up by 10 to 25°': lambda one: one.pitch_deg >= 10,
    'turned down by 10 to 25°': lambda one: one.pitch_deg <= -10,
}


def table(found: Sequence[Answer]) -> None:
    """Stated and true, by band; of what was answered."""
    print('\n| | pictures | decided, % | mean confidence | right (95 %) | healthy named | '
          'wrong side | log loss |\n|---|---|---|---|---|---|---|---|')
    for name, holds in BANDS.items():
        here = [one for one in found if holds(one)]
        said = [one for one in here if one.said is not Side.UNKNOWN]
        healthy = [one for one in said if one.true is Side.NONE]
        right = interval(by_person(said, lambda one: one.said is one.true), '.2f')
        named = sum(one.said is not Side.NONE for one in healthy)
        wrong = sum(one.said is one.true.mirrored for one in said if one.true is not Side.NONE)
        loss = -np.mean(np.log([max(one.probability, 1e-12) for one in said]))
        print(f'| {name} | {len(here)} | {100 * len(said) / len(here):.0f} | '
              f'{np.mean([one.confidence for one in said]):.2f} | {right} | '
              f'{named} of {len(healthy)} | {wrong} of {len(said) - len(healthy)} | {loss:.3f} |')


def draw(found: Sequence[Answer], path: Path) -> None:
    """One reliability diagram a band."""
    columns = 4
    names = list(BANDS)[1:]
    figure, axes = plt.subplots(math.ceil(len(names) / columns), columns, figsize=(11, 8.4),
                                sharex=True, sharey=True, squeeze=False)
    for plot in axes.flat[len(names):]:
        plot.remove()
    for plot, name in zip(axes.flat, names, strict=False):
        said = [one for one in found if BANDS[name](one) and one.said is not Side.UNKNOWN]
        stated = np.array([one.confidence for one in said])
        right = np.array([one.said is one.true for one in said])
        bins = np.clip(((stated - 0.3) / 0.7 * 7).astype(int), 0, 6)
        for each in (b for b in range(7) if (bins == b).sum() >= 10):
            mine = bins == each
            hits, count = int(right[mine].sum()), int(mine.sum())
            plot.plot(stated[mine].mean(), hits / count, 'o', color='#2b6cb0',
                      ms=2 + math.sqrt(count) / 2.5)
            plot.plot([stated[mine].mean()] * 2, wilson(hits, count), color='#2b6cb0', lw=1)
        plot.plot([0.3, 1], [0.3, 1], color='0.6', lw=1, zorder=0)
        plot.set(title=f'{name} ({len(said)})', xlim=(0.3, 1.02), ylim=(0.0, 1.04))
    figure.supxlabel('stated confidence')
    figure.supylabel('share right')
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)
    print(f'-> {path}')


def main() -> None:
    """Print the table and draw the diagrams."""
    parser = argparse.ArgumentParser(prog='python -m studies.confidence_study',
                                     description=__doc__)
    parser.add_argument('--pictures', type=Path, required=True, help='folder of portraits')
    parser.add_argument('--people', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('docs/images/reliability_bands.png'))
    given = parser.parse_args()
    pipeline = Pipeline(PipelineSettings(), video=False)
    found = list(answers(sorted(given.pictures.glob('*.jpg'))[:given.people], pipeline))
    pipeline.close()
    table(found)
    draw(found, given.out)


if __name__ == '__main__':
    main()
