"""The SROS2 policy that we hand out allows what the running monitor does, and nothing more."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import rclpy

POLICY = Path(__file__).resolve().parents[2] / 'examples' / 'deployment' / 'sros2_policy.xml'
MONITOR = 'stroke_side_monitor', '/'
PATIENCE_S = 60.0
# Not there in every configuration: compressed images, simulated time.
SOMETIMES = {'/image/compressed', '/clock'}


def test_policy_lists_exactly_what_the_monitor_uses(start_process):
    start_process('-m', 'stroke_side_monitor.ros', 'monitor')
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node('auditor', context=context)
    try:
        published, subscribed, served, asked = used_by_the_active_monitor(node)
    finally:
        node.destroy_node()
        context.shutdown()

    assert published == allowed('topics', 'publish')
    assert subscribed | SOMETIMES == allowed('topics', 'subscribe') | SOMETIMES
    assert served == allowed('services', 'reply')
    assert asked == allowed('services', 'request') == set()


def used_by_the_active_monitor(node) -> tuple[set[str], ...]:
    questions = (node.get_publisher_names_and_types_by_node,
                 node.get_subscriber_names_and_types_by_node,
                 node.get_service_names_and_types_by_node,
                 node.get_client_names_and_types_by_node)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        time.sleep(0.1)  # the graph changes without messages to wait for
        if MONITOR not in node.get_node_names_and_namespaces():
            continue
        used = tuple({name for name, _ in question(*MONITOR)} for question in questions)
        # Images are taken last, once the node is active.
        if '/image' in used[1] and '/parameter_events' in used[0]:
            return used
    raise AssertionError(f'the monitor did not take images within {PATIENCE_S} s')


def allowed(kind: str, verb: str) -> set[str]:
    (profile,) = ElementTree.parse(POLICY).getroot().iter('profile')
    named = (profile.get('ns'), profile.get('node'))
    assert named == MONITOR[::-1]
    names = {element.text for group in profile.iter(kind) if group.get(verb) == 'ALLOW'
             for element in group}
    return {name.replace('~', '/stroke_side_monitor') if name[0] == '~' else
            name if name[0] == '/' else f'/{name}' for name in names}
