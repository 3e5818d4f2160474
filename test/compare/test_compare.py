"""`compare`: what another version, model, norm or parameter would have changed, and the gate."""

import csv
import json
import os
import re
from pathlib import Path

import cv2
import pytest

from stroke_side_monitor import assess, atomic_file, compare
from stroke_side_monitor.assessment.terms import Grade, Side
from stroke_side_monitor.compare import changes, command, runs
from stroke_side_monitor.compare.changes import Change, Shift, Verdict
from stroke_side_monitor.offline import tasks
from stroke_side_monitor.offline.inputs import Input, Kind
from stroke_side_monitor.offline.records import METRIC_NAMES
from stroke_side_monitor.offline.run_folder import RunError, RunFolder
from stroke_side_monitor.offline.sources import Source
from stroke_side_monitor.report import fhir
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import portrait
from stroke_side_monitor.simulation.recording import write_video
from stroke_side_monitor.simulation.session import Session, SessionPlan
from stroke_side_monitor.simulation.still import simulate_still

PLAN = SessionPlan(exercises=(), first_rest_s=3.0, rest_s=1.0, fps=10.0, head_motion=0.3,
                   camera=0.3)
MADE_WITH = {'versions': {'stroke_side_monitor': '0.1.0', 'numpy': '1'},
             'parameters': {'mouth_on': 2.1}, 'per': 'second', 'topic': None,
             'model': {'file': 'm', 'sha256': 'aa'}, 'norms': {'file': 'n', 'sha256': 'bb'}}


def run(*arguments):
    return compare.main([str(argument) for argument in arguments])


def record(side='none', M=0.2, index=98.0, *, grade='normal', stable=False, stamp_s=0.0,
           **changed):
    """One record as assess keeps it."""
    return {'input': 'x', 'stamp_s': stamp_s, 'side': side, 'M': M, 'E': 0.1, 'stable': stable,
            'symmetry_index': index, 'grade': grade, 'basis': 'static', 'reasons': [],
            'yaw_deg': 0.0, 'pitch_deg': 0.0, 'roll_deg': 0.0, 'interocular_px': 110.0,
            'mouth_width_mm': 48.0, 'metrics': dict.fromkeys(METRIC_NAMES, 0.1),
            'z': dict.fromkeys(METRIC_NAMES, 0.2), **changed}


@pytest.fixture
def write(tmp_path):
    """write(name, {input: [record, ...]}) → a run's folder, written by the real writer."""
    def written(name, results, **made_with):
        listed = list(results.items() if isinstance(results, dict) else results)
        numbered = tasks.number(Source(Input(Path(one), Kind.PICTURE)) for one, _ in listed)
        folder = tmp_path / name
        with RunFolder(folder, numbered, {**MADE_WITH, **made_with}, resume=False) as kept:
            for task, (one, found) in zip(numbered, listed, strict=True):
                kept.keep(tasks.to_result(task, [{**each, 'input': one} for each in found]))
            kept.finish()
        return folder
    return written


def compared(a, b):
    return changes.compare(runs.pairs(runs.Run.open(a), runs.Run.open(b)))


# Real runs


@pytest.fixture(scope='module')
def assessed(astronaut, tmp_path_factory):
    """Two pictures, a video and a damaged picture: as they are, and taken for mirror images."""
    folder = tmp_path_factory.mktemp('compare')
    (folder / 'inputs').mkdir()
    patient = portrait(astronaut, 'astronaut')
    for side in (Side.LEFT, Side.RIGHT):
        rgb, _ = simulate_still(patient.framed(640, 480, 110.0), Palsy.of(side, 1.0, 'central'),
                                'smile')
        cv2.imwrite(str(folder / 'inputs' / f'{side.name.lower()}.png'), rgb[:, :, ::-1])
    write_video(Session(patient, Palsy.of(Side.RIGHT, 0.9, 'central'), PLAN, seed=2),
                folder / 'inputs' / 'session.mp4')
    (folder / 'inputs' / 'damaged.png').write_bytes(b'\x89PNG\r\n\x1a\n')
    for name, further in (('a', ()), ('again', ()), ('b', ('--mirrored',))):
        assess.main([str(folder / 'inputs'), '--out', str(folder / name), *further])
    return folder


