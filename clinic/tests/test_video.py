"""A video's report, as it is taken away."""

import dataclasses
import re
import zlib

import cv2
import pytest
from django.utils import translation

from clinic.cases import exchange, videos, words
from clinic.cases.models import Case
from clinic.tests.test_fhir import FRAME
from stroke_side_monitor.assessment.terms import Basis, Grade, Side
from stroke_side_monitor.patient_files.session_record import SessionRecorder, read_session
from stroke_side_monitor.report.summary import Movement, summarise


@pytest.fixture
def assessed(people, left_weak, tmp_path):
    """A case of a short video of a SIMULATED patient, sent by somebody who reads German."""
    out = cv2.VideoWriter(str(tmp_path / 'patient.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 15,
                          (640, 480))
    for _ in range(20):
        out.write(cv2.cvtColor(left_weak, cv2.COLOR_RGB2BGR))
    out.release()
    (tmp_path / 'patient.avi').rename(tmp_path / 'video')
    case = Case.objects.create(owner=people['clinician'], kind='video', kept=True)
    with translation.override('de'):
        videos.assess(case, tmp_path)
    yield case
    case.delete()


def printed(pdf):
    """What matplotlib wrote onto the first page of a PDF, a space between lines."""
    streams = [zlib.decompress(one) for one in re.findall(rb'(?s)stream\r?\n(x.*?)endstream', pdf)]
    page = next(one for one in streams if b'BT' in one).replace(b'\0', b'')
    return ' '.join(''.join(part.decode('latin-1') for part in re.findall(
        rb'\(((?:\\.|[^\\)])*)\)', line)) for line in page.split(b'ET'))


def test_a_videos_report_tells_the_emergency_number_before_its_answer(browse, assessed):
    client = browse('clinician')
    page = client.get(f'/cases/{assessed.id}/report.html').content.decode()
    pdf = client.get(f'/cases/{assessed.id}/report.pdf').content
    for report in (page[page.index('<body'):], printed(pdf)):
        first = report.index('is an emergency: call 112 now')
        answer = re.search(r"patient(?:'|&#x27;|\\')s left side", report)
        assert first < answer.start()
        assert 'Notfall' not in report  # all of it is English


@pytest.mark.parametrize(('language', 'told', 'left_out'), [
    ('de', 'alles hier gilt für den Teil von 0:10 bis 0:30',
     'Weggelassen: ab 0:00 (Beginn der Aufnahme), 10 s ausgewertet'),
    ('en', 'all that is told here is of the part from 0:10 to 0:30',
     'Left out: from 0:00 (start of the recording), 10 s assessed')])
def test_a_video_of_two_people_is_told_of_one_of_them(browse, people, tmp_path, language, told,
                                                      left_out):
    recorder = SessionRecorder(tmp_path, versions={}, parameters={}, tell=print)
    began = {0: (1, 'started'), 100: (2, 'another_face')}
    for number in range(301):
        if number in began:
            session, reason = began[number]
            recorder.event(number / 10, 'session_began', {'session': session, 'reason': reason})
        recorder.frame(number / 10, FRAME)
    recorder.close()
    figures = videos._figures(summarise(read_session(recorder.folder)))
    case = Case.objects.create(owner=people['clinician'], kind='video', state='done', kept=True,
                               result=figures)
    client = browse('clinician')
    client.post('/language/setlang/', {'language': language, 'next': '/'})
    page = client.get(f'/cases/{case.id}/').content.decode()
    assert told in page
    assert left_out in page
    assert 'This recording holds 2 parts' in exchange.fhir(case).decode()
    case.delete()


def test_a_video_of_one_person_has_no_word_about_parts(browse, assessed):
    assert 'parts' not in assessed.result
    page = browse('clinician').get(f'/cases/{assessed.id}/').content.decode()
    assert 'parts' not in page


@pytest.mark.parametrize(('left', 'grade', 'side', 'advised'), [
    (7.0, Grade.NEAR_NORMAL, 'none', 'Both sides look alike within what healthy faces show.'),
    (4.0, Grade.MODERATE, 'none', 'less even than most healthy people’s. Unless'),
    (3.0, Grade.MODERATE, 'left', 'Moderate weakness.')])
def test_a_smile_names_a_side_where_the_monitor_would(tmp_path, left, grade, side, advised):
    recorder = SessionRecorder(tmp_path, versions={}, parameters={}, tell=print)
    for number in range(30):
        recorder.frame(number / 10, {**FRAME, 'side': 'none', 'mouth_severity': 'none'})
    recorder.close()
    smile = Movement('smile', 'mm', left, 8.0, left / 8.0, 3, 2, 2, ())
    figures = videos._figures(dataclasses.replace(
        summarise(read_session(recorder.folder)), movements=(smile,), grade=grade,
        basis=Basis.DYNAMIC))
    assert figures['side'] == side
    assert advised in words.advice(figures)
    # The seconds are of the face at rest: none of them agrees with a side that movement names.
    assert dict(words.facts(figures))['Seconds that agree'] == ('> 99 %' if side == 'none' else '–')
    at_rest = dataclasses.replace(summarise(read_session(recorder.folder)), side=Side.RIGHT)
    assert videos._figures(at_rest)['confidence'] == 1.0
