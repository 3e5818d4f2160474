"""A phantom's healthy head: one axial section in Hounsfield units at any height, jaw to vertex.

Drawn from formulas and noise; no patient's picture went into it. It knows nothing of lesions,
scanners or files. Lengths in mm; x grows to the PATIENT's left (in the picture to the right), y to
the back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# float32 (n, n) and bool (n, n); Any, because OpenCV's stubs widen whatever passes through them.
Plane = NDArray[Any]
Mask = NDArray[Any]

# Hounsfield units of tissues at 120 kV [textbook ranges, e.g. Bushberg, Essential Physics].
AIR, FAT, CSF, WHITE, GREY, MUSCLE, VEIN, BONE, ENAMEL = -1000, -90, 7, 28, 38, 55, 50, 1100, 2600
# Heights as shares of jaw to vertex: below BASE there is no brain, above DOME only brain in a ring.
BASE, DOME = 0.2, 0.44


@dataclass(frozen=True)
class Grid:
    """Coordinates of a section's pixels in the head's own frame, float32 (n, n) each, mm."""

    x: Plane
    y: Plane
    radius: Plane
    angle: Plane


@dataclass(frozen=True)
class Person:
    """One head. Everything that stays the same from section to section.

    age in years; width and length: half axes of the skull; thickness of its bone; atrophy 0 to 1
    widens sulci and ventricles; seeds: of the noise fields; shape: Fourier terms of the outline.
    """

    age: float
    width: float
    length: float
    thickness: float
    scalp: float
    atrophy: float
    ventricle: float
    asymmetry: float
    calcified: Mapping[str, float]
    shape: NDArray[np.float64]
    swelling: tuple[float, float, float] | None
    seed: int
    sinus: float = 1.0


@dataclass
class Section:
    """One drawn section. hu: float32 (n, n). brain: what is brain or its ventricles and sulci.
    csf: sulci and ventricles. ventricles. depth: mm below the inner table (negative outside)."""

    hu: Plane
    brain: Mask
    csf: Plane
    ventricles: Plane
    depth: Plane
    height: float
    head: Mask = field(default_factory=lambda: np.zeros((1, 1), bool))


def draw_person(rng: np.random.Generator) -> Person:
    """A head of an adult (one in twelve a child), with the variety that healthy heads have."""
    child = rng.random() < 1 / 12
    age = float(rng.uniform(3, 14) if child else rng.uniform(18, 92))
    size = rng.uniform(0.84, 0.95) if child else rng.normal(1.0, 0.035)
    atrophy = float(np.clip((age - 40) / 55 + rng.normal(0, 0.18), 0, 1))
    likely = np.clip((age - 8) / 35, 0, 1)
    calcified = {
        'pineal': float(rng.uniform(1.5, 3.8)) if rng.random() < 0.65 * likely else 0.0,
        'plexus_left': float(rng.uniform(1.5, 4.5)) if rng.random() < 0.6 * likely else 0.0,
        'plexus_right': float(rng.uniform(1.5, 4.5)) if rng.random() < 0.6 * likely else 0.0,
        'falx': float(rng.uniform(0.6, 1.6)) if rng.random() < 0.2 * likely else 0.0,
        'ganglia': float(rng.uniform(1, 2.5)) if rng.random() < 0.12 * likely else 0.0}
    swelling = (float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(0.25, 0.6)),
                float(rng.uniform(4, 14))) if rng.random() < 0.35 else None
    return Person(
        age=age, width=float(rng.normal(71, 3) * size), length=float(rng.normal(89, 4) * size),
        thickness=float(np.clip(rng.normal(6.5, 1.3), 3.5, 10) * (0.6 if child else 1)),
        scalp=float(rng.uniform(4, 8) * size), atrophy=atrophy,
        ventricle=float(np.exp(rng.normal(-0.1, 0.22)) * (0.75 + 0.75 * atrophy)),
        asymmetry=float(rng.normal(0, 0.12)), calcified=calcified,
        shape=rng.normal(0, 1, 6) * np.array([0.008, 0.012, 0.012, 0.006, 0.006, 0.004]),
        swelling=swelling, seed=int(rng.integers(1 << 31)), sinus=float(rng.uniform(0.6, 1.4)))


def grid(n: int, pixel: float, tilt_deg: float, shift: tuple[float, float]) -> Grid:
    """Pixels of an (n, n) picture as points of a head turned by tilt_deg and moved by shift, mm."""
    line = (np.arange(n, dtype=np.float32) - (n - 1) / 2) * pixel
    across, down = np.meshgrid(line - shift[0], line - shift[1])
    turn = np.radians(tilt_deg)
    x = (np.cos(turn) * across + np.sin(turn) * down).astype(np.float32)
    y = (-np.sin(turn) * across + np.cos(turn) * down).astype(np.float32)
    return Grid(x, y, np.hypot(x, y), np.arctan2(y, x))


def section(person: Person, height: float, at: Grid) -> Section:
    """The healthy section at a height, 0 at the jaw to 1 at the vertex."""
    outer, inner = outlines(person, height, at)
    depth = ((1 - at.radius / inner) * inner).astype(np.float32)
    hu = np.full(at.x.shape, AIR, np.float32)
    head = _soft_tissue(person, height, at, outer, hu)
    if height < DOME:
        cavity = _base(person, height, at, outer, inner, hu)
        depth = np.where(cavity > 0, np.minimum(cavity, depth), -1).astype(np.float32)
    else:
        hu[(at.radius <= outer) & (at.radius > inner)] = BONE
        _diploe(person, at, outer, inner, hu)
    brain = depth > 0
    csf, ventricles = _brain(person, height, at, depth, hu)
    return Section(hu, brain, csf, ventricles, depth, height, head)


def outlines(person: Person, height: float, at: Grid) -> tuple[Plane, Plane]:
    """Radius of the skull's outer and inner table along every pixel's direction, mm."""
    if height > 0.55:
        share = float(np.sqrt(max(1 - ((height - 0.55) / 0.46) ** 2.3, 0.01)))
    else:
        share = 1 - 0.1 * ((0.55 - height) / 0.35) ** 2
    # Foreheads are narrower than occiputs.
    width = person.width * share * (1 + 0.055 * np.sin(at.angle))
    length = person.length * share
    outer = 1 / ((np.abs(np.cos(at.angle)) / width) ** 2.25
                 + (np.abs(np.sin(at.angle)) / length) ** 2.25) ** (1 / 2.25)
    a, b, c, d, e, f = person.shape
    angle = at.angle
    outer = outer * (1 + a * np.cos(angle) + b * np.cos(2 * angle) + c * np.sin(3 * angle)
                     + d * np.cos(3 * angle) + e * np.sin(5 * angle) + f * np.cos(7 * angle))
    bone = person.thickness * (1 + 0.35 * np.abs(np.sin(angle)) ** 3 + 0.08 * np.sin(6 * angle))
    # Where the vault curves in, a section cuts it obliquely and it looks thicker.
    bone = bone / max(share, 0.22) ** 0.9
    return outer.astype(np.float32), np.maximum(outer - bone, 2.0).astype(np.float32)


def noise_field(seed: int, shape: tuple[int, ...], scale: float) -> Plane:
    """Smooth unit-variance noise, float32; scale: size of its grains in pixels."""
    rng = np.random.default_rng(seed)
    small = (max(4, int(shape[0] / scale) + 3), max(4, int(shape[1] / scale) + 3))
    coarse = rng.normal(size=small).astype(np.float32)
    big = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray((big - big.mean()) / (big.std() + 1e-6), np.float32)


def along(seed: int, height: float, shape: tuple[int, ...], scale: float, turns: float = 9.0
          ) -> Plane:
    """Noise that changes slowly from section to section: four fields mixed by the height."""
    mixed = np.zeros(shape, np.float32)
    for k in range(4):
        phase = np.random.default_rng(seed + k).uniform(0, 2 * np.pi)
        mixed += np.cos(turns * height + phase) * noise_field(seed + 101 * k, shape, scale)
    return np.asarray(mixed / np.sqrt(2), np.float32)


def smoothstep(value: Plane, low: Any, high: Any) -> Plane:
    """0 below low, 1 above high, smooth between."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def ellipse(at: Grid, centre: tuple[float, float], half: tuple[float, float], turn_deg: float = 0.0
            ) -> Plane:
    """1 at the centre falling to 0 on the ellipse, negative outside: float32 (n, n)."""
    turn = np.radians(turn_deg)
    across, down = at.x - centre[0], at.y - centre[1]
    u = (np.cos(turn) * across + np.sin(turn) * down) / max(half[0], 0.1)
    v = (-np.sin(turn) * across + np.cos(turn) * down) / max(half[1], 0.1)
    return (1 - np.hypot(u, v)).astype(np.float32)


