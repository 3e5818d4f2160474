"""What somebody asks of the simulation, in plain words and numbers, turned into a session.

Shared by the command line and the node, so that both mean the same by the same
word. Left and right are the PATIENT's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation import portrait
from stroke_side_monitor.simulation.palsy import Palsy, random_natural
from stroke_side_monitor.simulation.portrait import Portrait
from stroke_side_monitor.simulation.session import Session, SessionPlan

SIDES = {'left': Side.LEFT, 'right': Side.RIGHT, 'none': Side.NONE}
# Keeps the draw of the patient apart from the session's own draws.
_PATIENT_STREAM = 6


@dataclass(frozen=True)
class Request:
    """One simulated patient's session.

    side: 'left', 'right' or 'none'; the patient's. severity: 0 to 1.
    pattern: 'central' or 'peripheral'; of no effect on a healthy patient.
    synkinesis: 0 to 1. seed: everything random comes from it.
    photo, smile_photo: files; '' for the default photograph and for no smiling one.
    plan: what happens and how it is filmed.
    """

    side: str = 'left'
    severity: float = 0.7
    pattern: str = 'central'
    synkinesis: float = 0.0
    seed: int = 0
    photo: str = ''
    smile_photo: str = ''
    plan: SessionPlan = field(default_factory=SessionPlan)

    def palsy(self) -> Palsy:
        """The patient, with the natural asymmetry that the seed draws.

        Raises:
            ValueError: a word or number out of range.
        """
        if self.side not in SIDES:
            raise ValueError(f'side {self.side!r} is not one of {", ".join(SIDES)}')
        if not 0.0 <= self.severity <= 1.0:
            raise ValueError(f'severity {self.severity} lies outside 0 to 1')
        if self.seed < 0:
            raise ValueError(f'seed {self.seed} is negative')
        natural = random_natural(np.random.default_rng((self.seed, _PATIENT_STREAM)))
        return Palsy.of(SIDES[self.side], self.severity, self.pattern,
                        natural=natural, synkinesis=self.synkinesis)

    def session(self) -> Session:
        """Find the face in the photograph and set the session up.

        Raises:
            ValueError: a word or number out of range.
            PictureError: a photograph that cannot be used.
        """
        palsy = self.palsy()
        return Session(self.person(), palsy, self.plan, self.seed)

    def person(self) -> Portrait:
        """The healthy person, the same for every patient made of these photographs.

        Raises:
            ValueError: a smiling photograph alone.
            PictureError: a photograph that cannot be used.
        """
        if self.smile_photo and not self.photo:
            raise ValueError('a smiling photograph needs the neutral one of the same person too')
        rgb = portrait.read_picture(self.photo) if self.photo else portrait.astronaut()
        smiling = portrait.read_picture(self.smile_photo) if self.smile_photo else None
        return portrait.portrait(rgb, self.photo or 'astronaut', smiling_rgb=smiling,
                                 smiling_name=self.smile_photo)
