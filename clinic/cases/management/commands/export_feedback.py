"""`python -m clinic.manage export_feedback DIR`: confirmed cases as `training.prepare` reads them.

Only cases that are still kept, only what an expert has confirmed, nothing that names a person: the
subject is the pseudonym's or the case's number.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinic.cases.models import Case, Opinion, note
from clinic.cases.pictures import as_channels
from clinic.cases.scans import AS_IS, NO_DEVICE, SHOWN_TO_MODEL
from training.scans.reading import WINDOW_TEXT


class _MissingError(Exception):
    """A picture of a kept case is not there any more."""


class Command(BaseCommand):
    """See the module."""

    help = 'Write confirmed pictures and labels.csv into a new folder.'

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to."""
        parser.add_argument('folder', type=Path)
        parser.add_argument('--kind', choices=(Case.Kind.FACE.value, Case.Kind.SCAN.value),
                            default=Case.Kind.FACE.value)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write the folder."""
        folder: Path = options['folder']
        if folder.exists() and any(folder.iterdir()):
            raise CommandError(f'{folder} is not empty; name a new folder')
        folder.mkdir(parents=True, exist_ok=True)
        kind = options['kind']
        labels, written = _labels(kind), 0
        write = _face if kind == Case.Kind.FACE else _slices
        with (folder / 'labels.csv').open('w', newline='') as file:
            rows = csv.writer(file)
            rows.writerow(('filename', 'label', 'subject', 'source', 'window'))
            for case, label in labels.items():
                try:
                    name = write(case, folder)
                except _MissingError as error:
                    self.stderr.write(f'{error}; the case is left out')
                    continue
                written += 1
                rows.writerow((name, label,
                               f'{case.owner_id}-{case.patient_key or case.id}',
                               case.result.get('device') or NO_DEVICE,
                               WINDOW_TEXT if _is_windowed(case) else ''))
                note('command line', 'exported', case)
        self.stdout.write(f'{written} confirmed cases in {folder}')


def _labels(kind: str) -> dict[Case, str]:
    """By case, the newest word of an expert; none where that was not to use the case."""
    newest = {opinion.case: opinion for opinion in Opinion.objects.filter(
        confirmed_at__isnull=False, case__kept=True, case__kind=kind,
    ).select_related('case').order_by('confirmed_at', 'pk')}
    return {case: opinion.confirmed for case, opinion in newest.items()
            if opinion.state == Opinion.State.CONFIRMED}


def _face(case: Case, folder: Path) -> str:
    picture = _kept(case, 'picture.jpg')
    (folder / f'{case.id}.jpg').write_bytes(picture)
    return f'{case.id}.jpg'


def _slices(case: Case, folder: Path) -> str:
    """All slices: the windows that the model was shown as three channels, or as they came."""
    (folder / str(case.id)).mkdir()
    try:
        for number in range(case.result['count']):
            _slice(case, number, folder / str(case.id) / f'{number:04d}')
    except _MissingError:
        shutil.rmtree(folder / str(case.id))
        raise
    return str(case.id)


def _slice(case: Case, number: int, target: Path) -> None:
    if _is_windowed(case):
        seen = [_kept(case, f'slice-{number}-{preset}.jpg') for preset in SHOWN_TO_MODEL]
        target.with_suffix('.png').write_bytes(as_channels(seen))
    else:
        target.with_suffix('.jpg').write_bytes(_kept(case, f'slice-{number}-{AS_IS}.jpg'))


def _is_windowed(case: Case) -> bool:
    return 'brain' in case.result.get('presets', ())


def _kept(case: Case, name: str) -> bytes:
    data = case.read(name)
    if not data:  # an empty one is what a full disk leaves
        raise _MissingError(f'{name} of case {case.id} is missing')
    return data
