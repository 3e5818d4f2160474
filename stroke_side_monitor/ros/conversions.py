"""ROS messages → pictures and stamps; assessments → ROS messages. Field by field, nothing else.

It does no arithmetic on faces. Left and right are the PATIENT's on both sides of this boundary.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from stroke_side_monitor.assessment import exercise
from stroke_side_monitor.assessment.metrics import UNITS
from stroke_side_monitor.perception.image import decode_compressed, decode_raw
from stroke_side_monitor.pipeline import Assessment
from stroke_side_monitor.ros import raw_image
from stroke_side_monitor.ros.moments import Moments
from stroke_side_monitor.ros.raw_image import RawImage
from stroke_side_msgs.msg import (
    AffectedSide,
    AsymmetryMetric,
    ExerciseCue,
    ExerciseResult,
    ExerciseStatus,
    FacialAsymmetry,
    Severity,
)

IMAGE_TYPES: dict[str, Any] = {'raw': Image, 'compressed': CompressedImage}
CameraImage: TypeAlias = Image | RawImage | CompressedImage


def camera_image(serialised: bytes, image_type: Any) -> CameraImage:
    """A camera's message as it travelled, a raw picture's pixels not copied.

    Args:
        image_type: one of `IMAGE_TYPES`.

    Raises:
        RCLError: it is no such message.
    """
    raw = raw_image.read(serialised) if image_type is Image else None
    message: CameraImage = raw or deserialize_message(serialised, image_type)
    return message


def picture(message: CameraImage) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of an image message.

    Raises:
        ImageDecodeError: one line saying what is wrong with it.
    """
    if isinstance(message, CompressedImage):
        return decode_compressed(message.format, message.data)
    return decode_raw(message.encoding, message.height, message.width, message.step,
                      bool(message.is_bigendian), message.data)


def serialised_stamp_s(data: bytes) -> float:
    """The stamp of a message that begins with a header, without unpacking the rest, seconds.

    Args:
        data: the message as it travels: four bytes that say how, then the stamp's seconds and
            nanoseconds (DDS-XTYPES 1.3, 7.4: CDR, the second byte odd where little-endian).
    """
    seconds, nanoseconds = struct.unpack_from('<iI' if data[1] & 1 else '>iI', data, 4)
    return float(seconds + nanoseconds * 1e-9)


def encoding(message: CameraImage) -> str:
    """What the message says its encoding is."""
    return message.format if isinstance(message, CompressedImage) else message.encoding


def stamp_s(header: Header) -> float:
    """The header's stamp in seconds."""
    return header.stamp.sec + header.stamp.nanosec * 1e-9


def stamp_ns(header: Header) -> int:
    """The header's stamp in nanoseconds, exact."""
    return int(header.stamp.sec * 1_000_000_000 + header.stamp.nanosec)


def stamp_of(nanoseconds: int) -> Time:
    """Nanoseconds as a stamp, exact."""
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    return Time(sec=whole, nanosec=rest)


def image_message(rgb: NDArray[np.uint8], header: Header) -> Image:
    """An rgb8 Image from uint8 (H, W, 3)."""
    height, width = rgb.shape[:2]
    message = Image(header=header, height=height, width=width, encoding='rgb8', step=3 * width)
    message.data.frombytes(np.ascontiguousarray(rgb).data)
    return message


def affected_side(assessment: Assessment, header: Header) -> AffectedSide:
    """The side, with its evidence."""
    decision = assessment.side
    return AffectedSide(
        header=header, session=assessment.session, session_reason=assessment.session_reason,
        side=int(decision.side), confidence=decision.confidence,
        probability_left=decision.p_left, probability_none=decision.p_none,
        probability_right=decision.p_right, landmark_score=decision.landmark_score,
        eye_score=decision.eye_score, classifier_score=decision.classifier_score,
        classifier_agreement=int(decision.agreement), stable=decision.stable,
        reasons=list(decision.reasons))


def severity(assessment: Assessment, header: Header) -> Severity:
    """How severe, with the estimates."""
    estimate = assessment.severity
    return Severity(
        header=header, session=assessment.session, session_reason=assessment.session_reason,
        grade=int(estimate.grade), symmetry_index=estimate.symmetry_index,
        basis=int(estimate.basis), mouth_severity=int(estimate.mouth_severity),
        eye_severity=int(estimate.eye_severity), pattern=int(estimate.pattern),
        nihss_min=estimate.nihss_min, nihss_max=estimate.nihss_max,
        house_brackmann_min=estimate.house_brackmann_min,
        house_brackmann_max=estimate.house_brackmann_max, trend=int(estimate.trend),
        trend_per_minute=estimate.trend_per_minute, reasons=list(estimate.reasons))


def asymmetry(assessment: Assessment, header: Header) -> FacialAsymmetry:
    """What was measured, and on what."""
    view = assessment.view
    nan = float('nan')
    metrics = [AsymmetryMetric(name=name, value=value, unit=UNITS[name],
                               z=assessment.z.get(name, nan))
               for name, value in assessment.metrics.items()]
    left, top, width, height = view.box_px
    return FacialAsymmetry(
        header=header, metrics=metrics, yaw_deg=view.yaw_deg, pitch_deg=view.pitch_deg,
        roll_deg=view.roll_deg, interocular_px=view.interocular_px,
        millimetre_per_pixel=view.millimetre_per_pixel,
        face_region=RegionOfInterest(x_offset=left, y_offset=top, width=width, height=height),
        face_luminance=view.luminance, sharpness=view.sharpness, reasons=list(view.reasons))


def exercise_result(result: exercise.ExerciseResult, assessment: Assessment, moments: Moments,
                    frame_id: str) -> ExerciseResult:
    """One repetition; the message has the dataclass's field names.

    Args:
        result: of the assessment.
        assessment: whose session it belongs to.
        moments: which stamps and cues its times were.
        frame_id: of the images.
    """
    cue_id, cue_stamp = moments.started(result.exercise, result.start_s)
    header = Header(stamp=moments.stamp(result.stamp_s), frame_id=frame_id)
    message = ExerciseResult(
        header=header, session=assessment.session, session_reason=assessment.session_reason,
        cue_id=cue_id, cue_stamp=cue_stamp, reasons=list(result.reasons))
    for name in _MEASURED:
        setattr(message, name, getattr(result, name))
    return message


_MEASURED = [name for name in ExerciseResult.get_fields_and_field_types() if name not in (
    'header', 'session', 'session_reason', 'cue_id', 'cue_stamp', 'reasons')]


def exercise_status(cue: ExerciseCue, session: int, accepted: bool, reasons: Sequence[str]
                    ) -> ExerciseStatus:
    """The answer to a cue; `session` is its number at this moment, 0 before the first."""
    return ExerciseStatus(
        header=cue.header, exercise=cue.exercise, phase=cue.phase, cue_id=cue.cue_id,
        session=session, accepted=accepted, reasons=list(reasons))
