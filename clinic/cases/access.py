"""Who may see and do what. Every page asks here; nothing else looks at a user's roles.

Clinicians see their own cases; experts also those that wait for them or that they have judged;
administrators see people, models and the log, but no patient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse

from clinic.cases.models import Case, Opinion

CLINICIAN, EXPERT, ADMINISTRATOR = ROLES = ('clinician', 'expert', 'administrator')
View = Callable[..., HttpResponse]


def roles(user: Any) -> frozenset[str]:
    """The roles of a user; none for a stranger."""
    if not getattr(user, 'is_authenticated', False) or not user.is_active:
        return frozenset()
    if not hasattr(user, '_clinic_roles'):
        user._clinic_roles = frozenset(user.groups.values_list('name', flat=True)) & set(ROLES)
    return user._clinic_roles


def only(*allowed: str) -> Callable[[View], View]:
    """A page for people with one of these roles; 403 for others."""
    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not roles(request.user) & set(allowed):
                raise PermissionDenied
            return view(request, *args, **kwargs)
        return guarded
    return decorate


def visible_cases(user: AbstractUser) -> QuerySet[Case]:
    """The cases that a user may look at."""
    mine = Q(owner=user)
    if not roles(user) & {CLINICIAN, EXPERT}:
        return Case.objects.none()
    if EXPERT in roles(user):
        mine |= Q(kept=True) & (Q(opinions__state=Opinion.State.WAITING)
                                | Q(opinions__expert=user))
    return Case.objects.filter(mine).distinct()


def case_of(user: AbstractUser, case_id: Any) -> Case:
    """The case, or 404: whether others' cases exist is nobody's business."""
    case = visible_cases(user).filter(id=case_id).first()
    if case is None:
        raise Http404
    return case


def own_case(user: AbstractUser, case_id: Any) -> Case:
    """The user's own case, or 404."""
    case = case_of(user, case_id)
    if case.owner_id != user.pk:
        raise Http404
    return case


def context(request: HttpRequest) -> dict[str, Any]:
    """For every template: the roles, and the emergency number."""
    return {'roles': roles(getattr(request, 'user', None)),
            'emergency_number': settings.EMERGENCY_NUMBER}
