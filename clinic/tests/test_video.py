"""A video's report, as it is taken away."""

import re
import zlib

import cv2
import pytest
from django.utils import translation

from clinic.cases import videos
from clinic.cases.models import Case


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
