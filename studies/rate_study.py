"""What assessing fewer frames a second costs: the same filmed seconds at 30, 15, 10 and 7.5 Hz.

It prints the table of docs/measurement.md ("How often to look"). Sessions are SIMULATED, at rest:
while an exercise is on every frame is assessed, whatever the rate. Paired: every rate sees the
same pictures.
Run: .venv/bin/python -m studies.rate_study --data ../shared/data
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import PictureError, Portrait, portrait, read_picture
from stroke_side_monitor.simulation.session import NANOSECONDS, Session, SessionPlan
from studies.intervals import interval

RATES_HZ = (30.0, 15.0, 10.0, 7.5)
SECONDS, ONSET_S, WARM_S = 14.0, 5.0, 2.0
# Side of the palsy, severity, and whether it sets in while we look.
KINDS = {'healthy': (Side.NONE, 0.0, False), 'left .5': (Side.LEFT, 0.5, False),
         'right .8': (Side.RIGHT, 0.8, False), 'right .8, sets in': (Side.RIGHT, 0.8, True)}


@dataclass(frozen=True)
class Course:
    """What was said over one session, in force until the next answer; at 30 Hz.

    sides: -1 unknown, else Side's value. stable: bool. Both (n,) from WARM_S on.
    """

    sides: NDArray[np.int64]
    stable: NDArray[np.bool_]


def film(person: Portrait, kind: str, seed: int) -> list[tuple[float, NDArray[np.uint8]]]:
    """All frames of a session at 30 Hz."""
    side, severity, sets_in = KINDS[kind]
    plan = SessionPlan(exercises=(), first_rest_s=SECONDS - 0.5, rest_s=0.5, fps=30.0,
                       onset_s=ONSET_S if sets_in else None)
    session = Session(person, Palsy.of(side, severity, 'central'), plan, seed)
    return [(frame.truth.stamp_ns / NANOSECONDS, frame.rgb) for frame in session]


def watch(frames: Sequence[tuple[float, NDArray[np.uint8]]], rate_hz: float) -> Course:
    """Assess what is due at that rate; what was said last is in force."""
    pipeline = Pipeline(PipelineSettings(assess_rate_hz=rate_hz), video=True)
    sides, stable = [], []
    said, firm = -1, False
    began = frames[0][0]
    for stamp_s, rgb in frames:
        if pipeline.due(stamp_s):
            answer = pipeline.assess(rgb, stamp_s).side
            said = -1 if answer.side is Side.UNKNOWN else int(answer.side.value)
            firm = answer.stable
        if stamp_s - began >= WARM_S:
            sides.append(said)
            stable.append(firm)
    pipeline.close()
    return Course(np.array(sides), np.array(stable))


def figures(kind: str, course: Course) -> dict[str, float]:
    """Shares of time; reaction in seconds from the onset until the side is stable, NaN if never."""
    true = KINDS[kind][0].value
    named = (course.sides == Side.LEFT.value) | (course.sides == Side.RIGHT.value)
    if kind == 'healthy':
        return {'healthy: a side named': float(named.mean())}
    if not KINDS[kind][2]:
        wrong = named & (course.sides != true)
        return {'palsied: the right side named': float((course.sides == true).mean()),
                'palsied: the wrong side named': float(wrong.mean())}
    after = round((ONSET_S - WARM_S) * 30)
    firm = np.flatnonzero((course.sides == true)[after:] & course.stable[after:])
    return {'from onset to a stable side, s': firm[0] / 30 if len(firm) else float('nan')}


def people(folder: Path, count: int) -> Iterator[Portrait]:
    """So many people of the London set, without those whose picture cannot be used."""
    for path in sorted((folder / 'london_faces/neutral').glob('*.jpg')):
        if count == 0:
            return
        try:
            yield portrait(read_picture(path), path.stem)
        except PictureError:
            continue
        count -= 1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog='python -m studies.rate_study', description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='folder with london_faces')
    parser.add_argument('--people', type=int, default=12)
    given = parser.parse_args()
    found: dict[str, dict[float, list[float]]] = {}
    for seed, person in enumerate(tqdm(people(given.data, given.people), total=given.people)):
        of_person: dict[tuple[str, float], list[float]] = {}
        for kind in KINDS:
            frames = film(person, kind, seed)
            for rate in RATES_HZ:
                for name, value in figures(kind, watch(frames, rate)).items():
                    of_person.setdefault((name, rate), []).append(value)
        for (name, rate), values in of_person.items():
            found.setdefault(name, {}).setdefault(rate, []).append(float(np.mean(values)))
    print(f'{given.people} people, {SECONDS:.0f} s a session\n')
    print('| of the time | 30 Hz | ' + ' | '.join(
        f'{rate:g} Hz, less 30 Hz' for rate in RATES_HZ[1:]) + ' |')
    print('|---' * (len(RATES_HZ) + 1) + '|')
    for name, by_rate in found.items():
        base = np.array(by_rate[30.0])
        print(f'| {name} | {np.nanmean(base):.3f} | ' + ' | '.join(
            interval(np.array(by_rate[rate]) - base) for rate in RATES_HZ[1:]) + ' |')


if __name__ == '__main__':
    main()
