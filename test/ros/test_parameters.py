"""The one table of parameters: what is generated from it, what it refuses."""

from __future__ import annotations

import dataclasses
import math

import pytest
import yaml
from ros_harness import REPOSITORY, MonitorProcess, Robot

from stroke_side_monitor.pipeline import PipelineSettings
from stroke_side_monitor.ros import parameters


def test_yaml_and_tables_are_those_of_the_table():
    for path, text in parameters.generated_files(REPOSITORY).items():
        assert path.read_text() == text, \
            f'{path.name}: run python -m stroke_side_monitor.ros.parameters --write'
    assert parameters.BEGIN in (REPOSITORY / 'docs' / 'ros_api.md').read_text()


def test_the_yaml_gives_ros_the_defaults_with_their_types():
    content = yaml.safe_load(parameters.as_yaml())['/**']['ros__parameters']
    assert content == {parameter.name: parameter.default for parameter in parameters.TABLE}
    for parameter in parameters.TABLE:
        assert type(content[parameter.name]) is type(parameter.default), parameter.name


def test_every_setting_of_the_pipeline_is_a_parameter_with_the_same_default():
    for field in dataclasses.fields(PipelineSettings):
        assert parameters.BY_NAME[field.name].default == field.default, field.name
    defaults = {parameter.name: parameter.default for parameter in parameters.TABLE}
    assert parameters.pipeline_settings(defaults) == PipelineSettings()
    assert parameters.pipeline_settings({**defaults, 'eye_on': 9.0}).eye_on == 9.0


def test_the_defaults_are_within_their_own_limits():
    defaults = {parameter.name: parameter.default for parameter in parameters.TABLE}
    assert parameters.refusals(defaults) == ()


@pytest.mark.parametrize(('name', 'value', 'said'), [
    ('max_yaw_deg', 45.1, 'max_yaw_deg: 45.1 is outside 1 to 45 deg'),
    ('max_yaw_deg', math.nan, 'max_yaw_deg: nan is outside 1 to 45 deg'),
    ('min_sharpness', -0.1, 'min_sharpness: -0.1 is outside 0 to 10000'),
    ('classifier_threads', 0, 'classifier_threads: 0 is outside 1 to 16'),
    ('image_transport', 'theora', "image_transport: 'theora' is not one of raw, compressed"),
    ('mouth_off', 2.5, 'mouth_off: 2.5 is above mouth_on'),
    ('supported_on', 2.5, 'supported_on: 2.5 is above mouth_on'),
    ('max_luminance', 30.0, 'min_luminance: 40.0 is above max_luminance, which is 30.0'),
    ('assess_rate_hz', 3.9, 'assess_rate_hz: 3.9 gives fewer than 4 frames in window_s, which is'),
    ('stale_timeout_s', 0.1, 'stale_timeout_s: 0.1 is shorter than the time between two frames of '
                             'search_rate_hz, which is 5.0'),
    ('window_s', 0.1, 'assess_rate_hz: 15.0 gives fewer than 4 frames in window_s, which is 0.1'),
])
def test_what_cannot_be_used_is_refused_in_one_clear_line(name, value, said):
    defaults = {parameter.name: parameter.default for parameter in parameters.TABLE}
    refusals = parameters.refusals({**defaults, name: value})
    assert len(refusals) == 1
    assert said in refusals[0]


@pytest.mark.parametrize(('values', 'said'), [
    ({'max_yaw_deg': 10, 'mouth_on': 500.0, 'image_transport': 'foo', 'mouth_off': 3.0},
     ('max_yaw_deg: the value given at the start is not a double, e.g. 30.0',
      'mouth_on: the value given at the start is outside 0.1 to 20',
      "image_transport: 'foo' is not one of raw, compressed",
      'mouth_off: 3.0 is above mouth_on')),
    ({'norms_path': '/nowhere/norms.yaml'}, ('cannot read /nowhere/norms.yaml', 'make norms')),
    ({'model_path': '/nowhere/m.tflite'}, ('cannot read /nowhere/m.tflite', 'use_classifier')),
])
def test_a_bad_start_leaves_it_unconfigured_and_says_why_in_one_line(tmp_path, values, said):
    with MonitorProcess(tmp_path / 'log', **values) as process, Robot() as robot:
        level, message, node = robot.status('node', lambda level, *_: level > 0)
        assert (level, node['lifecycle_state']) == (2, 'unconfigured')
        lines = [line for line in process.log.splitlines() if 'not configured' in line]
        assert len(lines) == 1
        for part in said:
            assert part in message
            assert part in lines[0]
        assert 'Traceback' not in process.log
        assert process.stop() == 0


@pytest.mark.parametrize(('given', 'mended'), [
    ({'mouth_off': 2.5}, {'mouth_off': 1.5}), ({'mouth_off': 2.5}, {'mouth_on': 3.0}),
    ({'max_yaw_deg': 10}, {'max_yaw_deg': 10.0})])
def test_what_was_wrong_at_the_start_may_be_mended_live(tmp_path, given, mended):
    with MonitorProcess(tmp_path / 'log', autostart=False, **given) as process, Robot() as robot:
        assert not robot.transition('configure')
        for name, value in mended.items():
            assert robot.set_parameter(name, value).successful
        assert robot.transition('configure'), process.log
        assert process.stop() == 0
