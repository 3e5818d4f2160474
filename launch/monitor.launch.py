"""Starts the monitor on a robot's camera: ros2 launch stroke_side_monitor monitor.launch.py -s.

It never starts a camera driver, and arguments left empty leave the parameter file's word alone.
Neither its arguments nor the DDS profile reach what is started after it.
"""

import os
from pathlib import Path
from typing import Any

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch_ros.actions import Node

from stroke_side_monitor.local_dds import image_profile, profile_variable
from stroke_side_monitor.ros.ending import WITH_PARENT

_CONFIG = Path(__file__).resolve().parents[1] / 'config'
_PROFILE_VARIABLE = profile_variable(os.environ.get('ROS_DISTRO', ''))
_TRUTH = ('autostart', 'use_sim_time')
_RESPAWN_AFTER_S = 2.0


def generate_launch_description() -> LaunchDescription:
    """Everything a robot's own launch file may want to set, and the node."""
    return LaunchDescription([GroupAction([
        DeclareLaunchArgument('namespace', default_value='',
                              description='namespace of the node; one for each camera'),
        DeclareLaunchArgument('image_topic', default_value='image',
                              description='camera topic; compressed: without /compressed'),
        DeclareLaunchArgument('image_transport', default_value='',
                              choices=['', 'raw', 'compressed'],
                              description="raw or compressed; empty: as in params_file"),
        DeclareLaunchArgument('params_file', default_value=str(_CONFIG / 'monitor.yaml'),
                              description='parameters of the node'),
        DeclareLaunchArgument('use_sim_time', default_value='', choices=['', 'true', 'false'],
                              description='take the time from /clock; empty: as in params_file'),
        DeclareLaunchArgument('autostart', default_value='', choices=['', 'true', 'false'],
                              description='false: wait for a lifecycle manager; '
                                          'empty: as in params_file'),
        DeclareLaunchArgument('log_level', default_value='info',
                              choices=['debug', 'info', 'warn', 'error', 'fatal']),
        DeclareLaunchArgument('respawn', default_value='true', choices=['true', 'false'],
                              description='start the node again when it dies; not after it '
                                          'ended as asked'),
        DeclareLaunchArgument('fastdds_profile', default_value=image_profile(os.environ),
                              description='Fast DDS profile that lets raw images through; '
                                          'empty: leave DDS as it is'),
        OpaqueFunction(function=_monitor),
    ])])


def _monitor(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = dict(context.launch_configurations)
    # No shell does it for the `~` of params_file:=~/monitor.yaml.
    given['params_file'] = str(Path(given['params_file']).expanduser())
    if not Path(given['params_file']).is_file():
        raise RuntimeError(f'params_file: there is no file {given["params_file"]}')
    return _started(given)


def _started(given: dict[str, Any]) -> list[LaunchDescriptionEntity]:
    """The node, and what starts it anew; given: the launch configurations of its first start."""
    node = _node(given)

    def start_again(event: Any, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        # launch's own respawn does so after a clean end too: nobody could stop the node.
        if event.returncode == 0 or context.is_shutdown:
            return None
        return [
            LogInfo(msg=f'the monitor died with status {event.returncode}; starting it again in '
                        f'{_RESPAWN_AFTER_S:g} s'),
            TimerAction(period=_RESPAWN_AFTER_S, actions=[GroupAction([
                # The scope it was started in, with its namespace, is long gone.
                OpaqueFunction(function=again)])])]

    def again(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        context.launch_configurations.update(given)
        return _started(given)

    if given['respawn'] == 'false':
        return [node]
    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=start_again)), node]


def _node(given: dict[str, Any]) -> Node:
    overrides: dict[str, Any] = {name: given[name] == 'true' for name in _TRUTH if given[name]}
    if given['image_transport']:
        overrides['image_transport'] = given['image_transport']
    profile = os.path.expanduser(given['fastdds_profile'])
    return Node(
        package='stroke_side_monitor', executable='monitor', name='stroke_side_monitor',
        namespace=given['namespace'], parameters=[given['params_file'], overrides],
        remappings=[('image', given['image_topic']),
                    ('image/compressed', f'{given["image_topic"]}/compressed')],
        arguments=['--ros-args', '--log-level', given['log_level']],
        # For this process alone: nodes with another profile lose shared memory with its own.
        additional_env={WITH_PARENT: '1', **({_PROFILE_VARIABLE: profile} if profile else {})},
        output='screen')
