"""Keeps the DDS traffic of demo, bench and tests on this machine and apart from other runs.

It never imports rclpy, and the monitor on a robot never calls it: there the robot's settings
hold. Call it before rclpy.init, in the process that starts the others.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping, MutableMapping

from stroke_side_monitor.resources import config_path

_FAST_DDS_2 = ('humble', 'jazzy')
# Up to 101 the ports DDS derives from a domain stay below Linux's ephemeral ones:
# https://docs.ros.org/en/jazzy/Concepts/Intermediate/About-Domain-ID.html
FIRST_DOMAIN, LAST_DOMAIN = 1, 101
_claims: list[socket.socket] = []


class NoDomainFreeError(RuntimeError):
    """Every ROS_DOMAIN_ID from 1 to 101 is claimed by a run on this machine."""


def keep_local(environment: MutableMapping[str, str], large_messages: bool = True) -> int:
    """Set the variables that keep DDS on the loopback, in a domain no other run here uses.

    Args:
        environment: os.environ, or the environment of a process to be started.
        large_messages: give Fast DDS the shared memory that raw images need between processes;
            without it nearly all of them are lost over best-effort QoS.

    Returns:
        The ROS_DOMAIN_ID, 1..101, claimed until this process ends.

    Raises:
        NoDomainFreeError: 101 other runs are under way.
        ResourceMissingError: config/fastdds_local.xml is missing.
    """
    distribution = environment.get('ROS_DISTRO', '')
    domain = _claim_domain()
    environment['ROS_DOMAIN_ID'] = str(domain)
    if distribution == 'humble':
        environment['ROS_LOCALHOST_ONLY'] = '1'
    else:
        environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        environment.pop('ROS_STATIC_PEERS', None)
    if large_messages:
        environment[profile_variable(distribution)] = str(config_path('fastdds_local.xml'))
    return domain


def profile_variable(distribution: str) -> str:
    """The variable in which Fast DDS looks for its profiles file, by ROS_DISTRO ('': newest)."""
    return f'FAST{"RTPS" if distribution in _FAST_DDS_2 else "DDS"}_DEFAULT_PROFILES_FILE'


def image_profile(environment: Mapping[str, str]) -> str:
    """The Fast DDS profile of ours that lets raw images through; '' where one is set already.

    Args:
        environment: of the process, or the machine, that is to receive them.
    """
    if profile_variable(environment.get('ROS_DISTRO', '')) in environment:
        return ''
    local = (environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'LOCALHOST'
             or environment.get('ROS_LOCALHOST_ONLY') == '1')
    return str(config_path('fastdds_local.xml' if local else 'fastdds_images.xml'))


def _claim_domain() -> int:
    candidates = list(range(FIRST_DOMAIN, LAST_DOMAIN + 1))
    random.shuffle(candidates)
    for domain in candidates:
        # A name in Linux's abstract socket space: one owner at a time, no file, and
        # free again the moment its process ends, however it ends.
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f'\0stroke_side_monitor.ros_domain.{domain}')
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return domain
    raise NoDomainFreeError(
        'every ROS_DOMAIN_ID from 1 to 101 is used by another run on this machine; end one')
