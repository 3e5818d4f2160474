"""The page as `make clinic` serves it: gunicorn, a database file, people added at the command line.

It never shares anything with the tests' own process.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clinic.tests.conftest import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = {'carla': ('clinician',), 'otto': ('clinician',), 'erik': ('expert',),
          'ada': ('administrator',), 'all': ('clinician', 'expert', 'administrator')}


@dataclass(frozen=True)
class Served:
    """address: of the page. data: its folder. process: gunicorn's first one."""

    address: str
    data: Path
    process: subprocess.Popen[str]

    def files(self) -> list[str]:
        """Every file kept, but database, key and models."""
        return sorted(str(path.relative_to(self.data)) for folder in ('cases', 'work')
                      for path in (self.data / folder).rglob('*') if path.is_file())


@contextmanager
def serve(data: Path, **more: str) -> Iterator[Served]:
    """Migrate, add people, serve until the end of the block."""
    port = _free_port()
    environment = {**os.environ, 'CLINIC_DATA': str(data), 'CLINIC_BIND': f'127.0.0.1:{port}',
                   'CLINIC_WORKERS': '1', 'DJANGO_SETTINGS_MODULE': 'clinic.settings', **more}
    environment.pop('DATABASE_URL', None)

    def manage(*arguments: str, told: str = '') -> None:
        subprocess.run([sys.executable, '-m', 'clinic.manage', *arguments], cwd=ROOT, check=True,
                       env=environment, input=told, text=True, stdout=subprocess.DEVNULL)

    manage('migrate', '--verbosity', '0')
    for name, roles in PEOPLE.items():
        manage('add_user', name, '--roles', *roles, told=PASSWORD + '\n')
    process = subprocess.Popen(
        [sys.executable, '-m', 'gunicorn', '--config', 'clinic/gunicorn.conf.py'], cwd=ROOT,
        env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    log = (data / 'server.log').open('w')
    try:
        for line in process.stderr:
            log.write(line)
            if 'Listening at' in line:
                break
        # What follows goes to a file by a process of its own, so that the pipe never fills up.
        with subprocess.Popen(['cat'], stdin=process.stderr, stdout=log):
            try:
                yield Served(f'http://127.0.0.1:{port}', data, process)
            finally:
                process.terminate()
                process.wait(60)
    finally:
        log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])
