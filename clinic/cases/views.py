"""The pages of a face check and of cases.

They ask `access` who may, hand the work on, and put answers into templates.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.cases import exchange, faces, jobs, pictures, scans, sheet, videos, words
from clinic.cases.access import CLINICIAN, EXPERT, case_of, only, own_case, visible_cases
from clinic.cases.forms import ConsentForm, FaceForm, GuidedForm, OpinionForm, ScanForm, VideoForm
from clinic.cases.models import Case, Opinion, ScanModelFile, note

# What may be fetched of a case.
_FILES = re.compile(r'annotated\.jpg|slice-\d{1,4}-[a-z-]{1,12}\.jpg')


@login_not_required
@require_GET
def icon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for a picture of a page that names none: administration, reports."""
    return redirect(static('clinic/icon.svg'))


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
            return _checked(request, form.cleaned_data, rgb)
        except pictures.UploadError as error:
            form.add_error('picture', str(error))
    return render(request, 'cases/face.html', {'form': form},
                  status=400 if form.is_bound else 200)


def _checked(request: HttpRequest, given: dict[str, Any], rgb: pictures.Picture) -> HttpResponse:
    Case.sweep()
    finding = faces.check(rgb, mirrored=given['mirrored'])
    # Done once its pictures are there, whatever happens in between.
    case = Case.objects.create(
        owner=request.user, kind=Case.Kind.FACE, state=Case.State.RUNNING, progress=100,
        kept=given['keep'], patient_key=given['patient_key'] if given['keep'] else '',
        result=finding.figures, given_by=finding.models)
    try:
        if case.kept:
            upright = rgb[:, ::-1] if given['mirrored'] else rgb
            case.write('picture.jpg', pictures.jpeg(upright, 95))
            case.write('annotated.jpg', finding.annotated)
        case.store(state=Case.State.DONE)
    except pictures.UploadError:
        case.delete()
        raise
    note(request.user, 'face check', case)
    if case.kept:
        return redirect('case', case.id)
    once = 'data:image/jpeg;base64,' + base64.b64encode(finding.annotated).decode()
    return render(request, 'cases/case.html', _shown(case, once))


@only(CLINICIAN, EXPERT)
@require_http_methods(['GET', 'POST'])
def video(request: HttpRequest) -> HttpResponse:
    """Assess an uploaded video."""
    return _long_work(request, VideoForm, 'cases/video.html', Case.Kind.VIDEO, lambda given: (
        {'mirrored': given['mirrored']}, [('video', given['video'])]))


@only(CLINICIAN, EXPERT)
@require_http_methods(['GET', 'POST'])
def guided(request: HttpRequest) -> HttpResponse:
    """Record exercises on cue and assess them."""
    return _long_work(request, GuidedForm, 'cases/guided.html', Case.Kind.VIDEO, lambda given: (
        {'cues': videos.read_cues(given['cues'])}, [('video', given['video'])]))


@only(CLINICIAN, EXPERT)
@require_http_methods(['GET', 'POST'])
def scan(request: HttpRequest) -> HttpResponse:
    """Look through a head scan, and have it judged where a model is installed."""
    return _long_work(request, ScanForm, 'cases/scan.html', Case.Kind.SCAN, lambda given: (
        {}, scans.in_order(given['files'])))


Asked = tuple[dict[str, Any], list[tuple[str, Any]]]


def _long_work(request: HttpRequest, form_class: type[ConsentForm], template: str, kind: str,
               ask: Callable[[dict[str, Any]], Asked]) -> HttpResponse:
    """A form that starts a process; `ask` gives what it must know, and its files."""
    form = form_class(request.POST or None, request.FILES or None)
    if request.method == 'POST' and form.is_valid():
        given = form.cleaned_data
        try:
            known, files = ask(given)
            Case.sweep()
            jobs.check_room()
            case = Case.objects.create(
                owner=request.user, kind=kind, kept=given['keep'],
                patient_key=given['patient_key'] if given['keep'] else '',
                result={**known, 'language': get_language()})
            jobs.start(case, files)
        except pictures.UploadError as error:
            form.add_error(None, str(error))
        else:
            note(request.user, f'{kind} check', case)
            return redirect('case', case.id)
    return render(request, template, {'form': form, 'exercises': _guided_plan(),
                                      'scan_model': ScanModelFile.objects.filter(
                                          in_use=True).first()},
                  status=400 if form.is_bound else 200)


