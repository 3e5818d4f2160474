"""What is said of people who talk and smile unasked, with and without what their mouths do.

It prints the table of docs/measurement.md ("Talk"). Talk and palsies are SIMULATED, on photographs
of healthy people; both rules see the same pictures. By default the people of the Canada set, on
whom nothing of the rule was chosen.
Run: .venv/bin/python -m studies.talking_study --pictures ../shared/data/canada_faces
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.palsy import Palsy, Style
from stroke_side_monitor.simulation.portrait import PictureError, portrait, read_picture
from stroke_side_monitor.simulation.session import NANOSECONDS, Session, SessionPlan
from studies.intervals import interval

FPS = 15.0
RULES = {'M of this moment alone': PipelineSettings(talking_yields=0.0, talking_gain=0.0),
         'with what moved unasked': PipelineSettings()}
FIGURES = ('healthy: a side named', 'palsied: the right side', 'palsied: the wrong side',
           'pictures without an answer')
SEVERITY = 0.5

Film = Sequence[tuple[float, NDArray[np.uint8]]]


def style(resting: float) -> Style:
    """A palsy that shows so much of the usual at rest; in movement it is as weak as ever."""
    usual = Style()
    return Style(droop=usual.droop * resting, shorten=usual.shorten * resting,
                 rest_pull=usual.rest_pull * resting, sag=usual.sag * resting)


def film(picture: Path, palsy: Palsy, resting: float, seconds: float, seed: int) -> Film:
    """Stamps in seconds and pictures of somebody who talks.

    Raises:
        PictureError: the picture cannot be used.
    """
    plan = SessionPlan(exercises=(), first_rest_s=2.0, talk_s=seconds - 3.0, rest_s=1.0, fps=FPS)
    session = Session(portrait(read_picture(picture), picture.stem), palsy, plan, seed,
                      style(resting))
    return [(frame.truth.stamp_ns / NANOSECONDS, frame.rgb) for frame in session]


def answers(pictures: Film, settings: PipelineSettings) -> list[Side]:
    """What was said, picture by picture."""
    pipeline = Pipeline(settings, video=True)
    said = [pipeline.assess(rgb, stamp_s).side.side for stamp_s, rgb in pictures
            if pipeline.due(stamp_s)]
    pipeline.close()
    return said


def figures(healthy: Sequence[Side], palsied: Sequence[Side], true: Side) -> tuple[float, ...]:
    """In the order of FIGURES; but for the last one, shares of the answers."""
    def share(said: Sequence[Side], *sides: Side) -> float:
        known = [side for side in said if side is not Side.UNKNOWN]
        return float(np.mean([side in sides for side in known])) if known else float('nan')

    without = [side is Side.UNKNOWN for side in (*healthy, *palsied)]
    return (share(healthy, Side.LEFT, Side.RIGHT), share(palsied, true),
            share(palsied, true.mirrored), float(np.mean(without)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog='python -m studies.talking_study', description=__doc__)
    parser.add_argument('--pictures', type=Path, required=True, help='folder of portraits')
    parser.add_argument('--people', type=int, default=40)
    parser.add_argument('--resting', type=float, default=0.5,
                        help='how much of the usual resting signs shows, 0 to 1 (default 0.5)')
    parser.add_argument('--seconds', type=float, default=28.0)
    given = parser.parse_args()
    found: dict[str, list[tuple[float, ...]]] = {rule: [] for rule in RULES}
    for seed, picture in enumerate(tqdm(sorted(given.pictures.glob('*.jpg'))[:given.people])):
        true = (Side.LEFT, Side.RIGHT)[seed % 2]
        try:
            films = [film(picture, palsy, given.resting, given.seconds, seed) for palsy in (
                Palsy.of(Side.NONE, 0.0), Palsy.of(true, SEVERITY, 'central'))]
        except PictureError as error:
            print(f'{picture.name}: {error}')
            continue
        for rule, settings in RULES.items():
            said = [answers(pictures, settings) for pictures in films]
            found[rule].append(figures(said[0], said[1], true))
    print(f'{len(found[next(iter(RULES))])} people, {given.seconds:.0f} s each; central palsy of '
          f'severity {SEVERITY}, {given.resting:g} of the usual resting signs\n')
    print('| of the answers, % | ' + ' | '.join(FIGURES) + ' | healthy people ever named |')
    print('|---' * (len(FIGURES) + 2) + '|')
    for rule, rows in found.items():
        columns = 100 * np.array(rows).T
        ever = int((columns[0] > 0).sum())
        print(f'| {rule} | ' + ' | '.join(interval(column, '.1f') for column in columns)
              + f' | {ever} of {len(rows)} |')


if __name__ == '__main__':
    main()
