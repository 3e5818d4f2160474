"""`python -m studies.contact_sheet`: patients by movements, to be looked at.

It never assesses anything. Left and right are the PATIENT's.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation import portrait
from stroke_side_monitor.simulation.face import SimulatedFace
from stroke_side_monitor.simulation.palsy import EXERCISES, Expression, Palsy
from stroke_side_monitor.simulation.portrait import PictureError, Portrait

PATIENTS = (
    ('healthy', Palsy.of(Side.NONE, 0.0)),
    ('left, central, 0.5', Palsy.of(Side.LEFT, 0.5, 'central')),
    ('left, central, 1.0', Palsy.of(Side.LEFT, 1.0, 'central')),
    ('right, peripheral, 0.5', Palsy.of(Side.RIGHT, 0.5, 'peripheral')),
    ('right, peripheral, 1.0', Palsy.of(Side.RIGHT, 1.0, 'peripheral')),
)
_WIDTH, _HEIGHT, _EYES_PX = 232, 264, 74.0


def sheet(person: Portrait) -> NDArray[np.uint8]:
    """Rows of patients, columns of rest and full movements; RGB uint8."""
    framed = person.framed(_WIDTH, _HEIGHT, _EYES_PX)
    rows = []
    for name, palsy in PATIENTS:
        face = SimulatedFace(framed, palsy)
        row = []
        for exercise in ('rest', *EXERCISES):
            rgb, _ = face.draw(Expression.of(exercise))
            row.append(_labelled(rgb, exercise if name == 'healthy' else
                                 name if exercise == 'rest' else ''))
        rows.append(np.hstack(row))
    return np.vstack(rows)


def _labelled(rgb: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    labelled = np.ascontiguousarray(rgb)
    for colour, thickness in (((255, 255, 255), 3), ((0, 0, 0), 1)):
        cv2.putText(labelled, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, thickness,
                    cv2.LINE_AA)
    return labelled


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. 0: written; 2: a photograph that cannot be used."""
    parser = argparse.ArgumentParser(
        prog='python -m studies.contact_sheet', description=__doc__)
    parser.add_argument('out', type=Path, help='JPEG or PNG to write')
    parser.add_argument('--photo', default='', help='healthy frontal photograph')
    parser.add_argument('--smile-photo', default='', help='the same person smiling')
    parsed = parser.parse_args(arguments)
    try:
        rgb = portrait.read_picture(parsed.photo) if parsed.photo else portrait.astronaut()
        smiling = portrait.read_picture(parsed.smile_photo) if parsed.smile_photo else None
        person = portrait.portrait(rgb, parsed.photo or 'astronaut', smiling_rgb=smiling,
                                   smiling_name=parsed.smile_photo)
    except PictureError as error:
        print(f'contact_sheet: {error}', file=sys.stderr)
        return 2
    hidden = parsed.out.with_name(f'.{os.getpid()}.{parsed.out.name}')
    quality = [cv2.IMWRITE_JPEG_QUALITY, 82]
    if not cv2.imwrite(str(hidden), cv2.cvtColor(sheet(person), cv2.COLOR_RGB2BGR), quality):
        print(f'contact_sheet: {parsed.out}: cannot be written', file=sys.stderr)
        return 2
    os.replace(hidden, parsed.out)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
