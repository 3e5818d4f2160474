"""What `jobs` starts: assess one waiting case.

It ends with 0 whether or not the input was usable; anything else means that it broke.
"""

from __future__ import annotations

import shutil
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation

from clinic.cases import jobs, scans, videos
from clinic.cases.models import Case
from clinic.cases.pictures import UploadError


class Command(BaseCommand):
    """See the module."""

    help = 'Assess one waiting case (started by the page itself).'

    def add_arguments(self, parser: CommandParser) -> None:
        """The case."""
        parser.add_argument('case_id')

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do the work."""
        case = Case.objects.get(id=options['case_id'], state=Case.State.WAITING)
        case.state = Case.State.RUNNING
        case.save(update_fields=['state'])
        translation.activate(case.result.get('language', 'en'))
        try:
            assess = scans.assess if case.kind == Case.Kind.SCAN else videos.assess
            assess(case, jobs.folder(case))
        except UploadError as error:
            jobs.fail(case.pk, str(error))
        finally:
            shutil.rmtree(jobs.folder(case), ignore_errors=True)
