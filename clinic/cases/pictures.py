"""An uploaded picture → RGB as the camera held it, or one line saying why not.

It never writes to disk and never lets more pixels into memory than the robot's own limit.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from stroke_side_monitor.offline.orientation import by_exif
from stroke_side_monitor.perception.image import ImageDecodeError, decode_compressed

Picture = NDArray[np.uint8]
# More pixels than this show no more of a face, and only cost time.
_LARGEST_SIDE = 1600


class UploadError(ValueError):
    """What was sent cannot be used; one line for the person who sent it."""


def read(data: bytes) -> Picture:
    """Decode a JPEG or PNG.

    Returns:
        RGB uint8 (H, W, 3), upright by its EXIF note, at most 1600 pixels a side.

    Raises:
        UploadError: not JPEG or PNG, damaged, or too many pixels.
    """
    if not data:
        raise UploadError(_('The file is empty.'))
    try:
        rgb = decode_compressed('', data)
    except ImageDecodeError as error:
        if error.kind == 'not JPEG or PNG':
            raise UploadError(_('This is not a picture in JPEG or PNG format; save it as one '
                                'of them.')) from error
        raise UploadError(_('This picture cannot be used: %(why)s') % {'why': error}) from error
    rgb = by_exif(rgb, data)
    height, width = rgb.shape[:2]
    scale = _LARGEST_SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return rgb


def jpeg(rgb: Picture, quality: int = 90) -> bytes:
    """RGB uint8 (H, W, 3) or grey (H, W) → JPEG."""
    stored = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR) if rgb.ndim == 3 else rgb
    done, data = cv2.imencode('.jpg', stored, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError('OpenCV could not write a JPEG')
    return data.tobytes()


def as_channels(jpegs: Sequence[bytes]) -> bytes:
    """Three grey JPEG of one size as red, green and blue of a PNG."""
    planes = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) for data in jpegs]
    done, data = cv2.imencode('.png', np.dstack(planes[::-1]))
    if not done:
        raise RuntimeError('OpenCV could not write a PNG')
    return data.tobytes()
