"""What one frame led to, in values.

It never computes anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.assessment.exercise import ExerciseResult
from stroke_side_monitor.assessment.personal import PersonalFindings
from stroke_side_monitor.assessment.severity import SeverityEstimate
from stroke_side_monitor.assessment.side import SideDecision
from stroke_side_monitor.perception.face_mesh import FaceLandmarks


@dataclass(frozen=True)
class View:
    """What perception saw of the patient in one frame; NaN and None without a face.

    face: landmarks in the picture after input_mirrored has been undone.
    points: float64 (478, 3), canonical mm in the head-fixed frame, one opinion only.
    yaw_deg, pitch_deg, roll_deg: head pose; see frame.NormalisedFace.
    mouth_width_mm: between the commissures, canonical mm; a smile widens it.
    box_px: (left, top, width, height) of the face in the picture AS RECEIVED.
    reasons: why the frame cannot be assessed; empty when it can.
    limits: what limits trust though the frame can be assessed (blink, several_faces).
    """

    face: FaceLandmarks | None = None
    points: NDArray[np.float64] | None = None
    yaw_deg: float = math.nan
    pitch_deg: float = math.nan
    roll_deg: float = math.nan
    interocular_px: float = math.nan
    millimetre_per_pixel: float = math.nan
    mouth_width_mm: float = math.nan
    luminance: float = math.nan
    sharpness: float = math.nan
    box_px: tuple[int, int, int, int] = (0, 0, 0, 0)
    reasons: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assessment:
    """Everything that one frame led to.

    stamp_s: the frame's stamp, seconds.
    metrics: by name, in metrics.UNITS; z: the same in healthy standard
        deviations. Empty without a face.
    session: number of the time since the monitor last started afresh; session_reason: why it did.
    parting: where somebody else has come into view, what the exercises of the one before came to,
        in an assessment of his session; else None.
    timings_ms: of the stages mesh, crop, classify, assess, milliseconds; wall time unless the
        Pipeline was given another clock.
    """

    stamp_s: float
    side: SideDecision
    severity: SeverityEstimate
    view: View
    metrics: Mapping[str, float] = field(default_factory=dict)
    z: Mapping[str, float] = field(default_factory=dict)
    exercise_results: tuple[ExerciseResult, ...] = ()
    personal: PersonalFindings = field(default_factory=PersonalFindings)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    session: int = 0
    session_reason: str = ''
    parting: Assessment | None = None
