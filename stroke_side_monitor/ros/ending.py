"""How a node's process may be asked to end and to say where it stands, and that it surely ends.

It imports nothing but the standard library: what it sets up must hold while the rest is imported.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import time

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


# Leaving DDS takes 1 to 31 ms, also with fourteen at work on two processors (docs/platforms.md).
GOODBYE_S = 2.0


def end_at_the_latest(status: int, within_s: float = GOODBYE_S) -> None:
    """Have this process end by then, wherever it stands; before that it writes its stacks.

    The last resort, for when nothing is left to be lost: Fast DDS can wait for itself for ever
    while a publisher is destroyed (https://github.com/eProsima/Fast-DDS/issues/6502), and rclpy
    holds Python's lock meanwhile. So no Python code has a part in this.

    Args:
        status: the exit status, as if it had ended by itself.
        within_s: seconds from now.

    Raises:
        OSError: the system has no timer left.
    """
    faulthandler.dump_traceback_later(within_s)
    if not sys.platform.startswith('linux'):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    call = _Sigevent(value=status, notify=_SIGEV_THREAD,
                     function=ctypes.cast(libc._exit, ctypes.c_void_p))
    timer = ctypes.c_void_p()
    whole, rest = divmod(within_s + _TO_WRITE_S, 1.0)
    once = (ctypes.c_long * 4)(0, 0, int(whole), int(rest * 1e9))  # struct itimerspec
    if (libc.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(call), ctypes.byref(timer))
            or libc.timer_settime(timer, 0, once, None)):
        raise OSError(ctypes.get_errno(), 'no timer for the end of this process')


_TO_WRITE_S = 0.25
_SIGEV_THREAD = 2


class _Sigevent(ctypes.Structure):
    # sigevent(7) for SIGEV_THREAD: function(value) in a thread that libc makes for it.
    _fields_ = (('value', ctypes.c_size_t), ('number', ctypes.c_int), ('notify', ctypes.c_int),
                ('function', ctypes.c_void_p), ('attributes', ctypes.c_void_p),
                ('unused', ctypes.c_byte * 32))
