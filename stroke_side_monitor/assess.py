"""`assess`: the monitor's own pipeline over pictures, videos and bags, from the command line.

It never needs ROS, never opens a network connection, and never leaves a
half-written result: files appear whole, under their final names, at the end.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stroke_side_monitor import overlay, resources
from stroke_side_monitor.assessment.norms import NormsError
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline import inputs, records
from stroke_side_monitor.offline.inputs import Cue, Frame, Input, InputError, Kind
from stroke_side_monitor.offline.records import Record
from stroke_side_monitor.perception.tflite import ModelError
from stroke_side_monitor.pipeline import Assessment, Pipeline, PipelineSettings


@dataclass(frozen=True)
class Options:
    """What the command line asked for; see `assess --help`."""

    per_frame: bool
    topic: str | None
    overlay_folder: Path | None
    settings: PipelineSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns 0, or 1 when any input could not be assessed."""
    parsed = _parse(arguments)
    refusal = _why_not_into(parsed.out, parsed.inputs)
    if refusal:
        print(f'assess: {refusal}', file=sys.stderr)
        return 2
    found = list(inputs.find(parsed.inputs))
    parsed.out.mkdir(parents=True, exist_ok=True)
    options = Options(
        parsed.per == 'frame', parsed.topic,
        parsed.out / 'overlay' if parsed.overlay else None,
        PipelineSettings(input_mirrored=parsed.mirrored, image_rotation_deg=parsed.rotation,
                         min_interocular_px=parsed.min_interocular))
    try:
        failed = _run(found, options, parsed.jobs, parsed.out)
    except (ModelError, NormsError, resources.ResourceMissingError) as error:
        print(f'assess: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('assess: interrupted; nothing was written', file=sys.stderr)
        return 130
    print(f'{len(found)} inputs, {failed} could not be assessed; results in {parsed.out}')
    return 1 if failed else 0


def _why_not_into(out: Path, given: Sequence[Path]) -> str:
    """Why nothing must be written there; '' when it may: nobody's files are replaced or read."""
    real = out.resolve()
    for folder in (path.resolve() for path in given if path.is_dir()):
        if folder == real or folder in real.parents:
            return f'--out {out} lies in the input {folder}: choose a folder beside it'
    foreign = [name for name in Writers.NAMES if (out / name).exists()]
    if foreign and len(foreign) < len(Writers.NAMES):
        return (f'--out {out} holds a {foreign[0]} that is not of an earlier run: choose another '
                'folder')
    return ''


def _run(found: Sequence[Input], options: Options, jobs: int, out: Path) -> int:
    failed = 0
    if options.overlay_folder:
        options.overlay_folder.mkdir(exist_ok=True)
    with Writers(out) as writers, _noting_interrupts() as interrupted:
        results = _results(list(enumerate(found)), options, jobs)
        for result in tqdm(results, total=len(found), unit='input', disable=None):
            if interrupted.is_set():
                raise KeyboardInterrupt
            writers.write(result)
            if 'error' in result[-1]:
                failed += 1
                tqdm.write(f'assess: {result[-1]["input"]}: {result[-1]["error"]}',
                           file=sys.stderr)
    return failed


@contextmanager
def _noting_interrupts() -> Iterator[threading.Event]:
    """Set when Ctrl-C came: the exception alone is lost where it falls into a C callback."""
    noted = threading.Event()

    def note(*_: Any) -> None:
        noted.set()
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # a shell's background job is not to hear it
        signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def _results(tasks: Sequence[tuple[int, Input]], options: Options, jobs: int
             ) -> Iterator[list[Record]]:
    """The records of every input, in order, computed by `jobs` processes."""
    if jobs == 1:
        worker = Worker(options)
        yield from map(worker.records, tasks)
        return
    # Spawned, not forked: MediaPipe's threads do not survive a fork.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn'),
                             _start_worker, (options,)) as pool:
        pending: deque[Future[list[Record]]] = deque()
        waiting = iter(tasks)
        # Only a few tasks ahead, so that memory does not grow with their number.
        for task in islice(waiting, 4 * jobs):
            pending.append(pool.submit(_work, task))
        while pending:
            yield pending.popleft().result()
            for task in islice(waiting, 1):
                pending.append(pool.submit(_work, task))


_worker: Worker | None = None


