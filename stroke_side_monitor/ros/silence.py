"""Why no image arrives: reads the ROS graph and says in one line what to change.

It never subscribes or publishes anything and is only asked while images are missing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, QoSReliabilityPolicy, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo

from stroke_side_monitor.local_dds import profile_variable

# What that profile asks of the kernel, bytes.
IMAGE_PROFILE, RECEIVE_BUFFER = 'fastdds_images.xml', 4 * 2 ** 20
RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'


def why_silent(node: Node, topic: str, type_name: str, qos: QoSProfile) -> str:
    """One line for the diagnostics: what keeps images from arriving.

    Args:
        node: any node in the graph; it is only asked for names.
        topic: fully resolved name that the monitor subscribes.
        type_name: what it expects there, e.g. sensor_msgs/msg/Image.
        qos: what it asks for.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return f'no image on {topic}: 0 publishers{_elsewhere(node, topic)}'
    count = f'{len(publishers)} publisher{"s" if len(publishers) > 1 else ""}'
    right_type = [info for info in publishers if info.topic_type == type_name]
    if not right_type:
        return f'no image on {topic}: {count}, wrong type: {_wrong_type(publishers, type_name)}'
    verdicts = [qos_check_compatible(info.qos_profile, qos) for info in right_type]
    if all(verdict == QoSCompatibility.ERROR for verdict, _ in verdicts):
        return (f'no image on {topic}: {count}, incompatible QoS: {verdicts[0][1].strip()} Set '
                f'qos_overrides.{topic}.subscription.* to what the camera offers')
    return f'no image on {topic}: {count}, connected, but nothing arrives{_lost(right_type, qos)}'


def _wrong_type(publishers: Sequence[TopicEndpointInfo], type_name: str) -> str:
    found = publishers[0].topic_type
    transport = {RAW: 'raw', COMPRESSED: 'compressed'}.get(found)
    cure = f'; set image_transport:={transport}' if transport else '; remap `image` to a camera'
    return f'{found}, expected {type_name}{cure}'


def _elsewhere(node: Node, topic: str) -> str:
    # Names alone would also list what monitors subscribe to; the overlay is no camera.
    own = f'{node.get_fully_qualified_name()}/'
    found = [f'{name} ({types[0].rsplit("/", 1)[-1]})'
             for name, types in sorted(node.get_topic_names_and_types())
             if types[0] in (RAW, COMPRESSED) and name != topic
             and not name.startswith(own) and node.count_publishers(name)]
    if found:
        return ('; images are published on ' + ', '.join(found[:5])
                + ': remap `image`, or set image_transport')
    domain = os.environ.get('ROS_DOMAIN_ID', '0')
    return f' and no other image topic in ROS_DOMAIN_ID {domain}; is the camera driver running?'


def _lost(publishers: Sequence[TopicEndpointInfo], qos: QoSProfile) -> str:
    both_reliable = qos.reliability == QoSReliabilityPolicy.RELIABLE and all(
        info.qos_profile.reliability == QoSReliabilityPolicy.RELIABLE for info in publishers)
    if both_reliable or publishers[0].topic_type == COMPRESSED:
        return '; does the camera deliver frames?'
    return ('; raw images are too large for Fast DDS by default: '
            + large_image_cure(os.environ, _largest_receive_buffer()))


def large_image_cure(environment: Mapping[str, str], largest_buffer: int | None) -> str:
    """What lets raw images through, for Fast DDS as this environment sets it up.

    Args:
        environment: of the monitor.
        largest_buffer: net.core.rmem_max in bytes; None where there is no such setting.
    """
    variable = profile_variable(environment.get('ROS_DISTRO', ''))
    if (environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'LOCALHOST'
            or environment.get('ROS_LOCALHOST_ONLY') == '1'):
        return f'set {variable} to config/fastdds_local.xml for the camera driver'
    steps = []
    if Path(environment.get(variable, '')).name != IMAGE_PROFILE:
        steps.append(f'set {variable} to config/{IMAGE_PROFILE} for the monitor')
    if largest_buffer is not None and largest_buffer < RECEIVE_BUFFER:
        steps.append(f'sudo sysctl -w net.core.rmem_max={RECEIVE_BUFFER} (now {largest_buffer})')
    steps.append('or else use image_transport:=compressed')
    return '; '.join(steps)


def _largest_receive_buffer() -> int | None:
    try:
        return int(Path('/proc/sys/net/core/rmem_max').read_text())
    except OSError:  # not Linux, or a container that hides it
        return None
