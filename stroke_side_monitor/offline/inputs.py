"""Finds pictures, videos and bags among the paths given, and reads their frames.

It never assesses anything and never changes an input.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor.offline import orientation
from stroke_side_monitor.offline.orientation import OrientationError
from stroke_side_monitor.perception import image

PICTURES = {'.jpg', '.jpeg', '.jfif', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm'}
VIDEOS = {'.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.mts', '.m2ts', '.wmv',
          '.3gp'}
# Pictures, videos and recordings that somebody meant to have assessed, and what to do instead.
_UNREADABLE = {
    **dict.fromkeys(('.heic', '.heif', '.avif', '.gif', '.jxl', '.jp2', '.dng', '.cr2', '.nef',
                     '.arw'), 'pictures of this kind are not read; save it as JPEG or PNG'),
    '.flv': 'videos of this kind are not read; save it as MP4 (H.264)',
    '.bag': 'a ROS 1 bag; make a rosbag2 of it: rosbags-convert --src FILE.bag --dst FOLDER',
    '.db3': 'one file of a rosbag2 without its metadata.yaml; name its folder, or make it a whole '
            'bag: ros2 bag reindex FOLDER -s sqlite3',
}
_MEANT = {*PICTURES, *VIDEOS, '.mcap', *_UNREADABLE}
BAG_METADATA = 'metadata.yaml'
RAW_IMAGE, COMPRESSED_IMAGE = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CUE = 'stroke_side_msgs/msg/ExerciseCue'

# JPEG, PNG, BMP, TIFF, WebP, PPM and PGM. Nothing else reaches OpenCV's decoders, whatever the
# file is called: its JPEG 2000 decoder, for one, can be made to crash (CVE-2025-53644).
_SIGNATURES = (b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n', b'BM', b'II*\x00', b'MM\x00*', b'RIFF',
               b'P5', b'P6')
_STRICTLY_DECODED = _SIGNATURES[:2]
# The largest sensors of telephones; more is damage, or more memory than a job should take.
_MOST_PIXELS = 250_000_000
# Packets that may be damaged in a row; a video that declares more frames than it has ends sooner.
_MOST_DAMAGED = 10_000
# Video packets in ROS messages, which only their own decoders read.
_VIDEO_PACKETS = ('foxglove_msgs/msg/CompressedVideo',
                  'ffmpeg_image_transport_msgs/msg/FFMPEGPacket')


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
    """One frame of a stream, not decoded yet.

    stamp_s: its own stamp, seconds. received_s: when it was recorded, on a clock that goes on
    where stamps do not; of a video, the same. decode: the picture, RGB uint8 (H, W, 3), or
    ImageDecodeError; to be called before the next frame is read, if at all.
    """

    stamp_s: float
    received_s: float
    decode: Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class Cue:
    """An exercise cue found in a bag; see stroke_side_msgs/ExerciseCue.

    stamp_s: seconds; 0 says that it was given with the frame before it.
    received_s: when it came, on the clock of Frame.received_s; NaN where nobody knows.
    """

    stamp_s: float
    exercise: str
    start: bool
    hold_s: float
    received_s: float = math.nan


@dataclass(frozen=True)
class Note:
    """What is to be told of a recording beside its frames: one line."""

    text: str


def find(paths: Sequence[Path]) -> Iterator[Input]:
    """Yield every input below `paths`, folders in sorted order, bags as one input each."""
    for path in paths:
        try:
            yield from _find(path)
        except OSError as error:  # a name that is too long, a folder that is closed to us
            yield _unreadable(path, error)


def _find(path: Path) -> Iterator[Input]:
    if not path.exists():
        yield Input(path, Kind.UNUSABLE, 'no such file or folder')
    elif _is_folder(path):
        found = list(_walk(path))
        yield from found or [Input(path, Kind.UNUSABLE, 'holds no picture, video or bag')]
    else:
        yield _classify(path)


def _unreadable(path: Path, error: OSError) -> Input:
    return Input(path, Kind.UNUSABLE, f'cannot be read ({error.strerror})')


def folders(top: Path) -> Iterator[Path]:
    """`top` and the folders below it, hidden ones not; each once, whatever links lead to it."""
    waiting, entered = [top], set[str]()
    while waiting:
        path = waiting.pop()
        if os.path.isdir(path) and _is_new(path, entered):
            yield path
            with suppress(OSError):  # closed to us: for whoever looks into it to tell
                waiting += _last_first(path)


def _walk(folder: Path) -> Iterator[Input]:
    """What is meant to be assessed below the folder; what has another purpose is passed over."""
    waiting, entered = [folder], set[str]()
    while waiting:
        path = waiting.pop()
        try:
            if _is_folder(path):
                waiting += _last_first(path) if _is_new(path, entered) else []
            elif path.suffix.lower() in _MEANT or path.is_dir():
                yield _classify(path)
        except OSError as error:
            yield _unreadable(path, error)


def _is_new(folder: Path, entered: set[str]) -> bool:
    """Whether it was not entered before: a link may lead back up, two on ever more ways."""
    real = os.path.realpath(folder)
    before = len(entered)
    entered.add(real)
    return len(entered) > before


def _last_first(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith('.')),
                  reverse=True)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not (path / BAG_METADATA).is_file()


def _classify(path: Path) -> Input:
    suffix = path.suffix.lower()
    if path.is_dir():
        # Reading a pipe would never end.
        pipe = next((one for one in path.iterdir() if _is_no_file(one)), None)
        return Input(path, Kind.BAG) if pipe is None else \
            Input(path, Kind.UNUSABLE, f'its {pipe.name} {_NO_FILE}')
    if _is_no_file(path):
        return Input(path, Kind.UNUSABLE, _NO_FILE)
    if suffix == '.mcap':
        return Input(path, Kind.BAG)
    if suffix in PICTURES:
        return Input(path, Kind.PICTURE)
    if suffix in VIDEOS:
        return Input(path, Kind.VIDEO)
    if suffix in _UNREADABLE:
        return Input(path, Kind.UNUSABLE, _UNREADABLE[suffix])
    return Input(path, Kind.UNUSABLE, f'"{suffix or path.name}" is neither a picture, a video nor '
                 'a bag folder; convert it to JPEG, PNG, MP4 or rosbag2')


def _is_no_file(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


_NO_FILE = 'is a pipe, a socket or a device; save what comes from it as a file'


def read_picture(path: Path) -> NDArray[np.uint8]:
    """The picture as RGB, uint8 (H, W, 3), turned upright by its EXIF note.

    Raises:
        InputError: unreadable, not a picture, damaged, or too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f'cannot be read ({error.strerror})') from error
    try:
        if data.startswith(_STRICTLY_DECODED):
            # OpenCV fills the missing part of a damaged picture with grey and says nothing.
            rgb = image.decode_compressed('', data, most_pixels=_MOST_PIXELS)
            return orientation.by_exif(rgb, data)
        rgb = _decode(data)
        # OpenCV turns a TIFF itself, and nothing else of what is left but WebP has the note.
        return orientation.by_exif(rgb, data) if data.startswith(b'RIFF') else rgb
    except image.ImageDecodeError as error:
        raise InputError(f'{error}; copy it again or save it anew') from error
    except OrientationError as error:
        raise InputError(str(error)) from error