def _start_worker(options: Options) -> None:
    global _worker
    _worker = Worker(options)


def _work(task: tuple[int, Input]) -> list[Record]:
    assert _worker is not None
    return _worker.records(task)


class Worker:
    """Assesses inputs one after the other; holds the still pipeline, which is made once."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stills = Pipeline(options.settings, video=False)

    def records(self, task: tuple[int, Input]) -> list[Record]:
        """The records of one input; a single one with `error` when it cannot be assessed."""
        index, found = task
        path = _writable(found.path)
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
        name = _writable(path)
        self._draw(f'{index:05d}_{Path(name).stem}', rgb, assessment)
        return records.from_assessment(name, assessment)

    def _stream(self, index: int, path: str, stream: Iterator[Frame | Cue]) -> list[Record]:
        pipeline = Pipeline(self._options.settings, video=True)
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


def _writable(path: Path) -> str:
    """The path as it goes into results, which are UTF-8: other bytes are written as escapes."""
    return os.fsencode(path).decode('utf-8', 'backslashreplace')


class Writers:
    """The three result files; they get their names when all of them are complete."""

    NAMES = ('assessments.jsonl', 'asymmetry.csv', 'summary.csv')

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Writers:
        files = [self._stack.enter_context(self._partial(name).open('w', newline=''))
                 for name in self.NAMES]
        self._lines: TextIO = files[0]
        self._asymmetry = csv.writer(files[1])
        self._asymmetry.writerow(
            ['input', 'stamp_s', 'side', *records.METRIC_NAMES,
             *(f'z.{name}' for name in records.METRIC_NAMES)])
        self._summary = csv.DictWriter(files[2], _SUMMARY_COLUMNS, restval='')
        self._summary.writeheader()
        return self

    def write(self, result: Sequence[Record]) -> None:
        """Append the records of one input to all three files."""
        for record in result:
            self._lines.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + '\n')
            if 'error' not in record:
                self._asymmetry.writerow(
                    [record['input'], record['stamp_s'], record['side'],
                     *(record['metrics'].get(name) for name in records.METRIC_NAMES),
                     *(record['z'].get(name) for name in records.METRIC_NAMES)])
        self._summary.writerow(records.summarise_input(result))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stack.close()
        finish: Callable[[str], Any] = self._publish if kind is None else self._discard
        for name in self.NAMES:
            finish(name)

    def _partial(self, name: str) -> Path:
        return self._folder / f'.{name}.partial'

    def _publish(self, name: str) -> None:
        os.replace(self._partial(name), self._folder / name)

    def _discard(self, name: str) -> None:
        self._partial(name).unlink(missing_ok=True)


_SUMMARY_COLUMNS = ('input', 'records', 'side', 'records_unknown', 'records_none', 'records_left',
                    'records_right', 'median_M', 'median_E', 'median_symmetry_index', 'basis',
                    'reasons', 'error')


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='assess', description='Assess facial asymmetry on pictures, videos and rosbag2 '
        'recordings. Left and right are the patient\'s own. A measurement aid, not a diagnosis.')
    parser.add_argument('inputs', nargs='+', type=Path, metavar='INPUT',
                        help='picture, video, rosbag2 folder or .mcap, or a folder of them')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR',
                        help='where assessments.jsonl, asymmetry.csv and summary.csv go')
    parser.add_argument('--per', choices=('second', 'frame'), default='second',
                        help='one record per second (default) or frame of videos and bags')
    parser.add_argument('--topic', help='image topic of the bags, where they hold several')
    parser.add_argument('--mirrored', action='store_true',
                        help='the pictures are mirror images, as many webcams make them')
    parser.add_argument('--rotation', type=int, choices=(0, 90, 180, 270), default=0,
                        help='turn the pictures clockwise by so many degrees, after --mirrored')
    parser.add_argument('--overlay', action='store_true',
                        help='also write annotated pictures to DIR/overlay')
    parser.add_argument('--jobs', type=_positive, default=1, metavar='N',
                        help='processes to use (default 1)')
    parser.add_argument('--min-interocular', type=float, metavar='PX',
                        default=PipelineSettings.min_interocular_px,
                        help='smallest eye distance still assessed, pixels (default %(default)s)')
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError('must be 1 or more')
    return number


if __name__ == '__main__':
    sys.exit(main())
