"""The Foxglove layout and the rqt perspective show topics and fields that the monitor has.

Neither program is run here: what is checked is what the files say, against the running node.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator

import pytest
from ros_harness import REPOSITORY, MonitorProcess, Robot

from stroke_side_monitor.assessment import metrics

FOLDER = REPOSITORY / 'examples' / 'dashboards'
FOXGLOVE = json.loads((FOLDER / 'foxglove.json').read_text())
RQT = json.loads((FOLDER / 'rqt.perspective').read_text())
NUMBERS = re.compile(r'(u?int\d+|float|double|boolean)$')


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    """Type by topic, of everything that the running monitor publishes."""
    with MonitorProcess(tmp_path_factory.mktemp('dashboards') / 'log') as process, \
            Robot() as robot:
        robot.until_connected()
        monitor = 'stroke_side_monitor', '/'
        robot.until(lambda: monitor in robot.node.get_node_names_and_namespaces(), 'its name')
        topics = dict(robot.node.get_publisher_names_and_types_by_node(*monitor))
        assert process.stop() == 0
    return {topic: types[0] for topic, types in topics.items()}


def type_of(published: dict[str, str], topic: str, fields: list[str]) -> str:
    """The type of a field of a field ... of this topic's messages; '[]' marks an element."""
    kind = published[topic]
    for field in fields:
        name = field.removesuffix('[]')
        package, _, message = kind.split('/') if kind.count('/') == 2 else kind.replace(
            '/', '/msg/').split('/')
        kind = getattr(importlib.import_module(f'{package}.msg'),
                       message).get_fields_and_field_types()[name]
        if field.endswith('[]'):
            kind = re.fullmatch(r'sequence<(.+)>', kind)[1]
    return kind


def foxglove_path(path: str) -> tuple[str, list[str], str]:
    """(topic, fields, value of a filter by name) of a message path as Foxglove writes them."""
    filtered = re.search(r'\[:\]\{name=="([^"]+)"\}', path)
    topic, *fields = re.sub(r'\[:\](\{[^}]*\})?', '[]', path).split('.')
    return topic, fields, filtered[1] if filtered else ''


def panels(layout) -> Iterator[str]:
    """The panels that a layout shows."""
    if isinstance(layout, str):
        yield layout
        return
    assert layout['direction'] in ('row', 'column')
    assert 0 < layout['splitPercentage'] < 100
    for part in (layout['first'], layout['second']):
        yield from panels(part)


def test_foxglove_shows_every_panel_once_and_each_has_its_settings():
    shown = list(panels(FOXGLOVE['layout']))
    assert sorted(shown) == sorted(FOXGLOVE['configById'])
    assert {panel.split('!')[0] for panel in shown} == {
        'Image', 'StateTransitions', 'Plot', 'RawMessages', 'DiagnosticSummary'}
    assert {'globalVariables', 'userNodes', 'playbackConfig'} < FOXGLOVE.keys()


def test_foxglove_plots_fields_that_there_are(published):
    seen = set()
    for panel, settings in FOXGLOVE['configById'].items():
        for entry in settings.get('paths', ()):
            topic, fields, name = foxglove_path(entry['value'])
            assert NUMBERS.match(type_of(published, topic, fields)), (panel, entry)
            assert entry['timestampMethod'] == 'receiveTime'
            assert not name or name in metrics.UNITS, name
            seen.add(topic)
    assert {'/stroke_side_monitor/affected_side', '/stroke_side_monitor/severity',
            '/stroke_side_monitor/asymmetry'} == seen


def test_foxglove_shows_topics_that_there_are(published):
    settings = FOXGLOVE['configById']
    assert published[settings['Image!overlay']['imageMode']['imageTopic']] \
        == 'sensor_msgs/msg/Image'
    assert published[settings['DiagnosticSummary!node']['topicToRender']] \
        == 'diagnostic_msgs/msg/DiagnosticArray'
    for panel, setting in settings.items():
        if panel.startswith('RawMessages!'):
            topic, fields, _ = foxglove_path(setting['topicPath'])
            type_of(published, topic, fields)


def values(group) -> dict:
    """The settings of one group of a perspective, as rqt reads them back."""
    assert set(group) == {'keys', 'groups'}
    assert {value['type'] for value in group['keys'].values()} <= {'repr'}
    return {key: ast.literal_eval(value['repr']) for key, value in group['keys'].items()}


def test_rqt_shows_topics_and_fields_that_there_are(published):
    manager = RQT['groups']['pluginmanager']
    running = values(manager)['running-plugins']
    assert set(running) == {'rqt_image_view/ImageView', 'rqt_plot/Plot',
                            'rqt_runtime_monitor/RuntimeMonitor'}
    assert set(manager['groups']) == {
        f'plugin__{plugin.replace("/", "__")}__{number}'
        for plugin, numbers in running.items() for number in numbers}
    plots = 0
    for name, group in manager['groups'].items():
        settings = values(group['groups']['plugin'])
        if 'ImageView' in name:
            assert published[settings['topic']] == 'sensor_msgs/msg/Image'
        for path in settings.get('topics', ()):
            topic, field = path.rsplit('/', 1)
            assert NUMBERS.match(type_of(published, topic, [field])), path
            plots += 1
    assert plots == 8