def test_a_change_that_swaps_the_sides_is_found_shown_and_stopped(assessed, tmp_path, capsys):
    out, table = tmp_path / 'report.html', tmp_path / 'changed.csv'
    assert run(assessed / 'a', assessed / 'b', '--out', out, '--csv', table,
               '--max-changed', '1%') == 1
    told = capsys.readouterr().out
    assert '3 of 4 inputs changed (75 %): more than the 1 % allowed.' in told
    assert 'input_mirrored: False → True' in told
    assert 'left against right: 3' in told
    assert 'session.mp4: side right → left; stable side right → left' in told
    with table.open() as file:
        rows = {Path(row['input']).name: row for row in csv.DictReader(file)}
    assert {name: (row['A.side'], row['B.side']) for name, row in rows.items()} == {
        'left.png': ('left', 'right'), 'right.png': ('right', 'left'),
        'session.mp4': ('right', 'left')}
    html = out.read_text()
    assert html.count('<svg') == 1 + 3
    assert 'input_mirrored' in html
    assert not re.search(r'(src|href)="(?!#)', html.replace('xlink:href="#', ''))
    assert run(assessed / 'a', assessed / 'b', '--max-changed', '75%') == 0
    assert run(assessed / 'a', assessed / 'b') == 0


def test_the_same_again_has_changed_nothing(assessed, capsys):
    assert run(assessed / 'a', assessed / 'again', '--max-changed', '0%') == 0
    told = capsys.readouterr().out
    assert '0 of 4 inputs changed (0 %): within the 0 % allowed.' in told
    assert 'made with the same versions' in told
    assert 'note:' not in told


# What counts as changed


@pytest.mark.parametrize(('after', 'kinds'), [
    (record(index=62.0), ()), (record(M=-9.0, index=62.0), ()),
    (record('left', 3.0, 62.0), ('side',)), (record(index=62.0, stable=True), ('stable side',)),
    (record(index=72.0), ()), (record(index=72.1), ('index',)), (record(index=51.9), ('index',)),
    (record(index=50.9), ('grade', 'index')),
    (record('unknown', None, None, basis='unknown'), ('side', 'grade')),
    ({'input': 'x', 'error': 'cannot be read'}, ('assessable',))])
def test_an_input_has_changed_by(after, kinds):
    before = Verdict.of([record(index=62.0)])
    assert before.grade is Grade.MILD
    assert Change.of('x', before, Verdict.of([after])).kinds == kinds


def test_an_error_in_both_runs_is_no_change():
    one, other = (
        Verdict.of([{'input': 'x', 'error': why}]) for why in ('this', 'that'))
    assert Change.of('x', one, other).kinds == ()


def test_a_session_with_exercises_ends_with_what_they_came_to():
    told = Verdict.of([record(index=95.0), record('left', 3.0, 40.0, grade='moderate',
                                                   basis='dynamic', stable=True, stamp_s=1.0),
                       record('left', 3.0, 45.0, grade='moderate', basis='dynamic', stamp_s=2.0),
                       record('unknown', None, None, grade='unknown', basis='unknown',
                              stamp_s=3.0)])
    assert (told.outcome, told.stable, told.grade, told.index, told.mouth_score) == (
        'left', 'left', Grade.MODERATE, 45.0, 3.0)


def test_exercises_that_gave_nothing_are_not_graded_as_in_the_report():
    rest = [record(index=100.0, stamp_s=float(second)) for second in range(9)]
    tried = record(index=None, grade='unknown', stamp_s=9.0,
                   severity_reasons=['no_valid_exercise', 'no_movement_or_bilateral'])
    told = Verdict.of([*rest, tried])
    assert told.grade is Grade.UNKNOWN
    assert told.index != told.index
    before = {name: value for name, value in tried.items() if name != 'severity_reasons'}
    assert Verdict.of([*rest, before]).grade is Grade.NORMAL  # a run of before it was kept


