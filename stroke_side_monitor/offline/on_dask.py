"""Runs the tasks on Dask workers, of this machine or of many.

It never keeps more under way than the workers need, and never gives an input up because a worker,
the scheduler or the network went away: what was lost is submitted again. In each worker an input
is assessed in a process of its own (isolation.py), so that only the input that ends it is charged.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask
from distributed import Client, LocalCluster, get_worker
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from stroke_side_monitor.offline import records, tasks
from stroke_side_monitor.offline.executors import as_done, largest_first
from stroke_side_monitor.offline.inputs import Kind
from stroke_side_monitor.offline.isolation import Isolated, StartError
from stroke_side_monitor.offline.run_folder import describe
from stroke_side_monitor.offline.tasks import Options, OverlayError, Result, Task

LOCAL = 'local'
# A picture takes some 20 ms, a task of Dask's some 2: several pictures travel together.
PICTURES_TOGETHER = 16
_CONNECT_S = 30
# So long a scheduler may be away before the run gives up, keeping what is done.
_PATIENCE_S = 600
_LOST = (CancelledError, FutureCancelledError, CommClosedError, OSError, TimeoutError)


def results(todo: Sequence[Task], options: Options, address: str, jobs: int
            ) -> Generator[Result, None, None]:
    """The results of the tasks, as they finish.

    Args:
        address: of the scheduler, or LOCAL: `jobs` workers on this machine.

    Raises:
        StartError: no scheduler there, or its workers are not like this program.
        OverlayError: as Worker.result.
    """
    expected = _alike(describe(options))
    with _connection(address, jobs) as connection:
        waiting = deque(_chunks(largest_first(todo)))
        for chunk, future in as_done(
                waiting, lambda chunk: connection.submit(_work, options, expected, chunk),
                connection.window):
            try:
                yield from future.result()
            except KilledWorker:
                # By as many lost workers as the scheduler allows. It was another's fault, unless
                # it happens to the input alone.
                if len(chunk) == 1:
                    yield _given_up(chunk[0])
                waiting.extendleft([task] for task in chunk if len(chunk) > 1)
            except _LOST:
                connection.restore()
                waiting.appendleft(chunk)
            except (StartError, OverlayError):
                raise
            except Exception as error:
                raise StartError(f'a worker cannot begin ({type(error).__name__}: {error}); '
                                 'install the same everywhere, and see its log') from error
            future.release()


def _chunks(todo: Sequence[Task]) -> Iterator[list[Task]]:
    chunk: list[Task] = []
    for task in todo:
        if task.source.found.kind is not Kind.PICTURE:
            yield [task]
            continue
        chunk.append(task)
        if len(chunk) == PICTURES_TOGETHER:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _given_up(task: Task) -> Result:
    return tasks.to_result(task, [records.from_error(task.name, (
        'the Dask workers that had it were lost, as often as the scheduler allows '
        '(distributed.scheduler.allowed-failures); see their logs'))])


class _Connection:
    """A client that comes back to a scheduler that was away."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = Client(address, timeout=_CONNECT_S, set_as_default=False)
        self._threads, self._counted_s, self._told = 0, float('-inf'), False

    def submit(self, work: Any, *arguments: Any) -> Any:
        return self._client.submit(work, *arguments, key=f'assess-{uuid4().hex}', pure=False)

    def window(self) -> int:
        """Twice the threads of the workers there are: one to work at, one to go on with."""
        if time.monotonic() - self._counted_s > _RECOUNT_S:
            try:
                self._threads = sum(self._client.nthreads().values())
            except _LOST:
                self.restore()
                return self.window()
            self._counted_s = time.monotonic()
            if not self._threads and not self._told:
                print('assess: the scheduler has no worker; waiting for one. A worker that ends at '
                      'once cannot import this package: see its log', file=sys.stderr)
            self._told = not self._threads
        return 2 * max(self._threads, 1)

    def restore(self) -> None:
        """Wait until the scheduler answers, with a new client where the old one gave up.

        Raises:
            StartError: it stays away.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                if self._client.status == 'closed':
                    self._client = Client(self._address, timeout=_CONNECT_S,
                                          set_as_default=False)
                self._client.nthreads()
                return
            except _LOST as error:
                if time.monotonic() > deadline:
                    raise StartError(f'the scheduler {self._address} has been away for '
                                     f'{_PATIENCE_S} s; --resume continues') from error
                threading.Event().wait(0.5)

    def close(self) -> None:
        self._client.close()


_RECOUNT_S = 5.0
# Ctrl-C is for the command to hear; its workers would only tell where they were.
_DEAF = 'import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)'
# What these look after does not happen in them: each assesses in a process of its own. As they
# come, a scheduler and two workers take 7 % of a core for it; so, 1 %.
_CALM = {'distributed.worker.profile.enabled': False,
         'distributed.worker.memory.monitor-interval': '1s',
         'distributed.admin.tick.interval': '1s',
         'distributed.admin.system-monitor.interval': '5s',
         'distributed.scheduler.work-stealing-interval': '1s'}


@contextmanager
def _connection(address: str, jobs: int) -> Iterator[_Connection]:
    cluster = None
    try:
        if address == LOCAL:
            dask.config.set(_CALM)
            cluster = LocalCluster(n_workers=jobs, threads_per_worker=1, host='127.0.0.1',
                                   dashboard_address='127.0.0.1:0', preload=[_DEAF],
                                   silence_logs=logging.ERROR)
            print(f'assess: Dask\'s dashboard: {cluster.dashboard_link}', file=sys.stderr)
        connection = _Connection(cluster.scheduler_address if cluster else address)
    except (OSError, ValueError) as error:
        raise StartError(f'no Dask scheduler answers at {address} ({error}); start one with '
                         '"dask scheduler"') from error
    try:
        yield connection
    finally:
        connection.close()
        if cluster is not None:
            cluster.close()


# In the worker

_own = threading.local()


def _work(options: Options, expected: Mapping[str, Any], chunk: Sequence[Task]) -> list[Result]:
    """What a Dask worker's thread runs, in a process of its own that stays for the next."""
    if getattr(_own, 'options', None) != options:
        found = _alike(describe(options))
        if found != expected:
            other = ', '.join(key for key in expected if found[key] != expected[key])
            raise StartError(f'the worker {get_worker().address} has another {other} than this '
                             'command: install the same everywhere')
        if hasattr(_own, 'isolated'):
            _own.isolated.close()
        _own.isolated = Isolated(options, Path(get_worker().local_directory))
        _own.options = options
    done: list[Result] = _own.isolated.results(chunk)
    return done


def _alike(description: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same here and there for the same answers; of Python the last digit not."""
    return {name: description[name]['sha256'] for name in ('model', 'norms')} | {
        name: version for name, version in description['versions'].items() if name != 'python'}
