"""Who runs the tasks of a run: this process, or several on this machine.

It never looks into a task nor its result, and never holds more of them than are under way.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

from stroke_side_monitor.offline.isolation import Isolated
from stroke_side_monitor.offline.tasks import Options, Result, Task, Worker


def in_process(tasks: Iterable[Task], options: Options) -> Generator[Result, None, None]:
    """One after the other, in this process: quick to start; an input that crashes ends it."""
    worker = Worker(options)
    yield from map(worker.result, tasks)


def in_processes(tasks: Sequence[Task], options: Options, jobs: int
                 ) -> Generator[Result, None, None]:
    """By `jobs` processes of this machine, as they finish.

    Raises:
        StartError: as Isolated.results.
    """
    workers = [Isolated(options) for _ in range(jobs)]
    idle: queue.SimpleQueue[Isolated] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def work(chunk: Sequence[Task]) -> list[Result]:
        worker = idle.get()
        try:
            return worker.results(chunk)
        finally:
            idle.put(worker)

    with ThreadPoolExecutor(jobs) as threads:
        try:
            for future in as_done(([task] for task in largest_first(tasks)),
                                  lambda chunk: threads.submit(work, chunk), lambda: 2 * jobs):
                yield from future.result()
        finally:
            for worker in workers:
                worker.kill()
            threads.shutdown(cancel_futures=True)
            for worker in workers:
                worker.close()


def largest_first(tasks: Iterable[Task]) -> list[Task]:
    """So that a long recording does not begin when all others have ended."""
    return sorted(tasks, key=lambda task: -task.size)


def as_done(chunks: Iterator[list[Task]], submit: Callable[[list[Task]], Any],
            window: Callable[[], int]) -> Iterator[Future[list[Result]]]:
    """Submit chunk after chunk, never more than window() at a time, and yield what is done.

    Args:
        submit: gives a future that has add_done_callback.
    """
    done: queue.SimpleQueue[Future[list[Result]]] = queue.SimpleQueue()
    under_way = 0
    while True:
        for chunk in islice(chunks, max(window() - under_way, 0)):
            submit(chunk).add_done_callback(done.put)
            under_way += 1
        if not under_way:
            return
        yield done.get()
        under_way -= 1
