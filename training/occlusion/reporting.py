"""What is drawn before the faces of the people the mouth network is reported on.

Other outlines, other stuffs and other things than in choosing.py: nothing here was seen when the
network was trained, nor when its thresholds were set. Arguments as there.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks
from training.occlusion import materials
from training.occlusion.face import DrawnFace, Layer, Plane, union

Rng = np.random.Generator
Aim = NDArray[np.float64]


def _coloured(face: DrawnFace, rng: Rng) -> Plane:
    return materials.of(materials.REPORTING, face, rng)


# --- What hides a mouth -----------------------------------------------------------------------

def respirator(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A moulded mask with a middle seam, two straps, sometimes a valve."""
    u, v = face.turned(aim + np.array((0.0, rng.uniform(-4, 4))), rng.normal(0.0, 0.05))
    half, high, low = rng.uniform(42, 58), rng.uniform(22, 42), rng.uniform(40, 58)
    reach = np.where(v > 0, high + 12 * np.exp(-(u / 12.0) ** 2), low)
    distance = ((np.abs(u) / half) ** 2.6 + (np.abs(v) / reach) ** 2.2 - 1) * 15
    shades = ((245, 245, 242), (60, 62, 70), (120, 160, 200), tuple(face.skin), (200, 200, 195))
    colour = np.array(shades[int(rng.integers(5))], np.float32) * rng.uniform(0.85, 1.05)
    bulge = 1.05 - 0.3 * (u / half) ** 2 - 0.1 * np.clip(-v / low, 0, 1)
    seam = face.within(np.abs(u) - 0.6, 1.5) * float(rng.random() < 0.7)
    shell = face.layer(colour * (bulge * (1 - 0.2 * seam))[..., None], face.within(distance))
    ends = [(side, height) for side in (-1, 1) for height in (8, -12)]
    straps = union([face.capsule(aim + np.array((side * half * 0.9, height)),
                                 (side * 90, height * 3), 2.0) for side, height in ends])
    mask = face.layer(materials.any_colour(rng), face.within(straps)).under(shell)
    if rng.random() < 0.3:
        valve = face.ellipse(aim + np.array((rng.choice((-18, 0, 18)), -6)), (11, 10))
        mask = mask.under(face.layer(colour * 0.85, face.within(valve)))
    return mask


