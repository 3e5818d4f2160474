"""What is drawn before the faces of the people the mouth network is trained and chosen on.

None of it is drawn for reporting (reporting.py). `aim` is the place, mm, that a thing is held to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks
from training.occlusion import materials
from training.occlusion.face import DrawnFace, Layer, Plane, union

Rng = np.random.Generator
Aim = NDArray[np.float64]

_CHEEK_RIGHT, _JAW_RIGHT = [123, 147, 213], [138, 169, 150, 148]


def _coloured(face: DrawnFace, rng: Rng) -> Plane:
    return materials.of(materials.CHOOSING, face, rng)


# --- What hides a mouth -----------------------------------------------------------------------

def surgical_mask(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A pleated mask along cheeks and jaw, sometimes below the nose; with loops."""
    top = face.places[197] * (1 - (t := rng.uniform(0.0, 1.0))) + face.places[4] * t
    cheeks = list(_CHEEK_RIGHT)
    if rng.random() < 0.2:
        top, cheeks = face.places[2] - (0.0, rng.uniform(0, 4)), cheeks[1:]
    right = [face.places[index] for index in cheeks + _JAW_RIGHT]
    left = [face.places[landmarks.MIRROR[index]] for index in cheeks + _JAW_RIGHT]
    chin = face.places[landmarks.CHIN] - (0.0, rng.uniform(0, 12))
    outline = np.array([top, *right, chin, *left[::-1]]) + aim
    outline += rng.normal(0.0, 1.5, outline.shape)
    alpha = face.polygon(outline)
    shades = ((170, 205, 230), (235, 240, 240), (150, 205, 190), (35, 35, 40), (230, 180, 195))
    colour: Any = np.array(shades[int(rng.integers(5))]) * rng.uniform(0.85, 1.05, 3)
    if rng.random() < 0.35:
        colour = _coloured(face, rng)
    pleats = np.zeros(face.rgb.shape[:2], np.float32)
    for height in aim[1] + rng.uniform(-25, 15, int(rng.integers(0, 5))):
        bend = height - rng.uniform(0, 0.004) * face.across ** 2
        pleats += face.within(np.abs(face.upwards - bend) - rng.uniform(0.3, 1.0), 1.5)
    shaded = np.broadcast_to(colour, face.rgb.shape) * (1 - 0.25 * np.clip(pleats, 0, 1))[..., None]
    loops = union([face.capsule(outline[1], face.places[234] + aim, 0.8),
                   face.capsule(outline[-1], face.places[454] + aim, 0.8)])
    return face.layer(colour, face.within(loops)).under(face.layer(shaded, alpha))


def towel(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Cloth with a wavy upper edge: held across, or drawn up like a blanket."""
    u, v = face.turned(aim, rng.normal(0.0, 0.25))
    wave = rng.uniform(0, 3) * np.sin(u / rng.uniform(6, 20) + rng.uniform(0, 6))
    distance = v - rng.uniform(12, 35) - wave
    if rng.random() < 0.5:  # a band
        distance = np.maximum(distance, -(v + rng.uniform(20, 60)))
    if rng.random() < 0.4:  # of limited width
        distance = np.maximum(distance, np.abs(u) - rng.uniform(35, 70))
    folds = materials.blotches(face, rng, rng.uniform(6, 20)) * rng.uniform(0.0, 0.25)
    return face.layer(_coloured(face, rng) * (1 + folds)[..., None], face.within(distance))


def hand(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A palm with fingers of capsules; the fingers' middle, or their tips, lie at the aim."""
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-along[1], along[0]])
    count, width = int(rng.integers(1, 5)), rng.uniform(6.5, 9.0)
    reach = rng.uniform(0.0, 30.0)  # how far the tips pass the aim
    fingers, colour = [], materials.near_skin(face, rng)
    root = aim + along * (reach - rng.uniform(55, 75))
    for index in range(count):
        offset = (index - (count - 1) / 2) * 2 * width * rng.uniform(0.95, 1.15)
        tip = aim + along * (reach + rng.uniform(-8, 4)) + aside * offset
        fingers.append(face.capsule(root + aside * offset * 0.9, tip, width, 0.8 * width))
    palm = face.ellipse(root - along * 25, (45, 42))
    fingers += [palm, face.capsule(root - along * 30, root + aside * 60 * rng.choice((-1, 1)), 11)]
    order = sorted(fingers[:count], key=lambda _: rng.random())
    shade: Plane = np.ones(face.rgb.shape[:2], np.float32)
    for finger in [palm, *order]:  # rounder towards the middle, a dark line where fingers meet
        inside = face.within(finger)
        shade = shade * (1 - inside) + inside * np.clip(
            0.72 + 0.28 * np.sqrt(np.clip(-finger / 5.0, 0, 1)), 0, 1)
    shade = shade * (1 + 0.05 * materials.blotches(face, rng, 4.0))
    return face.layer(colour * shade[..., None], face.within(union(fingers)))