@pytest.mark.parametrize(('changed', 'of', 'allowed', 'status', 'told'), [
    (7, 1000, '0.7%', 0, '(0.7 %): within the 0.7 % allowed'),
    (29, 1000, '2.9%', 0, '(2.9 %): within the 2.9 % allowed'),
    (1, 3, '33.3%', 1, '(33.33 %): more than the 33.3 % allowed'),
    (1, 3, '33.333333%', 1, '(33.3333333 %): more than the 33.333333 % allowed'),
    (2, 3, '66.7%', 0, '(66.67 %): within the 66.7 % allowed'),
    (1, 1000, '0.12345%', 0, '(0.1 %): within the 0.12345 % allowed'),
    (1999, 2000, '100%', 0, '(99.95 %): within the 100 % allowed'),
    (70001, 1000000, '7%', 1, '(7.0001 %): more than the 7 % allowed'),
    (0, 5, '0%', 0, '(0 %): within the 0 % allowed')])
def test_the_limit_is_exact_and_nothing_is_rounded_to_it(
        monkeypatch, write, capsys, changed, of, allowed, status, told):
    found = changes.Comparison(both=of, changed=[None] * changed)
    monkeypatch.setattr(command, 'compare', lambda _: found)
    monkeypatch.setattr(changes.Comparison, 'of_kind', lambda *_: 0)
    run_a = write('a', {'x.png': [record()]})
    assert run(run_a, run_a, '--max-changed', allowed) == status
    assert told in capsys.readouterr().out


# Which inputs belong together


def test_inputs_of_one_run_only_count_as_changed(write, capsys):
    a = write('a', {'one.png': [record()], 'two.png': [record()]})
    b = write('b', {'two.png': [record()], 'three.png': [record()]})
    assert run(a, b, '--max-changed', '60%') == 1
    told = capsys.readouterr().out
    assert '0 of 1 input changed, 2 in one run only (66.7 %): more than the 60 %' in told
    assert 'note: 1 input only in run A: one.png' in told
    assert 'note: 1 input only in run B: three.png' in told


def test_order_does_not_matter_and_a_name_given_twice_is_paired_in_order(write):
    left, right = [record('left', 3.0)], [record('right', -3.0)]
    a = write('a', [('x.png', left), ('v.mp4', [record(stamp_s=0.0), record(stamp_s=1.0)]),
                    ('x.png', right)])
    b = write('b', [('x.png', left), ('x.png', right),
                    ('v.mp4', [record(stamp_s=0.0), record('left', 3.0, stamp_s=1.0)])])
    found = compared(a, b)
    assert (found.both, found.only_a, found.only_b) == (3, [], [])
    assert found.by_input == {('left', 'left'): 1, ('right', 'right'): 1, ('none', 'unknown'): 1}
    assert found.by_record == {('none', 'none'): 1, ('none', 'left'): 1}


def test_records_of_one_stamp_are_paired_in_order(write):
    """A loop that was recorded, or per frame with a clock that stands still."""
    a = write('a', {'v.mp4': [record('left'), record('right'), record()]})
    b = write('b', {'v.mp4': [record('left'), record('right'), record('unknown')]})
    assert compared(a, b).by_record == {('left', 'left'): 1, ('right', 'right'): 1,
                                        ('none', 'unknown'): 1}


def test_a_recording_of_another_length_is_told(write, capsys):
    a = write('a', {'v.mp4': [record(stamp_s=0.0), record(stamp_s=1.0)]})
    b = write('b', {'v.mp4': [record(stamp_s=0.0)]})
    assert run(a, b) == 0
    assert 'another number of records; perhaps not the same files: v.mp4' in \
        capsys.readouterr().out


