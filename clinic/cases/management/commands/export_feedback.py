"""`python -m clinic.manage export_feedback DIR`: confirmed cases as `training.prepare` reads them.

Only cases that are still kept, only what an expert has confirmed, nothing that names a person: the
subject is the pseudonym's or the case's number.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinic.cases.models import Case, Opinion, note


class Command(BaseCommand):
    """See the module."""

    help = 'Write confirmed face pictures and labels.csv into a new folder.'

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to."""
        parser.add_argument('folder', type=Path)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write the folder."""
        folder: Path = options['folder']
        if folder.exists() and any(folder.iterdir()):
            raise CommandError(f'{folder} is not empty; name a new folder')
        folder.mkdir(parents=True, exist_ok=True)
        # The newest word on a case counts.
        labels = {opinion.case: opinion.confirmed for opinion in Opinion.objects.filter(
            state=Opinion.State.CONFIRMED, case__kept=True, case__kind=Case.Kind.FACE,
        ).select_related('case').order_by('confirmed_at')}
        with (folder / 'labels.csv').open('w', newline='') as file:
            rows = csv.writer(file)
            rows.writerow(('filename', 'label', 'subject'))
            for case, label in labels.items():
                picture = case.read('picture.jpg')
                if picture is None:
                    raise CommandError(f'the picture of case {case.id} is missing')
                (folder / f'{case.id}.jpg').write_bytes(picture)
                rows.writerow((f'{case.id}.jpg', label,
                               f'{case.owner_id}-{case.patient_key or case.id}'))
                note('command line', 'exported', case)
        self.stdout.write(f'{len(labels)} confirmed cases in {folder}')
