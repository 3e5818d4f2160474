"""The monitor as a process: signals, network, names."""

from __future__ import annotations

import re
import shutil
import signal

import pytest
from ros_harness import MonitorProcess, Robot

from stroke_side_msgs.msg import AffectedSide

INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.mark.parametrize('signals', [(INT, INT), (TERM,)])
def test_signals_however_many_end_it_cleanly_and_withdraw_the_side(tmp_path, right_weak, signals):
    with MonitorProcess(tmp_path / 'log') as process, Robot() as robot:
        robot.until_connected()
        robot.watch(right_weak, 5)
        assert process.stop(*signals) == 0, process.log
        assert robot.until_withdrawn('shutting_down').side == AffectedSide.UNKNOWN
        assert 'Traceback' not in process.log


@pytest.mark.parametrize('number', [INT, TERM])
def test_signals_that_go_on_while_it_winds_up_change_nothing(tmp_path, number):
    with MonitorProcess(tmp_path / 'log') as process, Robot() as robot:
        robot.until_connected()
        assert process.hammer(number) == 0, process.log
        assert 'Traceback' not in process.log


def test_an_unreadable_parameter_file_is_named(tmp_path):
    bad = tmp_path / 'bad.yaml'
    bad.write_text('monitor: [')
    with MonitorProcess(tmp_path / 'log', arguments=('--params-file', str(bad))) as process:
        assert process.process.wait(60) == 2
        assert f"cannot start: failed to initialize rcl: Couldn't parse params file: " \
            f"'--params-file {bad}'" in process.log
        assert 'Traceback' not in process.log


def test_it_talks_to_nobody_but_dds_on_this_machine(tmp_path, right_weak):
    if shutil.which('strace') is None:
        pytest.skip('strace is not installed; apt install strace to check for connections')
    trace = tmp_path / 'trace'
    wrapper = ('strace', '-f', '--seccomp-bpf', '-e', 'trace=connect,sendto,sendmsg,sendmmsg',
               '-s', '0', '-o', str(trace))
    with MonitorProcess(tmp_path / 'log', wrapper=wrapper), Robot() as robot:
        robot.until_connected()
        assert robot.watch(right_weak, 10).side != AffectedSide.LEFT
        robot.status('timing')
    calls = trace.read_text()
    assert 'AF_INET' in calls, 'DDS itself was not seen: the trace shows nothing'
    peers = set(re.findall(r'inet_(?:addr\(|pton\(AF_INET6, )"([^"]*)"', calls))
    assert peers == {'127.0.0.1'}, peers
    families = set(re.findall(r'sa_family=(AF_\w+)', calls))
    assert families <= {'AF_INET', 'AF_UNIX', 'AF_NETLINK'}, families


def test_two_monitors_in_two_namespaces_keep_apart(tmp_path, right_weak, left_weak):
    with MonitorProcess(tmp_path / 'a', namespace='ward_a'), Robot('ward_a') as a, \
            MonitorProcess(tmp_path / 'b', namespace='ward_b'), Robot('ward_b') as b:
        a.until_connected()
        b.until_connected()
        for _ in range(20):
            right, left = a.show(right_weak), b.show(left_weak)
        assert (right.side, left.side) == (AffectedSide.RIGHT, AffectedSide.LEFT)
        for robot in (a, b):
            assert len([side for side in robot.sides if 'no_image' not in side.reasons]) == 20
        assert a.status('node')[1] == b.status('node')[1] == 'active'
