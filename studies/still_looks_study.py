"""Compares where the second look at a still may start from, and how well small faces are read.

It prints two tables of docs/measurement.md, from healthy portraits cut anew without touching the
face, and set small into large scenes.
Run: .venv/bin/python -m studies.still_looks_study --data ../shared/data
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor import resources
from stroke_side_monitor.assessment import side
from stroke_side_monitor.assessment.norms import Norms
from stroke_side_monitor.assessment.side import SideRule
from stroke_side_monitor.offline.inputs import read_picture
from stroke_side_monitor.perception.face_mesh import FaceDetector, FaceRegion, RegionMesh
from stroke_side_monitor.perception.face_tracker import NOTHING, Sighting, StillFaceFinder
from stroke_side_monitor.perception.patient_choice import ANYONE, Wish
from stroke_side_monitor.pipeline import load_norms
from studies import norms_from_faces

CUTS = 6
LARGEST_CUT = 0.05  # of the picture's side, at every edge
SCENE = (1080, 1920)
FACE_SHARES = (0.12, 0.08, 0.05, 0.035)  # width of the face, of the scene's

# (detector, mirror image, region of the first look) -> region of the second look
Way = Callable[[FaceDetector, NDArray[np.uint8], FaceRegion], FaceRegion | None]


def own_search(detector: FaceDetector, mirrored: NDArray[np.uint8], first: FaceRegion
               ) -> FaceRegion | None:
    """The mirror image is searched too."""
    faces = detector.detect(mirrored)
    return faces[0].region if faces else None


def mirrored_region(detector: FaceDetector, mirrored: NDArray[np.uint8], first: FaceRegion
                    ) -> FaceRegion:
    """The second look goes exactly where the first one went."""
    return replace(first, column=mirrored.shape[1] - first.column, rotation=-first.rotation)


class OtherFinder(StillFaceFinder):
    """Two looks at the largest near face, the second in another way than the shipped one."""

    def __init__(self, way: Way) -> None:
        self._way, self._mesh, self._detector = way, RegionMesh(), FaceDetector()

    def look(self, rgb: NDArray[np.uint8], stamp_s: float, wish: Wish = ANYONE) -> Sighting:
        """As StillFaceFinder.look, of the largest face."""
        mirrored: NDArray[Any] = cv2.flip(rgb, 1)
        faces = self._detector.detect(rgb)
        region = self._way(self._detector, mirrored, faces[0].region) if faces else None
        if region is None:
            return NOTHING
        direct, again = self._mesh.look(rgb, faces[0].region), self._mesh.look(mirrored, region)
        if direct is None or again is None:
            return NOTHING
        return Sighting(direct, again.mirrored())


class NeverNearby(StillFaceFinder):
    """Small faces are read through the region that the detector gives from afar."""

    _SMALL = 0.0


def main() -> None:
    """Print both tables."""
    options = _parse()
    norms = load_norms(resources.config_path('norms.yaml'))
    portraits = [path for source in norms_from_faces.SOURCES
                 for path in sorted((options.data / source.folder).glob('*.jpg'))]
    report_second_look(portraits, norms)
    report_small(sorted((options.data / 'canada_faces').glob('*.jpg'))
                 + sorted((options.data / 'london_faces/neutral').glob('*.jpg'))[::2], norms)


def mouth_score(finder: StillFaceFinder, rgb: NDArray[np.uint8], norms: Norms) -> float:
    """M, NaN where no face was found."""
    sample = norms_from_faces.measure(finder, rgb, '', '', 0)
    return np.nan if sample is None else side.mouth_score(norms.z(sample.values, sample.context))


def report_second_look(portraits: Sequence[Path], norms: Norms) -> None:
    """How much M depends on the cut, and how many healthy people it calls one-sided."""
    finders = {'own search': OtherFinder(own_search),
               'mirrored region': OtherFinder(mirrored_region),
               'landmarks (shipped)': StillFaceFinder()}
    rng = np.random.default_rng(5)
    scores: dict[str, list[list[float]]] = {name: [] for name in finders}
    for path in tqdm(portraits, desc='cut anew'):
        cuts = list(_cut_anew(read_picture(path), rng))
        for name, finder in finders.items():
            scores[name].append([mouth_score(finder, cut, norms) for cut in cuts])
    print(f'{len(portraits)} healthy portraits, {CUTS} cuts of each')
    for name, rows in scores.items():
        values = np.array(rows)
        false = (np.abs(values) >= SideRule.mouth_on).sum(axis=0).mean()
        print(f'  {name:20s} SD of M from cut to cut '
              f'{np.sqrt(np.nanvar(values, axis=1, ddof=1).mean()):.3f}, false sides by M '
              f'{false:.1f}, not found {np.isnan(values).sum()}')


def _cut_anew(rgb: NDArray[np.uint8], rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    height, width = rgb.shape[:2]
    edges = (rng.uniform(0, LARGEST_CUT, (CUTS, 4)) * (height, height, width, width)).astype(int)
    return [np.ascontiguousarray(rgb[top:height - bottom, left:width - right])
            for top, bottom, left, right in edges]


def report_small(portraits: Sequence[Path], norms: Norms) -> None:
    """Faces set into large scenes: how many are found, and how far M lies from the close-up's."""
    finders = {'from afar': NeverNearby(), 'from nearby (shipped)': StillFaceFinder()}
    print(f'{len(portraits)} people in scenes of {SCENE[1]}x{SCENE[0]}')
    for share in FACE_SHARES:
        rng = np.random.default_rng(1)
        away: dict[str, list[float]] = {name: [] for name in finders}
        for path in tqdm(portraits, desc=f'{100 * share:g} %'):
            rgb = read_picture(path)
            face = finders['from nearby (shipped)'].look(rgb, 0.0).face
            scene = _scene(rgb, share * SCENE[1] / float(np.ptp(face.points[:, 0])), rng)
            for name, finder in finders.items():
                away[name].append(mouth_score(finder, scene, norms)
                                  - mouth_score(finder, rgb, norms))
        for name, values in away.items():
            print(f'  {100 * share:4.1f} % wide, {name:22s} found '
                  f'{np.isfinite(values).sum():3d}, SD of M from the close-up '
                  f'{np.nanstd(values):.2f}')


def _scene(rgb: NDArray[np.uint8], scale: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = SCENE
    coarse = rng.integers(60, 160, (height // 40, width // 40, 3)).astype(np.uint8)
    scene: NDArray[Any] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top = int(rng.uniform(0, height - small.shape[0]))
    left = int(rng.uniform(0, width - small.shape[1]))
    scene[top:top + small.shape[0], left:left + small.shape[1]] = small
    return scene


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True)
    return parser.parse_args()


if __name__ == '__main__':
    main()
