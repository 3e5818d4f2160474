"""What every bench shows the camera, and on what machine it runs.

It never measures anything.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation.face import HeadMotion, SimulatedFace
from stroke_side_monitor.simulation.palsy import Expression, Palsy
from stroke_side_monitor.simulation.portrait import astronaut, portrait

WIDTH, HEIGHT = 640, 480


def simulated_frames(count: int, width: int = WIDTH, height: int = HEIGHT
                     ) -> list[NDArray[np.uint8]]:
    """A simulated patient (a public-domain photograph) who moves the head a little.

    Returns:
        uint8 (height, width, 3) each, 130 px between the eyes of 480 that are high.
    """
    face = SimulatedFace(portrait(astronaut()).framed(width, height, 130.0 * height / 480.0),
                         Palsy.of(Side.RIGHT, 0.8, 'central'))
    turns = 2 * np.pi * np.arange(count) / count
    return [face.draw(Expression.of('rest'), HeadMotion(
        yaw_deg=4 * np.sin(turn), pitch_deg=2 * np.cos(turn), right_px=8 * np.sin(turn)))[0]
        for turn in tqdm(turns, desc='drawing frames', unit='frame', disable=None)]


def machine() -> dict[str, Any]:
    """On what the figures were measured."""
    model = next((line.split(':', 1)[1].strip() for line in
                  Path('/proc/cpuinfo').read_text().splitlines() if line.startswith('model name')),
                 platform.machine())
    return {'cpu': model, 'cores': os.cpu_count(), 'python': platform.python_version(),
            'load_before': os.getloadavg()[0]}
