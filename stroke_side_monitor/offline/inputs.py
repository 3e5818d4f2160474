"""Finds pictures, videos and bags among the paths given, and reads their frames.

It never assesses anything and never changes an input.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.perception import image
from stroke_side_monitor.pipeline import rhythm

PICTURES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm'}
VIDEOS = {'.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg'}
BAG_METADATA = 'metadata.yaml'
RAW_IMAGE, COMPRESSED_IMAGE = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CUE = 'stroke_side_msgs/msg/ExerciseCue'

# JPEG, PNG, BMP, TIFF, WebP, PPM and PGM. Nothing else reaches OpenCV's decoders, whatever the
# file is called: its JPEG 2000 decoder, for one, can be made to crash (CVE-2025-53644).
_SIGNATURES = (b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n', b'BM', b'II*\x00', b'MM\x00*', b'RIFF',
               b'P5', b'P6')
_JPEG_START, _PNG_START = b'\xff\xd8\xff', b'\x89PNG'
# The largest sensors of telephones; more is damage, or more memory than a job should take.
_MOST_PIXELS = 250_000_000
# A browser's WebM has no rate, and OpenCV gives that of its clock (1000): frames' own stamps then.
_FASTEST_FPS = 240.0


class InputError(ValueError):
    """An input cannot be used; the text says why and how to mend it."""


class Kind(Enum):
    """What an input is."""

    PICTURE = 'picture'
    VIDEO = 'video'
    BAG = 'bag'
    UNUSABLE = 'unusable'


@dataclass(frozen=True)
class Input:
    """One thing to assess. `path` as it was found; `problem` in words when it is UNUSABLE."""

    path: Path
    kind: Kind
    problem: str = ''


@dataclass(frozen=True)
class Frame:
    """One frame of a stream: its stamp in seconds, and rgb uint8 (H, W, 3).

    rgb is None for a frame that could not be decoded.
    """

    stamp_s: float
    rgb: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Cue:
    """An exercise cue found in a bag; see stroke_side_msgs/ExerciseCue."""

    stamp_s: float
    exercise: str
    start: bool
    hold_s: float


def find(paths: Sequence[Path]) -> Iterator[Input]:
    """Yield every input below `paths`, folders in sorted order, bags as one input each."""
    for path in paths:
        if not path.exists():
            yield Input(path, Kind.UNUSABLE, 'no such file or folder')
        elif path.is_dir() and not (path / BAG_METADATA).is_file():
            known = [found for found in _walk(path) if found.kind is not Kind.UNUSABLE]
            if known:
                yield from known
            else:
                yield Input(path, Kind.UNUSABLE, 'holds no picture, video or bag')
        else:
            yield _classify(path)


def _walk(folder: Path) -> Iterator[Input]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith('.'):
            continue
        if path.is_dir() and not (path / BAG_METADATA).is_file():
            yield from _walk(path)
        else:
            yield _classify(path)


def _classify(path: Path) -> Input:
    suffix = path.suffix.lower()
    if path.is_dir() or suffix == '.mcap':
        return Input(path, Kind.BAG)
    if suffix in PICTURES:
        return Input(path, Kind.PICTURE)
    if suffix in VIDEOS:
        return Input(path, Kind.VIDEO)
    return Input(path, Kind.UNUSABLE, f'"{suffix or path.name}" is neither a picture, a video nor '
                 'a bag folder; convert it to JPEG, PNG, MP4 or rosbag2')


def read_picture(path: Path) -> NDArray[np.uint8]:
    """The picture as RGB, uint8 (H, W, 3), turned upright by its EXIF note.

    Raises:
        InputError: unreadable, not a picture, damaged, or too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f'cannot be read ({error.strerror})') from error
    if data.startswith((_JPEG_START, _PNG_START)):
        # OpenCV fills the missing part of a damaged picture with grey and says nothing.
        try:
            image.decode_compressed('', data, most_pixels=_MOST_PIXELS)
        except image.ImageDecodeError as error:
            raise InputError(f'{error}; copy it again or save it anew') from error
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) \
            if data.startswith(_SIGNATURES) else None
    except cv2.error as error:
        raise InputError(f'cannot be decoded ({" ".join(str(error).split())[:120]}); save it '
                         'again, smaller') from error
    if bgr is None:
        raise InputError('not a picture that can be decoded; save it again as JPEG or PNG')
    rgb: NDArray[Any] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def read_video(path: Path) -> Iterator[Frame]:
    """The frames of a video in order.

    Raises:
        InputError: not a video that this OpenCV can decode.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise InputError('not a video that can be decoded; convert it to MP4 (H.264)')
        rate = capture.get(cv2.CAP_PROP_FPS) or 30.0
        index = 0
        while True:
            more, bgr = capture.read()
            if not more:
                break
            rgb: NDArray[Any] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            yield Frame(index / rate if rate <= _FASTEST_FPS
                        else capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3, rgb)
            index += 1
        if index == 0:
            raise InputError('the video holds no frame; it may be cut off')
    finally:
        capture.release()


def read_bag(path: Path, topic: str | None) -> Iterator[Frame | Cue]:
    """The frames and exercise cues of a rosbag2 in the order they were recorded.

    Args:
        path: bag folder or single .mcap file.
        topic: image topic; None when the bag holds just one.

    Raises:
        InputError: not a bag, no such topic, or several image topics and none named.
    """
    from rosbags.highlevel import AnyReader, AnyReaderError  # only bags need it
    try:
        with AnyReader([path], default_typestore=typestore()) as reader:
            images = _image_connections(reader.connections, topic)
            cues = [one for one in reader.connections if one.msgtype == CUE]
            for connection, received_ns, raw in reader.messages(images + cues):
                message = reader.deserialize(raw, connection.msgtype)
                if connection not in cues:
                    yield _to_frame(message, received_ns)
                elif (cue := _to_cue(message)) is not None:
                    yield cue
    except AnyReaderError as error:
        raise InputError(f'not a readable bag ({error}); run "ros2 bag reindex" on it') from error


def without_late(items: Iterable[Frame | Cue], jump_back_s: float) -> Iterator[Frame | Cue]:
    """All but the frames that are older than the one before, by jitter: as the node does.

    Args:
        jump_back_s: further back than this a recording begins anew; seconds.
    """
    last_s = -math.inf
    for item in items:
        if isinstance(item, Frame):
            if rhythm.is_late(item.stamp_s, last_s, jump_back_s):
                continue
            last_s = item.stamp_s
        yield item


def typestore() -> Any:
    """ROS's own types and, where stroke_side_msgs is installed, ours, as a rosbags Typestore.

    Bags recorded before Iron carry no definitions and cannot be read without.
    """
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    store = get_typestore(Stores.ROS2_HUMBLE)
    for definition in _message_definitions():
        store.register(get_types_from_msg(
            definition.read_text(), f'stroke_side_msgs/msg/{definition.stem}'))
    return store


def _message_definitions() -> list[Path]:
    found = find_spec('stroke_side_msgs')
    if found is None or found.origin is None:
        return []  # not installed; bags then have to carry the definitions, as all newer ones do
    # Beside the module, as pip and colcon both install it, not over AMENT_PREFIX_PATH:
    # that is only set where a ROS installation has been sourced.
    for prefix in Path(found.origin).parents:
        definitions = sorted((prefix / 'share' / 'stroke_side_msgs' / 'msg').glob('*.msg'))
        if definitions:
            return definitions
    return []


def _image_connections(connections: Sequence[Any], topic: str | None) -> list[Any]:
    images = [one for one in connections if one.msgtype in (RAW_IMAGE, COMPRESSED_IMAGE)]
    topics = sorted({one.topic for one in images})
    if topic is not None:
        images = [one for one in images if one.topic == topic]
        if not images:
            raise InputError(f'no image topic {topic}; the bag has {", ".join(topics) or "none"}')
    elif len(topics) != 1:
        raise InputError(f'name the image topic with --topic; the bag has '
                         f'{", ".join(topics) or "none"}')
    return images


def _to_frame(message: Any, received_ns: int) -> Frame:
    stamp = message.header.stamp
    stamp_s = stamp.sec + stamp.nanosec * 1e-9 or received_ns * 1e-9
    try:
        if message.__msgtype__ == RAW_IMAGE:
            rgb = image.decode_raw(message.encoding, message.height, message.width, message.step,
                                   bool(message.is_bigendian), message.data)
        else:
            rgb = image.decode_compressed(message.format, message.data)
    except image.ImageDecodeError:
        return Frame(stamp_s, None)
    return Frame(stamp_s, rgb)


def _to_cue(message: Any) -> Cue | None:
    """None where the phase is neither START nor STOP: the node refuses it."""
    if message.phase not in (0, 1):
        return None
    stamp = message.header.stamp
    return Cue(stamp.sec + stamp.nanosec * 1e-9, message.exercise, message.phase == 0,
               float(message.hold_s))