def test_the_same_software_with_other_answers_is_told(write, capsys):
    assert run(write('a', {'x.png': [record()]}), write('b', {'x.png': [record('left', 3.0)]})
               ) == 0
    assert 'yet answers differ' in capsys.readouterr().out


def test_everything_the_runs_were_made_with_is_compared(write, capsys):
    a = write('a', {'x.png': [record()]})
    b = write('b', {'x.png': [record()]}, parameters={'mouth_on': 3.0, 'new': True},
              norms={'file': 'n', 'sha256': 'c' * 64}, per='frame',
              versions={'stroke_side_monitor': '0.2.0', 'numpy': '1'})
    assert run(a, b) == 0
    told = capsys.readouterr().out
    for line in ('versions stroke_side_monitor: 0.1.0 → 0.2.0', 'mouth_on: 2.1 → 3.0',
                 'new: – → True', 'norms sha256: bb → cccccccccccc\n', 'per: second → frame'):
        assert line in told
    assert 'numpy' not in told


# Shift and ranking


def test_the_shift_of_m_is_told_by_how_the_face_was_seen(write):
    a = write('a', {f'{yaw}.png': [record(M=1.0, yaw_deg=yaw)] for yaw in (-20.0, 0.0, 1.0, 2.0)})
    b = write('b', {f'{yaw}.png': [record(M=1.0 + moved)] for yaw, moved in (
        (-20.0, -3.0), (0.0, 0.1), (1.0, 0.2), (2.0, 0.6))})
    shift = compared(a, b).shift['yaw_deg']
    assert [one.records for one in shift] == [1, 0, 3, 0, 0]
    assert (shift[0].quantile(0.5), shift[0].more_asymmetric) == (-3.0, 1.0)
    assert [shift[2].quantile(share) for share in (0.05, 0.5, 0.95)] == [0.1, 0.2, 0.6]


def test_without_records_there_is_no_shift():
    assert Shift().quantile(0.5) != Shift().quantile(0.5)


def test_the_heaviest_twenty_come_first(write):
    a = {f'{number:02d}.png': [record('left', 3.0, 80.0)] for number in range(30)}
    b = {name: [record('left', 3.0, 80.0 + number)] for number, name in enumerate(a)}
    b['05.png'] = [record('right', -3.0, 80.0)]
    b['06.png'] = [{'error': 'cannot be read'}]
    names = [change.name for change, _ in compared(write('a', a), write('b', b)).most]
    assert names[:4] == ['05.png', '06.png', '29.png', '28.png']
    assert len(names) == 20


def test_every_kind_of_change_can_be_drawn(write, tmp_path):
    a = {'e.png': [record()], 'f.png': [record()], 'v.mp4': [record(), record(stamp_s=1.0)],
         'u.png': [record('unknown', None, None, grade='unknown', z={}, metrics={},
                          reasons=['no_face'])], '<i>.png': [record()]}
    b = {'e.png': [{'error': '<b>gone</b>'}], 'f.png': [record('left', None, None)],
         'v.mp4': [{'error': 'cut off'}], 'u.png': [record()],
         '<i>.png': [record('unknown', None, None, z={}, metrics={}, reasons=['yaw'])]}
    out = tmp_path / 'report.html'
    assert run(write('a', a), write('b', b), '--out', out) == 0
    html = out.read_text()
    assert '&lt;b&gt;gone' in html
    assert '&lt;i&gt;.png' in html
    assert 'B: head turned aside' in html


# What cannot be compared


