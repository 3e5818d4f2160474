"""Starts a simulated patient as the camera, and the monitor on it. Sides are the PATIENT's.

It never needs a camera; the pictures come from one public-domain photograph unless told otherwise.
"""

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from stroke_side_monitor.local_dds import image_profile, profile_variable
from stroke_side_monitor.ros.ending import WITH_PARENT

_MONITOR = Path(__file__).resolve().with_name('monitor.launch.py')
_PROFILE_VARIABLE = profile_variable(os.environ.get('ROS_DISTRO', ''))


def generate_launch_description() -> LaunchDescription:
    """All arguments of monitor.launch.py, and what the patient has."""
    return LaunchDescription([GroupAction([
        # Those that patient and monitor share; monitor.launch.py keeps its own to itself.
        DeclareLaunchArgument('namespace', default_value='', description='of both nodes'),
        DeclareLaunchArgument('image_topic', default_value='image',
                              description='camera topic; compressed: without /compressed'),
        DeclareLaunchArgument('image_transport', default_value='raw',
                              choices=['raw', 'compressed']),
        DeclareLaunchArgument('log_level', default_value='info',
                              choices=['debug', 'info', 'warn', 'error', 'fatal']),
        DeclareLaunchArgument('fastdds_profile', default_value=image_profile(os.environ),
                              description='Fast DDS profile that lets raw images through; '
                                          'empty: leave DDS as it is'),
        DeclareLaunchArgument('side', default_value='left', choices=['left', 'right', 'none'],
                              description='weak side, the patient\'s own'),
        DeclareLaunchArgument('severity', default_value='0.7',
                              description='0 healthy to 1 no movement left'),
        DeclareLaunchArgument('photo', default_value='',
                              description='healthy frontal photograph; empty: the built-in one'),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(_MONITOR))),
        OpaqueFunction(function=_patient),
    ])])


def _patient(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    # No shell does it for the `~` of photo:=~/face.jpg; empty stays empty.
    photo, profile = (os.path.expanduser(given[name]) for name in ('photo', 'fastdds_profile'))
    return [Node(
        package='stroke_side_monitor', executable='patient', name='patient',
        namespace=given['namespace'],
        parameters=[{
            'side': given['side'],
            'severity': float(given['severity']), 'photo': photo,
            'image_transport': given['image_transport']}],
        remappings=[('image', given['image_topic']),
                    ('image/compressed', f'{given["image_topic"]}/compressed')],
        arguments=['--ros-args', '--log-level', given['log_level']],
        additional_env={WITH_PARENT: '1', **({_PROFILE_VARIABLE: profile} if profile else {})},
        output='screen')]
