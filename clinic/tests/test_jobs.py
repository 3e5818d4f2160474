"""Work that is disturbed leaves nothing behind: its case deleted meanwhile, the server killed."""

import os
import resource
import subprocess
import threading
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from clinic.cases import jobs, scans, videos, words
from clinic.cases.models import Case, CaseGone, Opinion
from clinic.tests.conftest import png

GREY = np.full((64, 64, 3), 90, np.uint8)


def film(path, picture=GREY, frames=5):
    """A video of one picture, MJPG in AVI."""
    out = cv2.VideoWriter(f'{path}.avi', cv2.VideoWriter_fourcc(*'MJPG'), 15, picture.shape[1::-1])
    for _ in range(frames):
        out.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    out.release()
    path.with_name(f'{path.name}.avi').rename(path)


@pytest.fixture
def begun(people):
    """A function (kind) → a kept case whose input waits, as `jobs.start` leaves it."""
    def begin(kind, **more):
        case = Case.objects.create(owner=people['clinician'], kind=kind, kept=True, **more)
        jobs.folder(case).mkdir()
        if kind == 'scan':
            (jobs.folder(case) / '00000.png').write_bytes(png(GREY))
        else:
            film(jobs.folder(case) / 'video')
        return case
    yield begin
    for case in Case.objects.all():
        case.delete()
    for place in settings.WORK.iterdir():
        jobs.remove(place)


# Deleted is deleted


@pytest.mark.parametrize(('kind', 'assess'), [('scan', scans.assess), ('video', videos.assess)])
def test_a_case_deleted_before_its_first_picture_does_not_come_back(
        begun, tmp_path, kind, assess):
    case = begun(kind)
    held = jobs.folder(case).rename(tmp_path / 'held')
    Case.objects.filter(pk=case.pk).delete()
    with pytest.raises(CaseGone):
        assess(case, held)
    assert not Case.objects.exists()
    assert not case.folder.exists()


def test_a_case_deleted_between_two_pictures_does_not_come_back(begun, browse, monkeypatch):
    case, judge = begun('scan'), scans._judge

    def deleted_meanwhile(*given):
        assert any(case.folder.iterdir())
        browse('clinician').post(f'/cases/{case.id}/delete/')
        case.folder.mkdir()  # as a picture written at that moment does
        judge(*given)
    monkeypatch.setattr(scans, '_judge', deleted_meanwhile)
    call_command('work', str(case.id))
    assert not Case.objects.exists()
    assert not case.folder.exists()
    assert not jobs.folder(case).exists()


def test_work_on_a_case_deleted_before_it_began_ends_without_a_word(begun):
    case = begun('scan')
    Case.objects.filter(pk=case.pk).delete()
    call_command('work', str(case.id))
    assert not case.folder.exists()
    assert not jobs.folder(case).exists()


def test_deleting_a_case_ends_its_work(db):
    process, began = subprocess.Popen(['sleep', '60']), time.monotonic()
    jobs._follow(process, uuid.uuid4())
    assert process.returncode == -9
    assert time.monotonic() - began < 30


def test_a_case_that_fails_after_it_was_deleted_leaves_no_picture(begun):
    case = begun('scan')
    case.write('slice-0-as-is.jpg', b'x')
    Case.objects.filter(pk=case.pk).delete()
    case.folder.mkdir(exist_ok=True)
    jobs.fail(case.pk, 'too late')
    assert not case.folder.exists()


def test_an_experts_word_on_a_case_deleted_meanwhile_brings_nothing_back(
        begun, browse, people, monkeypatch):
    case = begun('scan', state='done')
    opinion, labels = case.opinions.create(by=people['clinician'], label='stroke'), words.labels

    def deleted_meanwhile(kind):
        case.delete()
        return labels(kind)
    monkeypatch.setattr(words, 'labels', deleted_meanwhile)
    answer = browse('expert').post(f'/queue/{opinion.pk}/', {'label': 'stroke'})
    assert answer.status_code == 404
    assert not Opinion.objects.exists()