def blend(hu: Plane, share: Plane, value: float | Plane) -> None:
    """Mix a tissue into hu in place."""
    hu += share * (value - hu)


# --- Outside the brain -------------------------------------------------------------------------

def _soft_tissue(person: Person, height: float, at: Grid, outer: Plane, hu: Plane) -> Mask:
    thick = np.full(outer.shape, person.scalp, np.float32)
    below = smoothstep(np.array([0.68 - height], np.float32), 0, 0.2)
    temporal = np.abs(np.cos(at.angle)) ** 4 * below
    thick = thick + 9 * temporal
    if person.swelling:
        centre, spread, size = person.swelling
        away = np.angle(np.exp(1j * (at.angle - centre)))
        bump = size * np.exp(-(away / spread) ** 2) * np.exp(-((height - 0.65) / 0.18) ** 2)
        thick = thick + bump
    if height < DOME:  # the face and the neck behind it
        low = (DOME - height) / DOME
        thick = thick + low * (10 + 8 * np.maximum(-np.sin(at.angle), 0) ** 2)
    rim = at.radius - outer
    inside = rim < thick
    hu[inside] = FAT
    hu[inside & (rim > thick - 2.2)] = 35
    muscle = inside & (rim > 1.0) & (rim < 1 + 7 * temporal)
    hu[muscle] = MUSCLE
    if person.swelling:
        hu[inside & (bump > 2) & (rim > 0.5)] = 42
    return inside


