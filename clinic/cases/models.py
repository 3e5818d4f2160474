"""What is kept: cases, what people said of them, and who did what.

A kept case's pictures lie in a folder named by its id, never in the database and never below a
public address; `signals` removes the folder with the case.
"""

from __future__ import annotations

import logging
import shutil
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic.cases.pictures import UploadError

log = logging.getLogger(__name__)
REMOVED = '.deleted'  # ends the name of what is being removed


class CaseGone(Exception):
    """A case was deleted, or given up, while it was being assessed."""


class Case(models.Model):
    """One thing that was assessed.

    result: codes and figures as `offline.records` names them, nothing that names a person.
    given_by: which model gave it: name and sha256 by what it is for.
    kept: the person agreed to pictures being kept. Without, `result` goes within the hour.
    """

    class Kind(models.TextChoices):
        """What was given."""

        FACE = 'face', _('Face picture')
        VIDEO = 'video', _('Video')
        SCAN = 'scan', _('Head scan')

    class State(models.TextChoices):
        """Where the work is."""

        WAITING = 'waiting', _('Waiting')
        RUNNING = 'running', _('Being assessed')
        DONE = 'done', _('Assessed')
        FAILED = 'failed', _('Could not be assessed')

    UNDER_WAY = (State.WAITING, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name='cases')
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    made = models.DateTimeField(default=timezone.now, db_index=True)
    kept = models.BooleanField(default=False)
    patient_key = models.CharField(max_length=64, blank=True)
    progress = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)
    result = models.JSONField(default=dict)
    given_by = models.JSONField(default=dict)

    class Meta:
        """Newest first."""

        ordering = ('-made',)

    def __str__(self) -> str:
        return f'{self.kind} {self.id}'

    @property
    def short_id(self) -> str:
        """What people read out to each other."""
        return str(self.id)[:8]

    @property
    def folder(self) -> Path:
        """Where its pictures lie; may not exist."""
        return Path(settings.CASES) / str(self.id)

    def write(self, name: str, data: bytes) -> None:
        """Keep one file with the case.

        Raises:
            CaseGone: it was deleted; its folder is not made again.
            UploadError: there is no room for it.
        """
        if not self.folder.is_dir() and not type(self).objects.filter(pk=self.pk).exists():
            raise CaseGone(str(self))
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            (self.folder / name).write_bytes(data)
        except OSError as error:
            raise no_room(self.pk, error) from error

    def store(self, **fields: Any) -> None:
        """Set fields while the case is being assessed; unlike `save` it brings nothing back.

        Raises:
            CaseGone: it was deleted or given up meanwhile; nothing of it is left.
        """
        under_way = type(self).objects.filter(pk=self.pk, state__in=self.UNDER_WAY)
        if not under_way.update(**fields):
            if not type(self).objects.filter(pk=self.pk, state=self.State.DONE).exists():
                remove(self.folder)  # what was written since the deletion
            raise CaseGone(str(self))
        for name, value in fields.items():
            setattr(self, name, value)

    def read(self, name: str) -> bytes | None:
        """One kept file, or None."""
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None

    @classmethod
    def sweep(cls) -> None:
        """Remove the figures of checks that nobody agreed to keep."""
        past = timezone.now() - timedelta(minutes=settings.UNKEPT_MINUTES)
        for case in cls.objects.filter(kept=False, made__lt=past):
            try:
                with transaction.atomic():
                    case.delete()
            except OSError:
                log.exception('case %s cannot be removed', case.pk)


class Opinion(models.Model):
    """What a clinician said of a case, and what an expert made of it.

    label: of the person: 'left', 'none', 'right' for faces, 'stroke', 'normal' for scans.
    confirmed: the expert's label; empty while the case waits in the queue.
    """

    class State(models.TextChoices):
        """Where it stands."""

        WAITING = 'waiting', _('Waits for an expert')
        CONFIRMED = 'confirmed', _('Confirmed')
        REJECTED = 'rejected', _('Not to be used')

    case = models.ForeignKey(Case, models.CASCADE, related_name='opinions')
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name='opinions')
    made = models.DateTimeField(default=timezone.now)
    label = models.CharField(max_length=16)
    comment = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    expert = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True,
                               related_name='confirmations')
    confirmed = models.CharField(max_length=16, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Oldest first, as a queue is worked off."""

        ordering = ('made',)

    def __str__(self) -> str:
        return f'{self.label} for {self.case}'


class ScanModelFile(models.Model):
    """A scan model that is installed; at most one is in use. The file lies in `MODELS`.

    card: what its exporter says of it: figures, on whom, meaning of the labels.
    """

    name = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64, unique=True)
    card = models.JSONField(default=dict)
    added = models.DateTimeField(default=timezone.now)
    added_by = models.CharField(max_length=150)
    used_since = models.DateTimeField(null=True, blank=True, editable=False)
    in_use = models.BooleanField(default=False, editable=False)

    class Meta:
        """The one in use first, then the newest."""

        ordering = ('-in_use', '-added')
        verbose_name = _('scan model')
        verbose_name_plural = _('scan models')
        constraints: ClassVar = [models.UniqueConstraint(
            fields=['in_use'], condition=models.Q(in_use=True), name='one_scan_model_in_use')]

    def __str__(self) -> str:
        return f'{self.name} {self.sha256[:8]}'

    @property
    def path(self) -> Path:
        """The .tflite file; its card lies beside it."""
        return Path(settings.MODELS) / f'{self.sha256}.tflite'

    def use(self) -> None:
        """Judge scans by this one from now on; results keep the name of the one that gave them."""
        with transaction.atomic():
            type(self).objects.filter(in_use=True).update(in_use=False)
            type(self).objects.filter(pk=self.pk).update(in_use=True, used_since=timezone.now())
        self.refresh_from_db()


class AuditEntry(models.Model):
    """Who did what to which case, and when. Only ever added to."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    user = models.CharField(max_length=150)
    act = models.CharField(max_length=40)
    about = models.CharField(max_length=200, blank=True)

    class Meta:
        """Newest first."""

        ordering = ('-at', '-id')
        verbose_name = _('audit entry')
        verbose_name_plural = _('audit log')

    def __str__(self) -> str:
        return f'{self.at:%Y-%m-%d %H:%M:%S} {self.user} {self.act} {self.about}'


def remove(place: Path) -> None:
    """Remove a folder or file, if there: out of the way first, as somebody may be writing to it."""
    gone = place.with_name(uuid.uuid4().hex + REMOVED)
    try:
        place.rename(gone)
        if gone.is_file():
            gone.unlink()
        else:
            shutil.rmtree(gone)
    except FileNotFoundError:
        return  # somebody else removes it


def no_room(case_id: object, error: OSError) -> UploadError:
    """The line for the person who sent it; what went wrong goes to the log."""
    log.error('files of case %s cannot be stored: %s', case_id, error)
    return UploadError(gettext(
        'The server cannot store this; its disk may be full. Tell whoever looks after it.'))


def note(user: Any, act: str, about: object = '') -> None:
    """Add to the audit log. Never a name or a file name of a patient."""
    AuditEntry.objects.create(user=getattr(user, 'username', str(user)) or 'nobody', act=act,
                              about=str(about)[:200])