# The server dies in the middle


@pytest.mark.parametrize('state', ['waiting', 'running'])
def test_a_case_whose_server_died_fails_with_a_reason_and_leaves_no_input(begun, browse, state):
    lost = begun('scan', state=state, made=timezone.now() - timedelta(hours=1))
    lost.write('slice-0-as-is.jpg', b'x')
    jobs.sweep()
    page = browse('clinician').get(f'/cases/{lost.id}/').content.decode()
    assert 'The server stopped while this was being assessed. Send it again.' in page
    assert not lost.folder.exists()
    assert not jobs.folder(lost).exists()


def test_work_that_goes_on_is_left_alone(begun):
    case = begun('scan', state='running')
    upload = settings.WORK / 'tmp1.upload.png'
    upload.write_bytes(b'being sent')
    jobs.sweep()
    assert Case.objects.get().state == 'running'
    assert {place.name for place in settings.WORK.iterdir()} == {str(case.id), upload.name}


def test_input_that_nobody_reads_any_more_is_removed(begun):
    done = begun('scan', state='done')
    (settings.WORK / str(uuid.uuid4())).mkdir()
    (settings.CASES / f'{uuid.uuid4()}.0123.deleted').mkdir()
    half = settings.WORK / 'tmp2.upload.png'
    half.write_bytes(b'sent by halves')
    os.utime(half, (time.time() - 7200,) * 2)
    jobs.sweep()
    assert list(settings.WORK.iterdir()) == []
    assert list(settings.CASES.iterdir()) == []
    assert Case.objects.get().pk == done.pk


def test_deleting_a_case_removes_its_input(begun):
    place = jobs.folder(case := begun('video', state='running'))
    case.delete()
    assert not place.exists()


def test_work_given_up_does_not_come_back_as_a_result(begun, tmp_path):
    case = begun('scan', state='running')
    held = jobs.folder(case).rename(tmp_path / 'held')
    jobs.fail(case.pk, 'given up')
    with pytest.raises(CaseGone):
        scans.assess(case, held)
    assert Case.objects.get().problem == 'given up'
    assert not case.folder.exists()


def test_figures_that_cannot_be_removed_do_not_keep_the_others(
        begun, settings, tmp_path, caplog):
    stuck, _other = (begun('scan', state='done') for _ in range(2))
    Case.objects.update(kept=False)
    settings.UNKEPT_MINUTES = 0
    stuck.folder.symlink_to(tmp_path, target_is_directory=True)  # rmtree refuses it
    Case.sweep()
    assert list(Case.objects.all()) == [stuck]
    assert f'case {stuck.pk} cannot be removed' in caplog.text
    for link in settings.CASES.glob('*.deleted'):
        link.unlink()


# The database is away for a while


def away(*_):
    raise OperationalError('the connection is closed')


def test_the_sweep_outlives_a_database_that_does_not_answer(monkeypatch, caplog):
    monkeypatch.setattr(jobs, '_SWEEP_EVERY_S', 0.05)
    stop = jobs.sweep_for_ever()  # a test without `db` may not use the database
    thread, = (one for one in threading.enumerate() if one.name == 'sweep')
    time.sleep(1)
    assert thread.is_alive()
    stop.set()
    thread.join()
    assert caplog.text.count('the sweep broke off') > 1


@pytest.mark.parametrize(('command', 'code'), [('sleep 2.5', 0), ('sleep 1.5; exit 3', 3)])
def test_input_goes_though_the_database_does_not_answer(
        begun, caplog, monkeypatch, command, code):
    # Of PostgreSQL it would close the connection in whose transaction the test runs.
    monkeypatch.setattr(jobs, 'close_old_connections', lambda: None)
    case = begun('scan', state='running')
    process = subprocess.Popen(command, shell=True)
    with transaction.atomic(), connection.execute_wrapper(away):
        jobs._follow(process, case.pk)
    assert process.returncode == code
    assert not jobs.folder(case).exists()
    assert 'the connection is closed' in caplog.text


