"""One input becomes its records: the task that every way of running `assess` is made of.

It never knows who runs it (executors.py) nor where its records go (run_folder.py).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stroke_side_monitor import overlay
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline import inputs, records, sources
from stroke_side_monitor.offline.inputs import Cue, Frame, Input, InputError, Kind, Note
from stroke_side_monitor.offline.records import Record
from stroke_side_monitor.offline.sources import Source, SourceError
from stroke_side_monitor.offline.stream import Assessed, Ended, Stream
from stroke_side_monitor.pipeline import Assessment, Pipeline, PipelineSettings, parameters


class OverlayError(RuntimeError):
    """An annotated picture cannot be written, which is no input's fault; the text says why."""


@dataclass(frozen=True)
class Options:
    """How every input of a run is assessed.

    topic, cue_topic: of the bags; None: the only one there. model_path, norms_path: None for those
    shipped. memory_bytes: what one worker process may ask for; None: as much as there is.
    """

    per_frame: bool
    topic: str | None
    overlay_folder: Path | None
    settings: PipelineSettings
    model_path: Path | None = None
    norms_path: Path | None = None
    memory_bytes: int | None = None
    cue_topic: str | None = None


class Task(NamedTuple):
    """One input of a run.

    place: its place among them. name: as it goes into results; nth: of that name, from 0 on.
    size: bytes, what it will cost at a guess. changed_ns: when it was last written; 0: unknown.
    """

    place: int
    source: Source
    name: str
    nth: int
    size: int
    changed_ns: int


class Result(NamedTuple):
    """What became of a task: its records as a JSON list in UTF-8.

    error: '' or why it failed. notes: what is to be told of an input that did not.
    """

    place: int
    records: bytes
    error: str
    notes: tuple[str, ...] = ()


def number(sources: Iterable[Source]) -> list[Task]:
    """The tasks of these inputs, in their order."""
    seen: Counter[str] = Counter()
    tasks = []
    for place, source in enumerate(sources):
        name = records.writable(source.url) or _writable(source.found.path)
        size, changed_ns = (0, 0) if source.url else _size_and_time(source.found.path)
        tasks.append(Task(place, source, name, seen[name], source.size or size, changed_ns))
        seen[name] += 1
    return tasks


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        files = [one for one in path.rglob('*') if one.is_file()] if path.is_dir() else [path]
        facts = [one.stat() for one in files]
    except (OSError, ValueError):  # ValueError: a name with a null byte
        return 0, 0  # whatever is wrong with it, reading it will tell
    return sum(one.st_size for one in facts), max((one.st_mtime_ns for one in facts), default=0)


def _writable(path: Path) -> str:
    """The path as it goes into results: bytes that are not UTF-8 as escapes."""
    return os.fsencode(path).decode('utf-8', 'backslashreplace')


LENGTH_DRAWN_AS = 16


def drawn_as(task: Task) -> str:
    """What the names of its annotated pictures begin with, wherever in a list it comes to stand."""
    return sha256(f'{task.nth} {task.name}'.encode()).hexdigest()[:LENGTH_DRAWN_AS]


def to_result(task: Task, written: Sequence[Record]) -> Result:
    """The records of a task as they travel and are kept."""
    text = json.dumps(written, ensure_ascii=False, allow_nan=False, separators=(',', ':'))
    return Result(task.place, text.encode(), written[-1].get('error', ''),
                  tuple(written[-1].get('notes', ())))


