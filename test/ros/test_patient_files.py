"""The node keeps a baseline and a session record when asked, and nothing when not."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ros_harness import MonitorProcess, Robot
from std_srvs.srv import Trigger

from stroke_side_monitor.assessment.baseline import REST_NEEDED_S
from stroke_side_monitor.patient_files.session_record import read_session
from stroke_side_monitor.report.summary import summarise
from stroke_side_msgs.msg import AffectedSide, ExerciseCue


def enrol(robot):
    return robot.call(Trigger, 'enrol_baseline', Trigger.Request())


def test_a_session_and_a_baseline_are_kept_when_asked(tmp_path, right_weak):
    folders = {'baseline_directory': tmp_path / 'baselines',
               'record_session': tmp_path / 'sessions'}
    with MonitorProcess(tmp_path / 'log', namespace='kept', patient_key='p-7', **folders
                        ) as monitor, Robot('kept') as robot:
        robot.until_connected()
        robot.watch(right_weak)
        assert enrol(robot).success
        # The monitor believes a quarter of a second between frames, no more.
        for _ in range(int(REST_NEEDED_S / 0.25) + 5):
            robot.show(right_weak, robot.now_s + 0.25)
        stored = robot.until(lambda: list((tmp_path / 'baselines').glob('*.json')), 'the baseline')
        header = robot.message(right_weak).header
        robot.cues.publish(ExerciseCue(header=header, exercise='smile', phase=ExerciseCue.START))
        robot.watch(right_weak)
        assert monitor.stop() == 0, monitor.log
    assert [path.name for path in stored] == ['p-7.json']
    content = json.loads(stored[0].read_text())
    assert content['metrics']['mouth.commissure_height'] < -1.0  # the patient's right droops
    folder, = (tmp_path / 'sessions').iterdir()
    session = read_session(folder)
    assert (session.patient_key, session.damaged) == ('p-7', 0)
    frames = session.of_kind('frame')
    assert {frame['side'] for frame in frames} >= {'right', 'unknown'}
    assert 'baseline_enrolled' in [event['name'] for event in session.of_kind('event')]
    assert [cue['exercise'] for cue in session.of_kind('cue')] == ['smile']
    assert {path.suffix for path in tmp_path.rglob('*') if path.is_file()} <= {
        '.json', '.jsonl', ''}  # no image anywhere
    with MonitorProcess(tmp_path / 'again', namespace='kept', patient_key='p-7', **folders), \
            Robot('kept') as robot:
        robot.until_connected()
        # The same face does not depart from its own baseline, and is still weak on the right.
        answer = robot.watch(right_weak)
        assert answer.side == answer.RIGHT
        assert 'baseline_alarm' not in answer.reasons


def test_waiting_for_the_camera_leaves_no_frame_in_the_record(tmp_path, right_weak):
    with MonitorProcess(tmp_path / 'log', namespace='waiting', record_session=tmp_path,
                        stale_timeout_s=0.2) as monitor, Robot('waiting') as robot:
        robot.until_connected()
        robot.until_withdrawn('no_image')
        robot.watch(right_weak)
        robot.until_withdrawn('no_image')
        robot.reset()
        robot.until(lambda: robot.sides[-1].header.stamp.sec == 0, 'a withdrawal after the reset')
        robot.watch(right_weak)
        assert monitor.stop() == 0, monitor.log
    folder, = (path for path in tmp_path.iterdir() if path.is_dir())
    session = read_session(folder)
    frames = session.of_kind('frame')
    assert min(frame['stamp_s'] for frame in frames) > 1000.0
    assert 'no_image' in {reason for frame in frames for reason in frame['reasons']}
    assert summarise(session).duration_s < 10.0


def test_what_was_under_way_stands_in_the_record_before_who_came_after(tmp_path, right_weak):
    with MonitorProcess(tmp_path / 'log', namespace='after', record_session=tmp_path) as monitor, \
            Robot('after') as robot:
        robot.until_connected()
        for end in (robot.reset, lambda: robot.set_parameter('input_mirrored', True)):
            robot.watch(right_weak)
            robot.cues.publish(ExerciseCue(header=robot.message(right_weak).header,
                                           exercise='smile', phase=ExerciseCue.START))
            before = len(robot.statuses)
            robot.until(lambda before=before: len(robot.statuses) > before, 'the cue to be taken')
            robot.watch(right_weak, 5)
            results = len(robot.results)
            end()
            robot.until(lambda results=results: len(robot.results) > results, 'the result')
        robot.watch(right_weak, 5)
        assert monitor.stop() == 0, monitor.log
    folder, = (path for path in tmp_path.iterdir() if path.is_dir())
    told = [(line.get('name', line['kind']), line.get('reason', '')) for line in
            read_session(folder).lines if line['kind'] in ('event', 'exercise')]
    assert told == [
        ('session_began', 'started'), ('exercise', ''), ('reset', ''), ('session_began', 'reset'),
        ('exercise', ''), ('orientation_changed', ''), ('session_began', 'orientation_changed')]
    changed, = (line for line in read_session(folder).of_kind('event')
                if line['name'] == 'orientation_changed')
    assert (changed['input_mirrored'], changed['image_rotation_deg']) == (True, 0)
    assert changed['stamp_s'] > 1000.0


def test_how_far_an_enrolment_has_come_is_told_and_where_it_is_given_up(tmp_path, right_weak):
    with MonitorProcess(tmp_path / 'log', namespace='told', patient_key='p-7',
                        baseline_directory=tmp_path) as monitor, Robot('told') as robot:
        robot.until_connected()
        robot.watch(right_weak)
        assert enrol(robot).success
        for _ in range(60):
            robot.show(right_weak, robot.now_s + 0.25)
        robot.status('node', lambda _, __, values: values['enrolment'].startswith(
            '15 of 60 s of rest'))
        assert 'given up' not in monitor.log
        robot.reset()
        robot.watch(right_weak)
        robot.status('node', lambda _, __, values: not values['enrolment'])
        robot.until(lambda: 'baseline: given up at 15 of 60 s' in monitor.log, 'the log')
        assert monitor.stop() == 0, monitor.log


def test_without_a_folder_nothing_is_enrolled_or_written(robot, right_weak):
    robot.watch(right_weak, frames=3)
    refused = enrol(robot)
    assert not refused.success
    assert 'baseline_directory' in refused.message


def test_a_damaged_baseline_keeps_the_node_from_being_configured(tmp_path):
    (tmp_path / 'p-7.json').write_text('{"schema": 1}')
    # A name of its own: the monitor that other tests here share is still running.
    with MonitorProcess(tmp_path / 'log', namespace='damaged', patient_key='p-7',
                        baseline_directory=tmp_path) as monitor, Robot('damaged') as robot:
        robot.until(lambda: 'not configured' in monitor.log, 'the refusal')
        assert robot.state() == 'unconfigured'
        assert 'enrol the baseline again' in monitor.log


def test_a_patient_key_that_names_a_path_is_refused(tmp_path):
    with MonitorProcess(tmp_path / 'log', namespace='refused', patient_key='../etc/passwd',
                        record_session=tmp_path / 'sessions') as monitor, \
            Robot('refused') as robot:
        robot.until(lambda: 'not configured' in monitor.log, 'the refusal')
        assert not (tmp_path / 'sessions').exists()


# A file system of 64 kB that only the monitor sees; needs no privilege where the kernel lets
# anybody have a user namespace.
SMALL_DISK = ('unshare', '--map-root-user', '--mount', 'sh', '-c',
              'mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@"')


@pytest.fixture
def small_disk(tmp_path):
    """(folder, what to start the monitor with so that this folder is a small disk)."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    wrapper = (*SMALL_DISK, str(folder))
    if shutil.which('unshare') is None or subprocess.run(
            [*wrapper, 'true'], check=False, capture_output=True).returncode:
        pytest.skip('this machine grants no user namespace with a file system of its own')
    return folder, wrapper


