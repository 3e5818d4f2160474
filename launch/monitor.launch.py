"""Starts the monitor on a robot's camera: ros2 launch stroke_side_monitor monitor.launch.py -s.

It never starts a camera driver, and arguments left empty leave the parameter file's word alone.
"""

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

_CONFIG = Path(__file__).resolve().parents[1] / 'config'
# Fast DDS 3 reads the first, Fast DDS 2 (Humble, Jazzy) the second.
_FAST_DDS_2 = os.environ.get('ROS_DISTRO') in ('humble', 'jazzy')
_PROFILE_VARIABLE = f'FAST{"RTPS" if _FAST_DDS_2 else "DDS"}_DEFAULT_PROFILES_FILE'
_OVERRIDES = {'image_transport': str, 'autostart': bool, 'use_sim_time': bool}


def generate_launch_description() -> LaunchDescription:
    """Everything a robot's own launch file may want to set, and the node."""
    return LaunchDescription([
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
                              description='start the node again when it dies'),
        DeclareLaunchArgument('fastdds_profile', default_value=_profile(),
                              description='Fast DDS profile that lets raw images through; '
                                          'empty: leave DDS as it is'),
        OpaqueFunction(function=_monitor),
    ])


def _profile() -> str:
    if _PROFILE_VARIABLE in os.environ:
        return ''
    local = (os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'LOCALHOST'
             or os.environ.get('ROS_LOCALHOST_ONLY') == '1')
    return str(_CONFIG / ('fastdds_local.xml' if local else 'fastdds_images.xml'))


def _monitor(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    overrides = {
        name: ParameterValue(LaunchConfiguration(name), value_type=value_type)
        for name, value_type in _OVERRIDES.items() if given[name]}
    node = Node(
        package='stroke_side_monitor', executable='monitor', name='stroke_side_monitor',
        namespace=given['namespace'], parameters=[given['params_file'], overrides],
        remappings=[('image', given['image_topic']),
                    ('image/compressed', f'{given["image_topic"]}/compressed')],
        arguments=['--ros-args', '--log-level', given['log_level']],
        respawn=given['respawn'] == 'true', respawn_delay=2.0, output='screen')
    if not given['fastdds_profile']:
        return [node]
    return [SetEnvironmentVariable(_PROFILE_VARIABLE, given['fastdds_profile']), node]