def cup(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A mug or beaker held to the lips, its rim an ellipse."""
    width, taper, height = rng.uniform(28, 45), rng.uniform(0.0, 0.2), rng.uniform(60, 110)
    u, v = face.turned(aim + np.array((0.0, rng.uniform(-2, 14))), rng.normal(0.0, 0.25))
    side = np.abs(u) - width * (1 + taper * np.clip(v / height, -1, 0))
    body = np.maximum(np.maximum(side, v), -v - height)
    rim = (np.hypot(u / width, v / rng.uniform(4, 14)) - 1) * 6
    round_shade = np.sqrt(np.clip(1 - (u / (1.05 * width)) ** 2, 0.05, 1)) * 0.5 + 0.55
    colour = _coloured(face, rng) if rng.random() < 0.3 else materials.any_colour(rng)
    inside = materials.any_colour(rng) * 0.5
    return face.layer(colour * round_shade[..., None], face.within(body)).under(
        face.layer(inside, face.within(rim)))


def tube(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A tube from the lips downwards or aside, often with tape across."""
    radius, angle = rng.uniform(3.5, 10.0), rng.uniform(-2.9, -0.25)
    bend, end = aim.copy(), aim + 120 * np.array([np.cos(angle), np.sin(angle)])
    middle = (bend + end) / 2 + rng.normal(0, 8, 2)
    distance = union([face.capsule(bend, middle, radius), face.capsule(middle, end, radius)])
    shade = 0.6 + 0.4 * np.sqrt(np.clip(-distance / radius, 0, 1))
    colour = materials.any_colour(rng)
    if rng.random() < 0.5:
        colour = np.array((215, 225, 225), np.float32) * rng.uniform(0.7, 1.05)
    thing = face.layer(colour * shade[..., None], face.within(distance) * rng.uniform(0.7, 1.0))
    if rng.random() < 0.5:
        u, v = face.turned(aim, rng.normal(0.0, 0.3))
        tape = np.maximum(np.abs(u) - rng.uniform(15, 40), np.abs(v) - rng.uniform(4, 10))
        thing = thing.under(face.layer((235, 230, 215), face.within(tape) * rng.uniform(0.6, 1)))
    return thing


def something(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A shape that nobody knows, of any stuff."""
    count = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radii = rng.uniform(0.4, 1.2, count) * rng.uniform(10, 55)
    corners = np.column_stack([np.cos(angles), np.sin(angles)]) * radii[:, None]
    corners = corners * rng.uniform(0.5, 1.5, 2) + aim
    folds = materials.blotches(face, rng, rng.uniform(4, 25)) * rng.uniform(0.0, 0.3)
    return face.layer(_coloured(face, rng) * (1 + folds)[..., None], face.polygon(corners))


HIDING = {'surgical mask': surgical_mask, 'towel': towel, 'hand': hand, 'cup': cup, 'tube': tube,
          'something': something}
# How often each is drawn.
WEIGHTS = {'surgical mask': 3, 'towel': 3, 'hand': 5, 'cup': 2, 'tube': 3, 'something': 4}


# --- What only looks as if it did -------------------------------------------------------------

def beard(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Hair along the jaw and mostly above the lips, which stay free."""
    chin, width = face.places[landmarks.CHIN], abs(face.places[landmarks.MIRROR[213]][0])
    jaw = face.ellipse((0.0, chin[1] * 0.45), (width * rng.uniform(0.95, 1.15),
                                               abs(chin[1]) * rng.uniform(0.75, 1.0)))
    free = face.ellipse((0.0, rng.uniform(8, 16)), (width * rng.uniform(0.75, 0.95), 22.0))
    where = face.within(np.maximum(jaw, -free if rng.random() < 0.7 else jaw), 8.0)
    upper = face.within(face.ellipse((0.0, 12.0), (rng.uniform(22, 32), 8.0)), 4.0)
    where = np.maximum(where, upper * float(rng.random() < 0.8))
    lips = face.within(face.ellipse((0.0, 0.0), (27.0, rng.uniform(8, 11))), 3.0)
    thick = rng.uniform(0.3, 0.95)
    return _hair(face, rng, where * (1 - np.maximum(lips, face.lips)) * thick)


def _hair(face: DrawnFace, rng: Rng, where: Plane) -> Layer:
    strands = materials.blotches(face, rng, 0.9) + 0.6 * materials.blotches(face, rng, 2.5)
    shades = ((35, 28, 25), (70, 50, 38), (120, 90, 60), (140, 138, 135), (205, 203, 198))
    colour = np.array(shades[int(rng.integers(5))], np.float32)
    return face.layer(colour * (1 + 0.5 * strands)[..., None],
                      where * np.clip(0.75 + 0.6 * strands, 0, 1))


def cannula(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Oxygen prongs: a thin tube from the cheeks to below the nostrils."""
    nose, radius = face.places[landmarks.SUBNASALE] - (0.0, 3.0), rng.uniform(1.2, 2.2)
    ends = [face.places[index] + rng.normal(0, 6, 2) for index in (147, 376)]
    distance = union([face.capsule(nose, end, radius) for end in ends])
    shade = 0.7 + 0.3 * np.sqrt(np.clip(-distance / radius, 0, 1))
    colour = np.array((215, 230, 225), np.float32) * rng.uniform(0.8, 1.1)
    return face.layer(colour * shade[..., None], face.within(distance) * rng.uniform(0.5, 1.0))


def spectacles(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Rims, and sometimes dark glass."""
    eyes = [face.places[list(index)].mean(axis=0) for index in ((33, 133), (263, 362))]
    size = (rng.uniform(20, 27), rng.uniform(15, 22))
    glass = union([face.ellipse(eye, size) for eye in eyes])
    rim = np.abs(glass) - rng.uniform(0.5, 2.0)
    dark = face.within(glass) * (rng.uniform(0.6, 1.0) if rng.random() < 0.4 else 0.08)
    colour = materials.any_colour(rng)
    return face.layer(colour * 0.4, dark).under(face.layer(colour, face.within(rim)))


def shadow(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """A hard or soft shadow with a straight edge, anywhere."""
    u, _ = face.turned(rng.uniform(-40, 40, 2), rng.uniform(0, 2 * np.pi))
    return face.layer((0.0, 0.0, 0.0), face.within(u, rng.uniform(1, 30)) * rng.uniform(0.15, 0.6))


def lipstick(face: DrawnFace, rng: Rng, aim: Aim) -> Layer:
    """Lips of another colour, also pale as skin; their relief stays."""
    pale = rng.random() < 0.5
    colour = face.skin * rng.uniform(0.8, 1.05) if pale else np.array(
        (rng.uniform(90, 220), rng.uniform(10, 90), rng.uniform(30, 110)))
    return face.layer(colour, face.lips * rng.uniform(0.2, 0.6))


CLEAR = {'beard': beard, 'cannula': cannula, 'spectacles': spectacles, 'shadow': shadow,
         'lipstick': lipstick}
