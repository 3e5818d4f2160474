"""`make demo`: simulated patient (or camera) and monitor as two processes, and a live table.

It never talks to anything outside this machine and leaves one file, an annotated
picture. Exit status 0 only if the reported side was the true one. Left and right
are the PATIENT's.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from stroke_side_monitor.interruption import ends_cleanly
from stroke_side_monitor.local_dds import keep_local
from stroke_side_monitor.ros.ending import WITH_PARENT

IMAGE_TOPIC = '/camera/image_raw'
_STOP_WITHIN_S = 10.0


@ends_cleanly('demo')
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status."""
    options = _parse(arguments)
    if options.photo and not Path(options.photo).is_file():
        print(f'demo: {options.photo}: no such file', file=sys.stderr)
        return 2
    if not options.picture.parent.is_dir() or options.picture.is_dir():
        print(f'demo: --picture {options.picture}: name a file in a folder that exists',
              file=sys.stderr)
        return 2
    keep_local(os.environ)
    # Only now: DDS reads its settings from the environment when rclpy starts.
    from demo import table

    with tempfile.TemporaryFile('w+') as log:
        source, parameters = _source(options)
        processes = {'monitor': _start(log, 'monitor', ()),
                     source: _start(log, source, parameters)}
        try:
            watched = table.watch(options.seconds, processes)
        except table.ProcessEndedError as error:
            log.seek(0)
            print(_useful_lines(log), file=sys.stderr)
            print(f'demo: {error}', file=sys.stderr)
            return 1
        finally:
            _stop(list(processes.values()))
    if watched.overlay is not None:
        try:
            table.write_picture(watched.overlay, options.picture)
            print(f'annotated frame: {options.picture}')
        except OSError as error:  # the verdict is worth more
            print(f'demo: cannot write {options.picture} ({error.strerror})', file=sys.stderr)
    return table.verdict(watched, truth_known=options.camera is None)


def _source(options: argparse.Namespace) -> tuple[str, tuple[str, ...]]:
    """Module under ros/ that publishes pictures, and its parameters."""
    if options.camera is not None:
        return 'camera', (f'device:={options.camera}',)
    parameters = [f'side:={options.side}', f'severity:={options.severity}',
                  f'pattern:={options.pattern}', f'seed:={options.seed}']
    if options.photo:
        parameters.append(f'photo:={Path(options.photo).resolve()}')
    return 'patient', tuple(parameters)


def _start(log: IO[str], module: str, parameters: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, '-m', 'stroke_side_monitor.ros', module,
               '--ros-args', '-r', f'image:={IMAGE_TOPIC}']
    for parameter in parameters:
        command += ['-p', parameter]
    # A session of their own: Ctrl-C is for the demo to hear, which then ends them. Killed outright
    # it takes them with it.
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True,
                            env={**os.environ, WITH_PARENT: '1'})


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _useful_lines(log: IO[str]) -> str:
    """What the nodes said, without the libraries' start-up chatter."""
    chatter = ('W0000', 'I0000', 'INFO: Created', 'WARNING: All log messages')
    return '\n'.join(line for line in log.read().splitlines() if not line.startswith(chatter))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='demo', description=__doc__)
    parser.add_argument('--side', choices=('left', 'right', 'none'), default='left',
                        help="the simulated patient's weak side")
    parser.add_argument('--severity', type=float, default=0.7, help='0 to 1')
    parser.add_argument('--pattern', choices=('central', 'peripheral'), default='central')
    parser.add_argument('--photo', help='healthy frontal photograph to simulate on')
    parser.add_argument('--camera', type=int, help='device number; films you instead')
    parser.add_argument('--seconds', type=float, default=20.0, help='how long to watch')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--picture', type=Path, default=Path('demo.png'),
                        help='where the annotated frame goes (default %(default)s)')
    return parser.parse_args(arguments)


if __name__ == '__main__':
    sys.exit(main())
