"""`python -m bench.fleet`: what `assess` costs on several workers, and what survives when they die.

It never judges accuracy. Wall time is worth what the machine's load lets it be, so the CPU time of
all processes stands beside it; ways that are compared take turns. Figures: docs/fleet.md.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.scene import machine, simulated_frames
from stroke_side_monitor import atomic_file
from stroke_side_monitor.offline.run_folder import JOURNAL, Writers

_FPS = 15
_SHORTEST_S, _LONGEST_S = 1.0, 30.0
_TINY_PX = 64
# A file system allows some 65,000 names for one file.
_NAMES_OF_A_FILE = 1000
_PR_SET_CHILD_SUBREAPER = 36


# Inputs


def videos(folder: Path, count: int, longest_s: float = _LONGEST_S) -> None:
    """MP4 files of a simulated patient, from one second on, each longer by the same factor."""
    frames = simulated_frames(30)
    for number, length_s in enumerate(np.geomspace(_SHORTEST_S, longest_s, count)):
        writer = cv2.VideoWriter(str(folder / f'{number:05d}.mp4'),
                                 cv2.VideoWriter.fourcc(*'mp4v'), _FPS, (640, 480))
        for index in range(round(length_s * _FPS)):
            writer.write(frames[index % len(frames)][:, :, ::-1])
        writer.release()


def pictures(folder: Path, count: int) -> None:
    """JPEG files of a simulated patient."""
    for number, rgb in enumerate(simulated_frames(min(count, 20))):
        cv2.imwrite(str(folder / f'{number:06d}.jpg'), rgb[:, :, ::-1])
    _linked(folder, '.jpg', 20, count)


def tiny_pictures(folder: Path, count: int) -> None:
    """PNG files of noise, 64 by 64, so that the way of an input costs more than the input."""
    noise = np.random.default_rng(0)
    originals = 1 + count // _NAMES_OF_A_FILE
    for number in range(min(originals, count)):
        cv2.imwrite(str(folder / f'{number:06d}.png'),
                    noise.integers(0, 256, (_TINY_PX, _TINY_PX, 3), np.uint8))
    _linked(folder, '.png', originals, count)


def _linked(folder: Path, suffix: str, originals: int, count: int) -> None:
    for number in range(originals, count):
        os.link(folder / f'{number % originals:06d}{suffix}', folder / f'{number:06d}{suffix}')


# What is measured


def ways(inputs: Path, out: Path, chosen: Sequence[Sequence[str]], rounds: int
         ) -> dict[str, dict[str, float]]:
    """Wall and CPU seconds of each way to run `assess`, medians over rounds that take turns.

    Args:
        chosen: further arguments of each way; named by them.
    """
    taken: dict[str, list[tuple[float, float]]] = {' '.join(one): [] for one in chosen}
    for number in range(rounds):
        for one in chosen if number % 2 == 0 else list(reversed(chosen)):
            taken[' '.join(one)].append(_timed([str(inputs), '--out', str(out), *one]))
            shutil.rmtree(out)
    return {name: dict(zip(('wall_s', 'cpu_s'), np.median(found, axis=0).tolist(), strict=True))
            for name, found in taken.items()}


def _timed(arguments: Sequence[str]) -> tuple[float, float]:
    before, start = _cpu_s(), time.monotonic()
    subprocess.run(_assess(arguments), check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    wall_s = time.monotonic() - start
    # Those that were left to us when their parent ended count as well.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return wall_s, _cpu_s() - before


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _assess(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, '-m', 'stroke_side_monitor.assess', *arguments]


def memory(inputs: Path, out: Path, arguments: Sequence[str], every_s: float = 1.0
           ) -> dict[str, Any]:
    """Resident memory of the client, which holds the scheduler too, while it works.

    Returns:
        wall_s; mb: (inputs done, megabytes) from the first result on, thinned out; peak_mb.
    """
    start = time.monotonic()
    process = subprocess.Popen(_assess([str(inputs), '--out', str(out), *arguments]),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen: list[tuple[int, float]] = []
    peak_mb = 0.0
    while process.poll() is None:
        done = journalled(out)
        if done:
            seen.append((done, _status_mb(process.pid, 'VmRSS')))
        peak_mb = max(peak_mb, _status_mb(process.pid, 'VmHWM'))
        time.sleep(every_s)
    assert process.returncode == 0, process.returncode
    step = max(len(seen) // 12, 1)
    return {'wall_s': time.monotonic() - start, 'mb': [*seen[::step], seen[-1]],
            'peak_mb': peak_mb}


def journalled(out: Path) -> int:
    """About how many inputs of a run are done."""
    # A look at a growing file must not cost more than what it looks at.
    journal = out / JOURNAL
    try:
        with journal.open('rb') as file:
            head = file.read(100_000)
            size = journal.stat().st_size
    except FileNotFoundError:
        return 0
    lines = head.count(b'\n') - 1
    return round(lines * size / len(head)) if lines > 0 else 0


def _status_mb(pid: int, name: str) -> float:
    try:
        text = Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in text.splitlines()
                 if line.startswith(f'{name}:')), 0.0)


def chaos(inputs: Path, folder: Path, every_s: float, workers: int = 2) -> dict[str, Any]:
    """Score inputs while a worker is killed every so often, and once without.

    Every other time the worker dies with its nanny and a new one comes; else its nanny starts it.

    Returns:
        inputs, killed, wall_s; equal: whether each result file has the same bytes.
    """
    killed, start = 0, time.monotonic()
    with _cluster(folder / 'scratch') as (address, groups):
        for _ in range(workers):
            groups.append(_worker(address, folder / 'scratch'))
        client = subprocess.Popen(
            _assess([str(inputs), '--out', str(folder / 'chaos'), '--scheduler', address]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        groups.append(client)
        choose = random.Random(0)
        while not _ends_within(client, every_s):
            if not journalled(folder / 'chaos'):
                continue  # it has not begun
            victim = groups.pop(choose.randrange(1, 1 + workers))
            if killed % 2:
                groups.insert(1, victim)
                _kill_worker_of(victim)
            else:
                _kill_group(victim)
                groups.insert(1, _worker(address, folder / 'scratch'))
            killed += 1
    wall_s = time.monotonic() - start
    subprocess.run(_assess([str(inputs), '--out', str(folder / 'calm'), '--jobs', str(workers)]),
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    equal = all((folder / 'chaos' / name).read_bytes() == (folder / 'calm' / name).read_bytes()
                for name in Writers.NAMES)
    summary = (folder / 'chaos' / Writers.NAMES[-1]).read_bytes()
    return {'inputs': summary.count(b'\n') - 1, 'killed': killed, 'wall_s': wall_s,
            'equal': equal, 'status': client.returncode}


@contextlib.contextmanager
def _cluster(scratch: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        address = f'tcp://127.0.0.1:{probe.getsockname()[1]}'
    groups = [_dask('scheduler', '--host', address)]
    try:
        yield address, groups
    finally:
        for process in groups:
            _kill_group(process)


def _worker(address: str, scratch: Path) -> subprocess.Popen[bytes]:
    return _dask('worker', address, '--host', '127.0.0.1', '--nthreads', '1',
                 '--local-directory', str(scratch))


def _dask(what: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, '-m', f'distributed.cli.dask_{what}', *arguments, '--no-dashboard'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _kill_worker_of(nanny: subprocess.Popen[bytes]) -> None:
    for entry in Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):
            parent = int(entry.read_text().rpartition(')')[2].split()[1])
            # Beside the worker a nanny has a process that tracks its resources.
            if parent == nanny.pid and b'spawn_main' in (entry.parent / 'cmdline').read_bytes():
                os.kill(int(entry.parent.name), signal.SIGKILL)


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for, print, write; 0 whatever the figures are."""
    options = _parse(arguments)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    figures: dict[str, Any] = {'machine': machine()}
    with tempfile.TemporaryDirectory(dir=options.work) as work, _load() as load:
        for name in options.what:
            folder = Path(work) / name
            (folder / 'inputs').mkdir(parents=True)
            figures[name] = _MEASURES[name](folder, options)
            print(f'{name}: {json.dumps(figures[name], indent=2)}', flush=True)
            shutil.rmtree(folder)
        figures['machine']['load_meanwhile'] = float(np.median(load))
    atomic_file.write(options.out, (json.dumps(figures, indent=2) + '\n').encode())
    print(f'written: {options.out}')
    return 0


