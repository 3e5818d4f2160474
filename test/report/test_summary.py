"""The figures of a recorded session are those that were recorded, left and right kept apart."""

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest

from stroke_side_monitor.assessment import exercise, severity
from stroke_side_monitor.assessment.terms import Basis, Grade, RegionSeverity, Side, Trend
from stroke_side_monitor.patient_files.session_record import SessionRecorder, read_session
from stroke_side_monitor.report import words
from stroke_side_monitor.report.plots import region_levels
from stroke_side_monitor.report.summary import compare, summarise


def summary(folder):
    return summarise(read_session(folder))


def test_a_session_comes_to_its_figures(record):
    session = summary(record(right=8.0, left=4.0))
    assert (session.side, session.side_share) == (Side.LEFT, 1.0)
    assert session.duration_s == pytest.approx(29.9)
    assert (session.frames, session.assessed_share) == (300, pytest.approx(1 - 20 / 300))
    assert session.lost == (('yaw', 20),)
    assert session.mouth_score == 3.0
    # smile r = .5, less 20 (3 - 1.5) / 8 for the asymmetry at rest
    assert session.index == pytest.approx(46.25)
    assert (session.grade, session.basis) == (Grade.MODERATE, Basis.DYNAMIC)
    smile, = session.movements
    assert (smile.left, smile.right) == (pytest.approx(4.0), pytest.approx(8.0))
    assert (smile.ratio, smile.item, smile.usable) == (pytest.approx(0.5), 3, 2)
    assert [(band.start_s, band.valid) for band in session.bands] == [(4.0, True), (14.0, True)]
    assert len(session.seconds) == 30
    assert not session.seconds[5].dynamic
    assert session.seconds[25].dynamic


@pytest.mark.parametrize(('name', 'value'), [
    ('side', ['left']), ('basis', 7), ('grade', 'mildd'), ('nihss', [1]), ('M', 'x'),
    ('reasons', 'yaw')])
def test_a_line_with_a_damaged_value_is_left_out_and_counted(record, name, value):
    folder = record(right=8.0, left=4.0)
    lines = (folder / 'session.jsonl').read_text().splitlines()
    at = next(place for place, line in enumerate(lines) if json.loads(line)['kind'] == 'frame')
    lines[at] = json.dumps({**json.loads(lines[at]), name: value})
    (folder / 'session.jsonl').write_text('\n'.join(lines) + '\n')
    session = summary(folder)
    assert (session.frames, session.damaged) == (299, 1)


def test_a_mirrored_session_is_about_the_other_side(record):
    left, right = (summary(record(*excursions, side=side)) for excursions, side in (
        ((8.0, 4.0), Side.LEFT), ((4.0, 8.0), Side.RIGHT)))
    assert left.movements[0].weaker is Side.LEFT
    assert right.movements[0].weaker is Side.RIGHT
    assert words.headline(left) == "Moderate facial weakness of the patient's left side."
    assert words.headline(right) == "Moderate facial weakness of the patient's right side."
    slight = dataclasses.replace(left, grade=Grade.NORMAL)
    assert words.headline(slight) == "Slight facial weakness of the patient's left side."
    # What one movement came to is told as it is; that alone would not have named the side, for
    # one healthy smile in twenty is as uneven (docs/clinical.md). Rest has.
    assert "In movement the patient's left side reached, of the other: 50% in smiling. " \
        + words.HEALTHY_DIFFERENCE in ' '.join(words.paragraphs(left, None))
    levels, mirrored = region_levels(left), region_levels(right)
    assert levels['mouth', Side.LEFT] is RegionSeverity.MODERATE
    assert levels['mouth', Side.RIGHT] is RegionSeverity.NONE
    assert mirrored == {(region, side.mirrored): level for (region, side), level in levels.items()}


@pytest.mark.parametrize(('right', 'left', 'named'), [
    (8.0, 6.96, Side.NONE), (8.0, 4.0, Side.NONE),  # healthy smiles: the median, one in twenty
    (8.0, 3.6, Side.NONE), (8.0, 3.4, Side.LEFT),  # D = .379 and .404; a side is named from .39
    (6.96, 8.0, Side.NONE), (3.4, 8.0, Side.RIGHT)])
def test_movement_names_a_side_where_the_monitor_would(record, right, left, named):
    session = summary(record(right, left, side=Side.NONE))
    assert (session.side, session.moved_less, words.weaker_side(session)) == (
        Side.NONE, named, named)
    told = words.headline(session) + ' '.join(words.paragraphs(session, None))
    assert ('weakness' in told) == (named is not Side.NONE)
    assert (words.HEALTHY_DIFFERENCE in told) == (named is Side.NONE)
    assert 'side reached, of the other: ' in told
    coloured = {side for (_, side), level in region_levels(session).items()
                if level > RegionSeverity.NONE}
    assert coloured == ({named} if named is not Side.NONE else {Side.LEFT, Side.RIGHT})
    shown = dataclasses.replace(session, side=Side.UNKNOWN)
    assert words.weaker_side(shown) is (Side.UNKNOWN if named is Side.NONE else named)
    other = Side.RIGHT if named is Side.LEFT else Side.LEFT
    assert words.weaker_side(dataclasses.replace(session, side=other)) is other, 'rest comes first'


