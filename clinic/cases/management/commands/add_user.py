"""`make clinic-user`: add a person at the command line, as the first one must be.

It asks for the password and never takes it as an argument.
"""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from clinic.cases.access import ADMINISTRATOR, ROLES
from clinic.cases.models import note


class Command(BaseCommand):
    """See the module."""

    help = 'Add a person with roles (default: all three).'

    def add_arguments(self, parser: CommandParser) -> None:
        """The name and the roles."""
        parser.add_argument('username', nargs='?')
        parser.add_argument('--roles', nargs='+', choices=ROLES, default=list(ROLES))

    def handle(self, *_args: Any, **options: Any) -> None:
        """Add the person."""
        name = options['username'] or input('Name to log in with: ').strip()
        person = User(username=name, is_staff=ADMINISTRATOR in options['roles'])
        password = _password()
        try:
            validate_password(password, person)
            person.set_password(password)
            person.full_clean()
        except ValidationError as error:
            raise CommandError(' '.join(error.messages)) from error
        person.save()
        person.groups.set(Group.objects.filter(name__in=options['roles']))
        note('command line', 'person added', name)
        self.stdout.write(f'{name} can log in: {", ".join(options["roles"])}')


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip('\n')
    password = getpass.getpass('Password (12 characters or more): ')
    if getpass.getpass('Once more: ') != password:
        raise CommandError('the two passwords differ; nothing was added')
    return password