class Worker:
    """Assesses inputs one after the other; holds the still pipeline, which is made once."""

    def __init__(self, options: Options) -> None:
        """Load model and norms.

        Raises:
            ModelError, NormsError, ResourceMissingError: one line saying what is wrong.
        """
        self._options = options
        self._stills = {options.settings: self._pipeline(options.settings, video=False)}

    def _pipeline(self, settings: PipelineSettings, *, video: bool) -> Pipeline:
        return Pipeline(settings, video=video, norms_path=self._options.norms_path,
                        model_path=self._options.model_path)

    def result(self, task: Task) -> Result:
        """What becomes of one input; an error when it cannot be assessed.

        Raises:
            OverlayError: as records().
        """
        return to_result(task, self.records(task))

    def records(self, task: Task) -> list[Record]:
        """The records of one input; a single one with `error` when it cannot be assessed.

        Raises:
            OverlayError: the disk is full, for one; as an error of the input it would be for good.
        """
        try:
            with sources.fetched(task.source.found, task.source.url) as found:
                return self._assess(task, found)
        except (InputError, SourceError) as error:
            return [records.from_error(task.name, str(error))]
        except OverlayError:
            raise
        except Exception as error:  # noqa: BLE001 - an input costs itself; its record says why
            what = ' '.join(f'{type(error).__name__}: {error}'.split())[:300]
            return [records.from_error(
                task.name, f'cannot be read or assessed ({what}); if other programs read it, '
                'please report')]

    def _assess(self, task: Task, found: Input) -> list[Record]:
        settings = parameters.changed(self._options.settings, dict(task.source.changes))
        if found.kind is Kind.PICTURE:
            return [self._picture(task, found.path, settings)]
        if found.kind is Kind.VIDEO:
            return self._stream(task, inputs.read_video(found.path), settings)
        if found.kind is Kind.BAG:
            return self._stream(task, inputs.read_bag(
                found.path, task.source.topic or self._options.topic,
                task.source.cue_topic or self._options.cue_topic), settings)
        return [records.from_error(task.name, found.problem)]

    def _picture(self, task: Task, path: Path, settings: PipelineSettings) -> Record:
        rgb = inputs.read_picture(path)
        if settings not in self._stills:
            if len(self._stills) == _MOST_STILLS:
                self._stills.popitem()[1].close()
            self._stills[settings] = self._pipeline(settings, video=False)
        assessment = self._stills[settings].assess(rgb, 0.0)
        self._draw(f'{drawn_as(task)}_{_stem(task)}', rgb, assessment, settings)
        return records.from_assessment(task.name, assessment)

    def _stream(self, task: Task, items: Iterable[Frame | Cue | Note], settings: PipelineSettings
                ) -> list[Record]:
        pipeline = self._pipeline(settings, video=True)
        stream = Stream(pipeline)
        try:
            written = list(self._stream_records(task, stream.assessed(items), settings))
        finally:
            pipeline.close()
        notes = list(map(records.writable, stream.notes()))
        if not stream.decoded:
            raise InputError('; '.join(notes) or 'holds no frame on that topic')
        return [*written[:-1], {**written[-1], 'notes': notes}] if notes else written

    def _stream_records(self, task: Task, steps: Iterable[Assessed | Ended],
                        settings: PipelineSettings) -> Iterator[Record]:
        second: list[Record] = []
        drawn: Counter[str] = Counter()
        last_s = -np.inf
        for step in steps:
            if isinstance(step, Ended):  # an exercise open to the end counts, in the last second
                for record in second:
                    if record['side'] != Side.UNKNOWN.name.lower():
                        record.update(records.severity_fields(step.severity))
                continue
            stamp_s = step.assessment.stamp_s
            if second and (int(stamp_s) != int(last_s) or stamp_s < last_s):
                yield from self._finish(second)
                second = []
            last_s = stamp_s
            if not second and step.rgb is not None:
                stamp = f'{stamp_s:.3f}'
                drawn[stamp] += 1
                again = f'_{drawn[stamp]}' if drawn[stamp] > 1 else ''  # the clock went back
                self._draw(f'{drawn_as(task)}_{_stem(task)}_{stamp}{again}', step.rgb,
                           step.assessment, settings)
            second.append(records.from_assessment(task.name, step.assessment))
        if second:
            yield from self._finish(second)

    def _finish(self, second: Sequence[Record]) -> Sequence[Record]:
        return second if self._options.per_frame else [records.summarise_second(second)]

    def _draw(self, name: str, rgb: NDArray[np.uint8], assessment: Assessment,
              settings: PipelineSettings) -> None:
        folder = self._options.overlay_folder
        if folder is None:
            return
        drawn = overlay.draw_received(rgb, assessment, settings)
        done, data = cv2.imencode('.jpg', cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
        assert done
        try:
            _write_whole(folder, name, data.tobytes())
        except OSError as error:
            raise OverlayError(f'{folder} cannot be written ({error.strerror or error}); mend that '
                               'and carry on with --resume') from error


def _write_whole(folder: Path, name: str, jpeg: bytes) -> None:
    partial = folder / f'.{name}.partial'
    try:
        partial.write_bytes(jpeg)
        os.replace(partial, folder / f'{name}.jpg')
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


# A manifest may say of each camera how it hangs; more kinds than this are made anew.
_MOST_STILLS = 8


def _stem(task: Task) -> str:
    """Cut where the name of the overlay would get longer than a file system takes, 255 bytes."""
    return Path(task.name).stem.encode()[:_MOST_OF_A_STEM].decode(errors='ignore')


_MOST_OF_A_STEM = 200
