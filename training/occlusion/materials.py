"""Colours and weaves of what is drawn before faces: one set to choose with, one to report on.

The two sets share no pattern, so that what is reported was never seen in choosing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.occlusion.face import DrawnFace, Plane

Material = Callable[[DrawnFace, np.random.Generator], Plane]


def near_skin(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """float32 (3,): somebody's skin, often much like this face's."""
    spread = 0.07 if rng.random() < 0.7 else 0.35
    gain = np.exp(rng.normal(0.0, spread) + rng.normal(0.0, 0.04, 3))
    return (face.skin * gain).astype(np.float32)


def any_colour(rng: np.random.Generator) -> Plane:
    """float32 (3,): any colour, pale and dark ones as often as strong ones."""
    hue, strength, value = rng.uniform(0, 180), rng.uniform(0, 1) ** 2, rng.uniform(0.1, 1.0)
    hsv = np.array([[[hue, 255 * strength, 255 * value]]], np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def blotches(face: DrawnFace, rng: np.random.Generator, size_mm: float) -> Plane:
    """float32 (H, W), about -1 to 1: smooth noise of that grain."""
    height, width = face.rgb.shape[:2]
    cell = max(size_mm * face.pixel_per_mm, 1.0)
    grid = rng.normal(0.0, 0.5, (int(height / cell) + 3, int(width / cell) + 3))
    noise: Any = cv2.resize(grid.astype(np.float32), (width, height),
                            interpolation=cv2.INTER_CUBIC)
    return noise


def _frame(face: DrawnFace, rng: np.random.Generator) -> tuple[Plane, Plane]:
    return face.turned(rng.uniform(-30, 30, 2), rng.uniform(-0.8, 0.8))


def _mixed(first: Plane, second: Plane, share: Plane) -> Plane:
    return first * (1.0 - share[..., None]) + second * share[..., None]


# --- To choose with ---------------------------------------------------------------------------

def plain(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """One colour, somewhat uneven."""
    colour = near_skin(face, rng) if rng.random() < 0.25 else any_colour(rng)
    return colour * (1.0 + rng.uniform(0, 0.1) * blotches(face, rng, 15.0))[..., None]


def stripes(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """Two colours in stripes."""
    u, _ = _frame(face, rng)
    share = (np.sin(u * 2 * np.pi / rng.uniform(4, 25)) > rng.uniform(-0.7, 0.7))
    return _mixed(any_colour(rng), any_colour(rng), share.astype(np.float32))


def checks(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """Two colours in squares."""
    u, v = _frame(face, rng)
    size = rng.uniform(4, 20)
    share = ((np.floor(u / size) + np.floor(v / size)) % 2).astype(np.float32)
    return _mixed(any_colour(rng), any_colour(rng), share)


def dots(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """Round dots on a ground."""
    u, v = _frame(face, rng)
    size = rng.uniform(5, 16)
    off = np.hypot(u % size - size / 2, v % size - size / 2)
    share = face.within(off - size * rng.uniform(0.15, 0.4))
    return _mixed(any_colour(rng), any_colour(rng), share)


def cloud(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """Two colours in blotches of several grains."""
    noise = sum(blotches(face, rng, size) * weight
                for size, weight in ((20.0, 1.0), (8.0, 0.6), (3.0, 0.4)))
    share = np.clip(0.5 + rng.uniform(0.4, 2.0) * noise, 0, 1).astype(np.float32)
    return _mixed(any_colour(rng), any_colour(rng), share)


def rough(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """One colour with a nap of fine loops."""
    nap = blotches(face, rng, rng.uniform(0.8, 2.0)) + 0.5 * blotches(face, rng, 4.0)
    colour = near_skin(face, rng) if rng.random() < 0.2 else any_colour(rng)
    return colour * (1.0 + rng.uniform(0.05, 0.25) * nap)[..., None]


def _from_picture(face: DrawnFace, rng: np.random.Generator, names: tuple[str, ...]) -> Plane:
    picture = _photograph(names[int(rng.integers(len(names)))])
    u, v = _frame(face, rng)
    zoom = rng.uniform(1.0, 6.0)
    height, width = picture.shape[:2]
    columns = (u * zoom + rng.uniform(0, width)) % width
    rows = (v * zoom + rng.uniform(0, height)) % height
    found: Any = cv2.remap(picture, columns.astype(np.float32), rows.astype(np.float32),
                           cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return found * (1.0 if rng.random() < 0.5 else any_colour(rng) / 160.0)


@cache
def _photograph(name: str) -> NDArray[np.float32]:
    from skimage import data
    picture = np.asarray(getattr(data, name)())
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    return picture[..., :3].astype(np.float32)


def seen_once(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """A cut of a photograph of something else."""
    return _from_picture(face, rng, ('brick', 'chelsea', 'coins', 'rocket'))


CHOOSING: tuple[Material, ...] = (plain, plain, stripes, checks, dots, cloud, rough, seen_once)


# --- To report on -----------------------------------------------------------------------------

def faded(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """One colour running into another."""
    u, _ = _frame(face, rng)
    share = np.clip(0.5 + u / rng.uniform(40, 160), 0, 1).astype(np.float32)
    first = near_skin(face, rng) if rng.random() < 0.3 else any_colour(rng)
    return _mixed(first, first * np.exp(rng.normal(0, 0.25)).astype(np.float32), share)


def tartan(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """Bands of several widths crossing."""
    u, v = _frame(face, rng)
    ground = np.broadcast_to(any_colour(rng), face.rgb.shape).astype(np.float32)
    for axis in (u, v, u, v):
        period = rng.uniform(10, 40)
        band = ((axis + rng.uniform(0, 40)) % period < period * rng.uniform(0.1, 0.4))
        ground = _mixed(ground, any_colour(rng), 0.5 * band.astype(np.float32))
    return ground


def zigzag(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """Broken twill."""
    u, v = _frame(face, rng)
    period = rng.uniform(5, 18)
    bend = np.abs((u / period) % 2 - 1) * period
    share = (((v + bend) / period) % 1 < 0.5).astype(np.float32)
    return _mixed(any_colour(rng), any_colour(rng), share)


def flowers(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """Scattered ovals of several colours."""
    ground = np.broadcast_to(any_colour(rng), face.rgb.shape).astype(np.float32)
    for _ in range(25):
        oval = face.ellipse(rng.uniform(-70, 70, 2), rng.uniform(2, 9, 2), rng.uniform(0, 3))
        ground = _mixed(ground, any_colour(rng), face.within(oval))
    return ground


def waffle(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """One colour, pressed into small pits."""
    u, v = _frame(face, rng)
    period = rng.uniform(3, 8)
    pits = np.sin(u * 2 * np.pi / period) * np.sin(v * 2 * np.pi / period)
    first = near_skin(face, rng) if rng.random() < 0.2 else any_colour(rng)
    return first * (1.0 + rng.uniform(0.05, 0.25) * pits)[..., None]


def seen_elsewhere(face: DrawnFace, rng: np.random.Generator) -> Plane:
    """A cut of another photograph."""
    return _from_picture(face, rng, ('grass', 'gravel', 'coffee', 'hubble_deep_field'))


REPORTING: tuple[Material, ...] = (faded, faded, tartan, zigzag, flowers, waffle, seen_elsewhere)


def of(materials: tuple[Material, ...], face: DrawnFace, rng: np.random.Generator) -> Plane:
    """float32 (H, W, 3): one of them, drawn at random."""
    colour = materials[int(rng.integers(len(materials)))](face, rng)
    return np.broadcast_to(colour, face.rgb.shape).astype(np.float32)