def _diploe(person: Person, at: Grid, outer: Plane, inner: Plane, hu: Plane) -> None:
    share = (at.radius - inner) / np.maximum(outer - inner, 0.5)
    spongy = (share > 0.3) & (share < 0.7)
    texture = noise_field(person.seed + 5, at.x.shape, 3)
    hu[spongy] = 550 + 150 * texture[spongy]


def _base(person: Person, height: float, at: Grid, outer: Plane, inner: Plane, hu: Plane) -> Plane:
    """Jaw, face and skull base; returns the depth below the cavity's wall, mm, negative outside."""
    within = at.radius <= outer
    scale = person.width / 71
    texture = along(person.seed + 31, height, at.x.shape, 6, 40)
    if height < BASE:
        _jaw(person, height, at, within, hu)
        return np.full(at.x.shape, -1, np.float32)
    up = (height - BASE) / (DOME - BASE)
    hu[within] = np.where(texture > 0.4, 60, np.where(texture < -0.7, AIR, 500))[within]
    hu[within & (at.radius > inner)] = BONE
    _face(at, up, scale, within, texture, hu)
    fossa = ellipse(at, (0, 34 * scale), ((34 + 18 * up) * scale, (26 + 16 * up) * scale))
    depth = fossa * 35 * scale
    for side in (-1, 1):
        lobe = ellipse(at, (side * 40 * scale, -10 * scale),
                       ((8 + 18 * up) * scale, (14 + 24 * up) * scale), side * 12)
        depth = np.maximum(depth, lobe * 22 * scale)
    if up > 0.55:
        frontal = ellipse(at, (0, -38 * scale), (48 * scale * up, 34 * scale * up))
        depth = np.maximum(depth, frontal * 35 * scale)
    ridge = np.abs(np.abs(at.x) * 0.75 + at.y - 6 * scale) < 5.5 * (1.15 - up)
    petrous = ridge & (np.abs(at.x) > 14 * scale) & within & (up < 0.8)
    depth = np.where(petrous, -1, depth)
    rim = (depth > -6) & (depth <= 0) & within
    hu[rim] = BONE
    return np.minimum(depth, inner - at.radius).astype(np.float32)


def _face(at: Grid, up: float, scale: float, within: Mask, texture: Plane, hu: Plane) -> None:
    for side in (-1, 1):
        orbit = ellipse(at, (side * 31 * scale, -64 * scale), (21 * scale, 24 * scale), side * 20)
        if 0.25 < up < 0.9:
            hu[(orbit > -0.14) & within] = BONE
            hu[orbit > 0] = FAT
            hu[ellipse(at, (side * 32 * scale, -70 * scale), (12.5, 12.5)) > 0] = 12
            hu[ellipse(at, (side * 28 * scale, -52 * scale), (2.5, 16), side * 24) > 0] = 40
        elif up <= 0.25:
            sinus = ellipse(at, (side * 28 * scale, -58 * scale), (16, 17))
            hu[(sinus > -0.16) & within] = BONE
            hu[sinus > 0] = AIR
        mastoid = ellipse(at, (side * 54 * scale, 24 * scale), (13, 17)) > 0
        hu[mastoid & within] = np.where(texture > 0, 700, AIR)[mastoid & within]
    nose = (ellipse(at, (0, -62 * scale), (10, 30)) > 0) & within
    hu[nose] = np.where(np.sin(at.x[nose] * 1.1) > 0.3, 90, AIR)


