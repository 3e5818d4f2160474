"""A clinician disagrees, an expert confirms, the trainer reads it."""

import csv

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from clinic.cases.models import Case, Opinion
from clinic.tests.conftest import jpeg, png
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


@pytest.mark.parametrize('damage', ['gone', 'empty'])
def test_a_case_whose_picture_is_gone_does_not_keep_the_others(
        browse, kept, people, tmp_path, damage, capsys):
    kept.write('picture.jpg', b'') if damage == 'empty' else (kept.folder / 'picture.jpg').unlink()
    other = Case.objects.create(owner=people['clinician'], kind='face', state='done', kept=True)
    other.write('picture.jpg', jpeg(np.zeros((48, 64, 3), np.uint8)))
    for case in (kept, other):
        case.opinions.create(by=people['clinician'], label='left', state='confirmed',
                             confirmed='left', confirmed_at=timezone.now())
    call_command('export_feedback', str(tmp_path / 'out'))
    rows = list(csv.DictReader((tmp_path / 'out' / 'labels.csv').open()))
    assert [row['filename'] for row in rows] == [f'{other.id}.jpg']
    told = capsys.readouterr()
    assert told.err == f'picture.jpg of case {kept.id} is missing; the case is left out\n'
    assert told.out.startswith('1 confirmed cases')
    other.delete()


def test_half_a_scan_is_not_exported(people, tmp_path):
    case = Case.objects.create(owner=people['clinician'], kind='scan', state='done', kept=True,
                               result={'count': 2, 'presets': ['as-is']})
    case.write('slice-0-as-is.jpg', jpeg(np.zeros((48, 64, 3), np.uint8)))
    case.opinions.create(by=people['clinician'], label='stroke', state='confirmed',
                         confirmed='stroke', confirmed_at=timezone.now())
    call_command('export_feedback', str(tmp_path / 'out'), '--kind', 'scan')
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['labels.csv']
    case.delete()


def test_an_export_never_mixes_with_another(tmp_path, db):
    (tmp_path / 'x').touch()
    with pytest.raises(CommandError, match='not empty'):
        call_command('export_feedback', str(tmp_path))
