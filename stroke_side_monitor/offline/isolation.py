"""A process of its own for the inputs of one worker, so that one that kills it costs only itself.

It never reads results and never decides what is run next. `python -m` this module is the process.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from stroke_side_monitor.offline import records, tasks
from stroke_side_monitor.offline.tasks import Options, OverlayError, Result, Task, Worker

# As often an input may end the process that assesses it, and a process end before it is ready.
TRIES = 2
_STARTS = 3


class StartError(RuntimeError):
    """A worker cannot start; the text says why."""


class Isolated:
    """One process that assesses what it is given, one input after the other."""

    def __init__(self, options: Options, scratch: Path | None = None) -> None:
        """Nothing is started before the first input.

        Args:
            scratch: below this folder the process keeps what it fetches; None: the machine's own.
        """
        self._options, self._scratch = options, scratch
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection
        self._closed = threading.Event()

    def results(self, chunk: Sequence[Task]) -> list[Result]:
        """What became of these inputs; one that ends the process twice gets an error.

        Raises:
            StartError: model or norms cannot be used, or no process stays alive.
            OverlayError: as Worker.result.
        """
        return [self._result(task) for task in chunk]

    def _result(self, task: Task) -> Result:
        for _ in range(TRIES):
            if self._process is None:
                self._start()
            with suppress(EOFError, OSError):
                self._pipe.send(task)
                answer: Result | OverlayError = self._pipe.recv()
                if isinstance(answer, OverlayError):
                    raise answer
                return answer
            ended = self._bury()
        return tasks.to_result(task, [records.from_error(task.name, (
            f'ended the process that assessed it, {TRIES} times ({ended}); out of memory or a '
            'crash in a decoder: convert it or leave it out'))])

    def _start(self) -> None:
        for _ in range(_STARTS):
            if self._closed.is_set():
                break
            try:
                self._spawn()
            except OSError as error:  # else the run's own folder would be blamed
                raise StartError(f'a worker process cannot be started ({error}); see to its folder '
                                 'for temporary files, its memory, its open files') from error
            if self._closed.is_set():
                self.kill()
            with suppress(EOFError, OSError):
                self._pipe.send(self._options)
                problem = self._pipe.recv()
                if problem:
                    raise StartError(problem)
                return
            ended = self._bury()
        raise StartError('the run was stopped' if self._closed.is_set() else
                         f'a worker process ended before it was ready, {_STARTS} times ({ended})')

    def _spawn(self) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix='assess-', dir=self._scratch, ignore_cleanup_errors=True)
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, '-m', __name__, str(theirs.fileno()), self._folder.name],
                stdin=subprocess.PIPE, pass_fds=[theirs.fileno()],
                env={**_own_environment(), 'TMPDIR': self._folder.name})

    def _bury(self) -> str:
        process, self._process = self._process, None
        assert process is not None
        process.kill()  # it may only have closed its end
        code = process.wait()
        self._pipe.close()
        assert process.stdin is not None
        process.stdin.close()
        self._folder.cleanup()  # what it had fetched, too
        return signal.Signals(-code).name if code < 0 else f'status {code}'

    def kill(self) -> None:
        """Let the process end now, whatever it does, and none start; from any thread."""
        self._closed.set()
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process; nobody must be using it."""
        self._closed.set()
        if self._process is not None:
            self._bury()


# Dask's nanny sets it for its worker: glibc then gives the memory of each picture back to the
# system and gets it anew for the next, at a quarter of a video's processor time.
_NANNYS = 'MALLOC_TRIM_THRESHOLD_'


def _own_environment() -> dict[str, str]:
    """This process's, as whoever started a Dask worker gave it."""
    return {name: value for name, value in os.environ.items() if name != _NANNYS}


def _serve(pipe: Connection) -> None:
    options: Options = pipe.recv()
    if options.memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (options.memory_bytes, options.memory_bytes))
    try:
        worker = Worker(options)
    except Exception as error:  # noqa: BLE001 - told to whoever started this process
        pipe.send(str(error) or type(error).__name__)
        return
    pipe.send('')
    while True:
        pipe.send(_answer(worker, pipe.recv()))


def _answer(worker: Worker, task: Task) -> Result | OverlayError:
    try:
        return worker.result(task)
    except OverlayError as error:
        return error  # raised where the run is


def _end_with_parent() -> None:
    # Nobody writes there: it ends when whoever holds the other end has.
    sys.stdin.buffer.read()
    _end(1)


def _end(status: int) -> None:
    # Whoever started this process removes its folder for temporary files, unless killed itself.
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    os._exit(status)  # nothing else to put away, and the thread may still be reading


if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command to hear
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        _serve(Connection(int(sys.argv[1])))
    _end(0)