def _jaw(person: Person, height: float, at: Grid, within: Mask, hu: Plane) -> None:
    scale = person.width / 71
    muscles = along(person.seed + 77, height, at.x.shape, 14, 20)
    hu[within] = np.where(muscles > -0.5, MUSCLE, FAT)[within]
    arch = np.hypot(at.x / (38 * scale), (at.y + 30 * scale) / (48 * scale))
    front = at.y < 2 * scale
    hu[(np.abs(arch - 1) < 0.11) & front & within] = BONE
    if height > 0.5 * BASE:
        tooth = np.cos(18 * np.arctan2(at.y + 30 * scale, at.x)) > -0.2
        hu[(np.abs(arch - 0.84) < 0.1) & (at.y < -38 * scale) & tooth & within] = ENAMEL
    airway = ellipse(at, (0, -2 * scale), (11, 6)) > 0
    hu[airway] = AIR
    spine = np.hypot(at.x, at.y - 34 * scale)
    hu[(spine < 19) & within] = 350
    hu[(np.abs(spine - 18) < 2.2) & within] = BONE
    canal = np.hypot(at.x, at.y - 44 * scale)
    hu[canal < 12] = BONE
    hu[canal < 9] = 30


# --- The brain ---------------------------------------------------------------------------------

def _brain(person: Person, height: float, at: Grid, depth: Plane, hu: Plane
           ) -> tuple[Plane, Plane]:
    shape = at.x.shape
    brain = depth > 0
    folds = along(person.seed, height, shape, 11) + 0.45 * along(person.seed + 9, height, shape, 6)
    reach = 20 + 8 * person.atrophy
    surface = 1 - smoothstep(depth, 0.35 * reach, reach)
    width = (0.085 + 0.17 * person.atrophy) * surface * (0.55 if height < DOME + 0.05 else 1)
    sulci = (1 - smoothstep(np.abs(folds), 0, 2.4 * width + 1e-3)) * (width > 0.015)
    gap = (0.5 + 2.6 * person.atrophy ** 2)
    sulci = np.maximum(sulci, 1 - smoothstep(depth, 0.5 * gap, gap + 0.8))
    cortex = np.maximum(1 - smoothstep(depth, 3.5, 6.5), surface
                        * (1 - smoothstep(np.abs(folds), 0.3, 0.75)))
    tissue = WHITE + (GREY - WHITE) * np.maximum(cortex, _deep_grey(person, height, at))
    tissue = tissue + 1.1 * along(person.seed + 3, height, shape, 22)
    sulci = np.maximum(sulci, _cisterns(person, height, at))
    ventricles = _ventricles(person, height, at)
    csf = np.maximum(0.85 * sulci, ventricles) * brain
    blend(tissue, csf, CSF)
    _bright_and_healthy(person, height, at, depth, tissue, brain)
    hu[brain] = tissue[brain]
    return csf.astype(np.float32), (ventricles * brain).astype(np.float32)


def _deep_grey(person: Person, height: float, at: Grid) -> Plane:
    scale = person.width / 71
    here = np.exp(-((height - 0.585) / 0.05) ** 2)
    grey = np.zeros(at.x.shape, np.float32)
    for side in (-1, 1):
        for centre, half, turn in (((13, 8), (8, 12), -25), ((25, -10), (6, 15), 18),
                                   ((10, -20), (4.5, 9), 10), ((37, -4), (2.5, 20), 6)):
            part = ellipse(at, (side * centre[0] * scale, centre[1] * scale),
                           (half[0] * scale, half[1] * scale), side * turn)
            grey = np.maximum(grey, smoothstep(part, 0, 0.25))
    return (grey * here * 0.9).astype(np.float32)


def _cisterns(person: Person, height: float, at: Grid) -> Plane:
    scale, wide = person.width / 71, 1 + 0.8 * person.atrophy
    result = np.zeros(at.x.shape, np.float32)
    here = np.exp(-((height - 0.475) / 0.035) ** 2)
    star = ellipse(at, (0, -14 * scale), (17 * scale, 12 * scale))
    arms = np.cos(5 * np.arctan2(at.x, -(at.y + 14 * scale))) * 0.28
    result = np.maximum(result, here * smoothstep(star + arms, 0.25, 0.5))
    behind = ellipse(at, (0, 20 * scale), (15 * scale, 3.5 * wide))
    result = np.maximum(result, here * smoothstep(behind, 0, 0.4))
    fissure = np.exp(-((height - 0.55) / 0.06) ** 2)
    for side in (-1, 1):
        bent = at.y + 8 * scale + 0.02 * (np.abs(at.x) - 45 * scale) ** 2
        reach = smoothstep(side * at.x, 36 * scale, 42 * scale)
        line = np.exp(-(bent / (1.3 * wide)) ** 2) * reach
        result = np.maximum(result, fissure * line)
    return result.astype(np.float32)


