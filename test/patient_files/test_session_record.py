"""A session record is readable after a kill and a full disk, and keeps what was told to it."""

import json
import math
import os
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor.assessment.baseline import BaselineError
from stroke_side_monitor.assessment.exercise import ExerciseTracker
from stroke_side_monitor.assessment.severity import unknown_severity
from stroke_side_monitor.assessment.side import SideFilter
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.patient_files.session_record import (
    SessionError,
    SessionRecorder,
    read_session,
)
from stroke_side_monitor.pipeline import Assessment
from stroke_side_monitor.pipeline.result import View
from stroke_side_monitor.report.summary import FRAME_NAMES

WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)

def recorder(root, **options):
    told = []
    options = {'patient_key': 'p-7', 'versions': {'software': '0.1.0'},
               'parameters': {'window_s': 1.0}, 'tell': told.append, 'started': WHEN, **options}
    return SessionRecorder(root, **options), told


def smile(points):
    """The result of a smile of which the mesh sees the left side achieve half."""
    tracker = ExerciseTracker()
    tracker.cue('smile', True, 2.0)
    for number in range(100):
        moved = points.copy()
        if number >= 50:
            moved[lm.COMMISSURE_RIGHT, 1] += 8.0
            moved[lm.COMMISSURE_LEFT, 1] += 4.0
        tracker.add(number / 20, moved)
    result, = tracker.finish()
    assert result.valid
    return result


def test_a_frame_that_was_read_takes_little_memory(tmp_path):
    """Half a million of them are eight hours; the report reads them all."""
    recorder = SessionRecorder(tmp_path, versions={}, parameters={}, tell=pytest.fail)
    count = 2000
    for number in range(count):
        recorder.frame(number / 15, {
            'side': 'left', 'confidence': 0.9 + number * 1e-6, 'stable': True, 'M': number * 1e-3,
            'E': number * 1e-4, 'classifier_score': 1.0 + number * 1e-3, 'grade': 'mild',
            'symmetry_index': 80.0 + number * 1e-3, 'basis': 'static', 'nihss': [1, 2],
            'reasons': ['blink'], 'severity_reasons': ['rest_only'], 'assessed': True,
            'yaw_deg': number * 1e-2, 'pitch_deg': 1.0, 'roll_deg': 0.5, 'interocular_px': 110.0,
            'metrics': {f'metric_{place}': number * 0.1 for place in range(17)}})
    recorder.close()
    tracemalloc.start()
    session = read_session(recorder.folder, wanted=FRAME_NAMES)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(session.lines) == count
    assert session.lines[5]['M'] == 0.005
    assert 'metrics' not in session.lines[5]
    assert taken / count < 450


def test_what_was_recorded_is_read_back(tmp_path, symmetric_points):
    record, told = recorder(tmp_path)
    record.frame(1.25, {'side': Side.LEFT, 'M': 3.5, 'E': math.nan, 'reasons': ('blink',)})
    record.cue(2.0, 'smile', True, 0.0, ('overlapping_start',))
    result = smile(symmetric_points)
    record.exercise(result)
    record.event(6.0, 'new_asymmetry', {'side': Side.RIGHT, 'change': -3.2})
    record.close()
    record.close()

    session = read_session(record.folder)
    assert (session.damaged, told) == (0, [])
    assert (session.patient_key, session.started) == ('p-7', WHEN)
    assert session.metadata['versions'] == {'software': '0.1.0'}
    assert session.metadata['parameters'] == {'window_s': 1.0}
    assert [line['kind'] for line in session.lines] == [
        'frame', 'cue', 'exercise', 'event']
    assert session.of_kind('frame')[0] == {
        'kind': 'frame', 'stamp_s': 1.25, 'side': 'left', 'M': 3.5, 'E': None,
        'reasons': ['blink']}
    assert session.of_kind('exercise')[0]['excursion_left'] == result.excursion_left


def seen(stamp_s, session, reason, **more):
    """An assessment of that session, without a face."""
    view = View(reasons=('no_face',))
    unknown = SideFilter(1.0, 1.0, 1).miss(stamp_s, view.reasons)
    return Assessment(stamp_s, unknown, unknown_severity(view.reasons), view, session=session,
                      session_reason=reason, **more)


def told_in_order(session):
    """Kind of every line; of a boundary its session and why it began."""
    return [(line['session'], line['reason']) if line.get('name') == 'session_began'
            else line['kind'] for line in session.lines]


def test_where_a_session_began_stands_before_its_first_frame(tmp_path):
    record, _ = recorder(tmp_path)
    for stamp_s, session, reason in ((1.0, 70, 'started'), (2.0, 70, 'started'), (3.0, 71, 'reset'),
                                     (1.0, 72, 'clock_went_back')):
        record.assessment(seen(stamp_s, session, reason))
    record.close()
    session = read_session(record.folder)
    assert told_in_order(session) == [
        (70, 'started'), 'frame', 'frame', (71, 'reset'), 'frame', (72, 'clock_went_back'),
        'frame']
    assert [line['stamp_s'] for line in session.of_kind('event')] == [1.0, 3.0, 1.0]