@pytest.mark.parametrize(('movement_on', 'named'), [
    (0.5, Side.NONE), (0.3, Side.LEFT), (None, Side.LEFT), ('damaged', Side.LEFT)])
def test_movement_names_a_side_where_that_monitor_did(record, movement_on, named):
    folder = record(8.0, 3.4, side=Side.NONE)  # D = .404
    metadata = json.loads((folder / 'session.json').read_text())
    metadata['parameters'] = {} if movement_on is None else {'movement_on': movement_on}
    (folder / 'session.json').write_text(json.dumps(metadata))
    session = summary(folder)
    assert (session.moved_less, session.moved_as_healthy) == (named, named is Side.NONE)


def test_a_movement_that_is_clearly_one_sided_is_not_told_as_healthy(record):
    session = summary(record(8.0, 2.0, side=Side.NONE))
    smile, = session.movements
    brow = dataclasses.replace(smile, exercise='brow_raise', left=8.0, right=2.0)
    closure = dataclasses.replace(smile, exercise='eye_close')  # the other way round than the brow
    session = dataclasses.replace(session, movements=(closure, brow))
    assert session.moved_less is Side.NONE
    told = ' '.join(words.paragraphs(session, None))
    assert "left side reached, of the other: 25% in closing the eyes gently." in told
    assert words.HEALTHY_DIFFERENCE not in told


def test_an_index_near_the_next_grade_is_told(record):
    session = summary(record(right=8.0, left=4.0))
    for index, border in ((46.25, ''), (48.0, ', near the border to mild')):
        told = ' '.join(words.paragraphs(dataclasses.replace(session, index=index), None))
        assert f'(from commanded movements): moderate{border}.' in told
    at_rest = dataclasses.replace(session, index=48.0, basis=Basis.STATIC)
    assert 'border' not in ' '.join(words.paragraphs(at_rest, None))


@pytest.mark.parametrize(('right', 'left', 'grade', 'basis'), [
    (8.0, 4.0, Grade.MODERATE, Basis.DYNAMIC), (1.0, 1.0, Grade.UNKNOWN, Basis.STATIC)])
def test_a_second_after_the_exercises_were_forgotten_changes_no_verdict(
        record, right, left, grade, basis):
    # Another face, a reset or a clock that went back: the pipeline is at rest again.
    folder = record(right, left, side=Side.NONE)
    before = summary(folder)
    lines = folder / 'session.jsonl'
    at_rest = next(json.loads(line) for line in lines.read_text().splitlines()
                   if json.loads(line)['kind'] == 'frame')
    at_rest.update(grade='normal', symmetry_index=98.0, nihss=[0, 1], house_brackmann=[1, 4])
    with lines.open('a') as file:
        for number in range(10):
            file.write(json.dumps({**at_rest, 'stamp_s': 1031.0 + number / 10}) + '\n')
    after = summary(folder)
    assert (before.grade, before.basis) == (grade, basis)
    for name in ('index', 'grade', 'basis', 'mouth', 'nihss', 'house_brackmann',
                 'severity_reasons'):
        assert str(getattr(after, name)) == str(getattr(before, name)), name
    assert words.headline(after) == words.headline(before)


def test_without_exercises_the_session_says_so(record):
    session = summary(record(exercises=False))
    assert session.basis is Basis.STATIC
    assert session.movements == ()
    told = ' '.join(words.paragraphs(session, None))
    assert 'No exercises were signalled' in told
    assert 'from the face at rest only' in told


def test_a_smile_on_neither_side_is_not_told_as_normal(record):
    session = summary(record(right=1.0, left=1.0, side=Side.NONE))
    assert session.grade is Grade.UNKNOWN or session.grade > Grade.NEAR_NORMAL
    assert math.isnan(session.movements[0].ratio)
    told = words.headline(session) + ' '.join(words.paragraphs(session, None))
    assert 'Neither side moved in: smiling' in told
    assert 'not a normal finding' in told
    assert 'Symmetric' not in told


def test_the_face_map_does_not_colour_a_brow_that_was_not_exercised(record):
    levels = region_levels(summary(record()))
    assert levels['brow', Side.LEFT] is RegionSeverity.UNKNOWN


@pytest.mark.parametrize(('left', 'right', 'mild'), [
    (9.0, 5.4, {Side.RIGHT}), (5.4, 9.0, {Side.LEFT}), (9.0, 8.8, set())])
@pytest.mark.parametrize('side', list(Side))
def test_the_face_map_colours_the_brow_that_moved_less(record, side, left, right, mild):
    session = summary(record())
    ratio = min(left, right) / max(left, right)
    brow = dataclasses.replace(session.movements[0], exercise='brow_raise', left=left, right=right,
                               ratio=ratio)
    levels = region_levels(dataclasses.replace(session, side=side, movements=(brow,)))
    assert {own for own in (Side.LEFT, Side.RIGHT)
            if levels['brow', own] is RegionSeverity.MILD} == mild
    if side in (Side.LEFT, Side.RIGHT):
        assert levels['mouth', side] is RegionSeverity.MODERATE
        assert levels['mouth', side.mirrored] is RegionSeverity.NONE


