"""Scoring: what counts as right, late or undecided, and the figures of the whole pipeline."""

import math

import numpy as np
import pytest

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation import portrait, recording
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.score import Report, Truth, main, score, spearman, table
from stroke_side_monitor.simulation.session import Session, SessionPlan

NAN = math.nan


def course(*runs):
    """Truths and reports at 10 frames/s from (seconds, true side, reported side, stable)."""
    truths, reports = [], []
    for seconds, true, said, stable in runs:
        for _ in range(round(seconds * 10)):
            stamp = 100.0 + len(truths) / 10
            truths.append(Truth(stamp, true, 0.5, 0.1, 0.0, 'smile'))
            reports.append(Report(stamp, said, stable, NAN))
    return truths, reports


def test_seconds_are_counted_by_true_and_reported_side():
    judged = score('x', *course((3, Side.LEFT, Side.LEFT, True),
                                (2, Side.LEFT, Side.RIGHT, True),
                                (1, Side.LEFT, Side.UNKNOWN, False),
                                (4, Side.LEFT, Side.NONE, True)))
    assert judged.confusion == {(Side.LEFT, Side.LEFT): 3, (Side.LEFT, Side.RIGHT): 2,
                                (Side.LEFT, Side.UNKNOWN): 1, (Side.LEFT, Side.NONE): 4}
    assert (judged.right, judged.decided) == (3, 9)
    assert '3 of 9 decided seconds (33.3%), 1 undecided' in table([judged])


def test_unknown_is_never_right_nor_wrong():
    judged = score('x', *course((3, Side.NONE, Side.UNKNOWN, False)))
    assert (judged.right, judged.decided) == (0, 0)
    assert 'none decided' in table([judged])


def test_latency_runs_from_the_onset_to_the_first_stable_report():
    judged = score('x', *course((2, Side.NONE, Side.NONE, True),
                                (0.5, Side.RIGHT, Side.NONE, True),
                                (0.4, Side.RIGHT, Side.RIGHT, False),
                                (2.1, Side.RIGHT, Side.RIGHT, True)))
    assert judged.latency_s == pytest.approx(0.9)
    never = score('x', *course((2, Side.RIGHT, Side.LEFT, True)))
    assert math.isnan(never.latency_s)


def test_the_second_of_the_onset_is_not_judged():
    judged = score('x', *course((1.5, Side.NONE, Side.NONE, True),
                                (1.5, Side.LEFT, Side.LEFT, True)))
    assert sum(judged.confusion.values()) == 2


def test_the_expected_index_counts_the_movements_made():
    truths, reports = course((1, Side.LEFT, Side.LEFT, True))
    assert score('x', truths, reports).expected_index == pytest.approx(50.0)
    rest = [Truth(one.stamp_s, one.side, 0.5, 0.1, 0.0, 'rest') for one in truths]
    assert math.isnan(score('x', rest, reports).expected_index)


def test_reports_about_other_frames_are_left_out_and_counted():
    truths, reports = course((2, Side.LEFT, Side.LEFT, True))
    assert score('x', truths[:15], reports).unmatched == 5
    with pytest.raises(ValueError, match='no report'):
        score('x', truths, [Report(5.0, Side.LEFT, True, NAN)])


def test_rank_correlation():
    assert spearman([1, 2, 3, 4], [10, 20, 30, 25]) == pytest.approx(0.8)
    assert spearman([1, 2, 2, 4], [1, 2, 2, 4]) == pytest.approx(1.0)
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))


FILM = 'file,stamp_ns,side,severity_mouth,severity_eye,severity_brow,exercise,phase'


@pytest.fixture(scope='module')
def person():
    return portrait.portrait(portrait.astronaut(), 'astronaut')


def test_the_command_line_scores_a_bag_without_reports(person, tmp_path, capsys):
    plan = SessionPlan(exercises=(), first_rest_s=2.5, rest_s=1.0, fps=8.0)
    palsy = Palsy.of(Side.RIGHT, 1.0, 'peripheral')
    recording.write_bag(Session(person, palsy, plan, 3), tmp_path / 'right')
    recording.write_frames(Session(person, palsy, plan, 3), tmp_path / 'frames')
    assert main([str(tmp_path / 'right'), str(tmp_path / 'frames')]) == 0
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith('right '))
    assert int(row.split()[-1]) >= 6
    assert int(row.split()[-2]) == 0  # never left


@pytest.mark.parametrize(('arguments', 'said'), [
    (['nowhere'], 'neither a bag nor'),
    (['nowhere', '--set', 'mouth_on=high'], "'high' is not a double"),
    (['nowhere', '--set', 'beauty=3'], 'no parameter beauty')])
def test_what_cannot_be_scored_gets_one_clear_line(capsys, arguments, said):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(('table', 'said'), [
    ('file,side,severity,severity_mouth,severity_eye,severity_brow,subject\na.jpg,left,.3,.3,0,0,x',
     'single pictures'),
    (f'{FILM}\n0.jpg,170', 'damaged'), (f'{FILM}\n0.jpg,170,links,0,0,0,rest,rest', 'damaged'),
    ('', 'single pictures')])
def test_a_folder_that_is_no_film_gets_one_clear_line(tmp_path, capsys, table, said):
    (tmp_path / 'truth.csv').write_text(table)
    assert main([str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert '--frames' in told
    assert told.count('\n') == 1


def run_pipeline(person, palsy, plan, seed, tmp_path):
    path = tmp_path / f'{palsy.side.name}_{palsy.mouth}'
    recording.write_bag(Session(person, palsy, plan, seed), path)
    from stroke_side_monitor.pipeline import PipelineSettings
    from stroke_side_monitor.simulation.score import read
    return score(path.name, *read(path, PipelineSettings()))


def test_a_worse_palsy_gets_a_lower_index(person, tmp_path):
    plan = SessionPlan(exercises=('smile',), hold_s=1.0, rest_s=0.8, first_rest_s=1.5, fps=8.0)
    severities = (0.0, 0.25, 0.5, 0.75, 1.0)
    indices = [run_pipeline(person, Palsy.of(Side.LEFT, severity, 'central'), plan, 4,
                            tmp_path).reported_index for severity in severities]
    assert spearman(severities, [-index for index in indices]) >= 0.9
    assert np.ptp(indices) > 40.0


def test_a_droop_that_sets_in_is_named_within_a_second_and_a_half(person, tmp_path):
    plan = SessionPlan(exercises=(), first_rest_s=4.0, rest_s=1.0, onset_s=2.0, fps=15.0)
    judged = run_pipeline(person, Palsy.of(Side.RIGHT, 1.0, 'central'), plan, 4, tmp_path)
    assert 0.2 < judged.latency_s <= 1.5
    assert judged.confusion[Side.NONE, Side.NONE] >= 1
    assert judged.right == judged.decided
