"""Plays a bag to the monitor: ros2 launch stroke_side_monitor replay.launch.py bag:=...

It never writes to the bag. Only the pictures and the exercise cues are played, once the monitor
is active; which ones, the bag itself says.
"""

from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from stroke_side_monitor.ros.bag_topics import BagTopics, choose

_MONITOR = Path(__file__).resolve().with_name('monitor.launch.py')
# For the player's topics to be found; the first messages would be lost.
_DISCOVERY_S = 2.0


def generate_launch_description() -> LaunchDescription:
    """All arguments of monitor.launch.py, and what is played how."""
    return LaunchDescription([GroupAction([
        DeclareLaunchArgument('bag', description='folder of the bag'),
        DeclareLaunchArgument('rate', default_value='1.0', description='1.0: as recorded'),
        DeclareLaunchArgument('loop', default_value='false', choices=['true', 'false'],
                              description='start again at the end; resets the monitor each time'),
        # Both are also the monitor's: what the bag has is found out before it hears of them.
        DeclareLaunchArgument('image_topic', default_value='',
                              description='camera topic in the bag, without /compressed; empty: '
                                          'the one with most pictures'),
        DeclareLaunchArgument('image_transport', default_value='',
                              choices=['', 'raw', 'compressed'],
                              description='raw or compressed; empty: as in the bag'),
        DeclareLaunchArgument('namespace', default_value='',
                              description='namespace of the node; one for each camera'),
        DeclareLaunchArgument('use_sim_time', default_value='', choices=['', 'true', 'false'],
                              description='true: the bag gives the time, on /clock'),
        OpaqueFunction(function=_choose),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(_MONITOR))),
        OpaqueFunction(function=_player),
    ])])


def _choose(context: LaunchContext) -> None:
    given = context.launch_configurations
    topics = _topics(given)
    given['image_topic'], given['image_transport'] = topics.image, topics.transport


def _topics(given: dict[str, str]) -> BagTopics:
    topic = given['image_topic']
    if topic and not topic.startswith('/'):
        topic = f'{_namespace(given)}/{topic}'
    return choose(_bag(given), topic, given['image_transport'])


def _bag(given: dict[str, str]) -> Path:
    # No shell does it for the `~` of bag:=~/session.
    return Path(given['bag']).expanduser()


def _namespace(given: dict[str, str]) -> str:
    return f'/{given["namespace"].strip("/")}'.rstrip('/')


def _player(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    monitor = f'{_namespace(given)}/stroke_side_monitor'
    command = _command(given, monitor, _topics(given))
    waiting = Node(package='stroke_side_monitor', executable='wait_until_active',
                   arguments=[monitor], output='screen')

    def play(event: Any, _: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        return [ExecuteProcess(cmd=command, output='screen')] if event.returncode == 0 else None

    return [RegisterEventHandler(OnProcessExit(target_action=waiting, on_exit=play)), waiting]


def _command(given: dict[str, str], monitor: str, topics: BagTopics) -> list[str]:
    heard = f'{monitor}/exercise_cue'
    command = ['ros2', 'bag', 'play', str(_bag(given)), '--rate', given['rate'],
               '--delay', str(_DISCOVERY_S), '--topics', topics.recorded]
    if topics.cues:
        command.append(topics.cues)
        if topics.cues != heard:
            command += ['--remap', f'{topics.cues}:={heard}']
    if given['use_sim_time'] == 'true':
        command.append('--clock')
    if given['loop'] == 'true':
        command.append('--loop')
    return command
