"""Whose faces are drawn on, and how a picture of one is drawn: light, size, and what is before it.

People are split by name into those to choose with and those to report on; a network never meets
one of the latter before its figures are printed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stroke_side_monitor.perception.face_tracker import StillFaceFinder
from stroke_side_monitor.simulation.still import camera_faults
from training.occlusion import choosing, reporting
from training.occlusion.face import DrawnFace, Layer, Picture, is_hidden

FOLDERS = {'london_neutral': 'london_faces/neutral', 'london_smiling': 'london_faces/smiling',
           'canada': 'canada_faces', 'congress': 'congress_portraits'}
SETS = {'train': choosing, 'validation': choosing, 'report': reporting}


@dataclass(frozen=True)
class Photograph:
    """source: a key of FOLDERS; person: one person's name, whichever the picture."""

    source: str
    person: str
    path: Path


def photographs(data: Path) -> list[Photograph]:
    """All healthy portraits below a folder, in a fixed order."""
    return [Photograph(source, f'{source.partition("_")[0]}/{path.stem}', path)
            for source, folder in FOLDERS.items() for path in sorted((data / folder).glob('*.jpg'))]


def split_of(person: str) -> str:
    """'train' (half of the people), 'validation' (a tenth) or 'report' (four tenths)."""
    tenth = int(hashlib.sha256(f'mouth {person}'.encode()).hexdigest()[:8], 16) % 10
    return 'report' if tenth < 4 else 'validation' if tenth == 4 else 'train'


def framed(face: DrawnFace, interocular_px: float, roll_deg: float, stretch: float = 1.0
           ) -> DrawnFace:
    """The head in a picture of four by four and a half eye distances, turned and of that size."""
    eyes = face.points[[33, 133, 263, 362]].mean(axis=0)
    scale = interocular_px / (63.0 * face.pixel_per_mm)
    turn: Any = cv2.getRotationMatrix2D((float(eyes[0]), float(eyes[1])), roll_deg, scale)
    width, height = int(4.4 * interocular_px), int(4.9 * interocular_px)
    turn[:, 2] += (width / 2 - eyes[0], height * 0.42 - eyes[1])
    turn[0] = (turn[0] - (0, 0, width / 2)) * stretch + (0, 0, width / 2)
    rgb: Any = face.rgb
    if scale < 0.6:  # average first: sampling a much larger picture would alias
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.35 / scale)
    drawn: Any = cv2.warpAffine(rgb, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return DrawnFace(drawn, face.points @ turn[:, :2].T + turn[:, 2])


def find(finder: StillFaceFinder, rgb: Picture) -> DrawnFace | None:
    """The face in a picture, or None."""
    sighting = finder.look(rgb, 0.0)
    return DrawnFace(rgb, sighting.face.pixels()) if sighting.opinions else None


@dataclass(frozen=True)
class Drawn:
    """One drawn picture: kind, 'clear' or what is before the face; hidden: whether the mouth is."""

    rgb: Picture
    kind: str
    hidden: bool


def hiding(face: DrawnFace, split: str, kind: str, rng: np.random.Generator) -> Drawn:
    """Something that hides the mouth, or one commissure."""
    drawer = SETS[split].HIDING[kind]
    while True:
        aim = rng.normal(0.0, (7.0, 4.0))
        if kind in ('hand', 'laid fingers', 'tube', 'airway', 'something') and rng.random() < 0.5:
            aim = face.places[int(rng.choice((61, 291)))] + rng.normal(0.0, 3.0, 2)
        layer = drawer(face, rng, aim)
        if is_hidden(*face.covered(layer.alpha)):
            return Drawn(face.with_layer(layer, rng), kind, True)


def beside(face: DrawnFace, split: str, kind: str, rng: np.random.Generator) -> Drawn:
    """The same things held elsewhere: to brow, eye, cheek, ear, chin."""
    drawer = SETS[split].HIDING[kind]
    for _ in range(40):
        spots = ((rng.normal(0, 25), rng.uniform(45, 110)), (rng.choice((-1, 1)) * 55, 10),
                 (rng.normal(0, 20), -rng.uniform(35, 75)))
        layer = drawer(face, rng, np.array(spots[int(rng.integers(3))]) + rng.normal(0, 5, 2))
        if is_hidden(*face.covered(layer.alpha)) is False:
            return Drawn(face.with_layer(layer, rng), f'{kind} beside', False)
    return Drawn(face.rgb, 'clear', False)


def clear(face: DrawnFace, split: str, kind: str, rng: np.random.Generator) -> Drawn:
    """Beard, glasses, shadow and the like; the lips are seen."""
    layer: Layer = SETS[split].CLEAR[kind](face, rng, np.zeros(2))
    return Drawn(face.with_layer(layer, rng), kind, False)


_INNER_UPPER = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
_INNER_LOWER = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]


