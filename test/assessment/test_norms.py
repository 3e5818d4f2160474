"""Norms know what widens healthy asymmetry, and cannot favour a side."""

import math
from dataclasses import replace

import pytest
import yaml

from stroke_side_monitor import resources
from stroke_side_monitor.assessment.metrics import METRICS
from stroke_side_monitor.assessment.norms import Context, Norms, NormsError
from stroke_side_monitor.assessment.side import mouth_score

FRONT = Context(yaw_deg=0.0, roll_deg=0.0, mouth_width_mm=48.0, interocular_px=120.0)
NAME = 'mouth.commissure_height'


@pytest.fixture(scope='module')
def content():
    return yaml.safe_load(resources.config_path('norms.yaml').read_text())


@pytest.fixture(scope='module')
def norms(content):
    return Norms.from_mapping(content)


def mirrored(context):
    return replace(context, yaw_deg=-context.yaw_deg, roll_deg=-context.roll_deg)


def test_the_shipped_norms_cover_every_metric(norms):
    assert set(norms.metrics) == {metric.name for metric in METRICS}


def test_the_shipped_norms_say_where_they_come_from(content):
    people = {source['name']: source['people'] for source in content['sources']}
    assert people == {'london_neutral': 80, 'london_smiling': 80, 'canada': 40, 'congress': 650}
    assert all(source['licence'] for source in content['sources'])
    observed = content['metrics'][NAME]['observed']['london_neutral']
    assert observed['sd'] == pytest.approx(1.12, abs=0.1)


def test_a_symmetric_frontal_face_is_at_zero(norms):
    z = norms.z({metric.name: 0.0 for metric in METRICS}, FRONT)
    assert set(z.values()) == {0.0}


def test_one_standard_deviation_is_one(norms):
    spread = norms.metrics[NAME].sd(FRONT)
    assert norms.z({NAME: spread}, FRONT) == {NAME: 1.0}


def test_a_smile_and_a_turned_head_widen_what_is_healthy(norms):
    front = norms.metrics[NAME].sd(FRONT)
    assert norms.metrics[NAME].sd(replace(FRONT, mouth_width_mm=60.0)) > 1.2 * front
    assert norms.metrics['mouth.philtrum_deviation'].sd(replace(FRONT, yaw_deg=10.0)) > \
        norms.metrics['mouth.philtrum_deviation'].sd(FRONT)


def test_what_a_turned_head_leaks_is_taken_off(norms):
    turned = replace(FRONT, yaw_deg=8.0)
    leak = norms.metrics[NAME].expected(turned)
    assert leak != 0.0
    assert norms.z({NAME: leak}, turned) == {NAME: 0.0}


def test_a_mirror_negates_z_exactly(norms):
    context = Context(6.3, -2.1, 55.5, 77.0)
    values = {metric.name: 0.1 * index - 0.7 for index, metric in enumerate(METRICS)}
    direct = norms.z(values, context)
    in_mirror = norms.z({name: -value for name, value in values.items()}, mirrored(context))
    assert in_mirror == {name: -value for name, value in direct.items()}


def test_context_far_outside_what_was_measured_does_not_run_away(norms):
    wild = Context(yaw_deg=80.0, roll_deg=0.0, mouth_width_mm=400.0, interocular_px=2.0)
    assert all(math.isfinite(norm.sd(wild)) and norm.sd(wild) < 20 * norm.sd(FRONT)
               for norm in norms.metrics.values())


@pytest.mark.parametrize('broken', [None, [], {'schema': 1}, {'schema': 2},
                                    {'schema': 2, 'metrics': {NAME: {'model': {}}}},
                                    {'schema': 2, 'metrics': {NAME: None}}])
def test_a_broken_file_is_refused_with_the_mend(broken):
    with pytest.raises(NormsError, match='make norms'):
        Norms.from_mapping(broken)


def test_a_metric_that_is_missing_is_named_at_once_and_not_by_every_frame(content):
    without = {name: entry for name, entry in content['metrics'].items() if name != NAME}
    with pytest.raises(NormsError, match=f'no figures for {NAME}; .*make norms') as error:
        Norms.from_mapping({**content, 'metrics': without})
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(('key', 'value'), [
    ('log_sd', math.nan), ('yaw_slope', math.inf), ('log_sd', 1000.0), ('smile', -1000.0)])
def test_a_figure_nobody_can_be_scored_with_is_refused(content, key, value):
    model = {**content['metrics'][NAME]['model'], key: value}
    metrics = {**content['metrics'], NAME: {'model': model}}
    with pytest.raises(NormsError, match=f'{key} of {NAME} is .*make norms'):
        Norms.from_mapping({**content, 'metrics': metrics})


@pytest.mark.parametrize('yaw_deg', [3.0, 12.0, 22.0, 40.0])
def test_what_a_turn_shows_is_taken_off_alike_both_ways(norms, yaw_deg):
    measured = dict.fromkeys(norms.metrics, 0.7)
    direct = norms.z(measured, Context(yaw_deg, 1.5, 50.0, 90.0))
    mirrored = norms.z({name: -value for name, value in measured.items()},
                       Context(-yaw_deg, -1.5, 50.0, 90.0))
    assert mirrored == {name: -value for name, value in direct.items()}


@pytest.mark.parametrize(('yaw_deg', 'least', 'most'), [
    (-12.5, 0.15, 0.30), (12.5, -0.30, -0.15), (-23.0, 0.3, 0.6), (23.0, -0.6, -0.3)])
def test_the_drift_of_turned_healthy_people_is_taken_off_and_not_overdone(norms, yaw_deg, least,
                                                                        most):
    """Real people drift by +.30, -.23 and about -+.5 (docs/measurement.md)."""
    context = Context(yaw_deg, 0.0, 50.0, 90.0)
    even = {name: norm.expected(context) for name, norm in norms.metrics.items()}
    assert least <= -mouth_score(norms.z(even, context)) <= most
    frontal = Context(math.copysign(4.0, yaw_deg), 0.0, 50.0, 90.0)
    even = {name: norm.expected(frontal) for name, norm in norms.metrics.items()}
    assert mouth_score(norms.z(even, frontal)) == 0.0
