"""Turns pictures and videos upright as the notes in their files say: EXIF, and MP4's matrix.

It never guesses: how a camera hung is for the user to say (`--rotation`, `--mirrored`). A video's
matrix is read here because OpenCV turns a mirrored video instead of mirroring it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

# EXIF 2.3, tag 0x0112: where the picture's first row and column belong, as a matrix (a, b, c, d)
# that sends column and row (x, y) to (a x + c y, b x + d y).
_EXIF_TAG = 0x0112
_EXIF = {1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
         5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0)}
_EXIF_MARK, _XMP_MARK = b'Exif\0\0', b'http://ns.adobe.com/xap/1.0/\0'
# Of JPEG: the scan begins or the picture ends; and markers that stand alone, fill bytes too.
_BEFORE_PIXELS = {0xda, 0xd9}
_WITHOUT_LENGTH = {0x00, 0x01, 0xff, *range(0xd0, 0xd9)}
# Of PNG and WebP. Before PNG had eXIf, ImageMagick kept the note as text, in hexadecimal digits.
_WORDS = {b'eXIf', b'iTXt', b'tEXt', b'zTXt', b'EXIF', b'XMP '}
_OF_IMAGEMAGICK = b'Raw profile type exif'
_MOST_TEXT = 1 << 20  # bytes; what is packed longer is an attack on the memory
_ONE = 1 << 16  # 1.0 in MP4's 16.16 fixed point
_MATRIX = struct.Struct('>5i')  # its first five numbers
# What may lie in what: a file of boxes in boxes without end must not be followed.
_INSIDE = {b'': b'moov', b'moov': b'trak', b'trak': b'mdia'}


class OrientationError(ValueError):
    """A note asks for something other than quarter turns and mirroring; the text says so."""


Matrix = tuple[int, int, int, int]


def by_exif(rgb: NDArray[np.uint8], data: bytes) -> NDArray[np.uint8]:
    """The picture as its EXIF note says that it is to be shown; as it is where there is none.

    Args:
        rgb: uint8 (H, W, 3), decoded without regard to the note.
        data: the file.
    """
    from PIL import Image  # only pictures from files need it
    # Not by Image.open: of a picture above its own limit of pixels, below ours, it reads no note.
    bare = Image.new('L', (1, 1))
    try:
        bare.info = _metadata(data)
        note = bare.getexif().get(_EXIF_TAG, 1)
    except (OSError, ValueError, SyntaxError, struct.error, zlib.error):
        return rgb  # decoded strictly by another library; a note that cannot be read is none
    return np.ascontiguousarray(_turned(rgb, _EXIF.get(note, _EXIF[1])))


def _metadata(data: bytes) -> dict[Any, Any]:
    """What Pillow looks for the note in, by Pillow's names; of a JPEG, PNG or WebP."""
    if data.startswith(b'\xff\xd8'):
        return _metadata_of_jpeg(data)
    if data.startswith(b'RIFF'):
        found = dict(_chunks(data, 12, 'little', 0))
        return {name: found[kind] for name, kind in (('exif', b'EXIF'), ('xmp', b'XMP '))
                if kind in found}
    return _metadata_of_png(data)


def _metadata_of_jpeg(data: bytes) -> dict[Any, Any]:
    """Source: ITU-T T.81, B.1.1 (markers); EXIF 2.3, 4.7.2 (APP1)."""
    found: dict[Any, Any] = {}
    at = 2
    while (at := data.find(b'\xff', at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in _BEFORE_PIXELS:
            break
        if marker in _WITHOUT_LENGTH:
            at += 1 if marker == 0xff else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2:at + 4], 'big')
        body = data[at + 4:end]
        if marker == 0xe1 and body.startswith(_EXIF_MARK):
            # One that is too long for one segment goes on in the next.
            found['exif'] = found['exif'] + body[6:] if 'exif' in found else body
        elif marker == 0xe1 and body.startswith(_XMP_MARK):
            found['xmp'] = body[len(_XMP_MARK):]
        at = end
    return found


