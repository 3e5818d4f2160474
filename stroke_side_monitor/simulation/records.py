"""The simulation's values as message fields and table rows: names and nesting, nothing else.

It never imports rclpy or rosbags; both take the same fields. Left and right are the PATIENT's.
"""

from __future__ import annotations

from typing import Any

from stroke_side_monitor.simulation.session import NANOSECONDS, Cue, FrameTruth

IMAGE_FORMAT = 'jpeg'
RAW_ENCODING = 'rgb8'
FRAME_ID = 'simulated_camera'
CUE_START, CUE_STOP = 0, 1  # stroke_side_msgs/ExerciseCue


def stamp_fields(stamp_ns: int) -> dict[str, int]:
    """builtin_interfaces/Time."""
    return {'sec': stamp_ns // NANOSECONDS, 'nanosec': stamp_ns % NANOSECONDS}


def truth_fields(truth: FrameTruth) -> dict[str, Any]:
    """stroke_side_msgs/SimulatedPatientTruth without its header."""
    return {
        'side': int(truth.side),
        'severity_mouth': truth.severity_mouth,
        'severity_eye': truth.severity_eye,
        'severity_brow': truth.severity_brow,
        'pattern': truth.pattern,
        'exercise': truth.exercise,
        'phase': truth.phase,
        'intensity_left': truth.intensity[0],
        'intensity_right': truth.intensity[1],
        'yaw_deg': truth.yaw_deg,
        'pitch_deg': truth.pitch_deg,
        'roll_deg': truth.roll_deg,
        'commissure_left_mm': truth.commissure_mm[0],
        'commissure_right_mm': truth.commissure_mm[1],
        'lid_gap_left_mm': truth.lid_gap_mm[0],
        'lid_gap_right_mm': truth.lid_gap_mm[1],
        'blink': truth.blink,
        'mirrored': truth.mirrored,
    }


def cue_fields(cue: Cue) -> dict[str, Any]:
    """stroke_side_msgs/ExerciseCue without its header."""
    return {'exercise': cue.exercise, 'phase': CUE_START if cue.start else CUE_STOP,
            'hold_s': cue.hold_s, 'cue_id': cue.cue_id}


def truth_row(file: str, truth: FrameTruth) -> dict[str, Any]:
    """One row of truth.csv: side in words, everything else as in the message."""
    row = truth_fields(truth)
    row['side'] = truth.side.name.lower()
    row['mirrored'] = int(truth.mirrored)
    for name, value in row.items():
        if isinstance(value, float):
            row[name] = f'{value:.4f}'
    return {'file': file, 'stamp_ns': truth.stamp_ns, **row}