def test_what_the_person_before_has_done_stands_before_the_boundary(tmp_path, symmetric_points):
    record, _ = recorder(tmp_path)
    result = smile(symmetric_points)
    record.assessment(seen(1.0, 1, 'started'))
    parting = seen(6.0, 1, 'started', exercise_results=(replace(result, exercise='pucker'),))
    record.assessment(seen(6.0, 2, 'another_face', exercise_results=(result,), parting=parting))
    record.results(seen(7.0, 2, 'another_face', exercise_results=(result,)))
    record.assessment(seen(7.0, 3, 'reset'))
    record.close()
    session = read_session(record.folder)
    assert told_in_order(session) == [
        (1, 'started'), 'frame', 'exercise', (2, 'another_face'), 'frame', 'exercise', 'exercise',
        (3, 'reset'), 'frame']
    assert [line['exercise'] for line in session.of_kind('exercise')] == [
        'pucker', 'smile', 'smile']


def test_only_metadata_and_lines_are_stored_and_no_image(tmp_path):
    record, _ = recorder(tmp_path)
    record.close()
    assert sorted(os.listdir(record.folder)) == ['session.json', 'session.jsonl']


def test_sessions_of_the_same_second_do_not_share_a_folder(tmp_path):
    first, _ = recorder(tmp_path)
    second, _ = recorder(tmp_path)
    assert first.folder != second.folder
    assert first.folder.name == '20260304T050607Z_p-7'


def test_a_session_without_a_key_is_unnamed(tmp_path):
    record, _ = recorder(tmp_path, patient_key='')
    record.close()
    assert read_session(record.folder).patient_key == ''
    assert record.folder.name.endswith('_unnamed')


def test_an_exercise_without_any_frame_is_kept(tmp_path):
    tracker = ExerciseTracker()
    tracker.cue('smile', True, 2.0)
    tracker.cue('smile', False, 4.0)
    result, = tracker.add(9.0, None)
    record, _ = recorder(tmp_path)
    record.exercise(result)
    record.close()
    assert read_session(record.folder).of_kind('exercise')[0]['stamp_s'] == 9.0


_WRITER = '''
import sys
from pathlib import Path
from stroke_side_monitor.patient_files.session_record import SessionRecorder
record = SessionRecorder(Path(sys.argv[1]), versions={}, parameters={}, tell=print)
print(record.folder, flush=True)
number = 0
while True:
    number += 1
    record.frame(float(number), {'number': number, 'padding': 'x' * 2000})
    print(number, flush=True)
'''


def test_a_recorder_killed_at_any_moment_loses_no_line_it_had_finished(tmp_path, start_process):
    for round_ in range(5):
        writer = start_process('-c', _WRITER, str(tmp_path))
        folder = writer.stdout.readline().strip()
        for _ in range(10 + 37 * round_):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        finished = int(([*writer.stdout.read().split()] or [10 + 37 * round_])[-1])
        session = read_session(tmp_path / folder)
        assert [line['number'] for line in session.lines][:finished] == list(
            range(1, finished + 1))
        assert session.damaged <= 1


def test_half_a_line_is_skipped_and_counted(tmp_path):
    record, _ = recorder(tmp_path)
    for second in range(3):
        record.frame(float(second), {'side': Side.NONE})
    record.close()
    lines = record.folder / 'session.jsonl'
    lines.write_bytes(lines.read_bytes()[:-9])
    session = read_session(record.folder)
    assert ([line['stamp_s'] for line in session.lines], session.damaged) == ([0.0, 1.0], 1)


_FULL = '''
import resource, sys
from pathlib import Path
from stroke_side_monitor.patient_files.session_record import SessionRecorder
told = []
record = SessionRecorder(Path(sys.argv[1]), versions={}, parameters={}, tell=told.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
for number in range(200):
    record.frame(float(number), {'number': number})
assert not record.writing
record.close()
print(record.folder)
print(len(told))
print(told[0])
'''


def test_a_full_disk_is_told_once_and_the_program_lives_on(tmp_path):
    # A file size limit stops the real write, part of a line included.
    lines = subprocess.run([sys.executable, '-c', _FULL, str(tmp_path)], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == 3
    assert lines[1] == '1'
    assert 'session record: stopped' in lines[2]
    session = read_session(tmp_path / lines[0])
    numbers = [line['number'] for line in session.lines]
    assert len(numbers) > 20
    assert numbers == list(range(len(numbers)))


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(SessionError, match='record_session') as error:
        recorder(tmp_path / 'file')
    assert '\n' not in str(error.value)
    with pytest.raises(BaselineError, match='patient_key'):
        recorder(tmp_path, patient_key='Mrs Miller/Smith')


def test_what_is_no_session_is_told_in_one_line(tmp_path):
    with pytest.raises(SessionError, match='not a recorded session'):
        read_session(tmp_path)
    record, _ = recorder(tmp_path)
    record.close()
    metadata = json.loads((record.folder / 'session.json').read_text())
    (record.folder / 'session.json').write_text(json.dumps({**metadata, 'schema': 9}))
    with pytest.raises(SessionError, match='schema 9'):
        read_session(record.folder)
