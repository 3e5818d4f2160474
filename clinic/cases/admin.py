"""What administrators see of Django's own admin: people, scan models, the audit log; no patient.

Nobody gets more here than a role: superusers and single permissions are not offered.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from clinic.cases.access import ADMINISTRATOR, ROLES, roles
from clinic.cases.models import AuditEntry, ScanModelFile, note
from clinic.cases.words import decimal
from training.scans.judge import ScanModel, ScanModelError

admin.site.unregister(User)
admin.site.unregister(Group)


class ForAdministrators(admin.ModelAdmin):
    """Shown to administrators, hidden from everybody else."""

    def _allowed(self, request: HttpRequest) -> bool:
        return ADMINISTRATOR in roles(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the section is there at all."""
        return self._allowed(request)

    has_view_permission = has_change_permission = has_add_permission = (
        lambda self, request, obj=None: self._allowed(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: a person's traces stay; set them inactive."""
        return False


@admin.register(User)
class People(ForAdministrators, UserAdmin):
    """Add a person, give roles, set a password, let nobody in any more."""

    fieldsets = ((None, {'fields': ('username', 'password')}),
                 (_('Roles'), {'fields': ('is_active', 'groups')}))
    add_fieldsets = ((None, {'classes': ('wide',), 'fields': (
        'username', 'usable_password', 'password1', 'password2', 'groups')}),)
    list_display = ('username', 'is_active', 'roles', 'last_login')
    list_filter = ('is_active', 'groups')
    search_fields = ('username',)

    @admin.display(description=_('Roles'))
    def roles(self, user: User) -> str:
        """In words."""
        return ', '.join(user.groups.values_list('name', flat=True))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Roles only."""
        if db_field.name == 'groups':
            kwargs['queryset'] = Group.objects.filter(name__in=ROLES)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Only an administrator enters the admin at all."""
        super().save_related(request, form, formsets, change)
        person = form.instance
        person.is_staff = person.groups.filter(name=ADMINISTRATOR).exists()
        person.save(update_fields=['is_staff'])
        note(request.user, 'person changed' if change else 'person added', person.username)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = '') -> Any:
        """Leave a trace of a password set for somebody."""
        answer = super().user_change_password(request, id, form_url)
        if request.method == 'POST' and answer.status_code == 302:
            note(request.user, 'password set', id)
        return answer


@admin.register(AuditEntry)
class AuditLog(ForAdministrators):
    """Read only."""

    list_display = ('at', 'user', 'act', 'about')
    list_filter = ('act',)
    search_fields = ('user', 'about')
    has_change_permission = has_add_permission = lambda self, request, obj=None: False


@admin.register(ScanModelFile)
class ScanModels(ForAdministrators):
    """Which scan model judges; choosing an earlier one again is the way back."""

    list_display = ('name', 'short', 'in_use', 'used_since', 'added', 'added_by', 'patients', 'auc')
    actions = ('use_this',)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """By `python -m clinic.manage install_scan_model`, which checks it."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Nothing about a model is edited."""
        return ('name', 'sha256', 'card', 'added', 'added_by', 'in_use', 'used_since')

    @admin.display(description='sha256')
    def short(self, model: ScanModelFile) -> str:
        """Its beginning."""
        return model.sha256[:8]

    @admin.display(description=_('patients trained on'))
    def patients(self, model: ScanModelFile) -> Any:
        """By its card."""
        return model.card.get('patients_trained_on', '–')

    @admin.display(description=_('AUC by patient, test'))
    def auc(self, model: ScanModelFile) -> str:
        """By its card."""
        return interval(model.card.get('figures', {}).get('auc'))

    @admin.action(description=_('Judge scans by this model from now on'))
    def use_this(self, request: HttpRequest, chosen: QuerySet[ScanModelFile]) -> None:
        """Switch, or roll back."""
        if not self._allowed(request) or len(chosen) != 1:
            self.message_user(request, _('Choose exactly one model.'), messages.ERROR)
            return
        model = chosen[0]
        try:
            ScanModel(model.path)
        except ScanModelError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        model.use()
        note(request.user, f'uses scan model {model.sha256[:8]}')
        self.message_user(request, _('Scans are judged by %(model)s from now on.') % {
            'model': model})


def interval(figure: Any) -> str:
    """A figure of a card with its interval."""
    if not isinstance(figure, dict) or figure.get('value') is None:
        return '–'
    low, high = figure.get('interval_95') or (None, None)
    value = decimal(figure['value'])
    if low is None:
        return value
    return f'{value} ({decimal(low)}–{decimal(high)})'
