"""Long work, each piece in a process of its own: what breaks a reader breaks that process only.

The input lies in `WORK/<id>` and is gone when the process ends, however it ends. Where the server
itself was killed, `sweep` of the next one removes what it left.
"""

from __future__ import annotations

import logging
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import Error, close_old_connections
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from clinic.cases.models import REMOVED, Case, no_room, remove
from clinic.cases.pictures import UploadError

log = logging.getLogger(__name__)
_LONGEST_S = 1800
_LOST_S = _LONGEST_S + 60  # whoever followed the work has ended it by then
_MEMORY_BYTES = 12 << 30  # of address space; MediaPipe alone maps 3 GB
_SWEEP_EVERY_S = 300.0
_LOOK_EVERY_S = 1.0


def folder(case: Case) -> Path:
    """Where a case's input waits."""
    return Path(settings.WORK) / str(case.id)


def check_room() -> None:
    """Refuse more work than the machine can do.

    Raises:
        UploadError: enough is being done already.
    """
    since = timezone.now() - timedelta(seconds=_LONGEST_S)
    # A face needs no process of its own.
    long_work = Case.objects.exclude(kind=Case.Kind.FACE)
    if long_work.filter(state__in=Case.UNDER_WAY,
                        made__gt=since).count() >= settings.MAX_JOBS:
        raise UploadError(_('Others are being assessed just now. Try again in a minute.'))


def start(case: Case, files: Iterable[tuple[str, UploadedFile]]) -> None:
    """Put the input in place and start the work; `case` is saved and WAITING.

    Args:
        files: name within the folder, made by us and never by the sender, and content.

    Raises:
        UploadError: there is no room for the input; the case is deleted.
    """
    place = folder(case)
    try:
        place.mkdir(mode=0o700)
        for name, file in files:
            with (place / name).open('wb') as out:
                shutil.copyfileobj(file, out)
        process = subprocess.Popen(
            [sys.executable, '-m', 'clinic.manage', 'work', str(case.id)],
            cwd=settings.ROOT.parent, stdin=subprocess.DEVNULL, preexec_fn=_limit)
    except BaseException as error:
        remove(place)
        case.delete()
        if isinstance(error, OSError):
            raise no_room(place.name, error) from error
        raise
    threading.Thread(target=_follow, args=(process, case.pk), daemon=True).start()


def _limit() -> None:
    for what, most in ((resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_CPU, _LONGEST_S),
                       (resource.RLIMIT_FSIZE, 2 << 30), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (most, most))


def _follow(process: subprocess.Popen[bytes], case_id: object) -> None:
    """Wait for the process, and say so where it ended without a word."""
    try:
        code = _end(process, case_id)
        if code:
            log.error('work on case %s ended with status %s', case_id, code)
            fail(case_id, _('This file could not be read: its reader broke. It may be damaged.'))
    except Error as error:  # the sweep will tell
        log.error('case %s: the database does not answer: %s', case_id, error)
    finally:
        close_old_connections()
        remove(Path(settings.WORK) / str(case_id))


def _end(process: subprocess.Popen[bytes], case_id: object) -> int:
    """The status it ends with; it is killed when it takes too long or its case is deleted."""
    latest = time.monotonic() + _LONGEST_S
    while True:
        try:
            return process.wait(_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            if time.monotonic() > latest or _is_deleted(case_id):
                log.warning('case %s takes too long or was deleted: its work is ended', case_id)
                process.kill()
                return process.wait()


def _is_deleted(case_id: object) -> bool:
    """Whether the case is gone for sure; the work outlives a database that does not answer."""
    try:
        return not Case.objects.filter(pk=case_id).exists()
    except Error as error:
        log.error('case %s: the database does not answer: %s', case_id, error)
        return False
    finally:
        close_old_connections()


def fail(case_id: object, line: str) -> None:
    """Tell why, in one line, and keep nothing; of a deleted case too."""
    under_way = Case.objects.filter(pk=case_id, state__in=Case.UNDER_WAY)
    if (under_way.update(state=Case.State.FAILED, problem=line[:300], kept=False, result={})
            or not Case.objects.filter(pk=case_id).exists()):
        remove(Path(settings.CASES) / str(case_id))


def sweep() -> None:
    """Remove what nobody agreed to keep, and what a killed server left."""
    Case.sweep()
    lost = Case.objects.filter(state__in=Case.UNDER_WAY,
                               made__lt=timezone.now() - timedelta(seconds=_LOST_S))
    for case in lost:
        log.error('case %s was lost by the server that assessed it', case.pk)
        with translation.override(case.result.get('language', 'en')):
            fail(case.pk, _('The server stopped while this was being assessed. Send it again.'))
    for place in _left():
        log.warning('%s is left over from a check; it is removed', place)
        try:
            remove(place)
        except OSError:
            log.exception('%s cannot be removed', place)


def _left() -> Iterator[Path]:
    """Input that no case under way needs, uploads older than any, what was half removed."""
    # Looked up before the cases: a case is there before its input.
    places = list(Path(settings.WORK).iterdir())
    needed = {str(case_id) for case_id in Case.objects.filter(
        state__in=Case.UNDER_WAY).values_list('pk', flat=True)}
    for place in places:
        if place.name not in needed if place.is_dir() else _is_old(place):
            yield place
    yield from Path(settings.CASES).glob(f'*{REMOVED}')


def _is_old(place: Path) -> bool:
    try:
        return time.time() - place.stat().st_mtime > _LOST_S
    except FileNotFoundError:
        return False  # the request that it belonged to has just ended


def sweep_for_ever() -> threading.Event:
    """Sweep at once and every few minutes, also when nobody comes, until the event is set."""
    stop = threading.Event()

    def go_on() -> None:
        while True:
            try:
                sweep()
            except Exception:  # such as a database that is restarted: it is back by the next time
                log.exception('the sweep broke off; the next is in %.0f s', _SWEEP_EVERY_S)
            close_old_connections()
            if stop.wait(_SWEEP_EVERY_S):
                return
    threading.Thread(target=go_on, daemon=True, name='sweep').start()
    return stop