def _ventricles(person: Person, height: float, at: Grid) -> Plane:
    scale, size = person.width / 71, person.ventricle
    result = np.zeros(at.x.shape, np.float32)

    def add(centre: tuple[float, float], half: tuple[float, float], turn: float, level: float,
            spread: float) -> None:
        grow = float(np.exp(-((height - level) / spread) ** 2))
        if grow > 0.25:
            part = ellipse(at, (centre[0] * scale, centre[1] * scale),
                           (half[0] * scale * size * grow, half[1] * scale * grow), turn)
            np.maximum(result, smoothstep(part, 0, 0.3), out=result)

    for side in (-1, 1):
        mine = 1 + side * person.asymmetry
        add((side * 9 * size ** 0.3, -27), (4.2 * mine, 13), -side * 20, 0.61, 0.07)
        add((side * 10 * size ** 0.3, 0), (4.6 * mine, 25), side * 6, 0.685, 0.05)
        add((side * 22, 28), (5.4 * mine, 15), -side * 24, 0.62, 0.055)
        add((side * 36, -2), (2.2 * mine, 8), side * 20, 0.49, 0.03)
    add((0, -2), (1.7, 13), 0, 0.575, 0.045)
    add((0, 34), (6.5, 5), 0, 0.40, 0.045)
    return result


def _bright_and_healthy(person: Person, height: float, at: Grid, depth: Plane, tissue: Plane,
                        brain: Mask) -> None:
    """Falx, venous sinuses, vessels, calcified pineal gland, plexus and ganglia."""
    scale, calcified = person.width / 71, person.calcified
    if height > DOME + 0.03:
        bend = 1.2 * person.asymmetry * np.sin(at.y / 30)
        reach = np.ones_like(at.y) if height > 0.74 else smoothstep(
            np.abs(at.y + 2), 30 * scale, 42 * scale)
        line = np.exp(-((at.x - bend) / 1.0) ** 2) * reach
        blend(tissue, 0.85 * line, 53.0)
        if calcified['falx'] and height > 0.78:
            spot = np.exp(-((at.x - bend) / calcified['falx']) ** 2
                          - ((at.y + 38 * scale) / 7) ** 2)
            blend(tissue, spot, 320.0)
        sagittal = at.y - np.maximum(np.abs(at.x) * 1.4, 0)
        behind = smoothstep(sagittal - (at.radius + depth) + 7 * person.sinus, 0, 2)
        blend(tissue, behind * (np.abs(at.x) < 7) * (depth > 0), VEIN)
    if DOME - 0.05 < height < DOME + 0.06:  # transverse sinus and tentorium
        band = (depth < 6 * person.sinus) & (at.y > 30 * scale) & (depth > 0)
        blend(tissue, 0.8 * band * (np.abs(at.x) > 12), VEIN)
        tent = np.exp(-((np.abs(at.x) - 0.55 * (70 * scale - at.y) - 4) / 1.3) ** 2)
        blend(tissue, 0.6 * tent * (at.y > 12 * scale), 48.0)
    _spot(at, (0, 12 * scale), calcified['pineal'], height, 0.60, tissue)
    for side, name in ((1, 'plexus_left'), (-1, 'plexus_right')):
        _spot(at, (side * 22 * scale, 27 * scale), calcified[name], height, 0.635, tissue)
        _spot(at, (side * 20 * scale, -10 * scale), calcified['ganglia'], height, 0.58, tissue)
        vessel = ellipse(at, (side * 9 * scale, -17 * scale), (1.7, 1.7))
        if abs(height - 0.475) < 0.03:
            blend(tissue, smoothstep(vessel, 0, 0.5), 46.0)


def _spot(at: Grid, centre: tuple[float, float], radius: float, height: float, level: float,
          tissue: Plane) -> None:
    here = np.exp(-((height - level) / 0.022) ** 2)
    if radius and here > 0.2:
        spot = np.exp(-(np.hypot(at.x - centre[0], at.y - centre[1]) / (radius * here)) ** 4)
        blend(tissue, spot.astype(np.float32), 260.0)
