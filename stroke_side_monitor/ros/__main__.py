"""Starts a node: `python -m stroke_side_monitor.ros monitor`, or the programs that setup.py names.

It imports nothing at its top but the standard library: the nodes take a second or more
to import, and a SIGINT or SIGTERM in that time must end the program as cleanly as later ones.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys

_NODES = {'monitor': 'Monitor', 'patient': 'Patient', 'camera': 'Camera'}


def monitor() -> int:
    """Run the monitor until SIGINT or SIGTERM; the exit status."""
    return _run('monitor')


def patient() -> int:
    """Run the simulated patient until it is stopped or, with loop:=false, the session is over."""
    return _run('patient')


def main() -> int:
    """Run the node that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else ''
    if name not in _NODES:
        sys.stderr.write(f'give the node to start: {", ".join(_NODES)}\n')
        return 2
    return _run(name)


def _run(name: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end_at_once)
    node = importlib.import_module(f'stroke_side_monitor.ros.{name}')
    process = importlib.import_module('stroke_side_monitor.ros.process')
    status: int = process.run(getattr(node, _NODES[name]))
    return status


def _end_at_once(*_: object) -> None:
    # Nothing has been started yet. An exception would come up in the middle of somebody else's
    # import, which prints or swallows it.
    os._exit(0)


if __name__ == '__main__':
    raise SystemExit(main())
