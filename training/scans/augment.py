"""What a scanner, a window, a photograph of film and a differently held head add to a slice.

Every change is anatomically possible unless asked otherwise: heads are mirrored, leaned and scaled,
never stood on their side. It knows no label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.scans.head import SIZE


@dataclass(frozen=True)
class Changes:
    """Largest changes, drawn anew for each slice; those of window and device for each patient.

    turn_deg, zoom and shift (shares). quarter_turns: by 90 degrees either way, as reference E
    did. level and width: of the window, as shares of its range; gamma: log of the exponent; noise:
    SD in grey levels; blur: SD in pixels.
    """

    mirror: bool = True
    turn_deg: float = 8.0
    zoom: float = 0.1
    shift: float = 0.05
    quarter_turns: bool = False
    level: float = 0.08
    width: float = 0.25
    gamma: float = 0.25
    noise: float = 7.0
    blur: float = 1.0


@dataclass(frozen=True)
class Device:
    """What stays the same for all slices of one series."""

    level: float
    width: float
    gamma: float
    noise: float
    blur: float
    mirrored: bool


def draw_device(changes: Changes, rng: np.random.Generator) -> Device:
    """A window, a kernel and a noise; mirrored: the whole head."""
    return Device(float(rng.uniform(-1, 1)) * changes.level,
                  float(np.exp(rng.uniform(-1, 1) * changes.width)),
                  float(np.exp(rng.uniform(-1, 1) * changes.gamma)),
                  float(rng.uniform(0, 1)) * changes.noise,
                  float(rng.uniform(0, 1)) * changes.blur,
                  changes.mirror and bool(rng.random() < 0.5))


def changed(picture: NDArray[np.uint8], inside: NDArray[np.bool_], changes: Changes,
            device: Device, rng: np.random.Generator
            ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One slice, changed; uint8 (224, 224, 3) and bool (224, 224) in and out."""
    turn = float(rng.uniform(-1, 1)) * changes.turn_deg
    if changes.quarter_turns:
        turn += float(rng.choice([-90, 0, 90]))
    middle = (SIZE - 1) / 2
    matrix: NDArray[Any] = cv2.getRotationMatrix2D(
        (middle, middle), turn, 1 + float(rng.uniform(-1, 1)) * changes.zoom)
    matrix[:, 2] += rng.uniform(-1, 1, 2) * changes.shift * SIZE
    if device.mirrored:
        matrix = matrix @ np.array([[-1, 0, 2 * middle], [0, 1, 0], [0, 0, 1.0]])
    moved: NDArray[Any] = cv2.warpAffine(picture, matrix, (SIZE, SIZE)).astype(np.float32)
    mask = cv2.warpAffine(inside.astype(np.float32), matrix, (SIZE, SIZE)) > 0.5
    head = moved.max(axis=2) > 0
    if device.blur > 0.3:
        moved = cv2.GaussianBlur(moved, (0, 0), device.blur)
    share = np.clip(((moved / 255 - 0.5 + device.level) * device.width) + 0.5, 0, 1) ** device.gamma
    grain = rng.normal(0, device.noise, (SIZE, SIZE, 1)).astype(np.float32)
    grey = np.clip(share * 255 + grain, 0, 255)
    grey[~head] = 0
    return np.rint(grey).astype(np.uint8), np.asarray(mask, bool)