@contextlib.contextmanager
def _load() -> Iterator[list[float]]:
    seen, ended = [os.getloadavg()[0]], threading.Event()

    def watch() -> None:
        while not ended.wait(5.0):
            seen.append(os.getloadavg()[0])

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def _scaling(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    videos(folder / 'inputs', options.videos)
    found: dict[str, Any] = ways(
        folder / 'inputs', folder / 'out',
        [(*where, '--jobs', jobs) for where in ((), ('--scheduler', 'local'))
         for jobs in ('1', '2')], options.rounds)
    wall = {name: one['wall_s'] for name, one in found.items()}
    cpu = {name: one['cpu_s'] for name, one in found.items()}
    return {**found, 'two_over_one': {
        'jobs': wall['--jobs 1'] / wall['--jobs 2'],
        'dask': wall['--scheduler local --jobs 1'] / wall['--scheduler local --jobs 2']},
        'dask_over_jobs': {'wall': wall['--scheduler local --jobs 2'] / wall['--jobs 2'],
                           'cpu': cpu['--scheduler local --jobs 2'] / cpu['--jobs 2']}}


def _tiny(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    tiny_pictures(folder / 'inputs', options.tiny)
    return {'inputs': options.tiny, **memory(
        folder / 'inputs', folder / 'out', ['--scheduler', 'local', '--jobs', '2'])}


def _chaos(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    recorded = options.tasks // 10
    videos(folder / 'inputs', recorded, 10.0)
    pictures(folder / 'inputs', options.tasks - recorded)
    return chaos(folder / 'inputs', folder, options.every)


_MEASURES = {'scaling': _scaling, 'tiny': _tiny, 'chaos': _chaos}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='bench.fleet', description=__doc__.splitlines()[0])
    parser.add_argument('what', nargs='*', default=list(_MEASURES), metavar='MEASURE',
                        help=f'{", ".join(_MEASURES)} (default: all)')
    parser.add_argument('--videos', type=int, default=200, help='of mixed length, for scaling')
    parser.add_argument('--rounds', type=int, default=1, help='of scaling, in turns')
    parser.add_argument('--tiny', type=int, default=100_000, help='tiny pictures, for memory')
    parser.add_argument('--tasks', type=int, default=2000, help='for chaos, a tenth of them videos')
    parser.add_argument('--every', type=float, default=20.0, help='seconds between two kills')
    parser.add_argument('--work', type=Path, help='folder for inputs and results')
    parser.add_argument('--out', type=Path, default=Path('fleet_bench.json'))
    options = parser.parse_args(arguments)
    unknown = set(options.what) - set(_MEASURES)
    if unknown:
        parser.error(f'no measure {", ".join(sorted(unknown))}')
    return options


if __name__ == '__main__':
    sys.exit(main())
