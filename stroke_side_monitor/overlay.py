"""Draws an assessment onto its picture for a therapist to read.

It never measures or decides; it shows what the assessment says. Left and right
in words are the PATIENT's, also on a mirrored picture.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor.assessment.terms import Basis, Grade, Side
from stroke_side_monitor.pipeline import Assessment, PipelineSettings, View, door

Colour = tuple[int, int, int]

_WHITE: Colour = (255, 255, 255)
_DARK: Colour = (24, 26, 30)
_MIDLINE: Colour = (120, 210, 255)
_SYMMETRIC: Colour = (90, 200, 120)
_SLIGHT: Colour = (250, 205, 70)
_CLEAR: Colour = (250, 140, 50)
_STRONG: Colour = (235, 60, 60)
_UNKNOWN: Colour = (190, 190, 200)

_TITLE = {Side.UNKNOWN: _UNKNOWN, Side.NONE: _SYMMETRIC, Side.LEFT: _CLEAR, Side.RIGHT: _CLEAR}

_LIPS_RIGHT = (61, 146, 91, 181, 84, 17, 14, 13, 0, 37, 39, 40, 185)
_LIPS_LEFT = (291, 375, 321, 405, 314, 17, 14, 13, 0, 267, 269, 270, 409)
_EYE_RIGHT = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
_EYE_LEFT = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)

_WORDS = {Side.LEFT: 'LEFT side weaker', Side.RIGHT: 'RIGHT side weaker',
          Side.NONE: 'No side weaker', Side.UNKNOWN: 'UNKNOWN'}


def draw_received(rgb: NDArray[np.uint8], assessment: Assessment, settings: PipelineSettings
                  ) -> NDArray[np.uint8]:
    """Annotate a picture as it came: left mirrored where it was, but turned upright.

    Args:
        rgb: uint8 (H, W, 3), as received. Not changed.
        assessment: of that picture.
        settings: by which it was assessed.

    Returns:
        uint8 (H, W, 3), a new picture; (W, H, 3) after a quarter turn, and then unmirrored.
    """
    if settings.image_rotation_deg:
        return draw(door.put_right(rgb, settings), assessment)
    return draw(rgb, assessment, mirrored=settings.input_mirrored)


def draw(rgb: NDArray[np.uint8], assessment: Assessment, *, mirrored: bool = False
         ) -> NDArray[np.uint8]:
    """Annotate one picture.

    Args:
        rgb: uint8 (H, W, 3), as received. Not changed.
        assessment: of that picture.
        mirrored: the picture as received is a mirror image (input_mirrored).

    Returns:
        uint8 (H, W, 3), a new picture.
    """
    picture = np.ascontiguousarray(rgb).copy()
    view = assessment.view
    if view.face is not None:
        face = view.face.mirrored() if mirrored else view.face
        pixels = face.pixels()
        if mirrored:
            pixels = pixels[lm.MIRROR]  # back under the patient's own indices
        _draw_regions(picture, pixels, assessment)
        _draw_lines(picture, pixels, view)
    _draw_caption(picture, assessment)
    _draw_side_marks(picture, mirrored)
    return picture


def severity_colour(score: float) -> Colour:
    """Colour of a score in healthy standard deviations."""
    if math.isnan(score):
        return _UNKNOWN
    for limit, colour in ((2.0, _SYMMETRIC), (3.0, _SLIGHT), (5.0, _CLEAR)):
        if abs(score) < limit:
            return colour
    return _STRONG


def _draw_regions(picture: NDArray[np.uint8], pixels: NDArray[np.float64],
                  assessment: Assessment) -> None:
    tint = picture.copy()
    side = assessment.side
    known = not assessment.view.reasons
    for score, right, left in ((side.landmark_score, _LIPS_RIGHT, _LIPS_LEFT),
                               (side.eye_score, _EYE_RIGHT, _EYE_LEFT)):
        colour = severity_colour(score if known else math.nan)
        weaker = (right, left) if not abs(score) >= 2.0 else (left,) if score > 0 else (right,)
        for outline in weaker:
            points = np.round(pixels[list(outline)]).astype(np.int32)
            cv2.fillPoly(tint, [points], colour, cv2.LINE_AA)
    cv2.addWeighted(tint, 0.4, picture, 0.6, 0, dst=picture)


def _draw_lines(picture: NDArray[np.uint8], pixels: NDArray[np.float64], view: View) -> None:
    thickness = max(1, round(view.interocular_px / 140))
    eye_middle = (pixels[lm.OUTER_CANTHUS_RIGHT] + pixels[lm.OUTER_CANTHUS_LEFT]) / 2
    across = pixels[lm.OUTER_CANTHUS_LEFT] - pixels[lm.OUTER_CANTHUS_RIGHT]
    down = np.array([-across[1], across[0]])
    if down[1] < 0:  # on a mirrored picture the patient's left is on the left
        down = -down
    nasion = pixels[lm.NASION]
    for start, end, colour in (
            (nasion - 0.35 * down, nasion + 1.25 * down, _MIDLINE),
            (eye_middle - 0.6 * across, eye_middle + 0.6 * across, _MIDLINE),
            (pixels[lm.COMMISSURE_RIGHT], pixels[lm.COMMISSURE_LEFT], _WHITE)):
        _line(picture, start, end, colour, thickness)
    for index in (lm.COMMISSURE_RIGHT, lm.COMMISSURE_LEFT):
        cv2.circle(picture, _point(pixels[index]), 2 * thickness + 1, _WHITE, -1, cv2.LINE_AA)


def _draw_caption(picture: NDArray[np.uint8], assessment: Assessment) -> None:
    height, width = picture.shape[:2]
    unit = max(0.4, min(width / 1000, height / 750))
    band = round(78 * unit)
    picture[:band] = (picture[:band] * 0.25 + np.array(_DARK) * 0.75).astype(np.uint8)
    title, details = caption(assessment)
    colour = _TITLE[assessment.side.side]
    left = round(14 * unit)
    _text(picture, title, (left, round(34 * unit)), 1.1 * unit, colour)
    _text(picture, details, (left, round(66 * unit)), 0.72 * unit, _WHITE)


def caption(assessment: Assessment) -> tuple[str, str]:
    """The two lines of words over the picture: the side, and what supports it."""
    side, severity = assessment.side, assessment.severity
    if side.side is Side.UNKNOWN:
        reasons = ', '.join(reason.replace('_', ' ') for reason in side.reasons)
        return f'{_WORDS[side.side]}: {reasons}', _measured_words(assessment)
    title = f'{_WORDS[side.side]}  ({100 * side.confidence:.0f} %)'
    if severity.grade is Grade.UNKNOWN:
        return title, _measured_words(assessment)
    basis = 'at rest' if severity.basis is Basis.STATIC else 'in movement'
    # The side may show where the index does not look, as in a smile: "normal" would mislead.
    misleading = severity.grade is Grade.NORMAL and side.side is not Side.NONE
    grade = '' if misleading else f', {severity.grade.name.replace("_", " ").lower()}'
    return title, (f'symmetry {severity.symmetry_index:.0f}/100{grade} ({basis})   '
                   + _measured_words(assessment))


def _measured_words(assessment: Assessment) -> str:
    side, view = assessment.side, assessment.view
    words = []
    if not math.isnan(side.landmark_score):
        words.append(f'mouth {side.landmark_score:+.1f}')
    if not math.isnan(side.eye_score):
        words.append(f'eye {side.eye_score:+.1f}')
    if not math.isnan(view.yaw_deg):
        words.append(f'yaw {view.yaw_deg:+.0f}')
    return '  '.join(words)


def _draw_side_marks(picture: NDArray[np.uint8], mirrored: bool) -> None:
    height, width = picture.shape[:2]
    unit = max(0.4, min(width / 1000, height / 750))
    names = ("patient's LEFT", "patient's RIGHT") if mirrored else (
        "patient's RIGHT", "patient's LEFT")
    baseline = height - round(14 * unit)
    _text(picture, names[0], (round(14 * unit), baseline), 0.7 * unit, _WHITE)
    (text_width, _), _ = cv2.getTextSize(names[1], _FONT, 0.7 * unit, 1)
    _text(picture, names[1], (width - text_width - round(14 * unit), baseline), 0.7 * unit, _WHITE)


_FONT = cv2.FONT_HERSHEY_DUPLEX


def _text(picture: NDArray[np.uint8], words: str, at: tuple[int, int], size: float,
          colour: Colour) -> None:
    # A dark rim keeps the words legible on any skin and any wall.
    cv2.putText(picture, words, at, _FONT, size, _DARK, max(2, round(4 * size)), cv2.LINE_AA)
    cv2.putText(picture, words, at, _FONT, size, colour, 1, cv2.LINE_AA)


def _line(picture: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64],
          colour: Colour, thickness: int) -> None:
    cv2.line(picture, _point(start), _point(end), _DARK, thickness + 2, cv2.LINE_AA)
    cv2.line(picture, _point(start), _point(end), colour, thickness, cv2.LINE_AA)


def _point(pixel: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(pixel[0])), round(float(pixel[1]))