# The disk is full


@contextmanager
def full():
    """Files of more than 20 kB cannot be written, as on a disk with as little room.

    Around one call and no more: the limit holds for the log of the tests too.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize('page', ['face', 'scan'])
def test_what_cannot_be_stored_is_told_in_one_line_and_leaves_no_case(
        browse, left_weak, stored, page):
    client, sent = browse('clinician'), SimpleUploadedFile('f.png', png(left_weak))
    with full():
        answer = client.post(f'/{page}/', {
            'consent': 'on', 'keep': 'on', {'face': 'picture', 'scan': 'files'}[page]: sent})
    assert answer.status_code == 400
    assert 'The server cannot store this; its disk may be full.' in answer.content.decode()
    assert not Case.objects.exists()
    assert stored() == []


def test_work_that_cannot_be_stored_says_so(begun):
    case = begun('scan')
    case.folder.touch()  # no folder can be made in its place
    with full():
        call_command('work', str(case.id))
    assert 'The server cannot store this' in Case.objects.get().problem


def test_a_face_check_takes_nobodys_place(begun, people):
    for _ in range(settings.MAX_JOBS):
        Case.objects.create(owner=people['clinician'], kind='face', state='running')
    jobs.check_room()


# Reports that compare with a deleted case


@pytest.fixture
def visits(begun):
    """Three assessed videos of one pseudonym, a day apart, as the work leaves them."""
    made = []
    for day in (1, 2, 3):
        case = begun('video', patient_key='p-17', made=datetime(2026, 3, day, 9, tzinfo=UTC))
        call_command('work', str(case.id))
        made.append(Case.objects.get(pk=case.pk))
    return made


def test_a_deleted_visit_is_in_no_later_report(
        visits, browse, django_capture_on_commit_callbacks):
    first, second, third = visits
    assert b'01 Mar 2026' in third.read('report.html')
    printed = third.read('report.pdf')
    with django_capture_on_commit_callbacks(execute=True):
        browse('clinician').post(f'/cases/{first.id}/delete/')
    for later in (second, third):
        assert b'01 Mar 2026' not in later.read('report.html')
        assert later.read('report.pdf').startswith(b'%PDF')
    assert b'02 Mar 2026' in third.read('report.html')
    assert third.read('report.pdf') != printed


def test_a_visit_deleted_while_a_later_one_is_assessed_is_not_in_its_report(
        visits, begun, monkeypatch):
    first, figures = visits[0], videos._figures

    def deleted_meanwhile(session):
        first.delete()
        return figures(session)
    later = begun('video', patient_key='p-17', made=datetime(2026, 3, 4, 9, tzinfo=UTC))
    monkeypatch.setattr(videos, '_figures', deleted_meanwhile)
    call_command('work', str(later.id))
    assert Case.objects.get(pk=later.pk).state == 'done'
    assert b'01 Mar 2026' not in later.read('report.html')
    assert b'02 Mar 2026' in later.read('report.html')


def test_a_visit_whose_figures_are_gone_keeps_no_later_one(visits, begun, caplog):
    (visits[0].folder / 'session.jsonl').unlink()
    later = begun('video', patient_key='p-17', made=datetime(2026, 3, 4, 9, tzinfo=UTC))
    call_command('work', str(later.id))
    assert Case.objects.get(pk=later.pk).state == 'done'
    assert b'02 Mar 2026' in later.read('report.html')
    assert str(visits[0].pk) in caplog.text


def test_a_finished_case_keeps_its_pictures_whatever_comes_after(begun):
    case = begun('scan', state='done')
    case.write('slice-0-as-is.jpg', b'x')
    with pytest.raises(CaseGone):
        case.store(progress=0)
    assert case.read('slice-0-as-is.jpg') == b'x'
