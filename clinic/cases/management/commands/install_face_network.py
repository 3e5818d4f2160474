"""`python -m clinic.manage install_face_network FILE`: a network of face classes, checked.

It takes the place of an earlier one; `--remove` takes it away. Face checks then tell the
confidence of each of its classes beside the robot's own answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinic.cases import classes
from clinic.cases.models import note
from training.common import TrainingError


class Command(BaseCommand):
    """See the module."""

    help = 'Install a network of face classes that training.export wrote.'

    def add_arguments(self, parser: CommandParser) -> None:
        """Which file."""
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument('network', type=Path, nargs='?',
                           help='e.g. six_class_cnn.tflite, its .json beside it')
        which.add_argument('--remove', action='store_true', help='use none any more')

    def handle(self, *_args: Any, **options: Any) -> None:
        """Check, copy, note."""
        if options['remove']:
            if not classes.remove():
                raise CommandError('no network of face classes is installed')
            note('command line', 'removed face network')
            self.stdout.write('removed')
            return
        try:
            network = classes.install(options['network'])
        except TrainingError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f'the network cannot be copied ({error}); make room') from error
        note('command line', f'installed face network {network.sha256[:8]}')
        self.stdout.write(f'{network.name} {network.sha256[:8]} is in use: '
                          f'{", ".join(network.labels)}')