def _decode(data: bytes) -> NDArray[np.uint8]:
    if data.startswith(b'RIFF') and int.from_bytes(data[4:8], 'little') + 8 != len(data):
        # WebP has no checksums; its length is all that tells of damage.
        raise InputError('a WebP of another length than it says, so cut off or damaged; copy it '
                         'again')
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) \
            if data.startswith(_SIGNATURES) else None
    except cv2.error as error:
        raise InputError(f'cannot be decoded ({" ".join(str(error).split())[:120]}); save it '
                         'again, smaller') from error
    if bgr is None:
        raise InputError('not a picture that can be decoded; save it again as JPEG or PNG')
    return _to_rgb(bgr)


def _to_rgb(bgr: NDArray[Any]) -> NDArray[np.uint8]:
    rgb: NDArray[Any] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def read_video(path: Path) -> Iterator[Frame | Note]:
    """The frames of a video in order, upright as its own note says, stamped by their own times.

    Damaged packets are passed over; a Note at the end says how many frames were lacking.

    Raises:
        InputError: not a video that this OpenCV can decode, or one to be shown askew.
    """
    # Absolute, for FFmpeg takes what stands before a colon for a protocol: 2024-05-01T10:30.mp4.
    capture = cv2.VideoCapture(str(path.absolute()))
    try:
        if not capture.isOpened():
            raise InputError('not a video that can be decoded; convert it to MP4 (H.264)')
        upright = orientation.of_video(path)
        if upright is not None:
            capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        yield from _video_frames(capture, upright or _to_rgb)
    except OrientationError as error:
        raise InputError(str(error)) from error
    finally:
        capture.release()


