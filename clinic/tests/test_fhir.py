"""`report --fhir` and the page give what FHIR R4 asks for, as fhir.resources checks it."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle

from clinic.cases.models import Case
from stroke_side_monitor.patient_files.session_record import SessionRecorder
from stroke_side_monitor.report import main

FRAME = {'side': 'left', 'M': 3.0, 'E': 0.1, 'symmetry_index': 70.0, 'grade': 'mild',
         'basis': 'static', 'mouth_severity': 'mild', 'eye_severity': 'none',
         'pattern': 'unknown', 'nihss': (1, 2), 'house_brackmann': (2, 5),
         'severity_reasons': [], 'reasons': [], 'assessed': True}
LOST = {**FRAME, 'side': 'unknown', 'symmetry_index': None, 'basis': 'unknown',
        'reasons': ['no_face'], 'assessed': False}


@pytest.fixture
def exported(tmp_path):
    """A function (values of every frame) -> the JSON that `report --fhir` wrote."""
    def export(values):
        recorder = SessionRecorder(tmp_path, patient_key='p-7', versions={}, parameters={},
                                   tell=print)
        for number in range(30):
            recorder.frame(number / 10, values)
        recorder.close()
        out = tmp_path / 'fhir.json'
        assert main([str(recorder.folder), '--out', str(tmp_path / 'r.html'),
                     '--fhir', str(out)]) == 0
        return out.read_text()
    return export


def observation(text, name):
    resources = [entry['resource'] for entry in json.loads(text)['entry']]
    return next(one for one in resources if one['code']['text'] == name)


def test_a_session_is_a_valid_report_with_observations(exported):
    text = exported(FRAME)
    kinds = [entry.resource.__class__.__name__ for entry in Bundle.model_validate_json(text).entry]
    assert kinds == ['DiagnosticReport'] + 5 * ['Observation']
    assert observation(text, 'Weaker side of the face')['valueString'] == 'left'
    assert observation(text, 'Facial symmetry index')['valueQuantity']['value'] == 70.0
    report = observation(text, 'Facial asymmetry, measured by camera')
    assert report['subject'] == {'identifier': {'value': 'p-7'}}
    assert 'not a diagnosis' in report['conclusion']
    links = {entry['fullUrl'] for entry in json.loads(text)['entry']}
    assert {one['reference'] for one in report['result']} < links


def test_what_is_not_known_is_no_number(exported):
    text = exported(LOST)
    Bundle.model_validate_json(text)
    index = observation(text, 'Facial symmetry index')
    assert 'valueQuantity' not in index
    assert index['dataAbsentReason']['coding'][0]['code'] == 'unknown'
    assert observation(text, 'Weaker side of the face')['valueString'] == 'not determined'


FACE = {'side': 'left', 'confidence': 0.9, 'symmetry_index': 70.0, 'grade': 'mild',
        'basis': 'static', 'mouth_severity': 'mild', 'eye_severity': 'none',
        'pattern': 'unknown', 'reasons': [], 'p_left': 0.9, 'p_none': 0.1, 'p_right': 0.0}
SCAN = {'form': 'dicom', 'window': 'x', 'count': 30, 'with_brain': 21, 'first': 3,
        'side': 'unknown', 'prepared': [], 'presets': [], 'series': 1}
JUDGED = {'answer': 'review', 'leaning': 'stroke', 'probability': 0.62, 'confidence': 0.62,
          'distance': 1.2, 'reasons': ['unlike_training'], 'limits': [], 'carried': []}


def fetched(browse, people, kind, result, **more):
    case = Case.objects.create(owner=people['clinician'], kind=kind, state='done', kept=True,
                               patient_key='p-7', result=result, **more)
    client = browse('clinician')
    client.post('/language/setlang/', {'language': 'de', 'next': '/'})
    answer = client.get(f'/cases/{case.id}/fhir.json')
    case.delete()
    assert answer['Content-Type'] == 'application/fhir+json'
    return answer.content.decode()


def test_a_face_case_is_a_valid_report_in_english(browse, people):
    text = fetched(browse, people, 'face', FACE)
    Bundle.model_validate_json(text)
    assert observation(text, 'Weaker side of the face')['valueString'] == 'left'
    report = observation(text, 'Facial asymmetry, measured by camera')
    assert report['subject'] == {'identifier': {'value': 'p-7'}}
    assert 'looks weaker' in report['conclusion']
    assert 'not a diagnosis' in report['conclusion']


@pytest.mark.parametrize(('judged', 'answer'), [(JUDGED, 'review'), (None, None)])
def test_a_scan_case_says_what_the_model_said_and_which(browse, people, judged, answer):
    result = SCAN if judged is None else {**SCAN, 'judged': judged}
    text = fetched(browse, people, 'scan', result,
                   given_by={'scan': {'name': 'ward 7', 'sha256': 'ab' * 32}})
    Bundle.model_validate_json(text)
    assert observation(text, 'Answer of the scan model').get('valueString') == answer
    probability = observation(text, 'Probability of a stroke by the scan model')
    assert ('valueQuantity' in probability) == (judged is not None)
    conclusion = observation(text, 'Head scan, judged by a model')['conclusion']
    assert 'ward 7 abababab' in conclusion
    assert ('Flagged for review' in conclusion) == (judged is not None)
