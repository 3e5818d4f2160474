"""What is said of turned, small faces, and how the mouth score drifts with the turn.

It prints the tables of docs/measurement.md ("Turned faces"). Turns, distance and palsies are
SIMULATED, with perspective, on photographs of healthy people; where real faces drift otherwise,
they are right and the drawing is wrong. By default the people of the Canada set, on whom nothing
was chosen.
Run: .venv/bin/python -m studies.pose_study --pictures ../shared/data/canada_faces
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stroke_side_monitor.assessment.side import mouth_score
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.face import HeadMotion, angles
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import Portrait
from stroke_side_monitor.simulation.still import camera_faults, simulate_still
from studies.intervals import by_person, interval
from studies.people import usable

# Of the picture, in eye distances: wider, the portraits would be seen to end.
WIDTH, HEIGHT = 4.2, 5.0
INTEROCULAR_PX = (35.0, 60.0)
CAMERA_MM = 1000.0
CAMERA_FAULTS = 0.5
YAWS_DEG = (-25.0, -12.5, 0.0, 12.5, 25.0)
PITCHES_DEG = (-35.0, -25.0, -12.5, 0.0, 12.5, 25.0, 35.0)
EDGES_DEG = (-40.0, -30.0, -20.0, -10.0, -5.0, 5.0, 10.0, 20.0, 30.0, 40.0)
SEVERITIES = (0.0, 0.5, 0.75)


@dataclass(frozen=True)
class Answer:
    """Of one picture. yaw_deg, pitch_deg: as drawn. M: mouth score, NaN where none was measured.

    person: by number.
    """

    person: int
    yaw_deg: float
    pitch_deg: float
    true: Side
    said: Side
    M: float
    confidence: float
    reasons: tuple[str, ...]


def answers(pictures: Sequence[Path], severity: float, pipeline: Pipeline) -> Iterator[Answer]:
    """Every person at every turn, at rest; the weak side by turns."""
    for number, person in usable(pictures):
        rng = np.random.default_rng((number, 11))
        true = (Side.LEFT, Side.RIGHT)[number % 2] if severity else Side.NONE
        palsy = Palsy.of(true, severity, 'central')
        for yaw_deg, pitch_deg in itertools.product(YAWS_DEG, PITCHES_DEG):
            eyes_px = float(rng.uniform(*INTEROCULAR_PX))
            filmed = person.framed(round(WIDTH * eyes_px), round(HEIGHT * eyes_px), eyes_px,
                                   CAMERA_MM)
            rgb, truth = simulate_still(filmed, palsy, head=_turned(filmed, yaw_deg, pitch_deg))
            assessed = pipeline.assess(camera_faults(rgb, rng, CAMERA_FAULTS), 0.0)
            yield Answer(number, truth.face.yaw_deg, truth.face.pitch_deg, true,
                         assessed.side.side, mouth_score(assessed.z) if assessed.z else math.nan,
                         assessed.side.confidence, assessed.side.reasons)


def _turned(person: Portrait, yaw_deg: float, pitch_deg: float) -> HeadMotion:
    """The motion that brings a head from where it was photographed to about that pose."""
    yaw, pitch, roll = angles(person.rotation)
    return HeadMotion(yaw_deg - yaw, pitch_deg - pitch, -roll)


def drift(found: Sequence[Answer]) -> None:
    """How the healthy mouth score follows the turn."""
    for name, of in (('yaw', lambda one: one.yaw_deg), ('pitch', lambda one: one.pitch_deg)):
        print(f'\n| {name}, degrees | M, mean (95 %) | SD | pictures |\n|---|---|---|---|')
        for low, high in itertools.pairwise(EDGES_DEG):
            here = [one for one in found if low <= of(one) < high and math.isfinite(one.M)]
            means = by_person(here, lambda one: one.M)
            print(f'| {low:g} to {high:g} | {interval(means, "+.2f")} | '
                  f'{np.std([one.M for one in here]):.2f} | {len(here)} |')


def decisions(found: Sequence[Answer]) -> None:
    """Right of decided and decided, by turn."""
    print('\n| turned by | pictures | decided, % | right of decided | refused because |'
          '\n|---|---|---|---|---|')
    for name, holds in BANDS.items():
        here = [one for one in found if holds(abs(one.yaw_deg), one.pitch_deg)]
        decided = [one for one in here if one.said is not Side.UNKNOWN]
        right = sum(one.said is one.true for one in decided)
        named = sum(one.said is one.true.mirrored for one in decided) \
            if here and here[0].true is not Side.NONE else 0
        why = Counter(one.reasons[0] for one in here if one.said is Side.UNKNOWN)
        share = interval(100 * by_person(here, lambda one: one.said is not Side.UNKNOWN), '.0f')
        print(f'| {name} | {len(here)} | {share} | {right} of {len(decided)}, {named} wrong side | '
              + ', '.join(f'{reason} {count}' for reason, count in why.most_common(3)) + ' |')


def reliability(found: Sequence[Answer]) -> None:
    """Whether answers are right as often as their confidence says, by turn."""
    print('\n| turned by | answers | mean confidence | right (95 %) |\n|---|---|---|---|')
    for name, holds in BANDS.items():
        here = [one for one in found if holds(abs(one.yaw_deg), one.pitch_deg)
                and one.said is not Side.UNKNOWN]
        if here:
            right = interval(by_person(here, lambda one: one.said is one.true), '.2f')
            print(f'| {name} | {len(here)} | {np.mean([one.confidence for one in here]):.2f} | '
                  f'{right} |')


BANDS: Mapping[str, Callable[[float, float], bool]] = {
    'yaw < 15°, pitch ±15°': lambda yaw, pitch: yaw < 15 and abs(pitch) < 15,
    'yaw ≥ 15°, pitch ±15°': lambda yaw, pitch: yaw >= 15 and abs(pitch) < 15,
    'pitch −15 to −30°': lambda yaw, pitch: -30 < pitch <= -15,
    'pitch 15 to 30°': lambda yaw, pitch: 15 <= pitch < 30,
    'pitch below −30°': lambda yaw, pitch: pitch <= -30,
    'pitch above 30°': lambda yaw, pitch: pitch >= 30,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog='python -m studies.pose_study', description=__doc__)
    parser.add_argument('--pictures', type=Path, required=True, help='folder of portraits')
    parser.add_argument('--people', type=int, default=40)
    parser.add_argument('--max-pitch', type=float, default=PipelineSettings.max_pitch_deg)
    parser.add_argument('--max-yaw', type=float, default=PipelineSettings.max_yaw_deg)
    given = parser.parse_args()
    pictures = sorted(given.pictures.glob('*.jpg'))[:given.people]
    pipeline = Pipeline(PipelineSettings(max_pitch_deg=given.max_pitch,
                                         max_yaw_deg=given.max_yaw), video=False)
    everybody: list[Answer] = []
    for severity in SEVERITIES:
        print(f'\nSeverity {severity:g}')
        found = list(answers(pictures, severity, pipeline))
        if severity == 0.0:
            drift(found)
        decisions(found)
        everybody += found
    pipeline.close()
    print('\nAll severities')
    reliability(everybody)


if __name__ == '__main__':
    main()