def opened(face: DrawnFace, rng: np.random.Generator) -> Picture:
    """The picture with the mouth opened as in speech: lips parted, a dark gap, teeth, tongue."""
    inner = (face.places[_INNER_UPPER] + face.places[_INNER_LOWER]) / 2
    line = np.interp(face.across, inner[:, 0], inner[:, 1]).astype(np.float32)
    middle, half = inner[[0, -1], 0].mean(), np.ptp(inner[:, 0]) / 2 * rng.uniform(0.8, 1.0)
    gap = rng.uniform(3.0, 20.0) * np.sqrt(
        np.clip(1.0 - ((face.across - middle) / half) ** 2, 0.0, 1.0))
    above, below = 0.15 * gap, 0.85 * gap
    off = face.upwards - line
    shift = np.where(off > 0, -above * np.exp(-np.maximum(off - above, 0) / 10.0),
                     below * np.exp(-np.maximum(-off - below, 0) / 30.0))
    rows, columns = np.indices(off.shape, np.float32)
    up = face.axes.up * face.pixel_per_mm
    moved: Any = cv2.remap(face.rgb, (columns + shift * up[0]).astype(np.float32),
                           (rows + shift * up[1]).astype(np.float32), cv2.INTER_LINEAR)
    height = (off + below) / np.maximum(gap, 1e-3)  # 0 at the lower lip, 1 at the upper one
    colour = np.broadcast_to(np.array((60, 25, 28)) * rng.uniform(0.4, 1.5), moved.shape).copy()
    if rng.random() < 0.5:
        colour[height < rng.uniform(0.2, 0.6)] = np.array((150, 75, 75)) * rng.uniform(0.6, 1.1)
    if rng.random() < 0.6:
        colour[height > rng.uniform(0.4, 0.8)] = np.array((228, 220, 205)) * rng.uniform(0.6, 1.05)
    edge = face.within(np.maximum(-off - below, off - above)) * (gap > 1.0)
    mouth = Layer(colour.astype(np.float32), edge.astype(np.float32))
    return DrawnFace(moved, face.points).with_layer(mouth, rng)


def tinted(rgb: Picture, lips: Any, rng: np.random.Generator) -> Picture:
    """A grey portrait given the colours of skin, warm and reddest on the lips."""
    grey = rgb.mean(axis=2).astype(np.float32) / 255.0
    warmth = rng.uniform(0.1, 0.45)
    red = grey ** (1 - 0.6 * warmth)
    blue = grey ** (1 + 1.1 * warmth)
    green = grey * (1 - rng.uniform(0.0, 0.25) * lips)
    blue = blue * (1 - rng.uniform(0.0, 0.2) * lips)
    return (np.dstack([red, green, blue]) * 255).clip(0, 255).astype(np.uint8)


def darker(rgb: Picture, rng: np.random.Generator) -> Picture:
    """Darker skin, or less light."""
    tone = np.array([rng.uniform(0.75, 1.0), rng.uniform(0.6, 0.9), rng.uniform(0.5, 0.85)])
    level = (rgb / 255.0) ** rng.uniform(1.0, 2.2) * tone
    return (level * 255).astype(np.uint8)


def photographed(rgb: Picture, rng: np.random.Generator) -> Picture:
    """Seen by a camera: sometimes grey, with faults of light, focus and coding."""
    if rng.random() < 0.2:
        rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return camera_faults(rgb, rng, float(rng.uniform(0.2, 1.2)))
