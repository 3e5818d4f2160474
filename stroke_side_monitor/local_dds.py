"""Keeps the DDS traffic of demo, bench and tests on this machine and apart from other runs.

It never imports rclpy, and the monitor on a robot never calls it: there the robot's settings
hold. Call it before rclpy.init, in the process that starts the others.
"""

from __future__ import annotations

import random
import socket
from collections.abc import MutableMapping

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
        large_messages: use Fast DDS's transports for messages above 64 kB; without them raw
            images over best-effort QoS are nearly all lost between processes.

    Returns:
        The ROS_DOMAIN_ID, 1..101, claimed until this process ends.

    Raises:
        NoDomainFreeError: 101 other runs are under way.
    """
    domain = _claim_domain()
    environment['ROS_DOMAIN_ID'] = str(domain)
    if environment.get('ROS_DISTRO') == 'humble':
        environment['ROS_LOCALHOST_ONLY'] = '1'
    else:
        environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        environment.pop('ROS_STATIC_PEERS', None)
    if large_messages:
        environment['FASTDDS_BUILTIN_TRANSPORTS'] = 'LARGE_DATA'
    return domain


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
