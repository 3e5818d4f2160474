"""Plays a bag to the monitor: ros2 launch stroke_side_monitor replay.launch.py bag:=...

It never writes to the bag. Only the pictures and the exercise cues are played.
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
    namespace = f'/{given["namespace"].strip("/")}'.rstrip('/')
    if not topic.startswith('/'):
        topic = f'{namespace}/{topic}'
    command = ['ros2', 'bag', 'play', given['bag'], '--rate', given['rate'],
               '--topics', topic, f'{topic}/compressed',
               f'{namespace}/stroke_side_monitor/exercise_cue']
    if given['use_sim_time'] == 'true':
        command.append('--clock')
    if given['loop'] == 'true':
        command.append('--loop')
    return [ExecuteProcess(cmd=command, output='screen')]
