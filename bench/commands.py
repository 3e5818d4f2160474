"""`python -m bench.commands`: assess, demo, simulated patient and trainer ended at random moments.

What a terminal or a supervisor sends (Ctrl-C, SIGTERM, a closed terminal) reaches each command
while it works. Measured: how long until it and everything it started are gone, its exit status, and
what half-written files stay. It never ends anything that it has not started.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bench import fleet
from bench.scene import machine
from stroke_side_monitor.local_dds import keep_local

LONGEST_S = 3.0
_PATIENCE_S = 30.0
# In what is inherited by all that a command starts, whatever session or group it puts it in.
_MARK = 'STROKE_SIDE_MONITOR_BENCH'


@dataclass(frozen=True)
class Command:
    """arguments: of Python, given a folder of inputs and one for results.

    begun: whether it is at work, given the folder for results and what it has printed.
    statuses: that are right when it is ended. python: of its environment.
    """

    arguments: Callable[[Path, Path], Sequence[str]]
    begun: Callable[[Path, str], bool]
    statuses: Mapping[str, Sequence[int]]
    python: str = sys.executable


@dataclass(frozen=True)
class Ending:
    """seconds: until everything was gone, NaN beyond half a minute."""

    command: str
    way: str
    seconds: float
    problems: tuple[str, ...]


WAYS = {'Ctrl-C': signal.SIGINT, 'SIGTERM': signal.SIGTERM, 'terminal closed': signal.SIGHUP}
_ENDED = {'Ctrl-C': (130, -2), 'SIGTERM': (143, -15), 'terminal closed': (129, -1)}
_NODE = dict.fromkeys(WAYS, (0,))

COMMANDS = {
    'assess --jobs 1': Command(
        lambda inputs, out: ('-m', 'stroke_side_monitor.assess', str(inputs), '--out', str(out)),
        lambda out, _: fleet.journalled(out) > 0, _ENDED),
    'assess --jobs 2': Command(
        lambda inputs, out: ('-m', 'stroke_side_monitor.assess', str(inputs), '--out', str(out),
                             '--jobs', '2'),
        lambda out, _: fleet.journalled(out) > 0, _ENDED),
    'demo': Command(
        lambda _, out: ('-m', 'demo', '--picture', str(out / 'demo.png'), '--seconds', '60'),
        lambda _, told: told.count('\n') > 3, _ENDED),
    'patient': Command(
        lambda _, out: ('-m', 'stroke_side_monitor.ros', 'patient', '--ros-args', '-p',
                        'wait_for_viewer:=false'),
        lambda _, told: 'patient' in told, _NODE),
    'simulation': Command(
        lambda _, out: ('-m', 'stroke_side_monitor.simulation', '--video', str(out / 'a.mp4')),
        lambda out, _: any(out.iterdir()), _ENDED),
    'prepare': Command(
        lambda inputs, out: ('-m', 'training.prepare', str(inputs.parent / 'labelled'),
                             '--label-frame', 'patient', '--out', str(out / 'prepared')),
        lambda out, _: any(out.iterdir()), _ENDED),
}
_TRAINER = Path(__file__).resolve().parents[1] / '.venv-train' / 'bin' / 'python'
if _TRAINER.is_file():
    COMMANDS['train'] = Command(
        lambda inputs, out: ('-m', 'training.train', str(inputs.parent / 'scans.yaml'),
                             str(inputs.parent / 'scans'), '--out', str(out / 'run')),
        lambda out, _: (out / 'run' / 'features').is_dir(), _ENDED, str(_TRAINER))


def one(name: str, way: str, work: Path, chance: random.Random) -> Ending:
    """Start it, let it work, end it."""
    command, mark = COMMANDS[name], f'{_MARK}={os.getpid()}_{chance.random()}'
    with tempfile.TemporaryDirectory(dir=work) as folder:
        out = Path(folder) / 'out'
        out.mkdir()
        told = Path(folder) / 'told'
        with told.open('w') as log:
            process = subprocess.Popen(
                [command.python, '-u', *command.arguments(work / 'inputs', out)], stdout=log,
                stderr=log, env={**os.environ, **dict([mark.split('=')])}, start_new_session=True,
                preexec_fn=_hear_all)
        deadline = time.monotonic() + 4 * _PATIENCE_S
        while not command.begun(out, told.read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                _kill(mark)
                raise RuntimeError(f'{name} did not begin; it said:\n{told.read_text()}')
            time.sleep(0.05)
        time.sleep(chance.uniform(0.0, 1.0))
        start = time.monotonic()
        if way == 'SIGTERM':
            process.terminate()
        else:  # a terminal tells all that stand in its foreground
            os.killpg(process.pid, WAYS[way])
        while _marked(mark) and time.monotonic() - start < _PATIENCE_S:
            process.poll()
            time.sleep(0.01)
        seconds = time.monotonic() - start
        left = _kill(mark)
        status = process.wait()
        return Ending(name, way, float('nan') if left else seconds, tuple(_problems(
            command.statuses[way], status, seconds, left, told.read_text(), out)))


def _hear_all() -> None:
    """As a terminal starts it: a bench in the background hands on that Ctrl-C is ignored."""
    for number in WAYS.values():
        signal.signal(number, signal.SIG_DFL)


def _problems(statuses: Sequence[int], status: int, seconds: float, left: Sequence[str],
              told: str, out: Path) -> list[str]:
    problems = [f'still there: {one}' for one in left]
    if status not in statuses:
        problems.append(f'status {status}')
    if seconds > LONGEST_S:
        problems.append(f'took {seconds:.1f} s')
    if 'Traceback' in told:
        problems.append(f'told {told.strip().splitlines()[-1]}')
    problems += [f'left {path.name}' for path in out.rglob('*')
                 if path.name.endswith(('.partial', '.new'))]
    return problems


def _marked(mark: str) -> list[int]:
    """Processes that the command started, and itself."""
    found = []
    for entry in Path('/proc').glob('[0-9]*'):
        try:
            if mark.encode() in (entry / 'environ').read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _kill(mark: str) -> list[str]:
    """What had to be killed, by its command line."""
    killed = []
    for pid in _marked(mark):
        try:
            killed.append(Path(f'/proc/{pid}/cmdline').read_text().replace('\0', ' ')[:100])
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
    return killed


def table(endings: Sequence[Ending]) -> str:
    """By command and way, as Markdown."""
    lines = ['| command | way | times | gone after, median and longest | problems |',
             '|---|---|---|---|---|']
    for name in COMMANDS:
        for way in WAYS:
            of = [ending for ending in endings if (ending.command, ending.way) == (name, way)]
            if of:
                seconds = [ending.seconds for ending in of]
                lines.append(f'| {name} | {way} | {len(of)} | {np.nanmedian(seconds):.2f} s, '
                             f'{np.nanmax(seconds):.2f} s | '
                             f'{sum(bool(ending.problems) for ending in of)} |')
    return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 1 when any ended as it should not."""
    parser = argparse.ArgumentParser(prog='commands', description=__doc__.splitlines()[0])
    parser.add_argument('--times', type=int, default=3, help='of each command and way')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--command', choices=COMMANDS, action='append', help='only this one')
    options = parser.parse_args(arguments)
    keep_local(os.environ)
    chance = random.Random(options.seed)
    endings = []
    with tempfile.TemporaryDirectory() as folder:
        _inputs(Path(folder))
        for _ in tqdm(range(options.times)):
            for name in options.command or COMMANDS:
                endings += [one(name, way, Path(folder), chance) for way in WAYS]
    print(table(endings))
    print(f'{machine()["cpu"]}, {machine()["cores"]} cores.')
    for ending in endings:
        for problem in ending.problems:
            print(f'{ending.command}, {ending.way}: {problem}')
    return int(any(ending.problems for ending in endings))


def _inputs(work: Path) -> None:
    """Pictures and a video to assess, and pictures with labels to prepare."""
    (work / 'inputs').mkdir()
    fleet.pictures(work / 'inputs', 900)
    fleet.videos(work / 'inputs', 4, 30.0)
    for label in ('left', 'none', 'right'):
        (work / 'labelled' / label).mkdir(parents=True)
        fleet.pictures(work / 'labelled' / label, 300)
    if 'train' in COMMANDS:
        _run('scans', '--out', work / 'phantoms', '--patients', 40, '--format', 'png', '--single')
        _run('prepare', work / 'phantoms', '--out', work / 'scans')
        (work / 'scans.yaml').write_text('kind: scan\nweights: [null]\n')


def _run(step: str, *arguments: object) -> None:
    subprocess.run([sys.executable, '-m', f'training.{step}', *map(str, arguments)], check=True,
                   capture_output=True)


if __name__ == '__main__':
    raise SystemExit(main())
