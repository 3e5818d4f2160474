"""How far the mouth score of a small or blurred face strays from that of its close-up.

It prints the table of docs/measurement.md ("Small and blurred faces"). Cameras and palsies are
SIMULATED, on photographs of healthy people; the sharpness limit was chosen on the Canada set, by
default the figures are of the London set.
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
from tqdm import tqdm

from stroke_side_monitor.assessment.side import mouth_score
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import PictureError, portrait, read_picture
from stroke_side_monitor.simulation.still import camera_faults, simulate_still

CLOSE_UP_PX = 110.0
SIZES_PX = (36.0, 42.0, 50.0, 60.0, 80.0, 110.0)
EDGES_PX = (30.0, 40.0, 50.0, 65.0, 90.0, 130.0)
FAULTS = (0.5, 1.0)
OUT_OF_FOCUS_PX = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
NOISE = 2.0
SEVERITY = 0.6


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


def looks(portraits: Sequence[Path]) -> Iterator[Seen]:
    """Every person at every size by every camera; a third healthy, a third weak on either side."""
    pipeline = Pipeline(PipelineSettings(use_classifier=False), video=False)
    for number, path in enumerate(tqdm(portraits)):
        try:
            person = portrait(read_picture(path), path.stem)
        except PictureError as error:
            print(f'{path.name}: {error}')
            continue
        side = (Side.NONE, Side.LEFT, Side.RIGHT)[number % 3]
        palsy = Palsy.of(side, SEVERITY if side is not Side.NONE else 0.0, 'central')
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog='python -m studies.small_faces', description=__doc__)
    parser.add_argument('--pictures', type=Path, required=True, help='folder of portraits')
    parser.add_argument('--people', type=int, default=40)
    given = parser.parse_args()
    found = list(looks(sorted(given.pictures.glob('*.jpg'))[:given.people]))
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


def _rms(errors: Sequence[float]) -> str:
    return f'{np.sqrt(np.mean(np.square(errors))):.2f}' if len(errors) > 3 else '–'


if __name__ == '__main__':
    main()