def test_a_folder_that_is_no_finished_run_is_refused_in_one_line(write, tmp_path, capsys):
    good = write('good', {'x.png': [record()]})
    (tmp_path / 'empty').mkdir()
    broken = {name: write(name, {'x.png': [record()], 'y.png': [record()]})
              for name in ('cut', 'mixed', 'unfinished', 'nonsense', 'other')}
    lines = (broken['cut'] / 'assessments.jsonl')
    lines.write_text(lines.read_text()[:-40])
    (broken['mixed'] / 'summary.csv').write_bytes((good / 'summary.csv').read_bytes().replace(
        b'x.png', b'z.png'))
    (broken['unfinished'] / '.assess.journal').write_bytes(b'{}\n')
    (broken['nonsense'] / 'run.json').write_text('[]')
    other = write('elsewhere', {'z.png': [record()]})
    for folder, why in ((tmp_path / 'empty', 'holds no run of assess'),
                        (tmp_path / 'absent', 'holds no run of assess'),
                        (broken['cut'], 'are damaged'), (broken['mixed'], 'are not of one run'),
                        (broken['unfinished'], 'is not finished'),
                        (broken['nonsense'], 'is damaged'), (other, 'no input in common')):
        for pair in ((good, folder), (folder, good)):
            assert run(*pair, '--out', tmp_path / 'report.html') == 2
            told = capsys.readouterr().err
            assert why in told
            assert told.count('\n') == 1
    assert not (tmp_path / 'report.html').exists()


def test_a_run_in_a_folder_whose_name_is_not_utf8_has_a_page(write, tmp_path):
    good = write(os.fsdecode(b'good\xff'), {'x.png': [record()]})
    assert run(good, good, '--out', tmp_path / 'report.html') == 0
    assert r'good\udcff' in (tmp_path / 'report.html').read_text()


def test_a_page_that_cannot_be_written_is_told(write, tmp_path, capsys):
    good = write('good', {'x.png': [record()]})
    assert run(good, good, '--out', tmp_path / 'nowhere' / 'report.html') == 2
    assert 'give a folder that exists' in capsys.readouterr().err


@pytest.mark.parametrize('theirs', ['run.json', 'assessments.jsonl', 'page.html', 'fhir.json'])
def test_what_only_speaks_of_this_package_is_no_page_of_its_own(
        write, tmp_path, capsys, theirs):
    """A run's and a session's own files name it, too."""
    good = write('good', {'stroke_side_monitor.png': [record()]})
    (good / 'page.html').write_text('<!DOCTYPE html>\n<p>about stroke_side_monitor</p>')
    (good / 'fhir.json').write_bytes(fhir.collection(fhir.Subject('a', '', '2026-01-01'), 'A', [],
                                                     ''))
    before = (good / theirs).read_bytes()
    assert run(good, good, '--out', good / theirs) == 2
    assert 'something that this command has not written' in capsys.readouterr().err
    assert (good / theirs).read_bytes() == before


@pytest.mark.parametrize('theirs', [
    b'{"versions": {"stroke_side_monitor": "0.1.0"}, "patient_key": "p"}',
    b'{"kind": "event", "name": "stroke_side_monitor"}\n', b'{"resourceType": "Bundle"}',
    b'<html><meta name="generator" content="stroke_side_monitor"></html>'])
def test_a_document_replaces_none_but_documents(tmp_path, theirs):
    path = tmp_path / 'session.json'
    path.write_bytes(theirs)
    document = fhir.collection(fhir.Subject('a', '', '2026-01-01'), 'A', [], '')
    with pytest.raises(atomic_file.WriteError, match='has not written'):
        atomic_file.write_own({path: document})
    path.write_bytes(document)
    atomic_file.write_own({path: document})


@pytest.mark.parametrize('share', [
    '1', '0.01', '-1%', '101%', 'nan%', 'inf%', '1/3%', 'few', '%', '1e-99999999%'])
def test_what_is_allowed_must_be_a_percentage(tmp_path, capsys, share):
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, tmp_path, f'--max-changed={share}')
    assert ended.value.code == 2
    assert 'is not a percentage' in capsys.readouterr().err


def test_damage_is_a_run_error_wherever_it_lies(write):
    folder = write('a', {'x.png': [record()]})
    path = folder / 'assessments.jsonl'
    path.write_text(json.dumps({'no input': 1}) + '\n')
    with pytest.raises(RunError, match='damaged'):
        list(runs.Run.open(folder).results())
