"""`python -m clinic.manage install_scan_model FILE`: put a scan model beside the others, checked.

It is used at once where none is in use; otherwise an administrator switches, on the page. Nothing
is replaced: the way back stays open.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinic.cases.models import ScanModelFile, note
from stroke_side_monitor import atomic_file
from training.scans.judge import ScanModel, ScanModelError


class Command(BaseCommand):
    """See the module."""

    help = 'Install a scan model that training.export wrote.'

    def add_arguments(self, parser: CommandParser) -> None:
        """Which file."""
        parser.add_argument('model', type=Path, help='scan_model.tflite, its .json beside it')

    def handle(self, *_args: Any, **options: Any) -> None:
        """Check, copy, note."""
        path: Path = options['model']
        try:
            card = ScanModel(path).card
        except ScanModelError as error:
            raise CommandError(str(error)) from error
        if 'figures' not in card:
            raise CommandError(f'{path} was not evaluated; export it with training.export')
        if ScanModelFile.objects.filter(sha256=card['sha256']).exists():
            raise CommandError(f'{path} is installed already')
        model = ScanModelFile(name=str(card['name'])[:100], sha256=card['sha256'], card=card,
                              added_by=getpass.getuser()[:150])
        try:
            atomic_file.write(model.path.with_suffix('.json'),
                              path.with_suffix('.json').read_bytes())
            atomic_file.write(model.path, path.read_bytes())
        except OSError as error:
            raise CommandError(f'the model cannot be copied ({error}); make room') from error
        model.save()
        note('command line', f'installed scan model {model.sha256[:8]}')
        if not ScanModelFile.objects.filter(in_use=True).exists():
            model.use()
        self.stdout.write(f'{model} is installed{" and in use" if model.in_use else ""}')
