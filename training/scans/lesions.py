"""Lesions for phantoms: bleeding and infarcts of a given size and contrast, with their truth.

They are drawn into a healthy section. Simulated: they look as textbooks describe lesions, and prove
nothing about patients. Lengths in mm, contrast in Hounsfield units.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.scans.anatomy import Grid, Mask, Plane, Section, along, blend, smoothstep

KINDS = ('ischaemia', 'haemorrhage', 'contusion', 'subdural', 'epidural', 'subarachnoid',
         'ventricle')
# How often each is drawn [own]: the bleeding kinds as in a set of trauma patients.
_SHARES = (0.26, 0.14, 0.14, 0.2, 0.08, 0.1, 0.08)
_SLICE_LIKE = 0.028  # height of one 5 mm section as a share of jaw to vertex


@dataclass(frozen=True)
class Lesion:
    """One lesion.

    size: radius, or thickness of a rim, mm. contrast: HU above (bleeding) or below (infarct) what
    was there; bleeding is drawn at 32 + contrast. angle: where around the head, radians as atan2 of
    (y, x). height, reach: middle and half extent as shares of jaw to vertex. spread: half angle.
    """

    kind: str
    size: float
    contrast: float
    angle: float
    height: float
    reach: float
    spread: float
    inward: float
    seed: int


def draw_lesion(rng: np.random.Generator, kind: str | None = None, *, size: float | None = None,
                contrast: float | None = None) -> Lesion:
    """A lesion of a kind (drawn when None); size and contrast as wanted or drawn."""
    kind = kind or str(rng.choice(KINDS, p=_SHARES))
    sizes = {'ischaemia': (12, 34), 'haemorrhage': (4, 22), 'contusion': (3, 11),
             'subdural': (2.5, 13), 'epidural': (6, 24), 'subarachnoid': (8, 26),
             'ventricle': (3, 14)}[kind]
    drawn = float(np.exp(rng.uniform(*np.log(sizes))))
    spread = {'subdural': (0.45, 1.2), 'epidural': (0.22, 0.45), 'ischaemia': (0.3, 0.65),
              'subarachnoid': (0.4, 1.1)}.get(kind, (0.3, 0.6))
    angle = float(rng.uniform(-np.pi, np.pi))
    if kind == 'contusion':  # poles of the frontal and temporal lobes
        angle = float(np.arctan2(-rng.uniform(0.1, 1), rng.uniform(-0.9, 0.9)))
    wanted = drawn if size is None else size
    reach = {'subdural': 0.12, 'epidural': 0.07, 'subarachnoid': 0.09, 'ventricle': 0.05,
             'ischaemia': 0.08}.get(kind, wanted / 180) * float(rng.uniform(0.7, 1.4))
    return Lesion(
        kind, wanted,
        float((rng.uniform(5, 14) if kind == 'ischaemia' else rng.uniform(16, 45))
              if contrast is None else contrast),
        angle, float(rng.uniform(0.47, 0.88) if kind != 'ventricle' else rng.uniform(0.6, 0.68)),
        max(reach, _SLICE_LIKE), float(rng.uniform(*spread)), float(rng.uniform(0.35, 0.85)),
        int(rng.integers(1 << 31)))


def put(lesion: Lesion, section: Section, at: Grid) -> Mask:
    """Draw a lesion into a section, in place.

    Returns:
        bool (n, n): its truth. What only moved (mass effect) or swelled around it is not in it.
    """
    along_height = 1 - ((section.height - lesion.height) / lesion.reach) ** 2
    if along_height <= 0 or not section.brain.any():
        return np.zeros(section.hu.shape, bool)
    share = float(np.sqrt(along_height))
    if lesion.kind == 'ischaemia':
        return _infarct(lesion, section, at, share)
    bleeding = {'haemorrhage': _round, 'contusion': _contusion, 'subdural': _rim,
                'epidural': _lens, 'subarachnoid': _in_sulci, 'ventricle': _in_ventricle}
    mask = bleeding[lesion.kind](lesion, section, at, share) * (section.depth > 0)
    clot = 32 + lesion.contrast + 3 * along(lesion.seed, section.height, mask.shape, 5)
    blend(section.hu, mask.astype(np.float32), np.asarray(clot, np.float32))
    return np.asarray(mask > 0.4, bool)


def _where(section: Section, at: Grid, lesion: Lesion) -> tuple[float, float]:
    """Centre of a lesion inside the brain, as far in as `inward` says: (x, y), mm."""
    inner = section.depth + at.radius
    along_ray = np.abs(np.angle(np.exp(1j * (at.angle - lesion.angle)))) < 0.05
    edge = float(np.median(inner[along_ray])) if along_ray.any() else float(np.median(inner))
    return (edge * lesion.inward * float(np.cos(lesion.angle)),
            edge * lesion.inward * float(np.sin(lesion.angle)))


def _blob(section: Section, at: Grid, centre: tuple[float, float], radius: float, seed: int
          ) -> Plane:
    """Distance inside a rough-edged ball, mm."""
    rough = along(seed, section.height, at.x.shape, 10, 25)
    return (radius * (1 + 0.22 * rough) - np.hypot(at.x - centre[0], at.y - centre[1])
            ).astype(np.float32)


def _round(lesion: Lesion, section: Section, at: Grid, share: float) -> Plane:
    blob = _blob(section, at, _where(section, at, lesion), lesion.size * share, lesion.seed)
    halo = smoothstep(blob, -0.25 * lesion.size - 3, -1.0) * (section.depth > 0)
    blend(section.hu, 0.75 * halo * section.brain, 19.0)
    return smoothstep(blob, -0.8, 0.8)


def _contusion(lesion: Lesion, section: Section, at: Grid, share: float) -> Plane:
    rng = np.random.default_rng(lesion.seed)
    middle = np.array(_where(section, at, lesion))
    middle = middle * 0.88 / max(lesion.inward, 0.1)
    result = np.zeros(at.x.shape, np.float32)
    for _ in range(int(rng.integers(2, 6))):
        place = middle + rng.normal(0, 1.3 * lesion.size, 2)
        radius = lesion.size * share * rng.uniform(0.35, 0.9)
        blob = _blob(section, at, (float(place[0]), float(place[1])), radius,
                     int(rng.integers(1 << 30)))
        blend(section.hu, 0.5 * smoothstep(blob, -5, -0.5) * section.brain, 21.0)
        result = np.maximum(result, smoothstep(blob, -1, 1) * float(rng.uniform(0.5, 1)))
    return result


def _around(lesion: Lesion, at: Grid) -> Plane:
    """Angle away from the lesion's middle as a share of its spread."""
    away = np.angle(np.exp(1j * (at.angle - lesion.angle)))
    return (np.abs(away) / lesion.spread).astype(np.float32)


