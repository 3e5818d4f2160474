"""`python -m bench.endings`: a working monitor ended in every way a robot has, at random moments.

Each life starts, is activated, gets large raw images at 30 Hz and cues, has a session's record
open, and is ended somewhere in the middle of that. Measured: how long until it is gone, its exit
status, whether its files are whole, and what it left in /dev/shm. It never ends anything that it
has not started.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from bench.scene import machine, simulated_frames
from stroke_side_monitor.local_dds import keep_local
from stroke_side_monitor.ros.ending import WITH_PARENT

if TYPE_CHECKING:  # DDS reads its settings when rclpy is first imported
    from bench.wire import Camera

# Beyond this a robot's supervisor loses patience.
LONGEST_S = 3.0
_PATIENCE_S = 60.0
_SHARED_MEMORY = Path('/dev/shm')

# As `ros2 launch` holds its nodes: killed outright, it can tell them nothing.
_PARENT = ('import subprocess, sys; child = subprocess.Popen(sys.argv[1:]); '
           'print(child.pid, flush=True); child.wait()')


@dataclass(frozen=True)
class Life:
    """How one monitor ended.

    seconds: from being told until gone; NaN when it was not within a minute. status: as the
    shell's, negative for a signal, None when nobody could wait for it. left: its own files in
    /dev/shm, by name. problems: what should not be, in words.
    """

    way: str
    started_s: float
    seconds: float
    status: int | None
    left: tuple[str, ...]
    problems: tuple[str, ...]


class Running:
    """One monitor's process, under a parent or a terminal of its own where that is to end."""

    def __init__(self, way: str, folder: Path) -> None:
        command = [
            sys.executable, '-m', 'stroke_side_monitor.ros', 'monitor', '--ros-args',
            '-p', f'record_session:={folder}', '-p', 'patient_key:=bench']
        self._terminal = -1
        log = (folder / 'log').open('w')
        environment = {**os.environ, WITH_PARENT: '1'}
        if way == 'parent killed':
            self._started = subprocess.Popen(
                [sys.executable, '-c', _PARENT, *command], stdout=subprocess.PIPE, stderr=log,
                env=environment, text=True)
            assert self._started.stdout is not None
            self.pid = int(self._started.stdout.readline())
        else:
            options: dict[str, object] = {'stderr': log, 'stdout': log}
            if way == 'terminal closed':
                self._terminal, inner = os.openpty()
                options = {'stdin': inner, 'stdout': inner, 'stderr': log,
                           'preexec_fn': lambda: _own_terminal(inner)}
            self._started = subprocess.Popen(
                command, env=environment, start_new_session=True, **options)  # type: ignore[call-overload]
            if way == 'terminal closed':
                os.close(inner)
            self.pid = self._started.pid
        self._own = way != 'parent killed'
        log.close()

    def end(self, way: str) -> None:
        """End it so; 'lifecycle' is for the caller, who then sends SIGINT as a launch would."""
        if way == 'parent killed':
            self._started.kill()
        elif way == 'terminal closed':
            os.close(self._terminal)
        else:
            os.kill(self.pid, {'SIGTERM': signal.SIGTERM, 'SIGKILL': signal.SIGKILL}.get(
                way, signal.SIGINT))

    def wait(self) -> tuple[float, int | None]:
        """Seconds until it is gone, and its status where it is our own child."""
        start = time.monotonic()
        while time.monotonic() - start < _PATIENCE_S:
            if self._own and self._started.poll() is not None:
                return time.monotonic() - start, self._started.returncode
            if not self._own and _is_gone(self.pid):
                self._started.wait()
                return time.monotonic() - start, None
            time.sleep(0.005)
        self.tell_and_kill()
        return float('nan'), None

    def tell_and_kill(self) -> None:
        """Have it write where its threads stand, and kill it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)  # its stacks, into its log
            time.sleep(0.5)
            os.kill(self.pid, signal.SIGKILL)
        self._started.kill()
        self._started.wait()


def _own_terminal(inner: int) -> None:
    fcntl.ioctl(inner, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a bench under nohup hands on that it is ignored


def _is_gone(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] == 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return True


def one_life(way: str, folder: Path, camera: Camera, chance: random.Random) -> Life:
    """Start a monitor, let it work, end it."""
    from lifecycle_msgs.msg import Transition

    from bench.wire import MonitorUnreachableError

    before = set(os.listdir(_SHARED_MEMORY))
    camera.run(0.1)  # what the last one said
    start = time.monotonic()
    running = Running(way, folder)
    try:
        camera.until(lambda: camera.publisher.get_subscription_count())
        heard = len(camera.latencies_ms)
        camera.until(lambda: len(camera.latencies_ms) > heard + 3)
        started_s = time.monotonic() - start
        camera.cue('smile')
        camera.run(chance.uniform(0.0, 0.5))
        its_own = _mapped(running.pid) - before
        if way == 'lifecycle':
            camera.transition(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    except MonitorUnreachableError as error:
        running.tell_and_kill()
        raise MonitorUnreachableError(
            f'{error}; it wrote:\n{(folder / "log").read_text()}') from error
    running.end(way)
    seconds, status = running.wait()
    left = its_own & set(os.listdir(_SHARED_MEMORY))
    return Life(way, started_s, seconds, status, tuple(sorted(left)),
                tuple(_problems(way, seconds, status, left, folder)))


def _mapped(pid: int) -> set[str]:
    """Segments in /dev/shm that the process has in its memory.

    Not the ports: those belong to whoever uses the number next, too.
    """
    maps = Path(f'/proc/{pid}/maps').read_text()
    return {name for name in re.findall(rf'{_SHARED_MEMORY}/(\S+)', maps) if 'port' not in name}


def _problems(way: str, seconds: float, status: int | None, left: set[str], folder: Path
              ) -> list[str]:
    log = (folder / 'log').read_text()
    problems = []
    if not seconds <= LONGEST_S:
        problems.append(f'took {seconds:.1f} s')
    if status not in ((-signal.SIGKILL,) if way == 'SIGKILL' else (0, None)):
        problems.append(f'status {status}')
    if 'Traceback' in log or 'terminate called' in log:
        problems.append('log: ' + log.strip().splitlines()[-1])
    if left and way != 'SIGKILL':
        problems.append(f'left {", ".join(left)} in /dev/shm')
    for record in folder.glob('*/session.jsonl'):
        lines = record.read_bytes().split(b'\n')
        if way != 'SIGKILL' and lines[-1]:
            problems.append('a line of the record is cut')
        try:
            for line in lines[:-1]:
                json.loads(line)
        except ValueError:
            problems.append('a line of the record is damaged')
    problems += [f'left {path.name}' for path in folder.rglob('*partial*')]
    return problems


WAYS = ('SIGINT', 'SIGTERM', 'terminal closed', 'parent killed', 'lifecycle', 'SIGKILL')


def run(cycles: int, seed: int, ways: Sequence[str] = WAYS) -> list[Life]:
    """Lives in these ways by turns; to be called where DDS is kept on this machine."""
    from bench import wire
    chance = random.Random(seed)
    camera = wire.Camera()
    camera.point_at([np.ascontiguousarray(np.tile(rgb, (2, 2, 1))[:720, :1280])
                     for rgb in simulated_frames(6)])
    lives = []
    try:
        for index in tqdm(range(cycles), unit='life'):
            with tempfile.TemporaryDirectory() as folder:
                lives.append(one_life(ways[index % len(ways)], Path(folder), camera, chance))
    finally:
        camera.close()
    return lives


def table(lives: Sequence[Life], about: Mapping[str, object]) -> str:
    """By way of ending, as Markdown."""
    lines = ['| way | lives | gone after, median and longest | problems | left in /dev/shm | '
             'the next life\'s start to fourth answer |', '|---|---|---|---|---|---|']
    for way in WAYS:
        of = [life for life in lives if life.way == way]
        if of:
            seconds = [life.seconds for life in of]
            starts = [after.started_s for before, after in itertools.pairwise(lives)
                      if before.way == way] or [float('nan')]
            lines.append(
                f'| {way} | {len(of)} | {np.median(seconds):.2f} s, {max(seconds):.2f} s | '
                f'{sum(bool(life.problems) for life in of)} | '
                f'{sum(len(life.left) for life in of)} | '
                f'{np.median(starts):.1f} s, {max(starts):.1f} s |')
    lines += ['', f'{re.sub(r" +", " ", str(about["cpu"]))}, {about["cores"]} cores.']
    return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 1 when any life ended as it should not."""
    parser = argparse.ArgumentParser(prog='endings', description=__doc__.splitlines()[0])
    parser.add_argument('--cycles', type=int, default=60)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--way', choices=WAYS, action='append', help='only so; may be repeated')
    options = parser.parse_args(arguments)
    keep_local(os.environ)
    about = machine()
    lives = run(options.cycles, options.seed, options.way or WAYS)
    print(table(lives, about))
    for life in lives:
        for problem in life.problems:
            print(f'{life.way}: {problem}')
    return int(any(life.problems for life in lives))


if __name__ == '__main__':
    raise SystemExit(main())
