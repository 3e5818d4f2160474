"""The QoS of each topic is its own: overriding one's changes no other's."""

from __future__ import annotations

import pytest
from rclpy.context import Context
from rclpy.qos import QoSProfile, QoSReliabilityPolicy

from stroke_side_monitor.local_dds import LAST_DOMAIN
from stroke_side_monitor.ros import qos
from stroke_side_monitor.ros.monitor import Monitor
from stroke_side_monitor.ros.patient import Patient

OVERRIDABLE = {'/stroke_side_monitor/affected_side': 'publisher',
               '/stroke_side_monitor/severity': 'publisher',
               '/stroke_side_monitor/asymmetry': 'publisher',
               '/stroke_side_monitor/exercise_result': 'publisher',
               '/stroke_side_monitor/overlay': 'publisher',
               '/image': 'subscription'}


def policies(profile: QoSProfile) -> tuple:
    return profile.reliability, profile.history, profile.depth, profile.durability


def qos_of_all(overridden: str = '') -> dict[str, tuple]:
    """What a node's topics ask for: the monitor's, active, by topic and kind."""
    arguments = []
    if overridden:
        other = 'best_effort' if overridden.startswith('/stroke') else 'reliable'
        if overridden.endswith('overlay'):
            other = 'reliable'
        prefix = f'qos_overrides.{overridden}.{OVERRIDABLE[overridden]}'
        arguments = ['--ros-args', '-p', f'{prefix}.reliability:={other}', '-p',
                     f'{prefix}.depth:=77']
    context = Context()
    # Apart from the tests after it: what rclpy keeps of a destroyed node is still found there.
    context.init(domain_id=LAST_DOMAIN + 1)
    node = Monitor(context=context, cli_args=arguments)
    node.autostart()
    found = {f'{publisher.topic_name} publisher': policies(publisher.qos_profile)
             for publisher in node.publishers}
    found |= {f'{subscription.topic_name} subscription': policies(subscription.qos_profile)
              for subscription in node.subscriptions}
    node.end()
    node.destroy_node()
    context.try_shutdown()
    return found


@pytest.fixture(scope='module')
def untouched() -> dict[str, tuple]:
    return qos_of_all()


@pytest.mark.parametrize('topic', OVERRIDABLE)
def test_overriding_one_topic_changes_it_alone(untouched, topic):
    found = qos_of_all(topic)
    assert set(found) == set(untouched)
    key = f'{topic} {OVERRIDABLE[topic]}'
    assert found[key][0] != untouched[key][0]
    assert found[key][2] == 77
    assert {name for name in found if found[name] != untouched[name]} == {key}
    assert qos_of_all() == untouched, 'a later node of the process has the overrides'


def test_overriding_the_simulated_camera_changes_no_other_profile():
    topic = '/image'
    context = Context()
    context.init()
    node = Patient(context=context, cli_args=[
        '--ros-args', '-p', f'qos_overrides.{topic}.publisher.reliability:=reliable'])
    (images,) = (one for one in node.publishers if one.topic_name == topic)
    assert images.qos_profile.reliability == QoSReliabilityPolicy.RELIABLE
    node.destroy_node()
    context.try_shutdown()
    assert qos.sensor_data().reliability == QoSReliabilityPolicy.BEST_EFFORT
    from rclpy.qos import qos_profile_sensor_data
    assert qos_profile_sensor_data.reliability == QoSReliabilityPolicy.BEST_EFFORT