# Raising the brows counts from the second time (assessment/exercise.py).
_GUIDED = ('smile', 'eye_close', 'brow_raise', 'brow_raise', 'pucker')


def _guided_plan() -> list[dict[str, str]]:
    return [{'exercise': name, 'words': words.exercise(name)} for name in _GUIDED]


_CASES_A_PAGE = 100


@only(CLINICIAN, EXPERT)
@require_GET
def cases(request: HttpRequest) -> HttpResponse:
    """The cases that this user may see, newest first, page by page."""
    # The key sets cases of one moment in the same order on every page.
    every = Paginator(visible_cases(request.user).order_by('-made', 'pk'), _CASES_A_PAGE)
    return render(request, 'cases/cases.html', {'cases': every.get_page(request.GET.get('page'))})


@only(CLINICIAN, EXPERT)
@require_GET
def case(request: HttpRequest, case_id: Any) -> HttpResponse:
    """One case's result."""
    found = case_of(request.user, case_id)
    note(request.user, 'looked at', found)
    return render(request, 'cases/case.html', {
        **_shown(found), 'opinions': found.opinions.all(),
        'opinion_form': OpinionForm(words.labels(found.kind)) if found.kept else None})


def _shown(case: Case, picture_once: str = '') -> dict[str, Any]:
    shown: dict[str, Any] = {'case': case, 'picture_once': picture_once,
                             'emergency': words.emergency(), 'disclaimer': words.disclaimer()}
    if case.state == Case.State.DONE and case.kind == Case.Kind.SCAN:
        shown.update(side=words.scan_answer(case.result), tone=_SCAN_TONES[case.result['side']],
                     advice=words.scan_advice(case.result), facts=words.scan_facts(case.result),
                     reasons=words.scan_reasons(case.result), probabilities=[],
                     presets=words.presets(case.result))
        if shown['presets']:
            shown['first_slice'] = f"slice-{case.result['first']}-{case.result['presets'][0]}.jpg"
    elif case.state == Case.State.DONE:
        figures = case.result
        shown.update(
            side=words.side(figures['side']), tone=_tone(figures), advice=words.advice(figures),
            facts=words.facts(figures), reasons=words.reasons(figures),
            probabilities=words.probabilities(figures), classes=words.classes(figures),
            parts=words.parts(figures), movements=words.movements(figures.get('movements', [])))
    return shown


_SCAN_TONES = {'unknown': 'unknown', 'normal': 'none', 'stroke': 'severe'}


def _tone(figures: dict[str, Any]) -> str:
    if figures['side'] in ('unknown', 'none'):
        return figures['side']
    return words.worst(figures)


@only(CLINICIAN, EXPERT)
@require_GET
def case_file(request: HttpRequest, case_id: Any, name: str) -> HttpResponse:
    """One picture of a case."""
    found = case_of(request.user, case_id)
    data = found.read(name) if _FILES.fullmatch(name) else None
    if data is None:
        raise Http404
    return HttpResponse(data, content_type='image/jpeg')


@only(CLINICIAN, EXPERT)
@require_GET
def case_state(request: HttpRequest, case_id: Any) -> HttpResponse:
    """How far the work is, for the progress bar."""
    found = case_of(request.user, case_id)
    return JsonResponse({'state': found.state, 'progress': found.progress})


@only(CLINICIAN, EXPERT)
@require_GET
def case_pdf(request: HttpRequest, case_id: Any) -> HttpResponse:
    """The case on one page."""
    found = _done(request, case_id)
    data = found.read('report.pdf') or sheet.pdf(_sheet(found))
    return _download(request, found, data, 'application/pdf', 'pdf')


@only(CLINICIAN, EXPERT)
@require_GET
def case_html(request: HttpRequest, case_id: Any) -> HttpResponse:
    """The case as one file that needs nothing beside it."""
    found = _done(request, case_id)
    printed = _sheet(found)
    picture = base64.b64encode(printed.picture).decode() if printed.picture else ''
    data = found.read('report.html') or render_to_string(
        'cases/sheet.html', {'sheet': printed, 'picture': picture}).encode()
    return _download(request, found, data, 'text/html; charset=utf-8', 'html')


