"""The way in and out: a camera that mirrors or hangs askew is put right here, and nowhere else.

It never looks at a face.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.pipeline.settings import PipelineSettings

Box = tuple[int, int, int, int]  # left, top, width, height in pixels


def put_right(rgb: NDArray[np.uint8], settings: PipelineSettings) -> NDArray[np.uint8]:
    """The picture as the room is: first unmirrored, then turned clockwise.

    Args:
        rgb: uint8 (H, W, 3), as received.
        settings: input_mirrored and image_rotation_deg.

    Returns:
        uint8 (H, W, 3), or (W, H, 3) after a quarter turn.
    """
    if settings.input_mirrored:
        rgb = np.ascontiguousarray(rgb[:, ::-1])
    turns = settings.image_rotation_deg // 90
    return np.ascontiguousarray(np.rot90(rgb, -turns)) if turns else rgb


def as_looked_at(box: Box, width: int, height: int, settings: PipelineSettings) -> Box:
    """Where a box of the picture as received lies in the picture that was put right.

    Args:
        box: in the picture as received.
        width, height: of that picture, pixels.
        settings: as for put_right.
    """
    left, top, across, down = box
    if settings.input_mirrored:
        left = width - (left + across)
    for _ in range(settings.image_rotation_deg // 90):  # a quarter turn clockwise each
        left, top, across, down = height - (top + down), left, down, across
        width, height = height, width
    return left, top, across, down


def as_received(box: Box, width: int, height: int, settings: PipelineSettings) -> Box:
    """Where a box lies in the picture as received.

    Args:
        box: in the picture that was put right.
        width, height: of that picture, pixels.
        settings: as for put_right.
    """
    left, top, across, down = box
    for _ in range(settings.image_rotation_deg // 90):  # a quarter turn back each
        left, top, across, down = top, width - (left + across), down, across
        width, height = height, width
    if settings.input_mirrored:
        left = width - (left + across)
    return left, top, across, down
