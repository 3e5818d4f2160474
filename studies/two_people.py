"""Who is assessed while a therapist crosses, leans over, sits nearer: by policy, in drawn scenes.

It prints the table of docs/integration.md ("Who is the patient?"). Everything is SIMULATED: heads
cut out of healthy portraits and moved over a plain wall, the patient's with a drawn palsy of the
RIGHT side, the therapist's of the LEFT, so that whatever is carried over shows as a wrong side.
Run: .venv/bin/python -m studies.two_people --data ../shared/data
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import PictureError, portrait, read_picture
from stroke_side_monitor.simulation.still import simulate_still
from studies.measurement_study import share

SIZE = (960, 540)
FPS = 15.0
# Alone for this long, so that everybody knows who was there first.
ALONE_S = 2.0
SECONDS = 8.0
_HEAD = (300, 360)
_INTEROCULAR_PX = 72.0


@dataclass(frozen=True)
class Head:
    """A head to be moved about. rgb: uint8 (360, 300, 3). alpha: float32 (360, 300), 0 to 1."""

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.float32]


@dataclass(frozen=True)
class At:
    """Where a head is: its middle in pixels, and its size; drawn after what stands before it."""

    x: float
    y: float = 270.0
    size: float = 1.0


# Seconds since the therapist's part began (negative: alone) → patient and therapist, None: away.
Scene = Callable[[float], tuple[At | None, At | None]]


def crossing(t: float) -> tuple[At | None, At | None]:
    """The therapist walks through between camera and patient."""
    return At(480), At(-100 + 1160 * t / 4, size=1.15) if 0 <= t <= 4 else None


def leaning(t: float) -> tuple[At | None, At | None]:
    """The therapist leans in beside the patient, larger, and goes."""
    reach = float(np.interp(t, (0, 1, 4.5, 5.5), (0, 1, 1, 0)))
    return At(480), At(1080 - 380 * reach, 250, 1.3) if t >= 0 else None


def nearer(t: float) -> tuple[At | None, At | None]:
    """The therapist sits nearer to the camera, half as large again, and stays."""
    return At(600), At(220, 290, 1.5) if t >= 0 else None


def lost(t: float) -> tuple[At | None, At | None]:
    """The patient is gone for a second and a half; the therapist is there all the time."""
    return None if 2 <= t <= 3.5 else At(430), At(800, 280, 1.1) if t >= 0 else None


def swaying(t: float) -> tuple[At | None, At | None]:
    """Patient and therapist side by side, of one size, moving a little."""
    return At(330 + 25 * np.sin(2 * t)), At(660 + 25 * np.cos(1.7 * t)) if t >= 0 else None


SCENES: dict[str, Scene] = {'crossing': crossing, 'leaning over': leaning, 'nearer': nearer,
                            'patient lost': lost, 'side by side': swaying}
POLICIES = ('largest', 'centre', 'follow', 'region')


def head(path: Path, side: Side) -> Head:
    """A person with a palsy of that side, cut out.

    Raises:
        PictureError: no usable face in the photograph.
    """
    person = portrait(read_picture(path), path.stem).framed(*_HEAD, _INTEROCULAR_PX)
    rgb, _ = simulate_still(person, Palsy.of(side, 0.9, 'peripheral'))
    mask = np.zeros(_HEAD[::-1], np.float32)
    cv2.ellipse(mask, (_HEAD[0] // 2, _HEAD[1] // 2), (118, 158), 0, 0, 360, (1.0,), -1)
    return Head(rgb, np.asarray(cv2.GaussianBlur(mask, (0, 0), 5), np.float32))


def draw(patient: Head, therapist: Head, scene: Scene, t: float
         ) -> tuple[NDArray[np.uint8], At | None, At | None]:
    """One picture, uint8 (540, 960, 3), and where both are; the therapist is in front."""
    picture = _wall().copy()
    places = scene(t)
    for one, at in zip((patient, therapist), places, strict=True):
        if at is not None:
            _lay(one, at, picture)
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8), *places


@cache
def _wall() -> NDArray[np.float32]:
    wall = np.full((*SIZE[::-1], 3), (142, 150, 158), np.float32)
    wall += np.linspace(-18, 18, SIZE[0], dtype=np.float32)[None, :, None]
    return wall


def _lay(one: Head, at: At, picture: NDArray[np.float32]) -> None:
    corner = np.array((at.x, at.y)) - at.size * np.array(_HEAD) / 2
    low = np.clip(np.floor(corner) - 1, 0, SIZE).astype(int)
    high = np.clip(np.ceil(corner + at.size * np.array(_HEAD)) + 1, 0, SIZE).astype(int)
    if (high <= low).any():
        return
    matrix = np.array([[at.size, 0, corner[0] - low[0]], [0, at.size, corner[1] - low[1]]])
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    alpha = cv2.warpAffine(one.alpha, matrix, size)[..., None]
    rgb = cv2.warpAffine(one.rgb, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    part = picture[low[1]:high[1], low[0]:high[0]]
    part += alpha * (rgb - part)


def watch(patient: Head, therapist: Head, scene: Scene, policy: str) -> Counter[str]:
    """Frames from when the therapist comes, by who is assessed and what is said of him."""
    settings = PipelineSettings() if policy == 'region' else PipelineSettings(patient=policy)
    pipeline = Pipeline(replace(settings, assess_rate_hz=240.0), video=True)
    found: Counter[str] = Counter()
    for number in range(round((ALONE_S + SECONDS) * FPS)):
        t = number / FPS - ALONE_S
        rgb, is_at, other_at = draw(patient, therapist, scene, t)
        if policy == 'region' and is_at is not None:
            pipeline.point_at((int(is_at.x) - 90, int(is_at.y) - 120, 180, 240))
        seen = pipeline.assess(rgb, number / FPS)
        if t < 0:
            continue
        who = 'nobody' if seen.view.face is None else _whose(
            seen.view.box_px, is_at, other_at)
        found['frames'] += 1
        found[who] += 1
        if seen.side.side is not Side.UNKNOWN:
            found[f'{who} answered'] += 1
        if (who, seen.side.side) in (('patient', Side.LEFT), ('therapist', Side.RIGHT)):
            found['inherited'] += 1
    pipeline.close()
    return found


def _whose(box: tuple[int, int, int, int], patient: At | None, therapist: At | None) -> str:
    middle = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])

    def away(at: At | None) -> float:
        return np.inf if at is None else float(np.hypot(*(middle - (at.x, at.y)))) / at.size

    return 'patient' if away(patient) <= away(therapist) else 'therapist'


def pairs(folder: Path, count: int) -> Iterator[tuple[Head, Head]]:
    """Patients and therapists, nobody twice."""
    files = sorted((folder / 'london_faces' / 'neutral').glob('*.jpg'))
    found = 0
    for one, other in zip(files[::2], files[1::2], strict=False):
        if found == count:
            return
        try:
            yield head(one, Side.RIGHT), head(other, Side.LEFT)
        except PictureError:
            continue
        found += 1


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog='python -m studies.two_people', description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='folder with london_faces')
    parser.add_argument('--pairs', type=int, default=12)
    parser.add_argument('--skip', type=int, default=0, help='pairs at the beginning to leave out')
    given = parser.parse_args()
    people = list(pairs(given.data, given.skip + given.pairs))[given.skip:]
    print(f'{len(people)} pairs, {FPS:.0f} frames a second, {SECONDS:.0f} s each')
    print('| scene | policy | the patient\'s face | the therapist\'s | nobody | answered of the '
          'patient | sides inherited |')
    print('|---|---|---|---|---|---|---|')
    for name, scene in tqdm(SCENES.items()):
        for policy in POLICIES:
            total: Counter[str] = Counter()
            for patient, therapist in people:
                total += watch(patient, therapist, scene, policy)
            seen = total['patient'] + total['therapist']
            print(f'| {name} | {policy} | {share(total["patient"], max(seen, 1))} | '
                  f'{total["therapist"]} | {total["nobody"]} | {total["patient answered"]} | '
                  f'{total["inherited"]} |', flush=True)


if __name__ == '__main__':
    main()
