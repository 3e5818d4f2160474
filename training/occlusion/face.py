"""The face that something is drawn on: millimetres around the mouth, layers, what they cover.

It knows no masks and no hands, and never says that a drawing is a photograph. x runs to the
PATIENT's left, y up, from the middle between the commissures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks
from training.simulators import HeadAxes, head_axes

Picture = NDArray[np.uint8]
Plane = NDArray[Any]

_LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
_SKIN = [50, 280, 205, 425, 117, 346, 151, 9]
# The disc around a commissure that its landmark is read from, mm.
_CORNER_MM = 4.0
# At least this share of the lips, or of the skin around one commissure, makes a mouth hidden; up
# to this share it is clear. What lies between is nobody's example. [own]
HIDDEN_LIPS, HIDDEN_CORNER = 0.18, 0.5
CLEAR_LIPS, CLEAR_CORNER = 0.03, 0.05


@dataclass(frozen=True)
class Layer:
    """colour: float32 (H, W, 3), 0..255; alpha: float32 (H, W), 0..1."""

    colour: Plane
    alpha: Plane

    def under(self, *above: Layer) -> Layer:
        """This layer with others on it."""
        colour, alpha = self.colour, self.alpha
        for layer in above:
            total = layer.alpha + alpha * (1.0 - layer.alpha)
            share = (layer.alpha / np.maximum(total, 1e-6))[..., None]
            colour = layer.colour * share + colour * (1.0 - share)
            alpha = total
        return Layer(colour, alpha)


@dataclass(frozen=True)
class DrawnFace:
    """rgb: uint8 (H, W, 3); points: float64 (478, 2), pixels from the top left, y down."""

    rgb: Picture
    points: NDArray[np.float64]

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """float64 (478, 2): the landmarks in mm."""
        return self._in_mm(self.points)

    @cached_property
    def across(self) -> Plane:
        """float32 (H, W): every pixel's x, mm."""
        return self._grid[..., 0]

    @cached_property
    def upwards(self) -> Plane:
        """float32 (H, W): every pixel's y, mm."""
        return self._grid[..., 1]

    @cached_property
    def pixel_per_mm(self) -> float:
        return self.axes.pixel_per_mm

    @cached_property
    def skin(self) -> Plane:
        """float32 (3,): the usual colour of cheeks and forehead."""
        size = np.array(self.rgb.shape[1::-1])
        at = np.clip(self.points[_SKIN].astype(int), 2, size - 3)
        patches = [self.rgb[y - 2:y + 3, x - 2:x + 3].reshape(-1, 3) for x, y in at]
        return np.median(np.concatenate(patches), axis=0).astype(np.float32)

    @cached_property
    def light(self) -> Plane:
        """float32 (H, W): how brightly each place is lit beside the cheeks, by its surroundings."""
        grey = cv2.cvtColor(self.rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
        soft = cv2.GaussianBlur(grey, (0, 0), 18.0 * self.pixel_per_mm)
        return np.clip(soft / max(float(self.skin.mean()), 8.0), 0.5, 1.4)

    @cached_property
    def lips(self) -> Plane:
        """float32 (H, W): 1 within the vermilion."""
        return self.polygon(self.places[_LIPS])

    def polygon(self, corners: Any) -> Plane:
        """float32 (H, W): 1 within these corners, mm, with fine edges."""
        offset = np.asarray(corners, float) + self._mouth
        pixels = self.axes.origin + self.axes.in_pixels(offset)
        mask = np.zeros(self.rgb.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.round(pixels * 16 - 8).astype(np.int32)], (255,), cv2.LINE_AA, 4)
        return mask.astype(np.float32) / 255.0

    def within(self, distance: Plane, soft_mm: float = 0.0) -> Plane:
        """float32 (H, W): 1 where a signed distance, mm, is negative; soft edges."""
        width = max(soft_mm, 1.0 / self.pixel_per_mm)
        return np.clip(0.5 - distance / width, 0.0, 1.0).astype(np.float32)

    def capsule(self, start: Any, end: Any, radius: float, tip: float | None = None) -> Plane:
        """float32 (H, W): signed distance, mm, from a finger: thick at start, as `tip` at end."""
        (x0, y0), (x1, y1) = start, end
        dx, dy = x1 - x0, y1 - y0
        square = max(dx * dx + dy * dy, 1e-6)
        along = np.clip(((self.across - x0) * dx + (self.upwards - y0) * dy) / square, 0.0, 1.0)
        gap = np.hypot(self.across - x0 - along * dx, self.upwards - y0 - along * dy)
        return gap - (radius + along * ((radius if tip is None else tip) - radius))

    def ellipse(self, centre: Any, radii: Any, angle: float = 0.0) -> Plane:
        """float32 (H, W): about the signed distance, mm, from an ellipse turned by radians."""
        u, v = self.turned(centre, angle)
        return (np.hypot(u / radii[0], v / radii[1]) - 1.0) * min(radii)

    def turned(self, centre: Any, angle: float) -> tuple[Plane, Plane]:
        """Coordinates, mm, of a frame with its origin there and turned by radians."""
        x, y = self.across - centre[0], self.upwards - centre[1]
        return (x * np.cos(angle) + y * np.sin(angle)).astype(np.float32), (
            y * np.cos(angle) - x * np.sin(angle)).astype(np.float32)

    def layer(self, colour: Any, alpha: Plane) -> Layer:
        """A layer of one colour (3,), or of a picture of colours (H, W, 3)."""
        full = np.broadcast_to(np.asarray(colour, np.float32), self.rgb.shape)
        return Layer(np.clip(full, 0.0, 255.0).astype(np.float32), alpha)

    def with_layer(self, layer: Layer, rng: np.random.Generator) -> Picture:
        """The picture with something on it, lit as the face is, with a shadow at its edge."""
        light = 1.0 + float(rng.uniform(0.3, 1.0)) * (self.light - 1.0)
        colour = layer.colour * light[..., None]
        edge = float(rng.uniform(0.3, 1.2)) * max(self.pixel_per_mm, 0.6)
        alpha = cv2.GaussianBlur(layer.alpha, (0, 0), edge)
        shadow = cv2.GaussianBlur(layer.alpha, (0, 0), 3.0 * self.pixel_per_mm)
        depth = float(rng.uniform(0.0, 0.35))
        under = self.rgb * (1.0 - depth * shadow)[..., None]
        mixed = colour * alpha[..., None] + under * (1.0 - alpha[..., None])
        return np.clip(mixed, 0, 255).astype(np.uint8)

    def covered(self, alpha: Plane) -> tuple[float, float]:
        """Shares of the lips, and of the skin around the more covered commissure, 0..1."""
        lips = float((alpha * self.lips).sum() / max(float(self.lips.sum()), 1e-6))
        corners = []
        for index in (landmarks.COMMISSURE_RIGHT, landmarks.COMMISSURE_LEFT):
            disc = self.within(self.capsule(self.places[index], self.places[index], _CORNER_MM))
            corners.append(float((alpha * disc).sum() / max(float(disc.sum()), 1e-6)))
        return lips, max(corners)

    @cached_property
    def axes(self) -> HeadAxes:
        """Where the patient's left and up point in the picture."""
        return head_axes(self.points)

    @cached_property
    def _mouth(self) -> NDArray[np.float64]:
        corners = self.points[[landmarks.COMMISSURE_RIGHT, landmarks.COMMISSURE_LEFT]]
        return self.axes.in_mm(corners).mean(axis=0)

    def _in_mm(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.axes.in_mm(pixels) - self._mouth

    @cached_property
    def _grid(self) -> Plane:
        height, width = self.rgb.shape[:2]
        columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        mm = self._in_mm(np.column_stack([columns.ravel(), rows.ravel()]))
        return mm.reshape(height, width, 2).astype(np.float32)


def is_hidden(lips: float, corner: float) -> bool | None:
    """Whether such a mouth counts as hidden; None: neither hidden nor clear."""
    if lips >= HIDDEN_LIPS or corner >= HIDDEN_CORNER:
        return True
    return False if lips <= CLEAR_LIPS and corner <= CLEAR_CORNER else None


def union(distances: Sequence[Plane]) -> Plane:
    """Signed distance from several shapes together."""
    return np.minimum.reduce(list(distances))
