"""Plays a bag's pictures to the monitor: ros2 launch stroke_side_monitor replay.launch.py bag:=...

It never writes to the bag. Other topics of the bag than the pictures are not played.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource

_MONITOR = Path(__file__).resolve().with_name('monitor.launch.py')


def generate_launch_description() -> LaunchDescription:
    """All arguments of monitor.launch.py, and what is played how."""
    return LaunchDescription([
        DeclareLaunchArgument('bag', description='folder of the bag'),
        DeclareLaunchArgument('rate', default_value='1.0', description='1.0: as recorded'),
        DeclareLaunchArgument('loop', default_value='false', choices=['true', 'false'],
                              description='start again at the end; resets the monitor each time'),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(_MONITOR))),
        OpaqueFunction(function=_player),
    ])


def _player(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    topic = given['image_topic']
    if given['namespace'] and not topic.startswith('/'):
        topic = f'{given["namespace"].strip("/")}/{topic}'
    topic = '/' + topic.lstrip('/')
    command = ['ros2', 'bag', 'play', given['bag'], '--rate', given['rate'],
               '--topics', topic, f'{topic}/compressed']
    if given['use_sim_time'] == 'true':
        command.append('--clock')
    if given['loop'] == 'true':
        command.append('--loop')
    return [ExecuteProcess(cmd=command, output='screen')]
