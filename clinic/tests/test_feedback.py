"""A clinician disagrees, an expert confirms, the trainer reads it."""

import csv

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from clinic.cases.models import Case, Opinion
from clinic.tests.conftest import png
from training.sources import read_source


@pytest.fixture
def kept(browse, left_weak):
    browse('clinician').post('/face/', {
        'consent': 'on', 'keep': 'on', 'picture': SimpleUploadedFile('f.png', png(left_weak))})
    case = Case.objects.get()
    yield case
    case.delete()


def test_only_what_an_expert_confirmed_is_exported_as_the_trainer_reads_it(
        browse, kept, tmp_path):
    browse('clinician').post(f'/cases/{kept.id}/opinion/', {'label': 'right', 'comment': 'x'})
    call_command('export_feedback', str(tmp_path / 'none'))
    assert (tmp_path / 'none' / 'labels.csv').read_text().count('\n') == 1
    opinion = Opinion.objects.get()
    expert = browse('expert')
    assert str(kept.id)[:8] in expert.get('/queue/').content.decode()
    expert.post(f'/queue/{opinion.pk}/', {'label': 'left'})
    call_command('export_feedback', str(tmp_path / 'some'))
    rows = list(csv.DictReader((tmp_path / 'some' / 'labels.csv').open()))
    assert [row['label'] for row in rows] == ['left']
    items, rejected = read_source(tmp_path / 'some', 'patient')
    assert (len(items), rejected) == (1, [])
    assert items[0].label == 'left'


def test_rejected_cases_are_not_exported(browse, kept, tmp_path):
    browse('clinician').post(f'/cases/{kept.id}/opinion/', {'label': 'right'})
    browse('expert').post(f'/queue/{Opinion.objects.get().pk}/', {'label': 'reject'})
    call_command('export_feedback', str(tmp_path / 'out'))
    assert (tmp_path / 'out' / 'labels.csv').read_text().count('\n') == 1


@pytest.mark.parametrize(('words', 'exported'), [
    (('left', 'reject'), []), (('reject', 'left'), ['left']), (('left', 'right'), ['right'])])
def test_the_newest_word_of_an_expert_counts(browse, kept, tmp_path, words, exported):
    for word in words:
        browse('clinician').post(f'/cases/{kept.id}/opinion/', {'label': 'right'})
        browse('expert').post(f'/queue/{Opinion.objects.get(state="waiting").pk}/', {'label': word})
    call_command('export_feedback', str(tmp_path / 'out'))
    rows = list(csv.DictReader((tmp_path / 'out' / 'labels.csv').open()))
    assert [row['label'] for row in rows] == exported


def test_an_export_never_mixes_with_another(tmp_path, db):
    (tmp_path / 'x').touch()
    with pytest.raises(CommandError, match='not empty'):
        call_command('export_feedback', str(tmp_path))
