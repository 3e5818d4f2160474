"""The folder of a run: what is done is kept at once; the result files appear whole at the end.

It never assesses anything. Result files are in the order of the inputs, whoever finished first,
and the same byte for byte however often the run was interrupted.
"""

from __future__ import annotations

import csv
import fcntl
import json
import os
import platform
import re
import shutil
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

import stroke_side_monitor
from stroke_side_monitor import atomic_file, resources
from stroke_side_monitor.offline import dataset, records
from stroke_side_monitor.offline.records import Record
from stroke_side_monitor.offline.tasks import (
    LENGTH_DRAWN_AS,
    Options,
    Result,
    Task,
    drawn_as,
)

JOURNAL = '.assess.journal'
RUN = 'run.json'
OVERLAY = 'overlay'
_OF_OVERLAYS = re.compile(r'\.?\d{5,}_.*\.(jpg|partial)', re.DOTALL)


class RunError(ValueError):
    """A folder cannot be used for this run; the text says why and what to do."""


def describe(options: Options) -> dict[str, Any]:
    """What a run's answers depend on besides its inputs; goes into run.json.

    Raises:
        RunError: model or norms cannot be read. ResourceMissingError: those shipped are lost.
    """
    files = {'model': options.model_path or resources.model_path('side_classifier.tflite'),
             'norms': options.norms_path or resources.config_path('norms.yaml')}
    return {
        'versions': {'stroke_side_monitor': stroke_side_monitor.__version__,
                     'python': platform.python_version(),
                     **{name: _version(name) for name in (
                         'ai-edge-litert', 'mediapipe', 'numpy', 'opencv-python-headless')}},
        'parameters': asdict(options.settings),
        'per': 'frame' if options.per_frame else 'second',
        'topic': options.topic,
        'cue_topic': options.cue_topic,
        **{name: {'file': path.name, 'sha256': _sha256(name, path)}
           for name, path in files.items()},
    }


