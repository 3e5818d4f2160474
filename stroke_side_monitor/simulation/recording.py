"""Writes a session down: rosbag2, video or a folder of pictures, each with its truth.

Nothing half-written ever stands under the final name, and nothing is overwritten.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from stroke_side_monitor.offline.inputs import typestore
from stroke_side_monitor.simulation import records
from stroke_side_monitor.simulation.session import Cue, Frame, Session

IMAGE_TOPIC = '/camera/image_raw'
TRUTH_TOPIC = '/patient/truth'
CUE_TOPIC = '/stroke_side_monitor/exercise_cue'
STORAGES = ('mcap', 'sqlite3')
TRANSPORTS = ('compressed', 'raw')

# Of the versions rosbags writes, the one that ros2 bag of Humble reads too.
_BAG_VERSION: Literal[8] = 8

Progress = Callable[[Iterable[Frame]], Iterable[Frame]]


class OutputError(ValueError):
    """The recording cannot be written; the text says what stands in the way."""


def write_bag(session: Session, path: Path, *, storage: str = 'mcap',
              transport: str = 'compressed', progress: Progress = iter) -> None:
    """Write a rosbag2 folder that `ros2 bag play` plays.

    Topics: images on /camera/image_raw or, compressed, /camera/image_raw/compressed,
    truth on /patient/truth, cues on /stroke_side_monitor/exercise_cue; all offered
    as reliable, which best-effort subscribers accept too. Messages are recorded
    at their header stamps.

    Args:
        session: what to write.
        path: the folder to be made; must not exist.
        storage: 'mcap' or 'sqlite3'.
        transport: 'compressed' (JPEG) or 'raw' (rgb8).
        progress: wraps the frames, e.g. tqdm.

    Raises:
        OutputError: the folder exists or stroke_side_msgs is not installed.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    plugin = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}[storage]
    types = typestore()
    if 'stroke_side_msgs/msg/SimulatedPatientTruth' not in types.fielddefs:
        raise OutputError('bags need the message package stroke_side_msgs; '
                          'build it with colcon or pip install ./stroke_side_msgs')
    with _appearing(path) as hidden, \
            Writer(hidden, version=_BAG_VERSION, storage_plugin=plugin) as writer:
        bag = _Bag(writer, types, transport)
        for item in session.timeline(progress(session)):
            if isinstance(item, Cue):
                bag.cue(item)
            else:
                bag.frame(item)


class _Bag:
    """Puts frames and cues into an open rosbags writer."""

    def __init__(self, writer: Any, types: Any, transport: str) -> None:
        self._writer, self._types = writer, types
        self._raw = transport == 'raw'
        image = ('sensor_msgs/msg/Image', IMAGE_TOPIC) if self._raw \
            else ('sensor_msgs/msg/CompressedImage', f'{IMAGE_TOPIC}/compressed')
        self._image = self._connect(*image)
        self._truth = self._connect('stroke_side_msgs/msg/SimulatedPatientTruth', TRUTH_TOPIC)
        self._cue = self._connect('stroke_side_msgs/msg/ExerciseCue', CUE_TOPIC)

    def frame(self, frame: Frame) -> None:
        stamp = frame.truth.stamp_ns
        if self._raw:
            height, width = frame.rgb.shape[:2]
            fields = {'height': height, 'width': width, 'encoding': records.RAW_ENCODING,
                      'is_bigendian': 0, 'step': 3 * width, 'data': frame.rgb.reshape(-1)}
        else:
            fields = {'format': records.IMAGE_FORMAT,
                      'data': np.frombuffer(frame.jpeg, dtype=np.uint8)}
        self._write(self._image, stamp, fields)
        self._write(self._truth, stamp, records.truth_fields(frame.truth))

    def cue(self, cue: Cue) -> None:
        self._write(self._cue, cue.stamp_ns, records.cue_fields(cue))

    def _connect(self, message_type: str, topic: str) -> Any:
        return self._writer.add_connection(topic, message_type, typestore=self._types,
                                           offered_qos_profiles=[_reliable()])

    def _write(self, connection: Any, stamp_ns: int, fields: dict[str, Any]) -> None:
        types = self._types.types
        stamp = types['builtin_interfaces/msg/Time'](**records.stamp_fields(stamp_ns))
        header = types['std_msgs/msg/Header'](stamp=stamp, frame_id=records.FRAME_ID)
        message = types[connection.msgtype](header=header, **fields)
        self._writer.write(connection, stamp_ns,
                           self._types.serialize_cdr(message, connection.msgtype))


def _reliable() -> Any:
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )
    # What rosbag2 itself records for "no deadline", "no lifespan", "infinite lease".
    unlimited = QosTime(9223372036, 854775807)
    return Qos(QosHistory.KEEP_LAST, 10, QosReliability.RELIABLE, QosDurability.VOLATILE,
               unlimited, unlimited, QosLiveliness.AUTOMATIC, unlimited, False)


def write_frames(session: Session, folder: Path, *, progress: Progress = iter) -> None:
    """Write a folder of JPEG files and truth.csv, one row per file.

    Raises:
        OutputError: the folder exists.
    """
    with _appearing(folder) as hidden:
        hidden.mkdir()
        with (hidden / 'truth.csv').open('w', newline='') as file:
            table = _Table(file)
            for index, frame in enumerate(progress(session)):
                name = f'{index:06d}.jpg'
                (hidden / name).write_bytes(frame.jpeg)
                table.add(name, frame)


def write_video(session: Session, path: Path, *, progress: Progress = iter) -> Path:
    """Write an MP4 and, beside it, its truth as CSV.

    Returns:
        Where the truth stands: `path` with the ending .truth.csv.

    Raises:
        OutputError: one of the files exists, or this OpenCV cannot write MP4.
    """
    if path.suffix.lower() != '.mp4':
        raise OutputError(f'{path}: a video must end in .mp4')
    truth_path = path.with_suffix('.truth.csv')
    size = (session.plan.width, session.plan.height)
    with _appearing(truth_path) as hidden_truth, _appearing(path) as hidden:
        writer = cv2.VideoWriter(str(hidden), cv2.VideoWriter.fourcc(*'mp4v'),
                                 session.plan.fps, size)
        if not writer.isOpened():
            raise OutputError(f'{path}: this OpenCV cannot write MP4; use --frames or --bag')
        try:
            with hidden_truth.open('w', newline='') as file:
                table = _Table(file)
                for index, frame in enumerate(progress(session)):
                    writer.write(cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
                    table.add(str(index), frame)
        finally:
            writer.release()
    return truth_path


class _Table:
    def __init__(self, file: Any) -> None:
        self._file = file
        self._writer: csv.DictWriter[str] | None = None

    def add(self, name: str, frame: Frame) -> None:
        row = records.truth_row(name, frame.truth)
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(row), lineterminator='\n')
            self._writer.writeheader()
        self._writer.writerow(row)


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A place to write to that takes its final name only when all went well.

    The place has the final file name, in a hidden folder beside: a bag's
    metadata names its own files.
    """
    if path.exists():
        raise OutputError(f'{path} exists already; remove it or give another name')
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.parent / f'.{path.name}.{os.getpid()}.partial'
    hidden.mkdir()
    try:
        yield hidden / path.name
        os.replace(hidden / path.name, path)
    finally:
        shutil.rmtree(hidden)
