"""Starts a simulated patient as the camera, and the monitor on it. Sides are the PATIENT's.

It never needs a camera; the pictures come from one public-domain photograph unless told otherwise.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

_MONITOR = Path(__file__).resolve().with_name('monitor.launch.py')


def generate_launch_description() -> LaunchDescription:
    """All arguments of monitor.launch.py, and what the patient has."""
    return LaunchDescription([
        # Declared before the include, so that patient and monitor share them.
        DeclareLaunchArgument('side', default_value='left', choices=['left', 'right', 'none'],
                              description='weak side, the patient\'s own'),
        DeclareLaunchArgument('severity', default_value='0.7',
                              description='0 healthy to 1 no movement left'),
        DeclareLaunchArgument('photo', default_value='',
                              description='healthy frontal photograph; empty: the built-in one'),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(_MONITOR))),
        OpaqueFunction(function=_patient),
    ])


def _patient(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    return [Node(
        package='stroke_side_monitor', executable='patient', name='patient',
        namespace=given['namespace'],
        parameters=[{
            'side': given['side'],
            'severity': ParameterValue(LaunchConfiguration('severity'), value_type=float),
            'photo': given['photo'], 'image_transport': given['image_transport'] or 'raw'}],
        remappings=[('image', given['image_topic']),
                    ('image/compressed', f'{given["image_topic"]}/compressed')],
        arguments=['--ros-args', '--log-level', given['log_level']], output='screen')]