def test_a_disk_that_fills_up_stops_the_files_and_nothing_else(tmp_path, small_disk, right_weak):
    folder, wrapper = small_disk
    with MonitorProcess(tmp_path / 'log', namespace='full', wrapper=wrapper, patient_key='p-7',
                        baseline_directory=folder, record_session=folder) as monitor, \
            Robot('full') as robot:
        robot.until_connected()
        assert robot.status('node')[:2] == (0, 'active')
        robot.until(lambda: robot.show(right_weak) and 'session record' in monitor.log,
                    'the disk to be full')
        assert robot.watch(right_weak).side == AffectedSide.RIGHT
        level, message, _ = robot.status('node')
        assert (level, 'No space left on device' in message) == (1, True), message
        assert 'session record: stopped' in message
        # What was written stays readable.
        seen = Path(f'/proc/{monitor.process.pid}/root{folder}')
        session = read_session(next(seen.glob('*_p-7')))
        assert len(session.of_kind('frame')) > 20
        assert session.damaged <= 1

        assert enrol(robot).success
        for _ in range(int(REST_NEEDED_S / 0.25) + 5):
            robot.show(right_weak, robot.now_s + 0.25)
        _, message, _ = robot.status('node', lambda level, text, values: 'baseline' in text)
        assert 'baseline: cannot write' in message
        assert 'No space left on device' in message
        assert not list(seen.glob('*p-7.json*')), 'half a baseline was left'
        assert robot.watch(right_weak).side == AffectedSide.RIGHT
        assert [line for line in monitor.log.splitlines() if 'No space' in line] == [
            line for line in monitor.log.splitlines() if 'cannot write' in line]
        assert monitor.log.count('No space') == 2, monitor.log

        for label in ('deactivate', 'cleanup'):
            assert robot.transition(label)
        assert not robot.transition('configure')
        assert 'cannot write below' in robot.status('node', lambda level, *_: level == 2)[1]
        session, = seen.glob('*_p-7*')  # and no empty folder of a second one
        shutil.rmtree(session)
        assert robot.transition('configure')
        assert robot.status('node', lambda level, *_: level == 0)[1] == 'inactive'
        assert monitor.stop() == 0, monitor.log
