"""A camera message's fields → one RGB picture, whatever the driver's encoding, padding or codec.

It never imports rclpy, never guesses: what it cannot read exactly as described is refused with
one line that says what was wrong and what is expected.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

# 8K UHD is 33 million; a header that asks for more is damage or an attack on the robot's memory.
MAX_PIXELS = 40_000_000

# In the `format` of compressed depth images (compressed_depth_image_transport; OpenCV's names).
_DEPTH = ('16UC1', '32FC1', 'compressedDepth')

_JPEG_START = b'\xff\xd8\xff'
_PNG_START = b'\x89PNG\r\n\x1a\n'


class ImageDecodeError(ValueError):
    """The message cannot be turned into a picture; the text is one line for log and diagnostics.

    kind: one of a handful of words for the fault, without the numbers, to count by.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class _Encoding:
    """How one pixel lies in memory, and the conversion to RGB (None: it is RGB already)."""

    channels: int
    to_rgb: Callable[[NDArray[Any]], NDArray[np.uint8]] | None
    bytes_per_channel: int = 1
    even_width: bool = False


def _opencv(code: int) -> Callable[[NDArray[Any]], NDArray[np.uint8]]:
    return lambda pixels: cv2.cvtColor(pixels, code)  # type: ignore[return-value]


def _mono16(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    # Full scale to full scale, as cv_bridge does it.
    grey = cv2.convertScaleAbs(pixels, alpha=255.0 / 65535.0)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]


_GREY = _Encoding(1, _opencv(cv2.COLOR_GRAY2RGB))
_BGR = _Encoding(3, _opencv(cv2.COLOR_BGR2RGB))
_UYVY = _Encoding(2, _opencv(cv2.COLOR_YUV2RGB_UYVY), even_width=True)
_YUYV = _Encoding(2, _opencv(cv2.COLOR_YUV2RGB_YUY2), even_width=True)

# Names as in sensor_msgs/image_encodings.hpp. yuv422 is its old name for uyvy and yuv422_yuy2
# that for yuyv. 8UC3 says nothing about colour; OpenCV's order, BGR, is what its publishers mean.
_ENCODINGS = {
    'rgb8': _Encoding(3, None),
    'bgr8': _BGR,
    'rgba8': _Encoding(4, _opencv(cv2.COLOR_RGBA2RGB)),
    'bgra8': _Encoding(4, _opencv(cv2.COLOR_BGRA2RGB)),
    'mono8': _GREY,
    'mono16': _Encoding(1, _mono16, bytes_per_channel=2),
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    '8UC1': _GREY,
    '8UC3': _BGR,
}
ENCODINGS = tuple(_ENCODINGS)


def decode_raw(encoding: str, height: int, width: int, step: int, is_bigendian: bool,
               data: Any) -> NDArray[np.uint8]:
    """Turn the fields of a sensor_msgs/Image into RGB.

    Args:
        encoding: one of `ENCODINGS`.
        height, width: pixels.
        step: bytes from one row to the next; may be larger than a row (padding).
        is_bigendian: byte order of 16-bit encodings; meaningless for the others.
        data: any object with the buffer protocol.

    Returns:
        uint8 (H, W, 3). For rgb8 a read-only view of `data`, rows `step` bytes apart: no copy.

    Raises:
        ImageDecodeError: unknown encoding, or sizes that do not fit together.
    """
    layout = _ENCODINGS.get(encoding)
    if layout is None:
        raise ImageDecodeError('unsupported encoding', (
            f'encoding {encoding[:40]!r} is not supported; expected one of {", ".join(ENCODINGS)}'))
    pixels = _pixels(layout, encoding, height, width, step, np.frombuffer(data, np.uint8))
    if layout.bytes_per_channel == 2:
        order = '>u2' if is_bigendian else '<u2'
        pixels = np.ascontiguousarray(pixels).view(order)[..., 0].astype(np.uint16, copy=False)
    elif layout.channels == 1:
        pixels = pixels[..., 0]
    if layout.to_rgb is None:
        pixels.flags.writeable = False
        return pixels
    return layout.to_rgb(pixels)


