"""Who runs the tasks of a run: this process, or several on this machine.

It never looks into a task nor its result, and never holds more of them than are under way.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stroke_side_monitor.offline.isolation import Isolated
from stroke_side_monitor.offline.tasks import Options, Result, Task, Worker


def in_process(tasks: Iterable[Task], options: Options) -> Generator[Result, None, None]:
    """One after the other, in this process: quick to start; an input that crashes ends it.

    Raises:
        OverlayError: as Worker.result.
    """
    worker = Worker(options)
    yield from map(worker.result, tasks)


def in_processes(tasks: Sequence[Task], options: Options, jobs: int
                 ) -> Generator[Result, None, None]:
    """By `jobs` processes of this machine, as they finish.

    Raises:
        StartError, OverlayError: as Isolated.results.
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
            waiting = deque([task] for task in largest_first(tasks))
            for _, future in as_done(waiting, lambda chunk: threads.submit(work, chunk),
                                     lambda: 2 * jobs):
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


def as_done(waiting: deque[list[Task]], submit: Callable[[list[Task]], Any],
            window: Callable[[], int]) -> Iterator[tuple[list[Task], Any]]:
    """Submit chunk after chunk, never more than window() at a time, and yield what is done.

    Args:
        waiting: emptied from the left; what is put back between two yields is submitted, too.
        submit: gives a future that has add_done_callback.

    Yields:
        A chunk and its future, which has a result or an exception.
    """
    done: queue.SimpleQueue[tuple[list[Task], Any]] = queue.SimpleQueue()

    def start(chunk: list[Task]) -> None:
        submit(chunk).add_done_callback(lambda future: done.put((chunk, future)))

    under_way = 0
    while waiting or under_way:
        for _ in range(min(max(window() - under_way, 0), len(waiting))):
            start(waiting.popleft())
            under_way += 1
        try:
            finished = done.get(timeout=_LOOK_AGAIN_S)
        except queue.Empty:
            continue  # window() may have grown meanwhile
        yield finished
        under_way -= 1


_LOOK_AGAIN_S = 5.0
