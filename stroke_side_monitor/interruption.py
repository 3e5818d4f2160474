"""Commands that somebody ends: Ctrl-C, SIGTERM and a closed terminal all let them clean up first.

It knows no command, and no node: those end by ros/ending.py.
"""

from __future__ import annotations

import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ParamSpec

Given = ParamSpec('Given')


class Noted(threading.Event):
    """Set when a signal came that ends the command; number: which."""

    number = int(signal.SIGINT)


@contextmanager
def noted() -> Iterator[Noted]:
    """Raise KeyboardInterrupt on each of the three signals, and note that it came.

    The exception alone is lost where it falls into a C callback. What is ignored stays so: a
    shell's background job is not to hear Ctrl-C, nor one under nohup its terminal.
    """
    found = Noted()

    def note(number: int, _: FrameType | None) -> None:
        found.number = number
        found.set()
        raise KeyboardInterrupt

    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for one, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(one, note)
    try:
        yield found
        if found.is_set():
            _settle()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _settle() -> None:
    """Let the status be what the command returns.

    CPython (3.11, Python/pythonrun.c) holds a KeyboardInterrupt that has left an evaluated string
    for unhandled, whoever has handled it further out: `python -m` then ends by SIGINT instead. With
    each picture MediaPipe evaluates one, for a namedtuple. The next one makes it forget.
    """
    eval('None')


def ends_cleanly(name: str) -> Callable[[Callable[Given, int]], Callable[Given, int]]:
    """Decorates the main function of a command, which returns its exit status.

    Interrupted, it cleans up, says so in one line and returns 128 and the signal's number, as
    shells do, whatever became of the exception on its way. To be called in the main thread.
    """
    def decorated(main: Callable[Given, int]) -> Callable[Given, int]:
        @functools.wraps(main)
        def ending(*given: Given.args, **named: Given.kwargs) -> int:
            with noted() as signals:
                try:
                    return main(*given, **named)
                except KeyboardInterrupt:
                    print(f'{name}: interrupted', file=sys.stderr)
                except Exception as error:
                    # C code that it falls into makes another one of it: pybind11 a RuntimeError.
                    if not signals.is_set():
                        raise
                    print(f'{name}: interrupted ({type(error).__name__}: {error})',
                          file=sys.stderr)
                return 128 + signals.number
        return ending
    return decorated