@only(CLINICIAN, EXPERT)
@require_GET
def case_fhir(request: HttpRequest, case_id: Any) -> HttpResponse:
    """The case as a FHIR R4 Bundle."""
    found = _done(request, case_id)
    return _download(request, found, exchange.fhir(found), 'application/fhir+json', 'fhir.json')


def _done(request: HttpRequest, case_id: Any) -> Case:
    found = case_of(request.user, case_id)
    if found.state != Case.State.DONE:
        raise Http404
    return found


def _download(request: HttpRequest, case: Case, data: bytes, kind: str, ending: str
              ) -> HttpResponse:
    note(request.user, f'took as {ending}', case)
    return HttpResponse(data, content_type=kind, headers={
        'Content-Disposition': f'attachment; filename="case-{case.short_id}.{ending}"'})


def _sheet(case: Case) -> sheet.Sheet:
    shown = _shown(case)
    when = date_format(timezone.localtime(case.made), 'SHORT_DATETIME_FORMAT')
    given_by = ', '.join(f"{model['name']} {model['sha256'][:8]}"
                         for model in case.given_by.values())
    return sheet.Sheet(
        title=f'{case.get_kind_display()}: {case.short_id}',
        subtitle=' · '.join(filter(None, (when, case.patient_key, given_by))),
        emergency=shown['emergency'], answer=shown['side'], advice=shown['advice'],
        facts=[*shown['facts'], *shown['probabilities'],
               *((f"{case.given_by['classes']['name']}: {name}", value)
                 for name, value in shown.get('classes', []))],
        notes=shown['reasons'], footer=shown['disclaimer'], picture=_picture(case))


def _picture(case: Case) -> bytes | None:
    """The one picture of a printed case; a scan's is the slice that carried its answer."""
    first = f"slice-{case.result.get('first', 0)}"
    names = ('annotated.jpg', f'{first}-{scans.HEAT}.jpg', f'{first}-{scans.PREPARED}.jpg')
    return next((data for name in names if (data := case.read(name))), None)


@only(CLINICIAN, EXPERT)
@require_POST
def give_opinion(request: HttpRequest, case_id: Any) -> HttpResponse:
    """Disagree, or agree: an expert will look at it."""
    found = case_of(request.user, case_id)
    if not found.kept:
        raise Http404
    form = OpinionForm(words.labels(found.kind), request.POST)
    if form.is_valid():
        Opinion.objects.create(case=found, by=request.user, **form.cleaned_data)
        note(request.user, 'opinion', found)
        messages.success(request, _('Noted. An expert will look at it.'))
    else:
        messages.error(request, _('Choose one of the answers.'))
    return redirect('case', found.id)


@only(EXPERT)
@require_GET
def queue(request: HttpRequest) -> HttpResponse:
    """What waits for an expert, oldest first."""
    waiting = Opinion.objects.filter(state=Opinion.State.WAITING).select_related('case', 'by')
    return render(request, 'cases/queue.html', {'waiting': [
        {'opinion': one, 'said': words.label(one.label), 'labels': words.labels(one.case.kind),
         'answered': words.label(str(one.case.result.get('side', 'unknown')))}
        for one in waiting]})


@only(EXPERT)
@require_POST
def decide(request: HttpRequest, opinion_id: int) -> HttpResponse:
    """An expert's word: the label, or that the case is not to be used."""
    waiting = Opinion.objects.filter(pk=opinion_id, state=Opinion.State.WAITING)
    opinion = get_object_or_404(waiting.select_related('case'))
    label = request.POST.get('label', '')
    if label in dict(words.labels(opinion.case.kind)):
        state, confirmed = Opinion.State.CONFIRMED, label
    elif label == 'reject':
        state, confirmed = Opinion.State.REJECTED, ''
    else:
        messages.error(request, _('Choose one of the answers.'))
        return redirect('queue')
    # Not `save`: the case may be deleted, or judged by another expert, meanwhile.
    if not waiting.update(state=state, confirmed=confirmed, expert=request.user,
                          confirmed_at=timezone.now()):
        raise Http404
    note(request.user, f'opinion {state}', opinion.case)
    return redirect('queue')


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
