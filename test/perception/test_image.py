"""Every encoding gives the same colours; whatever is not a picture is refused in one line.

cv_bridge (ROS 1, pure Python) is the oracle where it is right; colour bars where it is not.
"""

from __future__ import annotations

import array
import struct
import zlib

import cv2
import numpy as np
import pytest

from stroke_side_monitor.perception import image
from stroke_side_monitor.perception.image import (
    ImageDecodeError,
    decode_compressed,
    decode_raw,
)

BARS = np.array([[255, 255, 255], [255, 255, 0], [0, 255, 255], [0, 255, 0],
                 [255, 0, 255], [255, 0, 0], [0, 0, 255], [0, 0, 0]], np.uint8)


def colour_bars(height: int = 24, bar: int = 8) -> np.ndarray:
    """White, yellow, cyan, green, magenta, red, blue, black from left to right, RGB."""
    return np.ascontiguousarray(np.broadcast_to(
        np.repeat(BARS, bar, axis=0), (height, 8 * bar, 3)))


def noise(channels: int, height: int = 19, width: int = 26, dtype=np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(5).integers(0, top, (height, width, channels), dtype, True)


def padded(rows: np.ndarray, padding: int) -> tuple[int, array.array]:
    """Rows with `padding` bytes of rubbish after each, as (step, data)."""
    flat = rows.reshape(rows.shape[0], -1).view(np.uint8)
    rubbish = np.full((flat.shape[0], padding), 0xA5, np.uint8)
    return flat.shape[1] + padding, array.array('B', np.hstack([flat, rubbish]).tobytes())


def raw(encoding: str, pixels: np.ndarray, padding: int = 0, bigendian: bool = False):
    step, data = padded(pixels, padding)
    return decode_raw(encoding, pixels.shape[0], pixels.shape[1], step, bigendian, data)


@pytest.mark.parametrize(('encoding', 'channels'), [
    ('rgb8', 3), ('bgr8', 3), ('rgba8', 4), ('bgra8', 4), ('mono8', 1)])
def test_eight_bit_encodings_match_cv_bridge(encoding, channels):
    import cv_bridge  # among the pinned development packages: never skipped

    pixels = noise(channels)

    class RosOneImage:
        """The fields cv_bridge reads of a ROS 1 message."""

        height, width = pixels.shape[:2]
        step, is_bigendian, data = width * channels, 0, pixels.tobytes()

    RosOneImage.encoding = encoding
    expected = cv_bridge.CvBridge().imgmsg_to_cv2(RosOneImage, 'rgb8')
    np.testing.assert_array_equal(raw(encoding, pixels), expected)


@pytest.mark.parametrize('padding', [0, 1, 6, 64])
@pytest.mark.parametrize(('encoding', 'order'), [
    ('rgb8', [0, 1, 2]), ('bgr8', [2, 1, 0]), ('8UC3', [2, 1, 0]),
    ('rgba8', [0, 1, 2, 3]), ('bgra8', [2, 1, 0, 3])])
def test_colours_survive_any_row_padding(encoding, order, padding):
    bars = np.dstack([colour_bars(), np.full((24, 64, 1), 77, np.uint8)])
    np.testing.assert_array_equal(raw(encoding, bars[..., order], padding), colour_bars())


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
@pytest.mark.parametrize('padding', [0, 3])
def test_grey_is_repeated_in_all_three_channels(encoding, padding):
    grey = noise(1)
    np.testing.assert_array_equal(raw(encoding, grey, padding), np.repeat(grey, 3, axis=2))


@pytest.mark.parametrize('bigendian', [False, True])
@pytest.mark.parametrize('padding', [0, 1, 4])
def test_mono16_in_either_byte_order_spans_the_full_scale(bigendian, padding):
    values = noise(1, dtype=np.uint16)
    values[0, :3, 0] = 0, 256, 65535
    stored = values.astype('>u2' if bigendian else '<u2')
    expected = np.rint(values * (255 / 65535)).astype(np.uint8)
    result = raw('mono16', stored, padding, bigendian)
    np.testing.assert_array_equal(result, np.repeat(expected, 3, axis=2))
    assert result[0, :3, 0].tolist() == [0, 1, 255]


def bt601(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Studio-swing Y, Cb, Cr of ITU-R BT.601, uint8."""
    r, g, b = np.moveaxis(rgb.astype(float), -1, 0) / 255
    y = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    cb = 128 - 37.797 * r - 74.203 * g + 112.0 * b
    cr = 128 + 112.0 * r - 93.786 * g - 18.214 * b
    return tuple(np.rint(plane).astype(np.uint8) for plane in (y, cb, cr))


@pytest.mark.parametrize('padding', [0, 2, 10])
@pytest.mark.parametrize(('encodings', 'luma_at'), [
    (('yuv422', 'uyvy'), 1), (('yuv422_yuy2', 'yuyv'), 0)])
def test_yuv422_colour_bars(encodings, luma_at, padding):
    y, cb, cr = bt601(colour_bars())
    packed = np.zeros((*y.shape, 2), np.uint8)
    packed[..., luma_at] = y
    packed[:, 0::2, 1 - luma_at] = cb[:, 0::2]
    packed[:, 1::2, 1 - luma_at] = cr[:, 0::2]
    for encoding in encodings:
        result = raw(encoding, packed, padding).astype(int)
        assert np.abs(result - colour_bars()).max() <= 3, encoding


def test_rgb8_is_a_view_not_a_copy():
    data = array.array('B', noise(3).tobytes())
    result = decode_raw('rgb8', 19, 26, 78, False, data)
    assert np.shares_memory(result, np.frombuffer(data, np.uint8))
    assert not result.flags.writeable


def test_a_missing_padding_after_the_last_row_is_allowed():
    step, data = padded(colour_bars(), 6)
    result = decode_raw('rgb8', 24, 64, step, False, data[:-6])
    np.testing.assert_array_equal(result, colour_bars())


@pytest.mark.parametrize(('fields', 'said'), [
    (('bayer_rggb8', 4, 4, 4, 16), "'bayer_rggb8' is not supported; expected one of rgb8"),
    (('', 4, 4, 4, 16), "'' is not supported"),
    (('rgb8', 0, 0, 0, 0), '0x0 rgb8 picture is empty'),
    (('rgb8', 4, 0, 0, 0), '0x4 rgb8 picture is empty'),
    (('rgb8', 4, 4, 8, 32), 'has step 8; a row needs at least 12 bytes'),
    (('rgb8', 4, 4, 12, 47), 'has 47 bytes of data; expected 48'),
    (('rgb8', 4, 4, 12, 49), 'has 49 bytes of data; expected 48'),
    (('rgb8', 4, 4, 12, 0), 'has 0 bytes of data; expected 48'),
    (('mono16', 4, 4, 4, 16), 'has step 4; a row needs at least 8 bytes'),
    (('yuyv', 4, 3, 6, 24), 'has an odd width'),
    (('mono8', 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1, 9), 'too large; at most 40000000'),
])
def test_sizes_that_do_not_fit_are_named(fields, said):
    encoding, height, width, step, length = fields
    with pytest.raises(ImageDecodeError) as caught:
        decode_raw(encoding, height, width, step, False, array.array('B', bytes(length)))
    assert said in str(caught.value)
    assert '\n' not in str(caught.value)


def jpeg(rgb: np.ndarray, *options: int) -> bytes:
    return cv2.imencode('.jpg', rgb[..., ::-1], options)[1].tobytes()


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode('.png', pixels)[1].tobytes()


@pytest.mark.parametrize('lie', ['jpeg', 'png', 'rgb8; jpeg compressed bgr8', '', 'nonsense'])
def test_the_codec_is_told_from_the_data_whatever_the_format_says(lie):
    bars = colour_bars(64, 16)
    np.testing.assert_array_equal(decode_compressed(lie, png(bars[..., ::-1])), bars)
    decoded = decode_compressed(lie, array.array('B', jpeg(bars, cv2.IMWRITE_JPEG_QUALITY, 98)))
    centres = decoded[32, 8::16].astype(int)
    assert np.abs(centres - BARS).max() <= 4


def test_grey_progressive_and_deep_pictures_become_rgb():
    grey = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    rgb = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(decode_compressed('', png(grey)), rgb)
    np.testing.assert_array_equal(decode_compressed('', png(grey.astype(np.uint16) * 257)), rgb)
    with_alpha = np.dstack([rgb, np.full((64, 64), 9, np.uint8)])
    np.testing.assert_array_equal(decode_compressed('', png(with_alpha)), rgb)
    for file in (jpeg(grey[..., None]), jpeg(rgb, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)):
        decoded = decode_compressed('', file)
        assert decoded.shape == (64, 64, 3)
        assert np.abs(decoded.astype(int) - rgb).max() <= 6


def test_jpeg_agrees_with_opencv():
    rgb = cv2.GaussianBlur(noise(3, 120, 160), (0, 0), 3)
    file = jpeg(rgb)
    reference = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decode_compressed('', file).astype(int) - reference).max() <= 1


def damaged(file: bytes, at: int, value: int) -> bytes:
    return file[:at] + bytes([file[at] ^ value]) + file[at + 1:]


def test_half_a_picture_is_refused_not_filled_up():
    for file in (jpeg(noise(3, 64, 64)), png(noise(3, 64, 64))):
        for length in (len(file) // 2, len(file) - 2, 200, 30, 9):
            with pytest.raises(ImageDecodeError, match=r'damaged (JPEG|PNG)'):
                decode_compressed('', file[:length])


def test_one_flipped_bit_in_a_png_is_noticed_everywhere_after_the_signature():
    file = png(noise(3, 16, 16))
    for at in range(8, len(file)):
        with pytest.raises(ImageDecodeError):
            decode_compressed('', damaged(file, at, 0x10))


@pytest.mark.parametrize('data', [b'', b'\xff', b'GIF89a' + bytes(30), bytes(100)])
def test_what_is_neither_jpeg_nor_png_is_named_with_its_format(data):
    with pytest.raises(ImageDecodeError, match='expected a JPEG or PNG file') as caught:
        decode_compressed('h264; high', data)
    assert "'h264; high'" in str(caught.value)


@pytest.mark.parametrize('image_format', ['16UC1; compressedDepth png', '16UC1; png compressed ',
                                          '32FC1; compressedDepth'])
def test_a_depth_image_is_not_taken_for_a_picture(image_format):
    """It may hold a sound PNG: of distances."""
    with pytest.raises(ImageDecodeError, match='depth image') as caught:
        decode_compressed(image_format, png(noise(3, 16, 16)))
    assert caught.value.kind == 'depth image'


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def test_a_decompression_bomb_is_refused_before_it_unpacks():
    header = chunk(b'IHDR', struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0))
    bomb = b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', zlib.compress(bytes(10 ** 6))) \
        + chunk(b'IEND', b'')
    with pytest.raises(ImageDecodeError, match='PNG picture of 60000x60000'):
        decode_compressed('', bomb)
    file = bytearray(jpeg(colour_bars()))
    at = file.index(b'\xff\xc0') + 5
    file[at:at + 4] = struct.pack('>HH', 65000, 65000)
    with pytest.raises(ImageDecodeError, match='JPEG picture of 65000x65000'):
        decode_compressed('', bytes(file))


def test_random_fields_and_bytes_give_a_picture_or_one_clear_line(monkeypatch):
    monkeypatch.setattr(image, 'MAX_PIXELS', 100_000)  # keep the lucky ones small
    rng = np.random.default_rng(11)
    seeds = [jpeg(colour_bars()), png(colour_bars()), jpeg(noise(3)), png(noise(3))]
    texts = []
    for _ in range(4000):
        file = bytearray(seeds[rng.integers(len(seeds))])
        for _ in range(rng.integers(1, 6)):
            file[rng.integers(len(file))] = rng.integers(256)
        file = file[:rng.integers(1, len(file) + 1)] if rng.random() < 0.2 else file
        encoding = str(rng.choice([*image.ENCODINGS, 'x', '\u0000\n']))
        height, width, step = (int(v) for v in rng.integers(0, 40, 3))
        for decode, arguments in ((decode_compressed, (encoding, file)),
                                  (decode_raw, (encoding, height, width, step, False, file))):
            try:
                picture = decode(*arguments)
            except ImageDecodeError as error:
                texts.append(str(error))
            else:
                assert picture.dtype == np.uint8
                assert picture.ndim == 3
                assert picture.shape[2] == 3
    assert len(texts) > 4000
    assert not any('\n' in text for text in texts)
