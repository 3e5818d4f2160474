"""Starts a node: `python -m stroke_side_monitor.ros monitor`, or the programs that setup.py names.

Nothing at its top imports more than the standard library: the nodes take a second or more to
import, and a signal in that time must end the program as cleanly as later ones.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from itertools import takewhile

from stroke_side_monitor.ros import ending

_NODES = {'monitor': 'Monitor', 'patient': 'Patient', 'camera': 'Camera'}


def monitor() -> int:
    """Run the monitor until a signal ends it; the exit status."""
    return _run('monitor', sys.argv[1:])


def patient() -> int:
    """Run the simulated patient until it is stopped or, with loop:=false, the session is over."""
    return _run('patient', sys.argv[1:])


def main() -> int:
    """Run the node that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else ''
    if name not in _NODES:
        sys.stderr.write(f'give the node to start: {", ".join(_NODES)}\n')
        return 2
    return _run(name, sys.argv[2:])


def _run(name: str, arguments: Sequence[str]) -> int:
    # What stands before is no business of ROS, which passes over it in silence.
    own = list(takewhile('--ros-args'.__ne__, arguments))
    if not {'-h', '--help'}.isdisjoint(own):
        sys.stdout.write(_help(name))
        return 0
    if own:
        sys.stderr.write(f'{name}: {own[0]!r} means nothing here; give parameters as '
                         '--ros-args -p NAME:=VALUE\n')
        return 2
    for number in ending.ending_signals():
        signal.signal(number, _end_at_once)
    ending.end_with_parent()
    ending.tell_stacks_on_request()
    node = importlib.import_module(f'stroke_side_monitor.ros.{name}')
    process = importlib.import_module('stroke_side_monitor.ros.process')
    status: int = process.run(getattr(node, _NODES[name]))
    return status


# The modules with the TABLE of a node's parameters.
_DESCRIBED_IN = {'monitor': 'parameters', 'patient': 'patient'}


def _help(name: str) -> str:
    told = [f'usage: {name} [--ros-args [-p PARAMETER:=VALUE ...] [-r TOPIC:=OTHER ...] '
            '[--params-file FILE]]']
    if name in _DESCRIBED_IN:
        module = importlib.import_module(f'stroke_side_monitor.ros.{_DESCRIBED_IN[name]}')
        told += ['parameters:', *(
            f'  {one.name}: {one.text} ({", ".join(filter(None, (one.type_name, one.allowed)))}; '
            f'default {one.default!r})' for one in module.TABLE)]
    return '\n'.join(told) + '\n'


def _end_at_once(*_: object) -> None:
    # Nothing has been started yet. An exception would come up in the middle of somebody else's
    # import, which prints or swallows it.
    os._exit(0)


if __name__ == '__main__':
    raise SystemExit(main())