def _pixels(layout: _Encoding, encoding: str, height: int, width: int, step: int,
            data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """View the rows without their padding: uint8 (H, W, bytes per pixel)."""
    pixel = layout.channels * layout.bytes_per_channel
    size = f'{width}x{height} {encoding}'
    if width < 1 or height < 1:
        raise _wrong_size(f'{size} picture is empty; expected at least 1x1 pixels')
    if width * height > MAX_PIXELS:
        raise _wrong_size(f'{size} picture is too large; at most {MAX_PIXELS} pixels')
    if layout.even_width and width % 2:
        raise _wrong_size(f'{size} picture has an odd width; two pixels share their colour')
    row = width * pixel
    if step < row:
        raise ImageDecodeError(
            'wrong step', f'{size} picture has step {step}; a row needs at least {row} bytes')
    # The padding after the last row may be left out; anything else means that step, height and
    # data are not of one picture, and reading on would shear the face.
    least, most = step * (height - 1) + row, step * height
    if not least <= data.size <= most:
        raise ImageDecodeError('wrong amount of data', (
            f'{size} picture with step {step} has {data.size} bytes of data; expected {most}'))
    return np.lib.stride_tricks.as_strided(data, (height, width, pixel), (step, pixel, 1))


def decode_compressed(image_format: str, data: Any, *, most_pixels: int = MAX_PIXELS
                      ) -> NDArray[np.uint8]:
    """Turn the fields of a sensor_msgs/CompressedImage into RGB.

    The codec is told from the data, for drivers fill `format` in many ways. EXIF orientation is
    not applied: camera streams carry none, and regions are reported in the picture as received.

    Args:
        image_format: the message's `format`; used in error messages only.
        data: any object with the buffer protocol holding one JPEG or PNG file; what follows a
            JPEG's end mark, a telephone's short video for instance, is not looked at.
        most_pixels: of a picture that is not refused.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ImageDecodeError: not JPEG or PNG, truncated or damaged as far as the codec can tell, or
            larger than `most_pixels`.
    """
    if any(word in image_format for word in _DEPTH):
        raise ImageDecodeError('depth image', (
            f'format {image_format[:40]!r} is a depth image; subscribe the colour camera'))
    raw = memoryview(data).cast('B')
    start = bytes(raw[:8])
    if start.startswith(_JPEG_START):
        return _decode_jpeg(raw, most_pixels)
    if start == _PNG_START:
        return _decode_png(raw, most_pixels)
    raise ImageDecodeError('not JPEG or PNG', (
        f'compressed picture of format {image_format[:40]!r}: {len(raw)} bytes starting '
        f'{start.hex(" ") or "with nothing"}; expected a JPEG or PNG file'))


def _decode_jpeg(raw: memoryview, most_pixels: int) -> NDArray[np.uint8]:
    # simplejpeg rather than cv2.imdecode: cv2 fills up a truncated or damaged picture with
    # whatever it has, so that half a face would be assessed; strict decoding refuses it.
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(raw)
        _check_size('JPEG', width, height, most_pixels)
        return simplejpeg.decode_jpeg(raw)
    except ImageDecodeError:
        raise
    except (ValueError, KeyError) as error:  # KeyError: a chroma subsampling it has no name for
        raise _damaged('JPEG', raw, _one_line(error)) from error


def _decode_png(raw: memoryview, most_pixels: int) -> NDArray[np.uint8]:
    width, height = _checked_png_size(raw)
    _check_size('PNG', width, height, most_pixels)
    try:
        bgr = cv2.imdecode(
            np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise _damaged('PNG', raw, _one_line(error)) from error
    if bgr is None or bgr.shape != (height, width, 3):
        raise _damaged('PNG', raw, f'its {width}x{height} pixels cannot be unpacked')
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def _checked_png_size(raw: memoryview) -> tuple[int, int]:
    """Walk the chunks and their checksums; return width and height in pixels.

    Source: W3C PNG specification, 5.3 (chunk layout) and 11.2.1 (IHDR). Checked here because
    libpng would write every damage it meets to standard error and OpenCV would not say which.
    """
    position, kind, size = len(_PNG_START), b'', (0, 0)
    while kind != b'IEND':
        end = position + 12 + int.from_bytes(raw[position:position + 4], 'big')
        if end > len(raw):
            raise _damaged('PNG', raw, 'it is cut short')
        kind, body = bytes(raw[position + 4:position + 8]), raw[position + 4:end - 4]
        if zlib.crc32(body) != int.from_bytes(raw[end - 4:end], 'big'):
            raise _damaged('PNG', raw, f'wrong checksum of the part at byte {position}')
        if position == len(_PNG_START):
            if kind != b'IHDR' or len(body) != 17:
                raise _damaged('PNG', raw, 'it has no header')
            size = int.from_bytes(body[4:8], 'big'), int.from_bytes(body[8:12], 'big')
        position = end
    return size


def _check_size(codec: str, width: int, height: int, most_pixels: int) -> None:
    if width < 1 or height < 1 or width * height > most_pixels:
        raise _wrong_size(f'{codec} picture of {width}x{height}; at most {most_pixels} pixels')


def _wrong_size(text: str) -> ImageDecodeError:
    return ImageDecodeError('wrong size', text)


def _damaged(codec: str, raw: memoryview, what: str) -> ImageDecodeError:
    return ImageDecodeError(f'damaged {codec}', f'damaged {codec} of {len(raw)} bytes: {what}')


def _one_line(error: Exception) -> str:
    return ' '.join(str(error).split())[:200]
