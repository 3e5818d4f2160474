"""One input becomes its records: the task that every way of running `assess` is made of.

It never knows who runs it (executors.py) nor where its records go (run_folder.py).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import overlay
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline import inputs, records
from stroke_side_monitor.offline.inputs import Cue, Frame, Input, InputError, Kind
from stroke_side_monitor.offline.records import Record
from stroke_side_monitor.pipeline import Assessment, Pipeline, PipelineSettings


@dataclass(frozen=True)
class Options:
    """How every input of a run is assessed; model_path, norms_path: None for those shipped."""

    per_frame: bool
    topic: str | None
    overlay_folder: Path | None
    settings: PipelineSettings
    model_path: Path | None = None
    norms_path: Path | None = None


class Task(NamedTuple):
    """One input of a run.

    place: its place among them. name: as it goes into results; nth: of that name, from 0 on.
    size: bytes, what it will cost at a guess. changed_ns: when it was last written; 0: unknown.
    """

    place: int
    found: Input
    name: str
    nth: int
    size: int
    changed_ns: int


class Result(NamedTuple):
    """What became of a task: its records as a JSON list in UTF-8; error: '' or why it failed."""

    place: int
    records: bytes
    error: str


def number(found: Iterable[Input]) -> list[Task]:
    """The tasks of these inputs, in their order."""
    seen: Counter[str] = Counter()
    tasks = []
    for index, one in enumerate(found):
        name = writable(one.path)
        tasks.append(Task(index, one, name, seen[name], *_size_and_time(one.path)))
        seen[name] += 1
    return tasks


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        files = [one for one in path.rglob('*') if one.is_file()] if path.is_dir() else [path]
        facts = [one.stat() for one in files]
    except OSError:
        return 0, 0  # whatever is wrong with it, reading it will tell
    return sum(one.st_size for one in facts), max((one.st_mtime_ns for one in facts), default=0)


def writable(path: Path) -> str:
    """The path as it goes into results, which are UTF-8: other bytes are written as escapes."""
    return os.fsencode(path).decode('utf-8', 'backslashreplace')


def to_result(task: Task, written: Sequence[Record]) -> Result:
    """The records of a task as they travel and are kept."""
    text = json.dumps(written, ensure_ascii=False, allow_nan=False, separators=(',', ':'))
    return Result(task.place, text.encode(), written[-1].get('error', ''))


class Worker:
    """Assesses inputs one after the other; holds the still pipeline, which is made once."""

    def __init__(self, options: Options) -> None:
        """Load model and norms.

        Raises:
            ModelError, NormsError, ResourceMissingError: one line saying what is wrong.
        """
        self._options = options
        self._stills = self._pipeline(video=False)

    def _pipeline(self, *, video: bool) -> Pipeline:
        chosen = self._options
        return Pipeline(chosen.settings, video=video, norms_path=chosen.norms_path,
                        model_path=chosen.model_path)

    def result(self, task: Task) -> Result:
        """What becomes of one input; an error when it cannot be assessed."""
        return to_result(task, self.records(task))

    def records(self, task: Task) -> list[Record]:
        """The records of one input; a single one with `error` when it cannot be assessed."""
        index, found = task.place, task.found
        path = task.name
        try:
            if found.kind is Kind.PICTURE:
                return [self._picture(index, found.path)]
            if found.kind is Kind.VIDEO:
                return self._stream(index, path, inputs.read_video(found.path))
            if found.kind is Kind.BAG:
                return self._stream(index, path, inputs.read_bag(found.path, self._options.topic))
        except InputError as error:
            return [records.from_error(path, str(error))]
        except Exception as error:  # noqa: BLE001 - an input costs itself; its record says why
            what = ' '.join(f'{type(error).__name__}: {error}'.split())[:300]
            return [records.from_error(path, f'cannot be read or assessed ({what}); if other '
                                             'programs read it, please report')]
        return [records.from_error(path, found.problem)]

    def _picture(self, index: int, path: Path) -> Record:
        rgb = inputs.read_picture(path)
        assessment = self._stills.assess(rgb, 0.0)
        name = writable(path)
        self._draw(f'{index:05d}_{Path(name).stem}', rgb, assessment)
        return records.from_assessment(name, assessment)

    def _stream(self, index: int, path: str, stream: Iterator[Frame | Cue]) -> list[Record]:
        pipeline = self._pipeline(video=True)
        try:
            return list(self._stream_records(index, path, stream, pipeline))
        finally:
            pipeline.close()

    def _stream_records(self, index: int, path: str, stream: Iterator[Frame | Cue],
                        pipeline: Pipeline) -> Iterator[Record]:
        second: list[Record] = []
        last_s = -np.inf
        for item in inputs.without_late(stream, self._options.settings.jump_back_s):
            if isinstance(item, Cue):
                pipeline.cue(item.exercise, item.start, item.stamp_s, item.hold_s)
                continue
            if item.stamp_s < last_s:
                pipeline.reset()
            if second and int(item.stamp_s) != int(last_s):
                yield from self._finish(second)
                second = []
            last_s = item.stamp_s
            assessment = pipeline.lost(item.stamp_s, records.UNDECODABLE) if item.rgb is None \
                else pipeline.assess(item.rgb, item.stamp_s)
            if not second and item.rgb is not None:
                self._draw(f'{index:05d}_{Path(path).stem}_{item.stamp_s:.3f}', item.rgb,
                           assessment)
            second.append(records.from_assessment(path, assessment))
        if not second:
            raise InputError('holds no frame on that topic')
        if pipeline.finish():  # an exercise open to the end counts, from the last second on
            for record in second:
                if record['side'] != Side.UNKNOWN.name.lower():
                    record.update(records.severity_fields(pipeline.severity_so_far))
        yield from self._finish(second)

    def _finish(self, second: Sequence[Record]) -> Sequence[Record]:
        return second if self._options.per_frame else [records.summarise_second(second)]

    def _draw(self, name: str, rgb: NDArray[np.uint8], assessment: Assessment) -> None:
        folder = self._options.overlay_folder
        if folder is None:
            return
        drawn = overlay.draw_received(rgb, assessment, self._options.settings)
        done, data = cv2.imencode('.jpg', cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
        assert done
        partial = folder / f'.{name}.partial'
        partial.write_bytes(data.tobytes())
        os.replace(partial, folder / f'{name}.jpg')