def cloth_mask(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A sewn mask of patterned cloth: a hexagon, straight below the eyes or below the nose."""
    high = rng.uniform(24, 40) if rng.random() < 0.8 else rng.uniform(10, 15)
    half, low = rng.uniform(46, 64), rng.uniform(38, 60)
    right = np.array([(0, high), (-half * 0.5, high - 4), (-half, high * 0.35), (-half, -12),
                      (-half * 0.45, -low), (0, -low - 5)])
    outline = np.concatenate([right, right[-2:0:-1] * (-1, 1)]) + aim
    creases = materials.blotches(face, rng, 12.0) * rng.uniform(0, 0.15)
    return face.layer(_coloured(face, rng) * (1 + creases)[..., None], face.polygon(outline))


def folded_towel(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A towel in folds, hanging from one corner or wound round the lower face."""
    angle = rng.uniform(-0.5, 0.5)
    u, v = face.turned(aim + np.array((rng.uniform(-10, 10), rng.uniform(12, 26))), angle)
    if rng.random() < 0.4:
        distance = np.maximum(v + 0.5 * np.abs(u) - 10, np.abs(u) - 75)
    else:
        distance = np.maximum(v, -v - rng.uniform(45, 120))
    depth = rng.uniform(0.05, 0.3)
    folds = 1 + depth * np.sin(u / rng.uniform(3, 10) + 0.08 * v + rng.uniform(0, 6))
    hem = face.within(np.abs(v + rng.uniform(4, 15)) - rng.uniform(1, 4))
    colour = _coloured(face, rng) * (folds * (1 - 0.25 * hem))[..., None]
    return face.layer(colour, face.within(distance))


def tissue(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Crumpled paper pressed to the mouth."""
    count = int(rng.integers(7, 14))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.uniform(0, 0.3, count)
    radii = rng.uniform(28, 50, count)
    corners = np.column_stack([np.cos(angles) * radii, np.sin(angles) * radii * 0.8]) + aim
    crumple = np.abs(materials.blotches(face, rng, 9.0)) + np.abs(
        materials.blotches(face, rng, 4.0)) * 0.5
    return face.layer(np.array((246, 246, 243)) * (1.02 - 0.35 * crumple)[..., None],
                      face.polygon(corners))


def fist(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A closed hand before the mouth: a rounded block with knuckles."""
    u, v = face.turned(aim + rng.normal(0, 4, 2), rng.uniform(-0.9, 0.9))
    distance = ((np.abs(u) / rng.uniform(30, 40)) ** 3 + (np.abs(v) / rng.uniform(24, 36)) ** 3
                - 1) * 12
    forearm = np.maximum(np.abs(u) - 24, v)
    lines = sum(face.within(np.abs(u - place + 0.02 * v) - 0.5, 1.5) * (v > -14)
                for place in (-18, 0, 18))
    shade = 1.0 - 0.3 * lines - 0.012 * np.abs(v)
    colour = materials.near_skin(face, rng) * (
        shade * (1 + 0.06 * materials.blotches(face, rng, 6.0)))[..., None]
    return face.layer(colour, face.within(np.minimum(distance, forearm)))


def laid_fingers(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """One to three tapering fingers with nails and creases, from the side or from below."""
    angle = rng.choice((-1, 1)) * rng.uniform(-0.7, 0.7) + rng.choice((0.0, np.pi, np.pi / 2))
    u, v = face.turned(aim, angle)
    count, half = int(rng.integers(1, 4)), rng.uniform(6.5, 8.5)
    fingers, nails, creases = [], [], []
    for index in range(count):
        tip, off = rng.uniform(2, 26), (index - (count - 1) / 2) * 2.05 * half
        width = half * (1 - 0.15 * np.clip((u + 30) / 40, 0, 1))
        end = np.hypot(np.maximum(u - tip + width, 0), v - off) - width
        fingers.append(np.maximum(end, np.abs(v - off) - width))
        nails.append((np.hypot((u - tip + 6.5) / 5.0, (v - off) / 4.2) - 1) * 4)
        creases += [np.maximum(np.abs(u - tip + gap) - 0.5, fingers[-1]) for gap in (22, 45)]
    distance = union(fingers)
    shade = 0.7 + 0.3 * np.sqrt(np.clip(-distance / 4.0, 0, 1))
    shade = shade * (1 - 0.25 * face.within(union(creases), 1.5))
    colour = materials.near_skin(face, rng) * shade[..., None]
    hand = face.layer(colour, face.within(distance))
    if rng.random() < 0.5:
        pale = np.minimum(face.skin * 1.15 + 12, 255)
        hand = hand.under(face.layer(pale, face.within(union(nails)) * face.within(distance)))
    return hand


def bottle(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A bottle or glass at the lips, bright along one line, with a label."""
    u, v = face.turned(aim + np.array((0.0, rng.uniform(2, 12))), rng.normal(0.0, 0.4))
    neck = rng.uniform(12, 17)
    width = neck + (rng.uniform(28, 36) - neck) / (1 + np.exp((v + rng.uniform(15, 45)) / 4))
    distance = np.maximum(np.abs(u) - width, v)
    shine = 0.75 + 0.6 * np.exp(-((u / width - rng.uniform(-0.6, 0.6)) / 0.15) ** 2)
    label = face.within(np.maximum(np.abs(u) - width, np.abs(v + 70) - 18))
    colour = materials.any_colour(rng) * shine[..., None]
    return face.layer(colour, face.within(distance) * rng.uniform(0.8, 1.0)).under(
        face.layer(materials.any_colour(rng), label))


def microphone(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A ball of wire mesh on a handle."""
    radius, angle = rng.uniform(20, 32), rng.normal(0.0, 0.5)
    u, v = face.turned(aim, angle)
    ball = np.hypot(u, v * rng.uniform(0.8, 1.0)) - radius
    handle = np.maximum(np.abs(u) - radius * 0.5, v)
    mesh = 1 + 0.25 * np.sin(u * 2.2) * np.sin(v * 2.2)
    light = np.clip(1.2 - np.hypot(u - 8, v - 8) / (1.6 * radius), 0.3, 1.2)
    grey = materials.any_colour(rng) * 0.25 + np.float32(rng.uniform(20, 150))
    return face.layer(grey * 0.5, face.within(handle)).under(
        face.layer(grey * (mesh * light)[..., None], face.within(ball)))


def airway(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A curved breathing tube with a collar, tied across the cheeks."""
    side, radius = rng.choice((-1, 1)), rng.uniform(4, 8)
    path = [aim + np.array((side * 55 * t, -70 * t + 40 * t * t)) for t in np.linspace(0, 1.6, 9)]
    distance = union([face.capsule(a, b, radius)
                      for a, b in pairwise(path)])
    shine = 0.75 + 0.35 * np.clip(-distance / radius, 0, 1)
    colour = np.array((205, 222, 228), np.float32) * rng.uniform(0.75, 1.1)
    collar = face.within(face.ellipse(aim, (radius * 1.9, radius * 1.6)))
    tie = union([face.capsule(aim, (end * 75, rng.uniform(5, 25)), rng.uniform(2, 5))
                 for end in (-1, 1)])
    tied = face.layer((240, 238, 230), face.within(tie) * float(rng.random() < 0.7))
    return tied.under(face.layer(colour * shine[..., None], face.within(distance) * 0.9),
                      face.layer(materials.any_colour(rng), collar))


HIDING = {'respirator': respirator, 'cloth mask': cloth_mask, 'folded towel': folded_towel,
          'tissue': tissue, 'fist': fist, 'laid fingers': laid_fingers, 'bottle': bottle,
          'microphone': microphone, 'airway': airway}


# --- What only looks as if it did -------------------------------------------------------------

def full_beard(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Combed hair on cheeks, chin and upper lip, longer than the chin."""
    chin = face.places[landmarks.CHIN]
    outline = [face.places[index] for index in (234, 93, 132, 58, 172, 136)]
    right = [point * (rng.uniform(0.9, 1.0), 1.0) for point in outline]
    bottom = chin - (0.0, rng.uniform(0, 25))
    inner = np.array([(-34, 8), (-30, 14), (0, 17), (30, 14), (34, 8)])
    shape = np.array([*right, bottom, *[point * (-1, 1) for point in right[::-1]], *inner[::-1]])
    lips = face.within(face.ellipse((0.0, -1.0), (26.0, rng.uniform(8.5, 11))), 2.0)
    return _combed(face, rng, face.polygon(shape) * (1 - np.maximum(lips, face.lips)))


def moustache(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A moustache whose lower edge brushes the upper lip."""
    u, v = face.across, face.upwards
    half, drop = rng.uniform(20, 34), rng.uniform(0, 0.35)
    lower = face.places[landmarks.UPPER_VERMILION][1] - rng.uniform(-1.0, 1.5)
    bent = v + drop * np.maximum(np.abs(u) - 10, 0)
    distance = np.maximum(np.maximum(lower - bent, bent - lower - rng.uniform(7, 11)),
                          np.abs(u) - half)
    return _combed(face, rng, face.within(distance, 2.0))


def _combed(face: DrawnFace, rng: Rng, where: Plane) -> Layer:
    u, v = face.turned((0.0, 0.0), 0.0)
    phase = u * rng.uniform(3, 6) + 2.0 * materials.blotches(face, rng, 5.0) + 0.4 * v
    strands = 0.5 * np.sin(phase) + 0.5 * materials.blotches(face, rng, 1.2)
    shades = ((25, 22, 22), (60, 42, 30), (150, 105, 60), (110, 108, 106), (225, 222, 215))
    colour = np.array(shades[int(rng.integers(5))], np.float32)
    thick = rng.uniform(0.5, 1.0)
    return face.layer(colour * (1 + 0.35 * strands)[..., None],
                      where * np.clip(thick + 0.4 * strands, 0, 1))


def feeding_tube(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A thin tube from a nostril over the cheek, with a plaster on the nose."""
    side = rng.choice((-1, 1))
    start = face.places[landmarks.SUBNASALE] + np.array((side * 6, 2))
    middle = start + np.array((side * 28, 2 + rng.normal(0, 3)))
    end = start + np.array((side * 85, 10))
    distance = union([face.capsule(start, middle, 1.4), face.capsule(middle, end, 1.4)])
    plaster = face.ellipse(face.places[4] + np.array((0, 6)), (9, 12))
    return face.layer((238, 225, 200), face.within(plaster) * 0.9).under(
        face.layer((240, 235, 205), face.within(distance) * rng.uniform(0.6, 1.0)))


def sunglasses(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Dark squarish glasses."""
    eyes = [face.places[list(index)].mean(axis=0) for index in ((33, 133), (263, 362))]
    lenses = []
    for eye in eyes:
        u, v = face.turned(eye, 0.0)
        lenses.append(((np.abs(u) / 26) ** 4 + (np.abs(v) / 19) ** 4 - 1) * 8)
    bridge = face.capsule(eyes[0], eyes[1], 1.5)
    return face.layer(materials.any_colour(rng) * 0.25,
                      face.within(union([*lenses, bridge])) * rng.uniform(0.7, 1.0))


def lit_from_a_window(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Bars of light across the face."""
    u, _ = face.turned(rng.uniform(-30, 30, 2), rng.uniform(0, 3))
    bars = np.clip(0.5 + 3 * np.sin(u / rng.uniform(8, 25)), 0, 1)
    return face.layer((255, 250, 235), bars * rng.uniform(0.1, 0.35))


def scarf(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Cloth round the neck, up to just below the lower lip."""
    edge = face.places[18][1] - rng.uniform(6, 25) + 0.004 * face.across ** 2
    return face.layer(_coloured(face, rng), face.within(face.upwards - edge))


def bare_lips(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Lips painted strongly, or bloodless."""
    colours = ((190, 20, 50), (110, 20, 60), (150, 110, 120), (90, 60, 60))
    if rng.random() < 0.5:
        return face.layer(face.skin * 0.95, face.lips * rng.uniform(0.3, 0.65))
    return face.layer(colours[int(rng.integers(4))], face.lips * rng.uniform(0.3, 0.7))


CLEAR = {'full beard': full_beard, 'moustache': moustache, 'feeding tube': feeding_tube,
         'sunglasses': sunglasses, 'lit from a window': lit_from_a_window, 'scarf': scarf,
         'bare lips': bare_lips}
