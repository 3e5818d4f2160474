"""A video, with or without exercises on cue → a session as the robot records it, and its report.

Runs in a process of its own. The video is read once and never kept; a kept case holds figures, the
report and one annotated picture.
"""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from django.conf import settings
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from clinic.cases import faces
from clinic.cases.models import Case, CaseGone
from clinic.cases.pictures import Picture, UploadError, jpeg
from clinic.cases.words import emergency
from stroke_side_monitor import __version__, overlay
from stroke_side_monitor.assessment.exercise import EXERCISES
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline.inputs import Frame, InputError, read_video
from stroke_side_monitor.patient_files.session_record import (
    SessionError,
    SessionRecorder,
    read_session,
)
from stroke_side_monitor.perception.image import ImageDecodeError
from stroke_side_monitor.pipeline import Assessment, Pipeline, PipelineSettings
from stroke_side_monitor.report import page, words
from stroke_side_monitor.report.summary import SessionSummary, compare, summarise

log = logging.getLogger(__name__)
_REPORTS = ('report.html', 'report.pdf')
# MP4 and QuickTime, Matroska and WebM, AVI. A playlist, say, would make FFmpeg open what it names.
_SIGNATURES = ((4, b'ftyp'), (0, b'\x1a\x45\xdf\xa3'), (8, b'AVI '))
_FASTEST_FPS = 240.0
_LARGEST_SIDE = 1280
_MAX_PIXELS = 4096 * 2304
_MAX_FRAMES = 120 * settings.MAX_VIDEO_S
MAX_CUES = 40


def read_cues(text: str) -> list[dict[str, Any]]:
    """Exercises and when they were asked for: [{exercise, start_s, stop_s}], JSON.

    Raises:
        UploadError: anything else.
    """
    try:
        cues = [{'exercise': str(one['exercise']), 'start_s': float(one['start_s']),
                 'stop_s': float(one['stop_s'])} for one in json.loads(text or '[]')]
    except (ValueError, TypeError, KeyError) as error:
        raise UploadError(_('The list of exercises is damaged; record again.')) from error
    if len(cues) > MAX_CUES or any(
            cue['exercise'] not in EXERCISES
            or not 0 <= cue['start_s'] < cue['stop_s'] <= settings.MAX_VIDEO_S for cue in cues):
        raise UploadError(_('The list of exercises is damaged; record again.'))
    return sorted(cues, key=lambda cue: cue['start_s'])


def assess(case: Case, folder: Path) -> None:
    """Assess `folder/video`; the case is DONE with report and figures afterwards.

    Raises:
        UploadError: the video cannot be used.
        CaseGone: the case was deleted meanwhile.
    """
    asked = case.result
    path = folder / 'video'
    frames = _check(path)
    pipeline = Pipeline(PipelineSettings(), video=True)
    recorder = SessionRecorder(
        folder / 'sessions', patient_key=case.patient_key, versions={'software': __version__},
        parameters={'source': 'clinic page'}, tell=print, started=case.made)
    watch = _Watch(case, pipeline, recorder, frames, asked.get('cues', []))
    try:
        for frame in read_video(path):
            if isinstance(frame, Frame):
                watch.add(frame, mirrored=asked.get('mirrored', False))
        watch.finish()
    except InputError as error:
        raise UploadError(_('This video cannot be used: %(why)s') % {'why': error}) from error
    finally:
        pipeline.close()
        recorder.close()
    session = summarise(read_session(recorder.folder))
    compared = _report(case, session)
    if case.kept:
        for name in ('session.json', 'session.jsonl'):
            case.write(name, (recorder.folder / name).read_bytes())
        if watch.best is not None:
            case.write('annotated.jpg', jpeg(overlay.draw(*watch.best)))
    case.store(result=_figures(session), given_by=faces.model_notes(pipeline),
               state=Case.State.DONE, progress=100)
    if Case.objects.filter(pk__in=compared).count() < len(compared):  # deleted meanwhile
        _report(case, session)


