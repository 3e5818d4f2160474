"""How a node's process may be asked to end, and to say where it stands.

It imports nothing but the standard library: what it sets up must hold while the rest is imported.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys

# Set by our launch files: with it the node ends when the process that started it is gone.
WITH_PARENT = 'STROKE_SIDE_MONITOR_ENDS_WITH_PARENT'
_PR_SET_PDEATHSIG = 1


def ending_signals() -> tuple[signal.Signals, ...]:
    """SIGINT, SIGTERM and, unless nohup has it ignored, the hang-up of a closed terminal."""
    asked = (signal.SIGINT, signal.SIGTERM)
    hang_up = signal.getsignal(signal.SIGHUP)
    return asked if hang_up is signal.SIG_IGN else (*asked, signal.SIGHUP)


def end_with_parent() -> None:
    """Have the kernel send SIGTERM when a parent dies that asked for it (`WITH_PARENT`).

    A launch that is killed outright leaves its nodes behind otherwise, with camera and topics.
    """
    if os.environ.get(WITH_PARENT) != '1' or not sys.platform.startswith('linux'):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it went in between
        signal.raise_signal(signal.SIGTERM)


def tell_stacks_on_request() -> None:
    """On SIGUSR1 write every thread's Python stack to standard error, and go on."""
    faulthandler.register(signal.SIGUSR1, all_threads=True)