def test_a_departure_from_the_personal_baseline_is_told(record):
    folder = record()
    lines = folder / 'session.jsonl'
    text = lines.read_text()
    assert 'baseline' not in ' '.join(words.paragraphs(summary(folder), None))
    lines.write_text(text.replace('"reasons":[]', '"reasons":["baseline_alarm"]', 140))
    told = ' '.join(words.paragraphs(summary(folder), None))
    assert "50% of the assessed pictures the face differed from this patient's" in told


@pytest.mark.parametrize('stamp_s', [0.0, 1.7e9])
def test_a_clock_that_leaps_takes_no_session_time(record, stamp_s):
    # A monitor waiting for its camera, or a robot whose clock is set while it films.
    folder = record()
    lines = folder / 'session.jsonl'
    frames = lines.read_text().splitlines(keepends=True)
    before = summary(folder)
    leapt = [re.sub(r'"stamp_s":[0-9.]+', f'"stamp_s":{stamp_s}', frames[0])] * 3
    lines.write_text('{"name":"reset","kind":"event","stamp_s":0.0}\n' + ''.join(leapt + frames))
    after = summary(folder)
    assert after.duration_s == pytest.approx(before.duration_s)
    assert after.events == (('reset', 0.0),)
    assert [band.start_s for band in after.bands] == [
        pytest.approx(band.start_s) for band in before.bands]
    assert len(after.seconds) == len(before.seconds)


def test_an_empty_session_is_unknown_and_breaks_nothing(tmp_path):
    recorder = SessionRecorder(tmp_path, versions={}, parameters={}, tell=print)
    recorder.close()
    session = summary(recorder.folder)
    assert (session.side, session.grade, session.frames) == (Side.UNKNOWN, Grade.UNKNOWN, 0)
    assert words.headline(session) == 'The face could not be assessed in this session.'


def test_improvement_over_sessions_is_told_and_stability_is_not(record):
    improving = [summary(record(8.0, 8.0 * share, day=7 * week))
                 for week, share in enumerate((0.3, 0.38, 0.5, 0.55, 0.62, 0.7))]
    comparison = compare(improving)
    assert comparison.trend.trend is Trend.IMPROVING
    assert comparison.change == pytest.approx(8.0, abs=0.1)
    told = ' '.join(words.comparison_sentences(comparison))
    assert 'less than the 10' in told
    assert 'Improving over 6 sessions: about 8.' in told
    stable = compare([summary(record(8.0, 4.0, day=day)) for day in range(60, 66)])
    assert stable.trend.trend is Trend.STABLE
    assert 'no trend' in ' '.join(words.comparison_sentences(stable))


@pytest.mark.parametrize(('unknown', 'told'), [
    (0, 'Over 5 sessions no trend'), (1, 'Over 4 sessions no trend'),
    (2, '3 comparable sessions, of 5, whose index is known: a trend needs at least four.'),
    (5, '0 comparable sessions, of 5, whose index is known: a trend needs at least four.')])
def test_a_trend_counts_the_sessions_whose_index_is_known(record, unknown, told):
    sessions = [summary(record(day=day)) for day in range(5)]
    sessions = [dataclasses.replace(session, index=math.nan) if place < unknown else session
                for place, session in enumerate(sessions)]
    assert told in ' '.join(words.comparison_sentences(compare(sessions)))


def test_sessions_of_different_versions_are_compared_with_a_warning(record):
    older, newer = summary(record()), summary(record(day=1))
    assert 'same version' not in ' '.join(words.comparison_sentences(compare([older, newer])))
    updated = dataclasses.replace(newer, versions=(('software', '0.2.0'),))
    assert 'by the same version' in ' '.join(words.comparison_sentences(compare([older, updated])))


def test_a_session_at_rest_is_not_compared_with_sessions_of_movement(record):
    moved, rested = summary(record()), summary(record(day=1, exercises=False))
    assert compare([moved, rested]) is None
    assert compare([rested]) is None


def test_every_reason_that_integrators_are_told_of_has_words():
    tables = (REPOSITORY / 'docs' / 'integration.md').read_text()
    reasons = tables[tables.index('## Reasons'):tables.index('In `ExerciseStatus.reasons`')]
    codes = {code for row in re.findall(r'^\| (`.*?) \|', reasons, re.MULTILINE)
             for code in re.findall(r'`(\w+)`', row)}
    own = {value for module in (exercise, severity) for name, value in vars(module).items()
           if name.isupper() and isinstance(value, str)} - CUE_ONLY
    assert len(codes) > 25
    assert own <= codes
    assert codes <= set(words.REASONS)


REPOSITORY = Path(__file__).resolve().parents[2]
CUE_ONLY = {'unknown_exercise', 'overlapping_start', 'stop_without_start', 'bad_stamp',
            'stop_of_other_exercise', 'stop_before_start', 'bad_hold'}