class _Watch:
    """The way of one video through the pipeline."""

    def __init__(self, case: Case, pipeline: Pipeline, recorder: SessionRecorder, frames: int,
                 cues: list[dict[str, Any]]) -> None:
        self._case, self._pipeline, self._recorder = case, pipeline, recorder
        self._frames, self._seen = max(frames, 1), 0
        events = [(cue[f'{end}_s'], end == 'start', cue) for cue in cues
                  for end in ('start', 'stop')]
        self._events = deque(sorted(events, key=lambda event: event[:2]))
        self.best: tuple[Picture, Assessment] | None = None

    def add(self, frame: Frame, *, mirrored: bool) -> None:
        """Assess one frame, cues due before it first."""
        self._seen += 1
        if self._seen > _MAX_FRAMES or frame.stamp_s > settings.MAX_VIDEO_S:
            raise UploadError(_too_long())
        while self._events and self._events[0][0] <= frame.stamp_s:
            self._cue(*self._events.popleft())
        if not self._pipeline.due(frame.stamp_s):
            return
        try:
            received = frame.decode()
        except ImageDecodeError:
            return  # as the monitor does: a damaged frame is passed over
        rgb = _smaller(received[:, ::-1] if mirrored else received)
        assessment = self._pipeline.assess(rgb, frame.stamp_s)
        self._recorder.assessment(assessment)
        if self._tells_more(assessment):
            self.best = (rgb, assessment)
        if self._seen % 15 == 0:
            self._case.store(progress=min(99, 100 * self._seen // self._frames))

    def finish(self) -> None:
        """Exercises open to the end count."""
        while self._events:
            self._cue(*self._events.popleft())
        for result in self._pipeline.finish():
            self._recorder.exercise(result)

    def _cue(self, stamp_s: float, start: bool, cue: dict[str, Any]) -> None:
        hold_s = cue['stop_s'] - cue['start_s']
        status = self._pipeline.cue(cue['exercise'], start, stamp_s, hold_s if start else 0.0)
        self._recorder.cue(stamp_s, cue['exercise'], start, hold_s, status)

    def _tells_more(self, assessment: Assessment) -> bool:
        if self.best is None:
            return True
        return _worth(assessment) > _worth(self.best[1])


def _worth(assessment: Assessment) -> tuple[bool, bool, float]:
    side = assessment.side
    return (side.side is not Side.UNKNOWN, side.side is not Side.NONE, side.confidence)


def _check(path: Path) -> int:
    """How many frames it says it has; refuses what must not reach FFmpeg."""
    with path.open('rb') as file:
        start = file.read(16)
    if not any(start[at:at + len(mark)] == mark for at, mark in _SIGNATURES):
        raise UploadError(_('This is not a video in MP4, MOV, WebM, MKV or AVI format.'))
    # Whatever is in it: no network, no other file.
    os.environ['OPENCV_FFMPEG_CAPTURE_OPTIONS'] = 'protocol_whitelist;file'
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        width, height = (capture.get(one) for one in (cv2.CAP_PROP_FRAME_WIDTH,
                                                      cv2.CAP_PROP_FRAME_HEIGHT))
        if not capture.isOpened() or width * height <= 0:
            raise UploadError(_('This video cannot be decoded; save it as MP4 (H.264).'))
        if width * height > _MAX_PIXELS:
            raise UploadError(_('This video has too many pixels: at most 4096 by 2304.'))
        count, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    finally:
        capture.release()
    if not 0 < rate <= _FASTEST_FPS:  # a browser's recording says neither rate nor length
        return 0
    if count / rate > settings.MAX_VIDEO_S:
        raise UploadError(_too_long())
    return int(max(count, 0))


def _too_long() -> str:
    return _('This video is too long: at most %(minutes)d minutes.') % {
        'minutes': settings.MAX_VIDEO_S // 60}


def _smaller(rgb: Picture) -> Picture:
    scale = _LARGEST_SIDE / max(rgb.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(rgb)
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _first_words() -> str:
    with translation.override('en'):  # as the whole report
        return emergency()


def renew_reports(deleted: Case) -> None:
    """Take a deleted case out of the reports of those that came after it."""
    later = list(_of_pseudonym(deleted).filter(made__gt=deleted.made))
    for case in later:  # of all of them first: one that cannot be renewed must not stay
        _remove_report(case)
    for case in later:
        try:
            _report(case, summarise(read_session(case.folder)))
        except (SessionError, UploadError, CaseGone) as error:
            log.error('the report of case %s cannot be renewed: %s', case.pk, error)


def _report(case: Case, session: SessionSummary) -> list[Any]:
    """Write the report of a case; gives the ids of those that it is compared with."""
    earlier = _earlier(case)
    comparison = compare([*earlier.values(), session])
    html = page.html(session, [*earlier.values()], comparison, before=_first_words()).encode()
    pdf = page.pdf(session, comparison, before=_first_words())
    _remove_report(case)
    for name, data in zip(_REPORTS, (html, pdf), strict=True):
        case.write(name, data)
    return list(earlier)


def _remove_report(case: Case) -> None:
    for name in _REPORTS:
        (case.folder / name).unlink(missing_ok=True)


def _earlier(case: Case) -> dict[Any, SessionSummary]:
    """By case, earlier sessions of its pseudonym, oldest first."""
    sessions = {}
    for one in _of_pseudonym(case).filter(made__lt=case.made).order_by('made'):
        try:
            sessions[one.pk] = summarise(read_session(one.folder))
        except SessionError as error:  # deleted just now, or its disk is damaged
            log.error('case %s cannot be compared with: %s', one.pk, error)
    return sessions


def _of_pseudonym(case: Case) -> QuerySet[Case]:
    """Kept sessions of the same pseudonym and the same clinician."""
    if not case.patient_key:
        return Case.objects.none()
    return Case.objects.filter(owner=case.owner_id, kind=Case.Kind.VIDEO, kept=True,
                               patient_key=case.patient_key, state=Case.State.DONE)


def _figures(session: SessionSummary) -> dict[str, Any]:
    """A session under the names that a picture's record has, and what it has beside."""
    side = words.weaker_side(session)
    known = session.index == session.index
    parts = [asdict(part) for part in session.parts]
    return {
        **({'parts': parts, 'part': session.part} if len(parts) > 1 else {}),
        'side': side.name.lower(),
        'confidence': session.side_share if side is session.side else None,
        'symmetry_index': session.index if known else None,
        'grade': session.grade.name.lower(), 'basis': session.basis.name.lower(),
        'mouth_severity': session.mouth.name.lower(), 'eye_severity': session.eye.name.lower(),
        'pattern': session.pattern.name.lower(),
        'reasons': [*session.severity_reasons] if side is not Side.UNKNOWN
        else [reason for reason, _count in session.lost[:4]],
        'assessed_share': session.assessed_share, 'duration_s': session.duration_s,
        'movements': [{
            'exercise': movement.exercise, 'weaker': movement.weaker.name.lower(),
            'ratio': movement.ratio if movement.ratio == movement.ratio else None,
            'usable': movement.usable, 'repetitions': movement.repetitions,
            'reasons': list(movement.reasons)} for movement in session.movements]}
