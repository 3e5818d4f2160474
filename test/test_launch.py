"""The launch files are sound, and where `launch` is installed, start what they promise.

launch is not on PyPI: without ROS 2 from apt only the syntax is looked at, and no file is run.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from stroke_side_monitor.ros.ending import WITH_PARENT
from stroke_side_monitor.simulation import recording
from stroke_side_monitor.simulation.request import Request
from stroke_side_monitor.simulation.session import SessionPlan

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = sorted((REPOSITORY / 'launch').glob('*.launch.py'))
EXAMPLES = sorted((REPOSITORY / 'examples').glob('*.launch.py'))
ROBOT_ARGUMENTS = {'namespace', 'image_topic', 'image_transport', 'params_file', 'use_sim_time',
                   'autostart', 'log_level', 'respawn', 'fastdds_profile'}


def test_all_three_launch_files_are_there():
    assert [path.name for path in FILES] == [
        'monitor.launch.py', 'replay.launch.py', 'simulation.launch.py']


@pytest.mark.parametrize('path', FILES + EXAMPLES, ids=lambda path: path.name)
def test_launch_file_is_python_that_humble_reads(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    assert any(isinstance(node, ast.FunctionDef) and node.name == 'generate_launch_description'
               for node in tree.body)


@pytest.fixture
def bag(tmp_path):
    """A bag as `simulate --bag` makes it, but short."""
    plan = SessionPlan(exercises=('smile',), repeats=1, hold_s=0.2, rest_s=0.2, first_rest_s=0.2,
                       fps=5.0)
    recording.write_bag(Request(plan=plan).session(), tmp_path / 'bag')
    return tmp_path / 'bag'


@pytest.fixture
def launched(monkeypatch):
    """A function (file, arguments) -> the context and every entity the file would execute."""
    # launch_ros and not launch: the folder launch/ beside this one passes for a package.
    pytest.importorskip('launch_ros', reason='launch is not on PyPI; it comes with ROS 2 from apt')
    from launch import LaunchContext

    for variable in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(variable, raising=False)

    def launched(name: str, **arguments: str):
        context = LaunchContext()
        context.launch_configurations.update(arguments)

        return context, list(_executed(_description(name), context))

    return launched


def test_every_argument_is_described(launched):
    for path in FILES:
        # As `ros2 launch -s` finds them.
        arguments = _description(path.name).get_launch_arguments()
        assert {argument.name for argument in arguments} >= ROBOT_ARGUMENTS


def test_monitor_takes_namespace_and_topic(launched):
    _, entities = launched('monitor.launch.py', namespace='bot', image_topic='/camera/image')
    (node,) = _of(entities, 'Node')
    assert (node.node_package, node.node_executable) == ('stroke_side_monitor', 'monitor')
    assert node.node_name == '/bot/stroke_side_monitor'
    assert node.expanded_remapping_rules == [
        ('image', '/camera/image'), ('image/compressed', '/camera/image/compressed')]


def test_only_given_arguments_override_the_parameter_file(launched, tmp_path):
    given = _overrides(launched, autostart='false', image_transport='compressed')
    assert given == {'autostart': False, 'image_transport': 'compressed'}
    assert _overrides(launched) == {}


VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')


@pytest.mark.parametrize('name', ['monitor.launch.py', 'simulation.launch.py'])
def test_our_nodes_alone_get_the_profile_for_raw_images(launched, name):
    context, entities = launched(name)
    nodes = _of(entities, 'Node')
    assert len(nodes) == (2 if name.startswith('simulation') else 1)
    for node in nodes:
        (profile,) = [Path(_text(value)).name for variable, value in node.additional_env
                      if _text(variable) in VARIABLES]
        assert profile == 'fastdds_local.xml'
    assert not any(variable in context.environment for variable in VARIABLES)
    _, entities = launched(name, fastdds_profile='')
    for node in _of(entities, 'Node'):
        # Killed outright, the launch takes its nodes with it.
        assert [(_text(name), _text(value)) for name, value in node.additional_env] == [
            (WITH_PARENT, '1')]


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_nothing_set_reaches_what_is_launched_afterwards(launched, path, bag):
    context, _ = launched(path.name, bag=str(bag))
    assert dict(context.launch_configurations) == {'bag': str(bag)}


def test_two_cameras_in_one_launch_file_share_nothing(launched, monkeypatch):
    monkeypatch.setattr('ament_index_python.packages.get_package_share_directory',
                        lambda _: str(REPOSITORY))
    context, entities = launched('two_cameras.launch.py')
    head, arm = _of(entities, 'Node')
    assert (head.node_name, arm.node_name) == (
        '/head/stroke_side_monitor', '/arm/stroke_side_monitor')
    assert head.expanded_remapping_rules[0] == ('image', '/head_camera/image_raw')
    assert arm.expanded_remapping_rules[0] == ('image', '/arm_camera/image_raw')
    assert _parameters(head, context) == {}
    assert _parameters(arm, context) == {'image_transport': 'compressed', 'autostart': False}
    assert dict(context.launch_configurations) == {}


@pytest.mark.parametrize(('status', 'starts'), [(0, 1), (1, 2)])
def test_the_monitor_is_started_again_unless_it_ended_as_asked(launched, status, starts):
    from types import SimpleNamespace

    context, entities = launched('monitor.launch.py', namespace='bot')
    (handler,) = _of(entities, 'RegisterEventHandler')
    on_exit = handler.event_handler._OnActionEventBase__on_event
    actions = on_exit(SimpleNamespace(returncode=status), context)
    if starts == 1:
        assert actions is None
        return
    (again,) = (action for action in actions if type(action).__name__ == 'TimerAction')
    started = [entity for action in again.actions for entity in _executed(action, context)]
    (node,) = _of(started, 'Node')
    assert node.node_name == '/bot/stroke_side_monitor'
    # Which is watched in its turn.
    assert _of(started, 'RegisterEventHandler')
    assert dict(context.launch_configurations) == {'namespace': 'bot'}


def test_a_params_file_that_is_not_there_is_told(launched, tmp_path):
    with pytest.raises(RuntimeError, match=r'params_file: there is no file .*absent\.yaml'):
        launched('monitor.launch.py', params_file=str(tmp_path / 'absent.yaml'))


def test_a_params_file_in_the_home_folder_is_found(launched, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'mine.yaml').write_text('/**: {ros__parameters: {mouth_on: 2.5}}\n')
    context, entities = launched('monitor.launch.py', params_file='~/mine.yaml')
    (node,) = _of(entities, 'Node')
    assert _parameters(node, context) == {'mouth_on': 2.5}


def test_simulation_joins_patient_and_monitor(launched):
    context, entities = launched('simulation.launch.py', side='right', severity='0.4')
    nodes = {node.node_executable: node for node in _of(entities, 'Node')}
    assert set(nodes) == {'monitor', 'patient'}
    assert {'side': 'right', 'severity': 0.4}.items() <= _parameters(
        nodes['patient'], context).items()


@pytest.mark.parametrize('name', ['monitor.launch.py', 'simulation.launch.py'])
def test_files_in_the_home_folder_are_named_in_full(launched, name, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    context, entities = launched(name, photo='~/face.jpg', fastdds_profile='~/dds.xml')
    for node in _of(entities, 'Node'):
        assert str(tmp_path / 'dds.xml') in [_text(value) for _, value in node.additional_env]
        if node.node_executable == 'patient':
            assert _parameters(node, context)['photo'] == str(tmp_path / 'face.jpg')


def test_replay_waits_then_plays_what_the_bag_has(launched, bag):
    _, player = _replayed(launched, bag)
    assert player == ['ros2', 'bag', 'play', str(bag), '--rate', '1.0', '--delay', '2.0',
                      '--topics', '/camera/image_raw/compressed',
                      '/stroke_side_monitor/exercise_cue']


def test_a_bag_in_the_home_folder_is_played_from_where_it_was_found(launched, bag, monkeypatch):
    monkeypatch.setenv('HOME', str(bag.parent))
    _, player = _replayed(launched, f'~/{bag.name}')
    assert player[3] == str(bag)


def test_replay_takes_namespace_clock_and_loop(launched, bag):
    monitor, player = _replayed(launched, bag, namespace='bot', use_sim_time='true', loop='true')
    assert monitor.node_name == '/bot/stroke_side_monitor'
    assert player[-4:] == [
        '--remap', '/stroke_side_monitor/exercise_cue:=/bot/stroke_side_monitor/exercise_cue',
        '--clock', '--loop']


def _replayed(launched, bag, **arguments: str):
    """The monitor of a replay, and the player's command line once the monitor is active."""
    from types import SimpleNamespace

    context, entities = launched('replay.launch.py', bag=str(bag), **arguments)
    nodes = {node.node_executable: node for node in _of(entities, 'Node')}
    monitor, waiting = nodes['monitor'], nodes['wait_until_active']
    assert not _of(entities, 'ExecuteProcess')
    assert monitor.expanded_remapping_rules[0] == ('image', '/camera/image_raw')
    assert _parameters(monitor, context)['image_transport'] == 'compressed'
    assert _text(waiting.cmd[1]) == monitor.node_name
    handler = _of(entities, 'RegisterEventHandler')[-1].event_handler
    on_exit = handler._OnActionEventBase__on_event
    assert on_exit(SimpleNamespace(returncode=1), context) is None
    (player,) = on_exit(SimpleNamespace(returncode=0), context)
    return monitor, [_text(part) for part in player.cmd]


def _executed(entity, context):
    """The entity and what it would start, each resolved in its own scope but not started."""
    from launch.actions import ExecuteProcess

    yield entity
    if isinstance(entity, ExecuteProcess):
        if type(entity).__name__ == 'Node':
            entity._perform_substitutions(context)
        return
    for inner in entity.visit(context) or ():
        yield from _executed(inner, context)


def _text(substitutions) -> str:
    return ''.join(one.text for one in substitutions)


def _overrides(launched, **arguments: str):
    context, entities = launched('monitor.launch.py', **arguments)
    (node,) = _of(entities, 'Node')
    return _parameters(node, context)


def _parameters(node, context):
    """What the node is given besides its parameter file."""
    import yaml

    given = {}
    for entry, is_file in node._Node__expanded_parameter_arguments:
        if is_file and Path(entry).name != 'monitor.yaml':
            (section,) = yaml.safe_load(Path(entry).read_text()).values()
            given.update(section['ros__parameters'])
    return given


def _of(entities, kind: str):
    return [entity for entity in entities if type(entity).__name__ == kind]


def _description(name: str):
    (path,) = (path for path in FILES + EXAMPLES if path.name == name)
    spec = importlib.util.spec_from_file_location(path.stem.replace('.', '_'), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()
