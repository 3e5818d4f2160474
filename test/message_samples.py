"""One filled-in example of every message of ours; run as a program, it publishes them.

It never leaves a field at its default, so that a field lost on the way is noticed.
"""

from __future__ import annotations

import importlib
import itertools
import re
import select
import sys
from collections.abc import Iterator
from typing import Any

from stroke_side_monitor.ros import ending
from stroke_side_msgs import msg

NAMES = sorted(name for name in vars(msg) if name[0].isupper())
_PERIOD_S = 0.1


def sample(name: str) -> Any:
    """An instance of stroke_side_msgs/msg/`name`, every field different from its default."""
    return _filled(getattr(msg, name), itertools.count(1))


def topic(name: str) -> str:
    """Where the sample of that type is published."""
    return f'samples/type_{name.lower()}'


def _filled(message_type: type, numbers: Iterator[int]) -> Any:
    message = message_type()
    for field, field_type in message.get_fields_and_field_types().items():
        setattr(message, field, _value(field_type, numbers))
    return message


def _value(field_type: str, numbers: Iterator[int]) -> Any:
    sequence = re.fullmatch(r'sequence<(.+)>', field_type)
    if sequence:
        return [_value(sequence[1], numbers), _value(sequence[1], numbers)]
    if field_type == 'boolean':
        return True
    if field_type == 'string':
        return f'Prüfung {next(numbers)}'
    if field_type in ('float', 'double'):
        return -next(numbers) / 8  # exact in 32 bits
    if field_type.startswith('int'):
        return -next(numbers)
    if field_type.startswith('uint'):
        return next(numbers)
    package, name = field_type.split('/')
    return _filled(getattr(importlib.import_module(f'{package}.msg'), name), numbers)


def publish_until_told_to_stop() -> None:
    """Publish every sample again and again until standard input closes."""
    import rclpy

    ending.tell_stacks_on_request()
    rclpy.init()
    node = rclpy.create_node('sample_publisher')
    publishers = {name: node.create_publisher(getattr(msg, name), topic(name), 10)
                  for name in NAMES}
    while not select.select([sys.stdin], [], [], _PERIOD_S)[0]:
        for name, publisher in publishers.items():
            publisher.publish(sample(name))
    ending.end_at_the_latest(0)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    publish_until_told_to_stop()
