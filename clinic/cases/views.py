"""The pages of a face check and of cases.

They ask `access` who may, hand the work on, and put answers into templates.
"""

from __future__ import annotations

import base64
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.cases import faces, pictures, words
from clinic.cases.access import CLINICIAN, EXPERT, case_of, only, own_case, visible_cases
from clinic.cases.forms import FaceForm
from clinic.cases.models import Case, note

# What may be fetched of a case, and as what.
FILES = {'annotated.jpg': 'image/jpeg'}


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What one can do here."""
    return render(request, 'cases/home.html', {'cases': visible_cases(request.user)[:5]})


@only(CLINICIAN, EXPERT)
@require_http_methods(['GET', 'POST'])
def face(request: HttpRequest) -> HttpResponse:
    """Check one picture, uploaded or captured."""
    form = FaceForm(request.POST or None, request.FILES or None)
    if request.method == 'POST' and form.is_valid():
        try:
            rgb = pictures.read(form.cleaned_data['picture'].read())
        except pictures.UploadError as error:
            form.add_error('picture', str(error))
        else:
            return _checked(request, form.cleaned_data, rgb)
    return render(request, 'cases/face.html', {'form': form},
                  status=400 if form.is_bound else 200)


def _checked(request: HttpRequest, given: dict[str, Any], rgb: pictures.Picture) -> HttpResponse:
    Case.sweep()
    finding = faces.check(rgb, mirrored=given['mirrored'])
    case = Case.objects.create(
        owner=request.user, kind=Case.Kind.FACE, state=Case.State.DONE, progress=100,
        kept=given['keep'], patient_key=given['patient_key'] if given['keep'] else '',
        result=finding.figures, given_by=finding.models)
    note(request.user, 'face check', case)
    if case.kept:
        upright = rgb[:, ::-1] if given['mirrored'] else rgb
        case.write('picture.jpg', pictures.jpeg(upright, 95))
        case.write('annotated.jpg', finding.annotated)
        return redirect('case', case.id)
    once = 'data:image/jpeg;base64,' + base64.b64encode(finding.annotated).decode()
    return render(request, 'cases/case.html', _shown(case, once))


@only(CLINICIAN, EXPERT)
@require_GET
def cases(request: HttpRequest) -> HttpResponse:
    """The cases that this user may see."""
    return render(request, 'cases/cases.html', {'cases': visible_cases(request.user)[:200]})


@only(CLINICIAN, EXPERT)
@require_GET
def case(request: HttpRequest, case_id: Any) -> HttpResponse:
    """One case's result."""
    found = case_of(request.user, case_id)
    note(request.user, 'looked at', found)
    return render(request, 'cases/case.html', _shown(found))


def _shown(case: Case, picture_once: str = '') -> dict[str, Any]:
    shown: dict[str, Any] = {'case': case, 'picture_once': picture_once,
                             'emergency': words.emergency(), 'disclaimer': words.disclaimer()}
    if case.state == Case.State.DONE and case.kind != Case.Kind.SCAN:
        figures = case.result
        shown.update(
            side=words.side(figures['side']), tone=_tone(figures), advice=words.advice(figures),
            facts=words.facts(figures), reasons=words.reasons(figures),
            probabilities=words.probabilities(figures))
    return shown


def _tone(figures: dict[str, Any]) -> str:
    if figures['side'] in ('unknown', 'none'):
        return figures['side']
    return words.worst(figures)


@only(CLINICIAN, EXPERT)
@require_GET
def case_file(request: HttpRequest, case_id: Any, name: str) -> HttpResponse:
    """One picture of a case."""
    found = case_of(request.user, case_id)
    data = found.read(name) if name in FILES else None
    if data is None:
        raise Http404
    return HttpResponse(data, content_type=FILES[name])


@only(CLINICIAN, EXPERT)
@require_POST
def delete(request: HttpRequest, case_id: Any) -> HttpResponse:
    """Remove a case with everything derived from it."""
    found = own_case(request.user, case_id)
    number = found.short_id
    note(request.user, 'deleted', found)
    found.delete()
    messages.success(request, _('Case %(id)s and its pictures are deleted.') % {'id': number})
    return redirect('cases')
