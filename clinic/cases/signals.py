"""What must happen whoever causes it: traces of logins, and no file left of a deleted case.

It decides nothing.
"""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from clinic.cases import jobs, videos
from clinic.cases.models import Case, note, remove


@receiver(post_delete, sender=Case)
def _remove_files(instance: Case, **_: Any) -> None:
    remove(instance.folder)
    remove(jobs.folder(instance))
    if instance.kind == Case.Kind.VIDEO and instance.patient_key:
        transaction.on_commit(lambda: videos.renew_reports(instance), robust=True)


@receiver(user_logged_in)
def _in(user: Any, **_: Any) -> None:
    note(user, 'login')


@receiver(user_logged_out)
def _out(user: Any, **_: Any) -> None:
    if user is not None:
        note(user, 'logout')


@receiver(user_login_failed)
def _failed(credentials: dict[str, Any], **_: Any) -> None:
    note(str(credentials.get('username', ''))[:150], 'login failed')


@receiver(user_locked_out)
def _locked(username: str, **_: Any) -> None:
    note(username or 'nobody', 'locked out')