def _metadata_of_png(data: bytes) -> dict[Any, Any]:
    """Source: W3C PNG specification, 11.3.3 (text) and 11.3.2.8 (eXIf)."""
    found: dict[Any, Any] = {}
    for kind, body in _chunks(data, 8, 'big', 4):
        name, _, text = body.partition(b'\0')
        if kind == b'eXIf':
            found['exif'] = _EXIF_MARK + body
        elif kind == b'iTXt' and name == b'XML:com.adobe.xmp':
            packet = text[2:].split(b'\0', 2)[-1]  # after language and translated name
            found['xmp'] = _inflated(packet) if text[:1] == b'\1' else packet
        elif kind in (b'tEXt', b'zTXt') and name == _OF_IMAGEMAGICK:
            plain = text if kind == b'tEXt' else _inflated(text[1:])
            found[name.decode()] = plain.decode('latin-1')
    return found


def _inflated(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _MOST_TEXT)


def _chunks(data: bytes, start: int, order: Literal['little', 'big'], checksum: int
            ) -> Iterator[tuple[bytes, bytes]]:
    """The parts that hold words, of a WebP (kind, size, body to the even) or PNG (size, kind)."""
    while start + 8 <= len(data):
        first, second = data[start:start + 4], data[start + 4:start + 8]
        kind, length = (first, second) if order == 'little' else (second, first)
        size = int.from_bytes(length, order)
        if kind in _WORDS:
            yield kind, data[start + 8:start + 8 + size]
        start += 8 + size + (checksum or size % 2)


def of_video(path: Path) -> Callable[[NDArray[Any]], NDArray[np.uint8]] | None:
    """From a frame as OpenCV decodes it, BGR uint8 (H, W, 3), to upright RGB.

    None for files that are not of the MP4 family: they have no such matrix, and OpenCV turns them.

    Raises:
        OrientationError: the video is to be shown askew or stretched.
    """
    with path.open('rb') as file:
        matrix = _video_matrix(file)
    if matrix is None:
        return None

    def upright(bgr: NDArray[Any]) -> NDArray[np.uint8]:
        return cv2.cvtColor(np.ascontiguousarray(  # type: ignore[return-value]
            _turned(bgr, matrix)), cv2.COLOR_BGR2RGB)

    return upright


def _turned(picture: NDArray[Any], matrix: Matrix) -> NDArray[Any]:
    a, b, c, d = matrix
    if a:
        return picture[::d, ::a]
    return picture.transpose(1, 0, 2)[::b, ::c]


def _video_matrix(file: BinaryIO) -> Matrix | None:
    """Of the first video track. Source: ISO/IEC 14496-12, 8.3.2 (tkhd) and 8.4.3 (hdlr)."""
    header = b''
    for kind, body in _boxes(file, 0, file.seek(0, io.SEEK_END)):
        if kind == b'tkhd':
            header = body
        elif kind == b'hdlr' and body[8:12] == b'vide' and header:
            # After version and flags come times and numbers, longer in version 1.
            start = 52 if header[0] == 1 else 40
            if len(header) < start + _MATRIX.size:
                return None
            a, b, _, c, d = _MATRIX.unpack_from(header, start)
            return _quarter_turn(a, b, c, d)
    return None


def _quarter_turn(a: int, b: int, c: int, d: int) -> Matrix:
    turned = tuple(round(value / _ONE) for value in (a, b, c, d))
    exact = all(abs(value - unit * _ONE) < _ONE // 64
                for value, unit in zip((a, b, c, d), turned, strict=True))
    if not exact or turned not in _EXIF.values():
        raise OrientationError('the video is to be shown turned askew or stretched; save it '
                               'upright, by a video editor or ffmpeg')
    return turned  # type: ignore[return-value]


def _boxes(file: BinaryIO, start: int, end: int, within: bytes = b''
           ) -> Iterator[tuple[bytes, bytes]]:
    """The small boxes within moov, in order; nothing where the file is of another family."""
    while start + 8 <= end:
        file.seek(start)
        size, kind = struct.unpack('>I4s', file.read(8))
        body = start + 8
        if size == 1:
            large = file.read(8)
            if len(large) < 8:
                return
            size, body = int.from_bytes(large, 'big'), start + 16
        size = end - start if size == 0 else size
        if size < body - start or start + size > end:
            return  # no box: damage, or a file of another family
        if kind == _INSIDE.get(within):
            yield from _boxes(file, body, start + size, kind)
        elif kind in (b'tkhd', b'hdlr') and size < 4096:
            file.seek(body)
            yield kind, file.read(start + size - body)
        start += size
