"""`report --fhir` writes what FHIR R4 asks for, as fhir.resources checks it."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle

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
