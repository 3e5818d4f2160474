"""What administrators see of Django's own admin: people and the audit log, and no patient.

Nobody gets more here than a role: superusers and single permissions are not offered.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from clinic.cases.access import ADMINISTRATOR, ROLES, roles
from clinic.cases.models import AuditEntry, note

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