def _sha256(name: str, path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise RunError(f'--{name} {path} cannot be read ({error.strerror})') from error


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return 'not installed by pip'


def why_not_into(out: Path) -> str:
    """Why nothing must be written there; '' when it may: nobody's files are replaced.

    Raises:
        OSError: what is there cannot be looked at.
    """
    # Not by Path's own: links in circles and names that are too long are found out when written.
    foreign = [name for name in (*Writers.NAMES, dataset.NAME, RUN) if os.path.exists(out / name)]
    overlays = os.listdir(out / OVERLAY) if os.path.isdir(out / OVERLAY) else []
    # By the journal also ours: it may have ended while the result files got their names.
    if os.path.exists(out / JOURNAL) or {*Writers.NAMES} <= {*foreign}:
        foreign = [f'{OVERLAY}/{name}' for name in overlays if not _OF_OVERLAYS.fullmatch(name)]
    elif overlays:
        foreign.append(OVERLAY)
    if foreign:
        return (f'--out {out} holds a {foreign[0]} that is not of an earlier run: choose another '
                'folder')
    return ''


def overlays_of(out: Path) -> Path:
    """Where a run's annotated pictures are kept, by input, until its results are written."""
    return out / f'.{OVERLAY}.partial'


class RunFolder:
    """Keeps the results of a run as they come, in any order; a context manager.

    Leaving it by an exception keeps what is done for --resume.
    """

    def __init__(self, folder: Path, tasks: Sequence[Task], description: Mapping[str, Any], *,
                 resume: bool, overlay: bool = False) -> None:
        """Take up the folder.

        Args:
            folder: made where absent.
            description: as of describe().
            resume: carry on with what an interrupted run has left, where there is any.
            overlay: annotated pictures are drawn; without, those of an earlier run in the same
                folder go, as its other results do.

        Raises:
            RunError: an unfinished run is there and is not to be resumed, or was another one, or
                is still going on.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._tasks, self._description = folder, tasks, dict(description)
        self._overlay = overlay
        self._at = array('q', [-1]) * len(tasks)
        self._failed = 0
        self._journal = (folder / JOURNAL).open('a+b')
        try:
            self._take_up(resume)
        except BaseException:
            self._journal.close()
            raise

    def _take_up(self, resume: bool) -> None:
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(f'another run is writing into {self._folder}; choose another folder'
                           ) from error
        self._journal.seek(0)
        lines = iter(self._journal.readline, b'')
        head = next(lines, b'')
        sound = len(head)
        was = _read_head(head)
        # Those of what is done would be lacking, or be there for nothing.
        now = {**self._description, **({'overlay': True} if self._overlay else {})}
        if was is not None:
            by_name = {(task.name, task.nth): task for task in self._tasks}
            for line in lines:
                if not line.endswith(b'\n'):
                    break  # the process or the machine stopped in the middle of it
                with suppress(*_DAMAGED):  # and elsewhere the disk: then it is assessed again
                    self._recall(json.loads(line), sound, by_name)
                sound += len(line)
        if was is None or sound == len(head):
            self._journal.truncate(0)
            self._journal.write((json.dumps(now) + '\n').encode())
            shutil.rmtree(overlays_of(self._folder), ignore_errors=True)
        elif not resume:
            raise RunError(f'{self._folder} holds an unfinished run ({self.done} of '
                           f'{len(self._tasks)} inputs): continue it with --resume, or choose '
                           'another folder')
        elif other := _others(was, now):
            raise RunError(f'the unfinished run in {self._folder} was begun with other {other}: '
                           'repeat its command with --resume, or choose another folder')
        else:
            self._journal.truncate(sound)
            self._drop_overlays()
        self._journal.flush()

    def _drop_overlays(self) -> None:
        """Those of inputs that have gone or changed, and of the one under way when it ended."""
        done = {drawn_as(task) for task in self._tasks if self._at[task.place] >= 0} \
            if self._overlay else set()
        for path in _found_in(overlays_of(self._folder)):
            if path.name[:LENGTH_DRAWN_AS] not in done:
                path.unlink()

    def _recall(self, entry: Mapping[str, Any], at: int,
                by_name: Mapping[tuple[str, int], Task]) -> None:
        task = by_name.get((entry['name'], entry['nth']))
        # What an older version did not write down counts as changed.
        if task and all(entry.get(key) == value for key, value in _identity(task).items()):
            self._note(task.place, at, failed='error' in entry['records'][-1])

    def _note(self, index: int, at: int, *, failed: bool) -> None:
        self._at[index] = at
        self._failed += failed

    def __enter__(self) -> RunFolder:
        return self

    def name_of(self, result: Result) -> str:
        """The input that this became of, as it goes into the results."""
        return self._tasks[result.place].name

    @property
    def done(self) -> int:
        """How many inputs have their results."""
        return sum(at >= 0 for at in self._at)

    @property
    def failed(self) -> int:
        """How many of them could not be assessed."""
        return self._failed

    @property
    def remaining(self) -> list[Task]:
        """The inputs that have none yet."""
        return [task for task in self._tasks if self._at[task.place] < 0]

    def keep(self, result: Result) -> bool:
        """Keep what became of an input; False when that is known already."""
        if self._at[result.place] >= 0:
            return False
        task = self._tasks[result.place]
        head = json.dumps(_identity(task), ensure_ascii=False)
        at = self._journal.seek(0, os.SEEK_END)
        self._journal.write(head[:-1].encode() + b', "records": ' + result.records + b'}\n')
        self._journal.flush()
        self._note(result.place, at, failed=bool(result.error))
        return True

    def finish(self, *, parquet: bool = False) -> None:
        """Write the result files, all results being there.

        Args:
            parquet: the records as a Parquet dataset, too; without it, that of an earlier run in
                the same folder goes, as its other results do.
        """
        with Writers(self._folder) as writers:
            for one in self._results():
                writers.write(one)
            if parquet:
                dataset.write(self._folder, self._results(), self._description)
        dataset.publish(self._folder)
        self._publish_overlays()
        facts = {**self._description, 'inputs': len(self._tasks), 'failed': self._failed}
        atomic_file.write(self._folder / RUN, (json.dumps(facts, indent=2) + '\n').encode())
        (self._folder / JOURNAL).unlink()
        shutil.rmtree(overlays_of(self._folder), ignore_errors=True)

    def _publish_overlays(self) -> None:
        """Under the place of their inputs; where they were drawn they stay until all is written."""
        numbered, before = (self._folder / f'.{OVERLAY}.{name}' for name in ('numbered', 'before'))
        for left_behind in (numbered, before):
            shutil.rmtree(left_behind, ignore_errors=True)
        if self._overlay:
            numbered.mkdir()
            places = {drawn_as(task): task.place for task in self._tasks}
            for path in _found_in(overlays_of(self._folder)):
                begin, rest = path.name[:LENGTH_DRAWN_AS], path.name[LENGTH_DRAWN_AS:]
                if begin in places:
                    _link(path, numbered / f'{places[begin]:05d}{rest}')
        if (self._folder / OVERLAY).exists():
            os.replace(self._folder / OVERLAY, before)
        if self._overlay:
            os.replace(numbered, self._folder / OVERLAY)
        shutil.rmtree(before, ignore_errors=True)

    def _results(self) -> Iterator[list[Record]]:
        for at in self._at:
            self._journal.seek(at)
            yield json.loads(self._journal.readline())['records']

    def __exit__(self, *_: object) -> None:
        if not self.done:
            (self._folder / JOURNAL).unlink(missing_ok=True)
            shutil.rmtree(overlays_of(self._folder), ignore_errors=True)
        self._journal.close()


def _found_in(folder: Path) -> list[Path]:
    return list(folder.glob('[!.]*')) if folder.exists() else []


def _link(path: Path, to: Path) -> None:
    try:
        os.link(path, to)
    except OSError:  # not on every file system
        shutil.copyfile(path, to)


_DAMAGED = (ValueError, KeyError, TypeError, IndexError)


def _read_head(line: bytes) -> dict[str, Any] | None:
    """What an unfinished run was made with; None where that cannot be read."""
    try:
        found = json.loads(line) if line.endswith(b'\n') else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _others(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What is not the same; what an older version did not know is None to both."""
    return ', '.join(key for key in {**was, **now} if was.get(key) != now.get(key))


def _identity(task: Task) -> dict[str, Any]:
    """What the answer to an input depends on besides the run's description.

    A manifest may say of each input how its camera hung: under another value left is right.
    """
    return {'name': task.name, 'nth': task.nth, 'size': task.size, 'changed_ns': task.changed_ns,
            'topic': task.source.topic, 'cue_topic': task.source.cue_topic,
            'changes': dict(task.source.changes)}


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
                    'reasons', 'notes', 'error')
