"""A real monitor whose named methods raise: python broken_monitor.py METHOD ... --ros-args ...

Each stands for a mistake of ours that nobody has found yet.
"""

from __future__ import annotations

import itertools
import sys

from stroke_side_monitor.ros import ending, process
from stroke_side_monitor.ros.monitor import Monitor


class BrokenError(Exception):
    """What the broken methods raise."""


def broken(name: str):
    """Raises whenever called; the diagnostics every second time, or nothing would be heard."""
    calls, works = itertools.count(), getattr(Monitor, name)

    def raising(self, *arguments):
        if name == '_publish_diagnostics' and next(calls) % 2:
            return works(self, *arguments)
        raise BrokenError(f'{name} is\nbroken')

    raising.__name__ = name
    return raising


def main() -> int:
    """Run it as the monitor's own program does."""
    ending.tell_stacks_on_request()
    names = sys.argv[1:sys.argv.index('--ros-args')]
    return process.run(type('Broken', (Monitor,), {name: broken(name) for name in names}))


if __name__ == '__main__':
    raise SystemExit(main())
