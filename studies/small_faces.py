"""How far the mouth score of a small or blurred face strays from that of its close-up.

It prints the tables of docs/measurement.md ("Small and blurred faces"), with --video the second.
Cameras and palsies are SIMULATED, on photographs of healthy people; the sharpness limit was chosen
on the Canada set, by default the figures are of the London set.
Run: .venv/bin/python -m studies.small_faces --pictures ../shared/data/london_faces/neutral
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.assessment.side import mouth_score
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import Portrait
from stroke_side_monitor.simulation.session import NANOSECONDS, Session, SessionPlan
from stroke_side_monitor.simulation.still import camera_faults, simulate_still
from studies.intervals import interval
from studies.people import usable

CLOSE_UP_PX = 110.0
SIZES_PX = (36.0, 42.0, 50.0, 60.0, 80.0, 110.0)
EDGES_PX = (30.0, 40.0, 50.0, 65.0, 90.0, 130.0)
FAULTS = (0.5, 1.0)
OUT_OF_FOCUS_PX = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
NOISE = 2.0
SEVERITY = 0.6
SECONDS = 6.0


@dataclass(frozen=True)
class Seen:
    """One picture. error: of M, against the close-up's, healthy SD."""

    camera: str
    interocular_px: float
    refused: bool
    error: float


def pictures(rgb: NDArray[np.uint8], rng: np.random.Generator
             ) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """The face as ordinary cameras see it, and ever further out of focus."""
    for faults in FAULTS * 3:
        yield 'ordinary', camera_faults(rgb, rng, faults)
    for sigma in OUT_OF_FOCUS_PX:
        soft: Any = cv2.GaussianBlur(rgb, (0, 0), sigma)
        noisy = np.clip(soft + rng.normal(0.0, NOISE, soft.shape), 0, 255).astype(np.uint8)
        yield 'out of focus', noisy


def people(portraits: Sequence[Path]) -> Iterator[tuple[int, Portrait, Palsy]]:
    """Number, person and palsy: a third healthy, a third weak on either side."""
    for number, person in usable(portraits):
        side = (Side.NONE, Side.LEFT, Side.RIGHT)[number % 3]
        yield number, person, Palsy.of(side, SEVERITY if side is not Side.NONE else 0.0, 'central')


def looks(portraits: Sequence[Path]) -> Iterator[Seen]:
    """Every person at every size by every camera."""
    pipeline = Pipeline(PipelineSettings(use_classifier=False), video=False)
    for number, person, palsy in people(portraits):
        rng = np.random.default_rng(number)
        shots = {pixels: simulate_still(
            person.framed(round(4.2 * pixels), round(5.0 * pixels), pixels), palsy)[0]
            for pixels in SIZES_PX}
        close_up = mouth_score(pipeline.assess(shots[CLOSE_UP_PX], 0.0).z)
        for pixels in SIZES_PX:
            for camera, rgb in pictures(shots[pixels], rng):
                said = pipeline.assess(rgb, 0.0)
                if said.z:
                    yield Seen(camera, said.view.interocular_px,
                               'blurred' in said.view.reasons, mouth_score(said.z) - close_up)
    pipeline.close()


@dataclass(frozen=True)
class Filmed:
    """One video. scores: M as the monitor says it, once a second, healthy SD. unknown: share."""

    person: int
    interocular_px: float
    scores: NDArray[np.float64]
    unknown: float


def videos(portraits: Sequence[Path]) -> Iterator[Filmed]:
    """Every person at every size, sitting 1 m away; the same moves at each."""
    for number, person, palsy in people(portraits):
        quality = int(np.random.default_rng((number, 5)).integers(60, 96))
        for pixels in SIZES_PX:
            plan = SessionPlan(exercises=(), first_rest_s=SECONDS, rest_s=0.5,
                               interocular_px=pixels, camera_distance_m=1.0, jpeg_quality=quality)
            yield filmed(number, pixels, Session(person, palsy, plan, number))


def filmed(number: int, pixels: float, session: Session) -> Filmed:
    """What the monitor says of one video, without its first second."""
    pipeline = Pipeline(PipelineSettings(use_classifier=False), video=True)
    scores, unknown = [], []
    for index, frame in enumerate(session):
        said = pipeline.assess(frame.rgb, frame.truth.stamp_ns / NANOSECONDS).side
        if index >= session.plan.fps:
            unknown.append(said.side is Side.UNKNOWN)
        if index and index % session.plan.fps == 0 and said.side is not Side.UNKNOWN:
            scores.append(said.landmark_score)
    pipeline.close()
    return Filmed(number, pixels, np.array(scores), float(np.mean(unknown)))


def video_table(found: Sequence[Filmed]) -> None:
    """A second's M against the median of the close-up's seconds, by size."""
    close_up = {one.person: float(np.median(one.scores)) for one in found
                if one.interocular_px == CLOSE_UP_PX and len(one.scores)}
    print('| px between the eyes | seconds | RMS error of M (95 %) | people\'s mean error, SD | '
          'unknown, % of the frames |\n|---|---|---|---|---|')
    for pixels in SIZES_PX:
        here = [one for one in found if one.interocular_px == pixels and one.person in close_up
                and len(one.scores)]
        errors = [one.scores - close_up[one.person] for one in here]
        squares = interval(np.array([np.mean(np.square(one)) for one in errors]), '.3f')
        print(f'| {pixels:g} | {sum(map(len, errors))} | '
              f'{_rms(np.concatenate(errors))} (mean square {squares}) | '
              f'{np.std([one.mean() for one in errors]):.2f} | '
              f'{100 * np.mean([one.unknown for one in here]):.1f} |')


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog='python -m studies.small_faces', description=__doc__)
    parser.add_argument('--pictures', type=Path, required=True, help='folder of portraits')
    parser.add_argument('--people', type=int, default=40)
    parser.add_argument('--video', action='store_true', help='seconds of video, not pictures')
    given = parser.parse_args()
    portraits = sorted(given.pictures.glob('*.jpg'))[:given.people]
    if given.video:
        video_table(list(videos(portraits)))
        return
    found = list(looks(portraits))
    print('| camera | px between the eyes | pictures | not blurred | RMS error of M, not blurred | '
          'RMS error, blurred |\n|---|---|---|---|---|---|')
    for camera in ('ordinary', 'out of focus'):
        for low, high in itertools.pairwise(EDGES_PX):
            here = [one for one in found
                    if one.camera == camera and low <= one.interocular_px < high]
            passed = [one.error for one in here if not one.refused]
            refused = [one.error for one in here if one.refused]
            print(f'| {camera} | {low:g} to {high:g} | {len(here)} | '
                  f'{len(passed) / len(here):.0%} | {_rms(passed)} | {_rms(refused)} |')


def _rms(errors: Sequence[float] | NDArray[np.float64]) -> str:
    return f'{np.sqrt(np.mean(np.square(errors))):.2f}' if len(errors) > 3 else '–'


if __name__ == '__main__':
    main()
