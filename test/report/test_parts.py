"""A recording of two people, or of two orientations of the camera, is not told as one face."""

import csv
import json
import re
from pathlib import Path

import pytest

from stroke_side_monitor import pipeline
from stroke_side_monitor.assessment.terms import Basis, Side
from stroke_side_monitor.patient_files.session_record import read_session
from stroke_side_monitor.report import main, parts, words
from stroke_side_monitor.report.summary import compare, summarise

REPOSITORY = Path(__file__).resolve().parents[2]
# Severe palsies of either side: right and left excursion in mm, number of smiles.
LEFT_WEAK, RIGHT_WEAK = (6.0, 0.5, 3), (0.5, 6.0, 3)


def summary(folder):
    return summarise(read_session(folder))


def written(folder, tmp_path):
    """Everything that is written of a session, by name."""
    out = tmp_path / 'written'
    out.mkdir(exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    assert main([str(folder), '--out', str(out / 'r.html'), '--pdf', str(out / 'r.pdf'),
                 '--csv', str(out), '--fhir', str(out / 'r.json')]) == 0
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize(('reason', 'old'), [
    ('reset', False), ('reset', True), ('another_face', False), ('orientation_changed', False),
    ('internal_error', False)])
def test_two_palsies_are_no_perfect_smile(recording, reason, old):
    session = summary(recording(('started', *LEFT_WEAK), (reason, *RIGHT_WEAK), old=old))
    smile, = session.movements
    assert (smile.usable, smile.repetitions, smile.weaker) == (3, 3, Side.RIGHT)
    assert smile.ratio < 0.2
    assert (session.side, session.side_share, session.mouth_score) == (Side.RIGHT, 1.0, -3.0)
    assert (session.frames, len(session.seconds), len(session.bands)) == (300, 30, 3)
    assert session.duration_s == pytest.approx(29.9)
    assert [(part.reason, part.start_s, part.usable, part.assessed_s) for part in session.parts] \
        == [('' if old else 'started', 0.0, 3, 30), (reason, pytest.approx(30.0), 3, 30)]
    # Times count from the recording's first frame, whichever part they are of.
    assert session.bands[0].start_s == pytest.approx(34.0)
    assert session.seconds[0].time_s == 30.0
    alone = summary(recording(('started', *RIGHT_WEAK), day=1))
    for name in ('index', 'grade', 'basis', 'mouth', 'eye', 'nihss', 'assessed_share', 'lost'):
        assert getattr(session, name) == getattr(alone, name), name


@pytest.mark.parametrize(('done', 'told'), [
    ((2, 3), 1), ((3, 2), 0), ((2, 2), 1), ((0, 1), 1), ((1, 0), 0), ((0, 0), 1)])
def test_the_part_with_most_usable_repetitions_is_told(recording, done, told):
    session = summary(recording(*((reason, 6.0, 3.0, number) for reason, number in zip(
        ('started', 'reset'), done, strict=True))))
    assert session.part == told
    assert sum(movement.usable for movement in session.movements) == done[told]


def test_without_a_usable_repetition_the_part_that_was_seen_most_is_told(recording):
    folder = recording(('started', 6.0, 3.0, 0), ('another_face', 3.0, 6.0, 0))
    lines = folder / 'session.jsonl'
    text = lines.read_text().splitlines(keepends=True)
    lines.write_text(''.join(text[:-150]))  # the second left early
    session = summary(folder)
    assert (session.part, session.side, session.basis) == (0, Side.LEFT, Basis.STATIC)
    # Nobody moved in the first: that was asked of the patient, and is no normal finding.
    tried = summary(recording(('started', 1.0, 1.0, 2), ('another_face', 3.0, 6.0, 0), day=1))
    assert tried.part == 0
    assert 'Neither side moved in: smiling' in ' '.join(words.paragraphs(tried, None))


def test_what_the_one_who_left_had_under_way_is_his(recording):
    folder = recording(('started', 6.0, 0.5, 2), ('another_face', 0.5, 6.0, 2))
    lines = [json.loads(line) for line in (folder / 'session.jsonl').read_text().splitlines()]
    boundary = next(place for place, line in enumerate(lines)
                    if line.get('reason') == 'another_face')
    parting = {**next(line for line in lines if line['kind'] == 'exercise'),
               'start_s': 1027.0, 'stamp_s': 1030.0}
    lines.insert(boundary, parting)
    (folder / 'session.jsonl').write_text('\n'.join(map(json.dumps, lines)) + '\n')
    session = summary(folder)
    assert [part.usable for part in session.parts] == [3, 2]
    assert (session.part, session.movements[0].usable) == (0, 3)
    assert session.movements[0].weaker is Side.LEFT


def test_a_clock_that_went_back_parts_nobody(recording):
    session = summary(recording(('started', 6.0, 3.0, 3), ('clock_went_back', 6.0, 3.0, 3)))
    assert (len(session.parts), session.movements[0].usable, session.frames) == (1, 6, 600)
    assert session.parts[0].reason == 'started'


def test_what_holds_neither_frames_nor_results_is_no_part(recording):
    folder = recording(('reset', 6.0, 3.0, 3), old=True)
    with (folder / 'session.jsonl').open('a') as file:
        file.write('{"kind":"event","stamp_s":1031.0,"name":"reset"}\n')
    session = summary(folder)
    assert (len(session.parts), session.movements[0].usable) == (1, 3)
    assert [name for name, _ in session.events] == ['reset', 'reset']


def test_a_recording_of_one_part_is_reported_as_it_always_was(recording, tmp_path):
    folder = recording(('started', 8.0, 4.0, 3))
    told = written(folder, tmp_path)
    assert sorted(told) == ['exercises.csv', 'parts.csv', 'r.html', 'r.json', 'r.pdf',
                            'seconds.csv', 'sessions.csv']
    assert [row['reported'] for row in csv.DictReader(told['parts.csv'].decode().splitlines())
            ] == ['True'], 'and none of an earlier report in the same folder'
    assert not re.search(r'\bparts?\b.{0,40}(recording|figures)', told['r.html'].decode())
    lines = folder / 'session.jsonl'
    text = lines.read_text()
    assert 'session_began' in text
    lines.write_text(''.join(line for line in text.splitlines(keepends=True)
                             if 'session_began' not in line))  # as older recorders wrote it
    again = written(folder, tmp_path)
    assert again.pop('parts.csv') == told.pop('parts.csv').replace(b'started', b'')
    assert again == told


def test_what_is_reported_and_what_is_left_out_is_told_everywhere(recording, tmp_path):
    told = written(recording(('started', *LEFT_WEAK), ('reset', *RIGHT_WEAK),
                             ('another_face', 3.0, 6.0, 0)), tmp_path)
    first = "This recording holds 3 parts, as the person or the camera's orientation may have " \
            'changed between them; all that is told here is of the part from 0:30 to 1:00 ' \
            '(started anew for a patient).'
    others = 'Left out: from 0:00 (start of the recording), 30 s assessed, usable repetitions: 3' \
             '; from 1:00 (another face, or the same one elsewhere or after a while), 30 s ' \
             'assessed, usable repetitions: 0.'
    page = told['r.html'].decode().replace('&#x27;', "'")
    for sentence in (first, others):
        assert f'<li>{sentence}</li>' in page
        assert sentence in json.loads(told['r.json'])['entry'][0]['resource']['conclusion']
    assert '· part 2 of 3, 30 s ·' in page
    assert b'/Type /Page' in told['r.pdf']
    rows = [*csv.DictReader(told['parts.csv'].decode().splitlines())]
    assert [(row['part'], row['began'], row['start_s'], row['assessed_s'], row['usable'],
             row['reported']) for row in rows] == [
        ('1', 'started', '0.0', '30', '3', 'False'), ('2', 'reset', '30.0', '30', '3', 'True'),
        ('3', 'another_face', '60.0', '30', '0', 'False')]
    exercises = [*csv.DictReader(told['exercises.csv'].decode().splitlines())]
    assert [float(row['start_s']) for row in exercises] == pytest.approx([34.0, 44.0, 54.0])


def test_of_many_parts_the_page_names_those_that_tell_most(recording):
    session = summary(recording(('started', 6.0, 3.0, 1),
                                *(('another_face', 6.0, 3.0, 0) for _ in range(9)), seconds=10))
    left_out = words.part_sentences(session.parts, session.part)[1]
    assert left_out.count('another face') == 6
    assert left_out.endswith('; and 3 more.')


@pytest.mark.parametrize(('before', 'after'), [(3, 2), (2, 3), (3, 0)])
def test_left_and_right_are_those_that_somebody_has_put_right(recording, before, after):
    session = summary(recording(('started', 6.0, 0.5, before),
                                ('orientation_changed', 0.5, 6.0, after)))
    assert (session.part, len(session.movements)) == (1, int(after > 0))
    assert 'may be wrong' not in ' '.join(words.paragraphs(session, None))


def test_where_nothing_was_assessed_since_they_are_told_with_a_caution():
    told = (parts.Part('started', 0.0, 30.0, 300, 30, 3, 3),
            parts.Part('orientation_changed', 30.0, 40.0, 0, 0, 0, 0))
    assert parts._place(told) == 0
    assert 'left and right may be wrong in these figures' in words.part_sentences(told, 0)[-1]
    assert parts._place((*told, told[0])) == 2


def test_earlier_sessions_in_parts_are_marked(recording, tmp_path):
    folders = [recording(('started', *LEFT_WEAK), ('reset', *LEFT_WEAK)),
               recording(('started', *LEFT_WEAK), day=1)]
    assert compare([summary(folder) for folder in folders]) is not None
    assert main([*map(str, folders), '--out', str(tmp_path / 'r.html')]) == 0
    page = (tmp_path / 'r.html').read_text()
    assert '<td>02 Mar 2026, part 2 of 2</td>' in page
    assert '<td>03 Mar 2026</td>' in page


def test_every_reason_for_a_session_has_words():
    table = (REPOSITORY / 'docs' / 'integration.md').read_text()
    table = table[table.index('In `session_reason`:'):]
    codes = set(re.findall(r'^\| `(\w+)` \|', table, re.MULTILINE))
    assert len(codes) > 5
    assert codes - {parts.CLOCK_WENT_BACK} <= set(words.BEGAN)
    assert parts.CLOCK_WENT_BACK == pipeline.CLOCK_WENT_BACK
