"""Single simulated pictures with their truth, for training and for looking at.

It never reads files and never draws the patient at random behind the caller's
back: every draw comes from the generator given. Left and right are the PATIENT's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.simulation.face import FaceTruth, HeadMotion, SimulatedFace
from stroke_side_monitor.simulation.palsy import (
    EXERCISES,
    Expression,
    Palsy,
    Style,
    random_palsy,
    random_style,
)
from stroke_side_monitor.simulation.portrait import Portrait


@dataclass(frozen=True)
class StillTruth:
    """What is true of one still.

    palsy: side (the patient's), severities 0..1, pattern.
    exercise: 'rest' or what the patient tries to do; intensity: how hard, 0 to 1.
    face: displacements in mm and the head's pose in degrees.
    """

    palsy: Palsy
    exercise: str
    intensity: float
    face: FaceTruth


def simulate_still(portrait: Portrait, palsy: Palsy, exercise: str = 'rest',
                   intensity: float = 1.0, *, style: Style | None = None,
                   head: HeadMotion | None = None, blink: float = 0.0
                   ) -> tuple[NDArray[np.uint8], StillTruth]:
    """Draw one patient once; for many frames of one patient keep a SimulatedFace.

    Returns:
        RGB uint8, as large as the portrait, and its truth.
    """
    face = SimulatedFace(portrait, palsy, style)
    expression = Expression.of(exercise, intensity, blink)
    rgb, truth = face.draw(expression, head or HeadMotion())
    return rgb, StillTruth(palsy, exercise, intensity if exercise != 'rest' else 0.0, truth)


def random_still(portrait: Portrait, rng: np.random.Generator, *, palsy: Palsy | None = None,
                 exercises: tuple[str, ...] = ('rest', 'rest', *EXERCISES),
                 vary_style: bool = True) -> tuple[NDArray[np.uint8], StillTruth]:
    """Draw a patient, a moment and a head pose; the camera's faults are in `camera_faults`.

    Args:
        portrait: a healthy person.
        rng: every draw comes from here.
        palsy: None draws one, weak on the left or right; give
            `random_palsy(rng, Side.NONE)` for healthy ones.
        exercises: drawn from with equal chance, repeats count.
        vary_style: draw another simulator each time, not the default one.
    """
    if palsy is None:
        palsy = random_palsy(rng)
    style = random_style(rng) if vary_style else Style()
    exercise = exercises[int(rng.integers(len(exercises)))]
    intensity = float(rng.uniform(0.4, 1.1))
    yaw, pitch, roll = rng.normal(0.0, (5.0, 4.0, 3.0))
    head = HeadMotion(float(np.clip(yaw, -12, 12)), float(np.clip(pitch, -10, 10)),
                      float(np.clip(roll, -10, 10)))
    return simulate_still(portrait, palsy, exercise, intensity, style=style, head=head)


def camera_faults(rgb: NDArray[np.uint8], rng: np.random.Generator, strength: float = 1.0
                  ) -> NDArray[np.uint8]:
    """Light, colour, blur, noise and JPEG of a cheap camera, drawn at random.

    Nothing here knows left from right except a light from one side, whose
    direction is drawn without regard to anything else.
    """
    height, width = rgb.shape[:2]
    picture = rgb.astype(np.float32)
    gain, red, blue = np.exp(strength * rng.normal(0.0, (0.18, 0.05, 0.05)))
    slope = strength * rng.uniform(-0.25, 0.25)
    across = 1.0 + slope * np.linspace(-1.0, 1.0, width, dtype=np.float32)
    picture *= (gain * np.array([red, 1.0, blue])).astype(np.float32)
    picture *= across[None, :, None]
    blur = strength * float(rng.uniform(0.0, 1.2))
    if blur > 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)  # type: ignore[assignment]
    noise = strength * float(rng.uniform(0.5, 7.0))
    picture += noise * rng.standard_normal((height, width, 3), dtype=np.float32)
    noisy = np.clip(picture, 0, 255).astype(np.uint8)
    quality = int(rng.integers(55, 96))
    _, coded = cv2.imencode('.jpg', noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)  # type: ignore[return-value]
