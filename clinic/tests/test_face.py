"""A face check answers with the patient's side, whatever way the picture came; and keeps only what
the person agreed to."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.core.management import call_command
from django.core.management.base import CommandError
from PIL import Image

from clinic.cases import classes, faces, pictures, words
from clinic.cases.models import AuditEntry, Case
from clinic.tests.conftest import jpeg, png


def send(client, data, name='face.png', **fields):
    return client.post('/face/', {'consent': 'on', **fields,
                                  'picture': SimpleUploadedFile(name, data)})


def text(response):
    return response.content.decode()


# Sides


def test_the_weak_side_is_the_patients(browse, left_weak):
    answer = text(send(browse('clinician'), png(left_weak)))
    assert 'The patient’s LEFT side looks weaker' in answer
    assert 'The patient’s RIGHT side looks weaker' not in answer


def test_a_mirrored_picture_gets_the_other_side_and_every_figure_the_same(left_weak):
    seen = faces.check(left_weak, mirrored=False).figures
    flipped = faces.check(np.ascontiguousarray(left_weak[:, ::-1]), mirrored=False).figures
    assert (seen['side'], flipped['side']) == ('left', 'right')
    for name in ('confidence', 'symmetry_index', 'grade', 'mouth_severity', 'eye_severity'):
        assert seen[name] == flipped[name], name
    assert seen['M'] == -flipped['M']


def test_a_picture_said_to_be_a_mirror_image_is_turned_back(browse, left_weak):
    mirror = png(np.ascontiguousarray(left_weak[:, ::-1]))
    assert 'The patient’s LEFT side' in text(send(browse('clinician'), mirror, mirrored='on'))


@pytest.mark.parametrize('note', range(1, 9))
def test_a_phones_orientation_note_never_swaps_sides(left_weak, note):
    stored = {1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1],
              4: lambda p: p[::-1], 5: lambda p: p.transpose(1, 0, 2), 6: np.rot90,
              7: lambda p: p[::-1, ::-1].transpose(1, 0, 2), 8: lambda p: np.rot90(p, -1)}[note]
    exif = Image.Exif()
    exif[0x0112] = note
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stored(left_weak))).save(file, 'PNG', exif=exif)
    assert (pictures.read(file.getvalue()) == left_weak).all()


# Answers


def test_none_is_an_answer(browse, healthy):
    answer = text(send(browse('clinician'), png(healthy)))
    assert 'No side looks weaker' in answer
    assert 'does not rule out a stroke' in answer


def test_unknown_comes_with_its_reason_in_words(browse):
    answer = text(send(browse('clinician'), png(np.full((480, 640, 3), 128, np.uint8))))
    assert 'No answer: the side cannot be told' in answer
    assert 'no face in the picture' in answer


def test_the_emergency_number_comes_before_everything(browse, left_weak):
    answer = text(send(browse('clinician'), png(left_weak)))
    assert '112' in answer
    assert answer.index('is an emergency: call 112 now') < answer.index('LEFT side looks weaker')
    assert 'not a diagnosis' in answer


def test_severity_of_mouth_and_eye_index_and_confidence_are_told(browse, left_weak):
    answer = text(send(browse('clinician'), png(left_weak)))
    for told in ('Mouth', 'Eye', 'Symmetry index', 'Confidence', 'How probable each answer is'):
        assert told in answer, told


@pytest.mark.parametrize(('grade', 'mouth', 'eye', 'what', 'when'), [
    ('mild', 'moderate', 'none', 'Moderate weakness of the mouth.', 'today'),
    ('mild', 'moderate', 'moderate', 'Moderate weakness of mouth and eye.', 'today'),
    ('moderate', 'none', 'severe', 'Severe weakness of the eye.', 'at once'),
    ('moderate', 'moderate', 'mild', 'Moderate weakness.', 'today'),
    ('complete', 'severe', 'severe', 'Severe weakness.', 'at once'),
    ('severe', 'mild', 'mild', 'Severe weakness.', 'at once'),
    ('moderate', 'unknown', 'unknown', 'Moderate weakness.', 'today'),
    ('near_normal', 'mild', 'none', 'Slight weakness.', 'soon'),
    ('normal', 'none', 'none', 'Slight weakness.', 'soon'),
    ('unknown', 'unknown', 'unknown', 'How severe the weakness is cannot be told.', 'today')])
def test_the_advice_never_contradicts_the_figures_beside_it(grade, mouth, eye, what, when):
    told = words.advice({'side': 'left', 'grade': grade, 'mouth_severity': mouth,
                         'eye_severity': eye})
    assert told.startswith(f'{what} Unless')
    assert f'have it examined {when}' in told


# Consent


def test_without_consent_nothing_is_measured(browse, left_weak, stored):
    client = browse('clinician')
    answer = client.post('/face/', {'picture': SimpleUploadedFile('f.png', png(left_weak))})
    assert answer.status_code == 400
    assert not Case.objects.exists()
    assert stored() == []


def test_without_consent_to_keeping_no_picture_reaches_the_disk(browse, left_weak, stored):
    answer = send(browse('clinician'), png(left_weak))
    assert 'data:image/jpeg;base64,' in text(answer)
    assert not Case.objects.get().kept
    assert stored() == []


@pytest.mark.parametrize('consent', [{}, {'consent': ''}])
def test_the_largest_picture_is_no_file_while_it_is_checked_either(
        browse, left_weak, monkeypatch, settings, consent):
    files = []
    begin = TemporaryFileUploadHandler.new_file
    monkeypatch.setattr(TemporaryFileUploadHandler, 'new_file', lambda handler, *given, **more: (
        files.append(given), begin(handler, *given, **more))[1])
    data = png(left_weak)
    data += bytes(settings.UPLOAD_LIMITS['face'] - len(data) - 1000)
    answer = send(browse('clinician'), data, **consent)
    assert (answer.status_code, 'LEFT side looks weaker' in text(answer)) == (
        (400, False) if consent else (200, True))
    assert files == []


def test_figures_nobody_agreed_to_keep_go_within_the_hour(browse, left_weak, settings):
    client = browse('clinician')
    send(client, png(left_weak))
    settings.UNKEPT_MINUTES = 0
    Case.sweep()
    assert not Case.objects.exists()


def test_a_kept_case_can_be_looked_at_and_deleted_with_its_pictures(browse, left_weak, stored):
    client = browse('clinician')
    answer = send(client, jpeg(left_weak), 'face.jpg', keep='on', patient_key='p-17')
    case = Case.objects.get()
    assert answer.url == f'/cases/{case.id}/'
    assert client.get(f'{answer.url}file/annotated.jpg').content.startswith(b'\xff\xd8\xff')
    assert stored() == [f'cases/{case.id}/annotated.jpg', f'cases/{case.id}/picture.jpg']
    assert 'LEFT side' in text(client.get(answer.url))
    client.post(f'{answer.url}delete/')
    assert not Case.objects.exists()
    assert stored() == []
    acts = list(AuditEntry.objects.values_list('act', flat=True))
    assert acts == ['deleted', 'looked at', 'face check', 'login']


def test_the_models_that_spoke_are_recorded(browse, left_weak):
    send(browse('clinician'), png(left_weak))
    assert set(Case.objects.get().given_by) == {'side'}
    assert len(Case.objects.get().given_by['side']['sha256']) == 64


def test_a_name_is_not_taken_for_a_pseudonym(browse, left_weak):
    answer = send(browse('clinician'), png(left_weak), patient_key='Anna Müller', keep='on')
    assert answer.status_code == 400
    assert not Case.objects.exists()


# The optional network of classes


NETWORK = Path(__file__).parent / 'data' / 'toy_classes.tflite'
SIX = {'mild_eye', 'mild_mouth', 'moderate_eye', 'moderate_mouth', 'severe_eye', 'severe_mouth'}


@pytest.fixture
def network(db):
    """The toy network, installed for one test."""
    call_command('install_face_network', str(NETWORK), stdout=io.StringIO())
    yield
    classes.remove()


@pytest.mark.django_db
def test_every_class_of_an_installed_network_has_its_confidence(network, browse, left_weak):
    answer = text(send(browse('clinician'), png(left_weak)))
    case = Case.objects.get()
    assert set(case.result['classes']) == SIX
    assert sum(case.result['classes'].values()) == pytest.approx(1.0, abs=0.03)  # int8
    assert case.given_by['classes']['name'] == 'toy of classes'
    assert case.given_by['side']['name'] != 'toy of classes'
    assert 'What the network “toy of classes” says' in answer
    for name in ('eye, mild', 'mouth, severe'):
        assert name in answer


@pytest.mark.django_db
def test_the_network_changes_no_answer_and_sees_a_mirror_image_alike(browse, left_weak):
    without = faces.check(left_weak, mirrored=False).figures
    call_command('install_face_network', str(NETWORK), stdout=io.StringIO())
    try:
        seen, flipped = (faces.check(np.ascontiguousarray(rgb), mirrored=False).figures
                         for rgb in (left_weak, left_weak[:, ::-1]))
    finally:
        classes.remove()
    assert seen['classes'] == flipped['classes']
    assert {**seen, 'classes': None} == {**without, 'classes': None}


def test_a_network_that_knows_no_healthy_face_is_not_asked_about_one(network, healthy):
    assert 'classes' not in faces.check(healthy, mirrored=False).figures


def test_a_broken_network_costs_no_answer_and_is_told_to_the_log(network, left_weak, caplog):
    classes.installed_at().write_bytes(b'nothing')
    classes.installed_at().with_suffix('.json').touch()
    found = faces.check(left_weak, mirrored=False).figures
    assert found['side'] == 'left'
    assert 'classes' not in found
    assert 'do not belong together' in caplog.text


@pytest.mark.parametrize(('change', 'told'), [
    ({'format': 'stroke-side-classifier-1'}, 'not of format'), ({'sha256': '0' * 64}, 'belong'),
    ({'crop_version': 'other'}, 'trained on crops'), ({'figures': {}}, 'lacks figures'),
    ({'labels': ['left', 'none', 'right']}, 'names sides'), ({'labels': ['a', 'b']}, 'belong')])
@pytest.mark.django_db
def test_a_network_that_does_not_fit_is_not_installed(tmp_path, change, told):
    card = json.loads(NETWORK.with_suffix('.json').read_text())
    (tmp_path / 'n.tflite').write_bytes(NETWORK.read_bytes())
    (tmp_path / 'n.json').write_text(json.dumps({**card, **change}))
    with pytest.raises(CommandError, match=told):
        call_command('install_face_network', str(tmp_path / 'n.tflite'))
    assert not classes.installed_at().exists()


@pytest.mark.django_db
def test_a_network_is_removed_and_only_where_there_is_one(network):
    call_command('install_face_network', '--remove', stdout=io.StringIO())
    assert not classes.installed_at().exists()
    with pytest.raises(CommandError, match='no network'):
        call_command('install_face_network', '--remove')
