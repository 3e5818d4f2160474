"""Two cameras, two monitors: ros2 launch examples/two_cameras.launch.py.

Each include stands in a group of its own: what one is given does not reach the other.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

_MONITOR = str(Path(get_package_share_directory('stroke_side_monitor'))
               / 'launch' / 'monitor.launch.py')


def generate_launch_description() -> LaunchDescription:
    """The head's camera raw, the arm's compressed; a lifecycle manager starts the second."""
    return LaunchDescription([
        _monitor(namespace='head', image_topic='/head_camera/image_raw'),
        _monitor(namespace='arm', image_topic='/arm_camera/image_raw',
                 image_transport='compressed', autostart='false'),
    ])


def _monitor(**arguments: str) -> GroupAction:
    return GroupAction([IncludeLaunchDescription(
        PythonLaunchDescriptionSource(_MONITOR), launch_arguments=arguments.items())])
