"""The launch files are sound, and where `launch` is installed, start what they promise.

launch is not on PyPI: without ROS 2 from apt only the syntax is looked at, and no file is run.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).resolve().parents[1] / 'launch').glob('*.launch.py'))
ROBOT_ARGUMENTS = {'namespace', 'image_topic', 'image_transport', 'params_file', 'use_sim_time',
                   'autostart', 'log_level', 'respawn', 'fastdds_profile'}


def test_all_three_launch_files_are_there():
    assert [path.name for path in FILES] == [
        'monitor.launch.py', 'replay.launch.py', 'simulation.launch.py']


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_launch_file_is_python_that_humble_reads(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    assert any(isinstance(node, ast.FunctionDef) and node.name == 'generate_launch_description'
               for node in tree.body)


@pytest.fixture
def launched(monkeypatch):
    """A function (file, arguments) -> the context and every entity the file would execute."""
    # launch_ros and not launch: the folder launch/ beside this one passes for a package.
    pytest.importorskip('launch_ros', reason='launch is not on PyPI; it comes with ROS 2 from apt')
    from launch import LaunchContext
    from launch.actions import ExecuteProcess

    for variable in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(variable, raising=False)

    def launched(name: str, **arguments: str):
        context = LaunchContext()
        context.launch_configurations.update(arguments)

        def executed(entity):
            yield entity
            if not isinstance(entity, ExecuteProcess):  # visiting one would start it
                for inner in entity.visit(context) or ():
                    yield from executed(inner)

        return context, list(executed(_description(name)))

    return launched


def test_every_argument_is_described(launched):
    for path in FILES:
        _, entities = launched(path.name, bag='somewhere')
        arguments = {entity.name for entity in _of(entities, 'DeclareLaunchArgument')}
        assert arguments >= ROBOT_ARGUMENTS


def test_monitor_takes_namespace_and_topic(launched):
    context, entities = launched('monitor.launch.py', namespace='bot', image_topic='/camera/image')
    (node,) = _of(entities, 'Node')
    node._perform_substitutions(context)
    assert (node.node_package, node.node_executable) == ('stroke_side_monitor', 'monitor')
    assert node.node_name == '/bot/stroke_side_monitor'
    assert node.expanded_remapping_rules == [
        ('image', '/camera/image'), ('image/compressed', '/camera/image/compressed')]


def test_only_given_arguments_override_the_parameter_file(launched, tmp_path):
    given = _overrides(launched, autostart='false', image_transport='compressed')
    assert given == {'autostart': False, 'image_transport': 'compressed'}
    assert _overrides(launched) == {}


def test_raw_images_get_through_by_default(launched):
    context, _ = launched('monitor.launch.py')
    assert any(Path(context.environment.get(variable, '')).name == 'fastdds_local.xml'
               for variable in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'))


def test_simulation_joins_patient_and_monitor(launched):
    context, entities = launched('simulation.launch.py', side='right', severity='0.4')
    nodes = {node.node_executable: node for node in _of(entities, 'Node')}
    assert set(nodes) == {'monitor', 'patient'}
    assert {'side': 'right', 'severity': 0.4}.items() <= _parameters(
        nodes['patient'], context).items()


def test_replay_plays_pictures_and_cues_only(launched):
    _, entities = launched('replay.launch.py', bag='session', rate='2.0', loop='true',
                           namespace='bot', image_topic='camera', use_sim_time='true')
    (player,) = (entity for entity in _of(entities, 'ExecuteProcess'))
    assert [part[0].text for part in player.cmd] == [
        'ros2', 'bag', 'play', 'session', '--rate', '2.0', '--topics', '/bot/camera',
        '/bot/camera/compressed', '/bot/stroke_side_monitor/exercise_cue', '--clock', '--loop']


def _overrides(launched, **arguments: str):
    context, entities = launched('monitor.launch.py', **arguments)
    (node,) = _of(entities, 'Node')
    return _parameters(node, context)


def _parameters(node, context):
    """What the node is given besides its parameter file."""
    import yaml

    node._perform_substitutions(context)
    given = {}
    for entry, is_file in node._Node__expanded_parameter_arguments:
        if is_file and Path(entry).name != 'monitor.yaml':
            (section,) = yaml.safe_load(Path(entry).read_text()).values()
            given.update(section['ros__parameters'])
    return given


def _of(entities, kind: str):
    return [entity for entity in entities if type(entity).__name__ == kind]


def _description(name: str):
    (path,) = (path for path in FILES if path.name == name)
    spec = importlib.util.spec_from_file_location(path.stem.replace('.', '_'), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()
