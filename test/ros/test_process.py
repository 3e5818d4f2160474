"""The monitor as a process: signals, network, names."""

from __future__ import annotations

import importlib
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from ros_harness import PATIENCE_S, REPOSITORY, MonitorProcess, Robot

from stroke_side_monitor.ros import __main__
from stroke_side_msgs.msg import AffectedSide

INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.mark.parametrize('signals', [(INT, INT), (TERM,), (signal.SIGHUP,)])
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


def test_nothing_is_destroyed_under_an_executor_with_work_in_hand(
        start_process, finished):
    process = start_process(str(REPOSITORY / 'test' / 'slow_gathering.py'))
    assert process.stdout.readline() == 'ready\n'
    process.send_signal(TERM)
    finished(process, PATIENCE_S)
    assert process.returncode == 0


@pytest.mark.parametrize(('words', 'status'), [((), 0), (('failing',), 1)])
def test_a_goodbye_that_never_ends_is_cut_short_and_leaves_its_place(
        start_process, finished, capfd, words, status):
    process = start_process(str(REPOSITORY / 'test' / 'endless_goodbye.py'), *words)
    assert process.stdout.readline() == 'ready\n'
    process.send_signal(TERM)
    finished(process, PATIENCE_S)
    assert process.returncode == status
    told = capfd.readouterr().err
    assert 'in destroy_node' in told
    assert ('in autostart' in told) == bool(status), 'what went wrong before is told all the same'


def test_nohup_keeps_it_running_and_a_hung_monitor_can_be_asked_where_it_stands(
        tmp_path, right_weak):
    with MonitorProcess(tmp_path / 'log', wrapper=('nohup',)) as process, Robot() as robot:
        robot.until_connected()
        process.process.send_signal(signal.SIGHUP)
        process.process.send_signal(signal.SIGUSR1)
        robot.until(lambda: 'most recent call first' in process.log, 'its stacks in the log')
        robot.watch(right_weak, 5)
        assert process.stop() == 0, process.log


# What a starting monitor loads, in this order; the first two while it imports.
LOADED = ('_rclpy_pybind11', '_framework_bindings', 'libLiteRt', 'libstroke_side_msgs')


def has_handlers(process: MonitorProcess) -> bool:
    """Whether SIGTERM has a handler; Python alone gives it none."""
    status = Path(f'/proc/{process.process.pid}/status').read_text()
    return bool(int(re.search(r'SigCgt:\s*(\w+)', status)[1], 16) >> (TERM - 1) & 1)


def has_loaded(process: MonitorProcess, library: str) -> bool:
    return library in Path(f'/proc/{process.process.pid}/maps').read_text()


@pytest.mark.parametrize('number', [INT, TERM])
@pytest.mark.parametrize('library', ['', *LOADED])
def test_a_signal_while_it_starts_ends_it_cleanly(tmp_path, library, number):
    with MonitorProcess(tmp_path / 'log') as process:
        while not (has_loaded(process, library) if library else has_handlers(process)):
            time.sleep(0.002)
        assert process.stop(number, number) == 0, process.log
        assert 'Traceback' not in process.log


@pytest.mark.parametrize('number', [INT, TERM])
def test_a_signal_before_python_has_started_ends_it_as_it_ends_any_program(tmp_path, number):
    with MonitorProcess(tmp_path / 'log') as process:
        # 1: Python itself was interrupted while it started. It may also swallow one signal
        # there: its start-up files run before any code of ours.
        assert process.hammer(number) in (-number, 0, 1)


def test_every_node_that_can_be_started_can_also_be_ended():
    for module, name in __main__._NODES.items():
        node = getattr(importlib.import_module(f'stroke_side_monitor.ros.{module}'), name)
        assert callable(node.autostart)
        assert callable(node.end)


def test_a_node_that_there_is_not_is_answered_with_those_there_are(start_process, capfd):
    assert start_process('-m', 'stroke_side_monitor.ros', 'monitr').wait(60) == 2
    assert capfd.readouterr().err == 'give the node to start: monitor, patient, camera\n'


def test_what_ros_would_pass_over_in_silence_is_refused(start_process, capfd):
    words = ('-m', 'stroke_side_monitor.ros', 'patient', 'severity:=0.6', '--ros-args')
    assert start_process(*words).wait(60) == 2
    assert capfd.readouterr().err == "patient: 'severity:=0.6' means nothing here; give " \
        'parameters as --ros-args -p NAME:=VALUE\n'


@pytest.mark.parametrize('name', __main__._NODES)
def test_help_is_given_without_starting_anything(start_process, name):
    told, _ = (process := start_process('-m', 'stroke_side_monitor.ros', name, '--help')
               ).communicate(timeout=60)
    assert process.returncode == 0
    assert told.startswith(f'usage: {name} [--ros-args ')
    assert ('input_mirrored' in told) == (name == 'monitor')
    assert ('synkinesis' in told) == (name == 'patient')


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
