"""What `jobs` starts: assess one waiting case.

It ends with 0 whether or not the input was usable; anything else means that it broke.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation

from clinic.cases import jobs, scans, videos
from clinic.cases.models import Case, CaseGone, remove
from clinic.cases.pictures import UploadError

log = logging.getLogger(__name__)


class Command(BaseCommand):
    """See the module."""

    help = 'Assess one waiting case (started by the page itself).'

    def add_arguments(self, parser: CommandParser) -> None:
        """The case."""
        parser.add_argument('case_id')

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do the work."""
        case = Case(id=options['case_id'])
        try:
            case = Case.objects.get(id=case.id)
            _assess(case)
        except (Case.DoesNotExist, CaseGone):
            log.warning('case %s was deleted while it was being assessed', case.id)
        finally:
            remove(jobs.folder(case))


def _assess(case: Case) -> None:
    case.store(state=Case.State.RUNNING)
    translation.activate(case.result.get('language', 'en'))
    try:
        assess = scans.assess if case.kind == Case.Kind.SCAN else videos.assess
        assess(case, jobs.folder(case))
    except UploadError as error:
        jobs.fail(case.pk, str(error))
    except Exception:
        case.store(progress=0)  # what it needed may have been deleted under its hands
        raise