def _rim(lesion: Lesion, section: Section, at: Grid, share: float) -> Plane:
    away = _around(lesion, at)
    thick = lesion.size * share * np.clip(1 - away ** 2, 0, 1) ** 0.5
    thick = thick * (1 + 0.2 * along(lesion.seed + 1, section.height, at.x.shape, 14, 15))
    _push(section, at, lesion, 0.35 * lesion.size * share)
    return (smoothstep(thick - section.depth, -0.6, 0.6) * (thick > 0.6)).astype(np.float32)


def _lens(lesion: Lesion, section: Section, at: Grid, share: float) -> Plane:
    thick = lesion.size * share * np.clip(1 - _around(lesion, at) ** 2, 0, 1)
    _push(section, at, lesion, 0.3 * lesion.size * share)
    return (smoothstep(thick - section.depth, -0.6, 0.6) * (thick > 0.6)).astype(np.float32)


def _push(section: Section, at: Grid, lesion: Lesion, amount: float) -> None:
    """Mass effect: what lies near the lesion moves away from it by up to `amount`, mm."""
    pixel = float(at.x[0, 1] - at.x[0, 0]) or 1.0
    turned = float(at.x[1, 0] - at.x[0, 0])
    size = float(np.hypot(pixel, turned))
    near = np.exp(-np.hypot(at.x - 60 * np.cos(lesion.angle),
                            at.y - 60 * np.sin(lesion.angle)) / 55)
    move = amount * near * smoothstep(section.depth, 2, 14) / size
    # The head's axes are turned against the picture's.
    turn = np.arctan2(turned, pixel)
    towards = (np.cos(lesion.angle) * np.cos(turn) + np.sin(lesion.angle) * np.sin(turn),
               np.sin(lesion.angle) * np.cos(turn) - np.cos(lesion.angle) * np.sin(turn))
    rows, columns = np.indices(section.hu.shape, np.float32)
    moved = cv2.remap(section.hu, (columns + move * towards[0]).astype(np.float32),
                      (rows + move * towards[1]).astype(np.float32), cv2.INTER_LINEAR)
    deep = section.depth > 2
    section.hu[deep] = moved[deep]


def _in_sulci(lesion: Lesion, section: Section, at: Grid, share: float) -> Plane:
    near = 1 - smoothstep(_around(lesion, at), 0.5, 1.0)
    outer = 1 - smoothstep(section.depth, lesion.size, lesion.size + 8)
    wide = cv2.GaussianBlur(np.clip(1.6 * (section.csf - section.ventricles), 0, 1), (0, 0), 0.8)
    return (np.clip(wide, 0, 1) * near * outer * min(1.0, 0.4 + share)).astype(np.float32)


def _in_ventricle(lesion: Lesion, section: Section, at: Grid, share: float) -> Plane:
    """Blood sinks: it fills the horn of one side from the back, with a level."""
    side = at.x * np.sign(np.cos(lesion.angle)) > -1
    filled = section.ventricles * side
    if not (filled > 0.5).any():
        return np.zeros(at.x.shape, np.float32)
    back = float(at.y[filled > 0.5].max())
    return (filled * smoothstep(at.y - (back - 2.2 * lesion.size * share), -0.5, 0.5)
            ).astype(np.float32)


def _infarct(lesion: Lesion, section: Section, at: Grid, share: float) -> Mask:
    """A wedge from the cortex inwards: darker, its sulci narrow, its grey and white alike."""
    rough = along(lesion.seed, section.height, at.x.shape, 13, 15)
    wedge = 1 - smoothstep(_around(lesion, at) + 0.18 * rough, 0.75, 1.1)
    deep = 1 - smoothstep(section.depth + 3 * rough, 0.8 * lesion.size, lesion.size + 5)
    strength = (wedge * deep * section.brain * min(1.0, 0.3 + share)).astype(np.float32)
    smooth = cv2.GaussianBlur(section.hu, (0, 0), 4)
    tissue = strength * (1 - section.ventricles) * (section.depth > 1.5)
    blend(section.hu, 0.55 * tissue, np.clip(smooth, 24, 36))
    section.hu -= lesion.contrast * tissue
    return np.asarray(tissue > 0.35, bool)
