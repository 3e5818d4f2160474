"""Draws the README's picture: the simulated patient as the monitor annotates her.

It uses only the public-domain photograph of scikit-image.
Run: .venv/bin/python -m studies.pictures
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from stroke_side_monitor import overlay
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.face import HeadMotion
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import astronaut, portrait
from stroke_side_monitor.simulation.still import simulate_still

CASES = (  # patient, head pose, light
    (Palsy.of(Side.LEFT, 1.0, 'central'), HeadMotion(2.0), 1.0),
    (Palsy.of(Side.RIGHT, 1.0, 'peripheral'), HeadMotion(-3.0), 1.0),
    (Palsy.of(Side.NONE, 0.0), HeadMotion(), 1.0),
    (Palsy.of(Side.LEFT, 1.0, 'central'), HeadMotion(), 0.22),
)


def main() -> None:
    """Write docs/images/overlay.jpg."""
    person = portrait(astronaut(), 'astronaut').framed(640, 480, 110.0)
    pipeline = Pipeline(PipelineSettings(), video=False)
    drawn = []
    for palsy, head, light in CASES:
        rgb, _ = simulate_still(person, palsy, 'smile', head=head)
        rgb = (rgb * light).astype(np.uint8)
        drawn.append(overlay.draw(rgb, pipeline.assess(rgb, 0.0)))
    sheet = np.vstack([np.hstack(drawn[:2]), np.hstack(drawn[2:])])
    path = Path(__file__).parents[1] / 'docs' / 'images' / 'overlay.jpg'
    cv2.imwrite(str(path), sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == '__main__':
    main()
