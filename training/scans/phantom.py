"""Phantom patients: whole series, jaw to vertex, on one of three scanners, with truth masks.

Simulated heads for trying and testing the scan trainer and the clinic page. They are drawn from
formulas alone; a figure measured on them says that the software reads what is drawn here.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.scans import anatomy, lesions
from training.scans.anatomy import AIR, FAT, Grid, Mask, Plane

SIZE_PX = 256
FIELD_MM = 245.0


@dataclass(frozen=True)
class Scanner:
    """What a device adds. offset: HU; noise: SD in HU; grain: noise blur, px; blur: of the kernel,
    px; sharpen: share of edge enhancement; cupping: HU at the skull; window: (width, level) of its
    ready-made pictures; gamma of those."""

    name: str
    offset: float
    noise: float
    grain: float
    blur: float
    sharpen: float
    cupping: float
    window: tuple[float, float]
    gamma: float
    holder: str


# 'b' is noisier and sharper than 'a'; 'c' as dull, uneven and grey as photographs of film are.
SCANNERS = {
    'a': Scanner('a', 0.0, 3.0, 0.8, 0.75, 0.0, 2.0, (80, 40), 1.0, 'cup'),
    'b': Scanner('b', 6.0, 5.5, 0.55, 0.55, 0.8, 5.0, (110, 48), 0.85, 'rings'),
    'c': Scanner('c', -5.0, 6.0, 1.2, 1.6, 0.0, 8.0, (150, 55), 1.25, 'rings')}


@dataclass(frozen=True)
class Phantom:
    """One drawn patient.

    hu: float32 (slices, n, n), jaw first. truth: bool, same shape. spacing: mm per pixel, mm per
    slice. lesions: empty for a healthy one; label follows.
    """

    hu: NDArray[np.float32]
    truth: NDArray[np.bool_]
    spacing: tuple[float, float]
    lesions: tuple[lesions.Lesion, ...]
    person: anatomy.Person
    scanner: Scanner
    tilt_deg: float

    @property
    def label(self) -> str:
        """'stroke' or 'normal', of the patient."""
        return 'stroke' if self.lesions else 'normal'


def draw_patient(seed: int, *, stroke: bool, scanner: str = 'a', kind: str | None = None,
                 size: float | None = None, contrast: float | None = None,
                 slices: int | None = None, pixels: int = SIZE_PX) -> Phantom:
    """Draw one patient; the same arguments give the same patient to the bit.

    Args:
        kind, size, contrast: of the first lesion, as in `lesions.draw_lesion`.
        slices: 19 to 40 where None. pixels: rows and columns.
    """
    rng = np.random.default_rng(seed)
    person = anatomy.draw_person(rng)
    device = SCANNERS[scanner]
    count = slices or int(np.clip(rng.normal(30, 4.5), 19, 40))
    tilt = float(rng.normal(0, 5) if rng.random() < 0.75 else rng.uniform(-30, 30))
    shift = (float(rng.normal(0, 8)), float(rng.normal(-4, 6)))
    bottom = float(rng.uniform(0.02, 0.2))
    pixel = FIELD_MM * float(rng.uniform(0.94, 1.1)) / pixels
    at = anatomy.grid(pixels, pixel, tilt, shift)
    table = _Table(rng, device, at, pixel)
    found = _lesions(rng, kind, size, contrast) if stroke else ()
    planes, truths = [], []
    for height in np.linspace(bottom, float(rng.uniform(0.965, 0.995)), count):
        drawn = anatomy.section(person, float(height), at)
        truth = np.zeros(at.x.shape, bool)
        for lesion in found:
            truth |= lesions.put(lesion, drawn, at)
        table.put(drawn.hu)
        planes.append(_scanned(drawn, device, rng))
        truths.append(truth)
    return Phantom(np.stack(planes), np.stack(truths), (pixel, 160.0 / count), found, person,
                   device, tilt)


def _lesions(rng: np.random.Generator, kind: str | None, size: float | None,
             contrast: float | None) -> tuple[lesions.Lesion, ...]:
    first = lesions.draw_lesion(rng, kind, size=size, contrast=contrast)
    if kind is not None or rng.random() < 0.7:
        return (first,)
    return (first, lesions.draw_lesion(rng))


class _Table:
    """Table, head holder and tubes: they stay where they are while the head is turned."""

    def __init__(self, rng: np.random.Generator, device: Scanner, at: Grid, pixel: float) -> None:
        n = at.x.shape[0]
        line = (np.arange(n, dtype=np.float32) - (n - 1) / 2) * pixel
        self.across, self.down = np.meshgrid(line, line)
        self.parts: list[tuple[Mask, float]] = []
        below = float(rng.uniform(100, 116))
        if rng.random() < 0.8:
            radius = float(rng.uniform(180, 400))
            rim = np.hypot(self.across, self.down - below + radius) - radius
            self.parts.append((np.abs(rim) < 1.3, float(rng.uniform(40, 400))))
            self.parts.append((np.abs(rim - 9) < 1.0, float(rng.uniform(20, 300))))
        if device.holder == 'cup':
            cup = np.hypot(self.across, (self.down - 8) * 0.92) - float(rng.uniform(96, 106))
            self.parts.append(((np.abs(cup) < 1.2) & (self.down > 12),
                               float(rng.uniform(-60, 200))))
        else:
            for side in (-1, 1):
                for place in np.arange(-20, 90, float(rng.uniform(14, 20))):
                    ring = np.hypot(self.across - side * (98 + 0.0008 * place ** 2),
                                    self.down - place)
                    self.parts.append((np.abs(ring - 3.2) < 1.1, 500.0))
        if rng.random() < 0.3:
            tube = np.hypot(self.across - rng.uniform(-40, 40), self.down + rng.uniform(105, 118))
            self.parts.append((np.abs(tube - 5) < 1.0, 250.0))

    def put(self, hu: Plane) -> None:
        """Draw what does not lie inside the head."""
        for where, value in self.parts:
            hu[where & (hu < FAT - 300)] = value


def _scanned(drawn: anatomy.Section, device: Scanner, rng: np.random.Generator) -> Plane:
    """What the device makes of a section: partial volume, kernel, beam hardening, noise."""
    hu: Plane = cv2.GaussianBlur(drawn.hu, (0, 0), device.blur)
    if device.sharpen:
        soft = np.clip(hu, -20, 110)  # else every fat edge at a bone would ring
        hu = hu + device.sharpen * (soft - cv2.GaussianBlur(soft, (0, 0), 1.2)) * (hu < 110)
    near_bone = np.exp(-np.maximum(drawn.depth, 0) / 9.0) * (drawn.depth > -1)
    hu = hu + device.cupping * near_bone + device.offset * (hu > -400)
    level = device.noise * float(np.exp(rng.normal(0, 0.15)))
    if drawn.height < anatomy.DOME + 0.04:  # streaks between the petrous bones, more noise
        level *= 1.35
        white = rng.normal(size=hu.shape).astype(np.float32)
        streak = cv2.GaussianBlur(white, (0, 0), sigmaX=24, sigmaY=1.5)
        hu = hu + 2.5 * streak / (streak.std() + 1e-6) * (drawn.depth > 0)
    grain = cv2.GaussianBlur(rng.normal(size=hu.shape).astype(np.float32), (0, 0), device.grain)
    hu = hu + level * grain / grain.std()
    return np.asarray(np.clip(hu, AIR - 24, 3071), np.float32)