def _video_frames(capture: cv2.VideoCapture,
                  upright: Callable[[NDArray[Any]], NDArray[np.uint8]]) -> Iterator[Frame | Note]:
    declared = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    rate = capture.get(cv2.CAP_PROP_FPS)
    step_s = 1.0 / rate if rate > 0.0 else 1.0 / 30.0

    def decode() -> NDArray[np.uint8]:
        found, bgr = capture.retrieve()
        if not found:
            raise image.ImageDecodeError('damaged frame', 'a frame of the video is damaged')
        return upright(bgr)

    count, damaged, stamp_s = 0, 0, 0.0
    while damaged < max(1, min(declared - count, _MOST_DAMAGED)):
        if not capture.grab():
            damaged += 1
            continue
        own_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        # Streams without times of their own say 0 throughout.
        stamp_s = own_s if count == 0 or own_s > stamp_s else stamp_s + step_s
        count += 1
        yield Frame(stamp_s, stamp_s, decode)
    if count == 0:
        raise InputError('the video holds no frame; it may be cut off')
    # Writers are off by one now and then.
    if declared - count > 1:
        yield Note(f'{count} of {declared} frames could be read: the video is cut off or damaged')


def read_bag(path: Path, topic: str | None, cue_topic: str | None = None
             ) -> Iterator[Frame | Cue | Note]:
    """The frames and exercise cues of a rosbag2 in the order they were recorded.

    Damaged messages are passed over, and what comes after damage of the bag itself is lost; a Note
    says so.

    Args:
        path: bag folder or single .mcap file.
        topic: image topic; None when the bag holds just one.
        cue_topic: likewise of the cues; a bag without any needs none.

    Raises:
        InputError: not a bag, no such topic, or several to choose from and none named.
    """
    from rosbags.highlevel import AnyReader  # only bags need it
    count = 0
    try:
        with AnyReader([path], default_typestore=typestore()) as reader:
            images = _image_connections(reader.connections, topic)
            cues = _cue_connections(reader.connections, cue_topic)
            for item in _bag_items(reader, images, cues):
                yield item
                count += isinstance(item, Frame)
    except InputError:
        raise
    # Of damaged bags the libraries below raise whatever they stumble over.
    except Exception as error:
        what = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
        if not count:
            raise InputError(f'not a readable bag ({what}); run "ros2 bag reindex" on it'
                             ) from error
        yield Note(f'the bag is damaged after {count} frames, and what follows is lost ({what})')


def _bag_items(reader: Any, images: Sequence[Any], cues: Sequence[Any]
               ) -> Iterator[Frame | Cue | Note]:
    damaged, first = 0, ''
    for connection, received_ns, raw in reader.messages([*images, *cues]):
        try:
            message = reader.deserialize(raw, connection.msgtype)
            item = _to_frame(message, received_ns) if connection in images else _to_cue(
                message, received_ns)
        except Exception as error:  # noqa: BLE001 - bytes that are no message of that type
            damaged, first = damaged + 1, first or f'{type(error).__name__}: {error}'[:100]
            continue
        if item is not None:
            yield item
    if damaged:
        yield Note(f'{damaged} messages are damaged; the first: {first}')


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
    elif not topics and (packets := [one for one in connections
                                     if one.msgtype in _VIDEO_PACKETS]):
        raise InputError(
            f'{packets[0].topic} holds video packets ({packets[0].msgtype}), which are not read; '
            'record the pictures: ros2 run image_transport republish')
    elif len(topics) != 1:
        raise InputError(f'name the image topic with --topic; the bag has '
                         f'{", ".join(topics) or "none"}')
    return images


def _cue_connections(connections: Sequence[Any], topic: str | None) -> list[Any]:
    """Of one monitor: another's, of the same bag, are for another patient."""
    cues = [one for one in connections if one.msgtype == CUE]
    topics = sorted({one.topic for one in cues})
    if topics and topic not in (None, *topics):
        raise InputError(f'no cue topic {topic}; the bag has {", ".join(topics)}')
    if topic is None and len(topics) > 1:
        raise InputError(f'name the cue topic with --cue-topic; the bag has {", ".join(topics)}')
    return [one for one in cues if topic in (None, one.topic)]


def _to_frame(message: Any, received_ns: int) -> Frame:
    def decode() -> NDArray[np.uint8]:
        if message.__msgtype__ == RAW_IMAGE:
            return image.decode_raw(message.encoding, message.height, message.width, message.step,
                                    bool(message.is_bigendian), message.data)
        return image.decode_compressed(message.format, message.data)

    stamp = message.header.stamp
    return Frame(stamp.sec + stamp.nanosec * 1e-9, received_ns * 1e-9, decode)


def _to_cue(message: Any, received_ns: int) -> Cue | None:
    """None where the phase is neither START nor STOP: the node refuses it."""
    if message.phase not in (0, 1):
        return None
    stamp = message.header.stamp
    return Cue(stamp.sec + stamp.nanosec * 1e-9, message.exercise, message.phase == 0,
               float(message.hold_s), received_ns * 1e-9)
