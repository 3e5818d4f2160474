"""Files as telephones, editors and robots make them: turned, cut, damaged, of other clocks."""

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from stroke_side_monitor.offline import inputs, orientation
from stroke_side_monitor.offline.inputs import Frame, InputError, Kind, Note

WIDTH, HEIGHT, FRAMES = 96, 64, 60


def scene():
    """No turn and no mirror leaves it as it is: RGB, (HEIGHT, WIDTH, 3)."""
    rgb = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    rgb[:HEIGHT // 2, :WIDTH // 2] = (250, 250, 250)
    rgb[:HEIGHT // 2, WIDTH // 2:] = (250, 20, 20)
    rgb[HEIGHT // 2:, :WIDTH // 2] = (20, 20, 250)
    return rgb


# What a picture is turned by to be stored so that EXIF's orientation 1 to 8 makes it upright.
STORED = {1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1],
          4: lambda p: p[::-1], 5: lambda p: p.transpose(1, 0, 2), 6: lambda p: np.rot90(p, 1),
          7: lambda p: np.rot90(p, 2).transpose(1, 0, 2), 8: lambda p: np.rot90(p, -1)}
# The same as matrices in an MP4's track header.
MATRICES = {1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
            5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0)}


def alike(seen, expected):
    """Whether a lossy copy shows the same."""
    return seen.shape == expected.shape and \
        np.median(np.abs(seen.astype(int) - expected)) < 12


@pytest.mark.parametrize('orientation', list(STORED))
@pytest.mark.parametrize('form', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
def test_a_picture_is_read_upright(tmp_path, form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](scene()))
    Image.fromarray(stored).save(tmp_path / f'a.{form.lower()}', form, exif=exif)
    assert alike(inputs.read_picture(tmp_path / f'a.{form.lower()}'), scene())


def text_chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def in_xmp(png):
    packet = b'XML:com.adobe.xmp' + bytes(5) + b'<x tiff:Orientation="2"/>'
    return png[:33] + text_chunk(b'iTXt', packet) + png[33:]


def by_imagemagick(png):
    exif = Image.Exif()
    exif[0x0112] = 2
    text = f'\nexif\n{len(exif.tobytes())}\n{exif.tobytes().hex()}\n'.encode()
    return png[:33] + text_chunk(
        b'zTXt', b'Raw profile type exif\0\0' + zlib.compress(text)) + png[33:]


@pytest.mark.parametrize('noted', [in_xmp, by_imagemagick])
def test_older_notes_in_text_are_heard(tmp_path, noted):
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(STORED[2](scene()))).save(buffer, 'PNG')
    (tmp_path / 'a.png').write_bytes(noted(buffer.getvalue()))
    assert alike(inputs.read_picture(tmp_path / 'a.png'), scene())


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('form', ['JPEG', 'PNG', 'WEBP'])
@pytest.mark.parametrize('most', [WIDTH * HEIGHT // 3 * 2, WIDTH * HEIGHT // 3])
def test_the_note_of_a_picture_that_is_huge_to_pillow_is_heard(tmp_path, monkeypatch, form, most):
    """Above its limit Pillow warns, above twice that it reads nothing: 179 million pixels."""
    exif = Image.Exif()
    exif[0x0112] = 2
    Image.fromarray(np.ascontiguousarray(STORED[2](scene()))).save(
        tmp_path / 'a.jpg', form, exif=exif)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', most)
    assert alike(inputs.read_picture(tmp_path / 'a.jpg'), scene())


def video(path, picture=None, frames=FRAMES, codec='mp4v'):
    """A video of this picture, bytes of noise in a corner so that no frame is like another."""
    picture = scene() if picture is None else picture
    rng = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 30.0,
                             picture.shape[1::-1])
    assert writer.isOpened()
    for _ in range(frames):
        frame = picture[..., ::-1].copy()
        frame[-24:, -24:] = rng.integers(0, 255, (24, 24, 3))
        writer.write(frame)
    writer.release()
    return path


def turned(path, matrix):
    """Put a matrix into the video's track header, where telephones put it."""
    data = bytearray(path.read_bytes())
    start = data.index(b'tkhd') + 4 + 40
    a, b, c, d = (round(value * 65536) for value in matrix)
    struct.pack_into('>2i4x2i', data, start, a, b, c, d)
    path.write_bytes(data)
    return path


def read(path):
    """(pictures, stamps, notes)"""
    items = [(item, item.decode() if isinstance(item, Frame) else None)
             for item in inputs.read_video(path)]
    return ([rgb for item, rgb in items if isinstance(item, Frame)],
            [item.stamp_s for item, _ in items if isinstance(item, Frame)],
            [item.text for item, _ in items if isinstance(item, Note)])


@pytest.mark.parametrize('orientation', list(STORED))
def test_a_video_is_read_upright(tmp_path, orientation):
    path = turned(video(tmp_path / 'a.mp4', STORED[orientation](scene()), 3),
                  MATRICES[orientation])
    pictures, _, _ = read(path)
    assert len(pictures) == 3
    assert all(alike(picture, scene()) for picture in pictures)


@pytest.mark.parametrize('matrix', [(0.7, 0.7, -0.7, 0.7), (2, 0, 0, 1), (0, 0, 0, 0)])
def test_a_video_that_is_to_be_shown_askew_is_refused(tmp_path, matrix):
    path = turned(video(tmp_path / 'a.mp4', frames=3), matrix)
    with pytest.raises(InputError, match='askew or stretched'):
        read(path)


def test_boxes_in_boxes_without_end_are_not_followed(tmp_path):
    data = b''
    for _ in range(3000):
        data = struct.pack('>I4s', len(data) + 8, b'moov') + data
    (tmp_path / 'a.mp4').write_bytes(data)
    assert orientation.of_video(tmp_path / 'a.mp4') is None


def test_a_track_header_that_is_too_short_says_nothing(tmp_path):
    def box(kind, body):
        return struct.pack('>I4s', len(body) + 8, kind) + body

    handler = box(b'hdlr', bytes(8) + b'vide')
    (tmp_path / 'a.mp4').write_bytes(box(b'moov', box(
        b'trak', box(b'tkhd', bytes(50)) + box(b'mdia', handler))))
    assert orientation.of_video(tmp_path / 'a.mp4') is None


def test_reading_goes_on_past_damage_and_says_what_is_lacking(tmp_path):
    path = video(tmp_path / 'a.mp4')
    data = bytearray(path.read_bytes())
    start, end = data.index(b'mdat') + 4, data.index(b'moov')
    middle, length = (start + end) // 2, (end - start) // 10
    data[middle:middle + length] = bytes(length)
    path.write_bytes(data)
    pictures, stamps, notes = read(path)
    assert len(pictures) < FRAMES
    assert stamps[-1] == pytest.approx((FRAMES - 1) / 30, abs=1e-3), 'read to the end'
    assert notes == [f'{len(pictures)} of {FRAMES} frames could be read: the video is cut off or '
                     'damaged']


def test_a_cut_video_says_so(tmp_path):
    path = video(tmp_path / 'a.avi', codec='MJPG')
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    pictures, _, notes = read(path)
    assert 10 < len(pictures) < FRAMES
    assert notes == [f'{len(pictures)} of {FRAMES} frames could be read: the video is cut off or '
                     'damaged']


@pytest.mark.parametrize(('name', 'codec'), [
    ('a.mp4', 'mp4v'), ('a.avi', 'MJPG'), ('a.webm', 'VP80'), ('a.mkv', 'mp4v')])
def test_a_whole_video_has_its_own_times_and_no_notes(tmp_path, name, codec):
    pictures, stamps, notes = read(video(tmp_path / name, codec=codec))
    assert len(pictures) == FRAMES
    np.testing.assert_allclose(stamps, np.arange(FRAMES) / 30, atol=1e-3)
    assert notes == []


def test_frames_of_variable_rate_keep_their_times(tmp_path):
    path = video(tmp_path / 'a.mkv', frames=10)
    data = path.read_bytes()
    # SimpleBlock: id, size as 8 bytes or fewer, track, then its time in ms after the cluster's.
    times = iter([0, 10, 20, 500, 510, 520, 900, 910, 920, 1400])
    moved, at = bytearray(data), 0
    for nominal in (round(index * 1000 / 30) for index in range(10)):
        mark = b'\x81' + struct.pack('>h', nominal)
        at = data.index(mark, at) if nominal else data.index(b'\x81\x00\x00\x80')
        struct.pack_into('>h', moved, at + 1, next(times))
    path.write_bytes(moved)
    _, stamps, _ = read(path)
    assert stamps == pytest.approx([0, .01, .02, .5, .51, .52, .9, .91, .92, 1.4], abs=1e-3)


def test_what_a_folder_holds_and_is_not_read_is_told(tmp_path):
    for name in ('a.heic', 'b.flv', 'c.bag', 'd.db3', 'notes.txt', '.hidden.gif'):
        (tmp_path / name).write_bytes(b'x')
    Image.fromarray(scene()).save(tmp_path / 'e.jfif', 'JPEG')
    found = {one.path.name: one for one in inputs.find([tmp_path])}
    assert set(found) == {'a.heic', 'b.flv', 'c.bag', 'd.db3', 'e.jfif'}
    assert found['e.jfif'].kind is Kind.PICTURE
    assert 'rosbags-convert' in found['c.bag'].problem
    assert 'ros2 bag reindex' in found['d.db3'].problem
    assert 'JPEG or PNG' in found['a.heic'].problem


def test_links_that_lead_back_up_give_no_input_twice(tmp_path):
    (tmp_path / 'b').mkdir()
    for name in ('a.png', 'b/a.png'):
        (tmp_path / name).touch()
    for name in ('b/one', 'b/two', 'b/three'):
        (tmp_path / name).symlink_to(tmp_path)
    assert [str(one.path.relative_to(tmp_path)) for one in inputs.find([tmp_path])] == [
        'a.png', 'b/a.png']


def test_a_pipe_is_no_input(tmp_path):
    """Reading it would never end."""
    (tmp_path / 'bag').mkdir()
    (tmp_path / 'bag' / 'metadata.yaml').touch()
    os.mkfifo(tmp_path / 'bag' / '0.mcap')
    for name in ('a.jpg', 'b.mcap', 'c.mp4', 'd.pipe'):
        os.mkfifo(tmp_path / name)
    found = list(inputs.find([tmp_path]))
    assert [one.path.name for one in found] == ['a.jpg', 'b.mcap', 'bag', 'c.mp4']
    found += inputs.find([tmp_path / 'd.pipe'])
    assert {one.kind for one in found} == {Kind.UNUSABLE}
    assert all('is a pipe' in one.problem for one in found)


def test_a_damaged_exif_note_costs_nothing(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, 'JPEG', exif=exif)
    data = bytearray(buffer.getvalue())
    at = data.index(b'Exif')
    data[at + 6:at + 20] = b'\xff' * 14
    (tmp_path / 'a.jpg').write_bytes(data)
    assert alike(inputs.read_picture(tmp_path / 'a.jpg'), scene())


def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch):
    video(tmp_path / '2024-05-01T10:30.mp4', frames=3)
    monkeypatch.chdir(tmp_path)
    assert len(read(Path('2024-05-01T10:30.mp4'))[0]) == 3
