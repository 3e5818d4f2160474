"""Commanded movements of simulated patients, from pixels to grade, against the truth.

The same figures for twenty and more people come from movement_study and stand in
docs/clinical.md.
"""

import csv
import dataclasses

import pytest

from stroke_side_monitor.assessment.terms import Grade, Pattern, Side
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation import movement_study, portrait
from stroke_side_monitor.simulation.movement_study import run_session
from stroke_side_monitor.simulation.palsy import Palsy

PLAN = dataclasses.replace(movement_study.PLAN, hold_s=1.2, rest_s=1.6, fps=10.0)


@pytest.fixture(scope='module')
def pipeline():
    pipeline = Pipeline(PipelineSettings(use_classifier=False), video=True)
    yield pipeline
    pipeline.close()


@pytest.fixture(scope='module')
def film(pipeline):
    """film(severity, pattern, side, lost) → Outcome of the astronaut; each is filmed once."""
    patient = portrait.portrait(portrait.astronaut(), 'astronaut')
    known = {}

    def outcome(severity, pattern='peripheral', side=Side.RIGHT, lost=0.0):
        key = (severity, pattern, side, lost)
        if key not in known:
            palsy = Palsy.of(side, severity, pattern) if severity else Palsy(Side.NONE)
            known[key] = run_session(pipeline, patient, 'astronaut', palsy, severity, 3,
                                     lost=lost, plan=PLAN)
        return known[key]
    return outcome


SEVERITIES = (0.0, 0.3, 0.6, 1.0)


def test_smile_and_closure_reach_the_commanded_ratio_within_015_on_average(film):
    errors = []
    for outcome in map(film, SEVERITIES):
        for result in outcome.results:
            if result.exercise in ('smile', 'eye_close'):
                assert result.valid
                errors.append(abs(result.ratio - outcome.true_ratios[result.exercise]))
    assert len(errors) == 8
    assert sum(errors) / 8 <= 0.15
    assert max(errors) <= 0.3  # a single repetition's noise; a session pools three


def test_the_grade_is_monotone_with_severity(film):
    grades = [film(severity).estimate.grade for severity in SEVERITIES]
    assert grades == sorted(grades)
    assert grades[0] in (Grade.NORMAL, Grade.NEAR_NORMAL)
    assert grades[-1] >= Grade.SEVERE


def test_a_spared_forehead_is_told_from_a_whole_weak_side(film):
    assert film(0.6, 'central').estimate.pattern is Pattern.LOWER_FACE
    assert film(0.6, 'peripheral').estimate.pattern is Pattern.WHOLE_FACE
    assert film(0.0).estimate.pattern is Pattern.NONE


def test_the_side_that_moves_less_is_the_weak_one(film):
    for side in (Side.LEFT, Side.RIGHT):
        smile = next(r for r in film(0.6, side=side).results if r.exercise == 'smile')
        assert (smile.asymmetry > 0.1) == (side is Side.LEFT)
        assert abs(smile.asymmetry) > 0.1


def test_thirty_percent_of_lost_frames_give_the_same_grade_or_say_invalid(film):
    whole, thinned = film(0.6), film(0.6, lost=0.3)
    assert thinned.estimate.grade in (whole.estimate.grade, Grade.UNKNOWN)
    assert all(result.valid or result.reasons for result in thinned.results)
    assert min(result.quality for result in thinned.results) < 0.95


@pytest.mark.parametrize('name', ['002.jpg', '004.jpg'])
def test_other_people_measure_alike(shared, pipeline, name):
    faces = shared / 'data' / 'london_faces'
    patient = portrait.portrait(
        portrait.read_picture(faces / 'neutral' / name), name,
        smiling_rgb=portrait.read_picture(faces / 'smiling' / name))
    outcome = run_session(pipeline, patient, name, Palsy.of(Side.LEFT, 0.5, 'peripheral'), 0.5, 1,
                          plan=dataclasses.replace(PLAN, head_motion=0.5))
    assert outcome.estimate.grade in (Grade.MILD, Grade.MODERATE)
    assert outcome.estimate.pattern is Pattern.WHOLE_FACE
    for result in outcome.results:
        if result.exercise in ('smile', 'eye_close'):
            assert result.ratio == pytest.approx(0.5, abs=0.25), result.exercise


def test_the_study_writes_its_repetitions_and_says_its_figures(film, tmp_path):
    outcomes = [film(0.6), film(0.6, 'central')]
    movement_study.write_csv(outcomes, tmp_path / 'study.csv')
    rows = list(csv.DictReader((tmp_path / 'study.csv').open()))
    assert len(rows) == 10
    assert {row['true_ratio'] for row in rows if row['exercise'] == 'smile'} == {
        str(outcome.true_ratios['smile']) for outcome in outcomes}
    assert 'right 2, the other one 0, undecided 0, of 2' in movement_study.report(outcomes)
