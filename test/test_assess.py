"""`assess` as a user runs it: pictures, videos and bags in, whole files or none out."""

import contextlib
import csv
import errno
import glob
import hashlib
import io
import itertools
import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
import zlib
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

import stroke_side_monitor
from stroke_side_monitor import assess, resources
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline import inputs, records, run_folder, sources, tasks
from stroke_side_monitor.offline.inputs import Input, Kind
from stroke_side_monitor.offline.run_folder import RunFolder
from stroke_side_monitor.offline.sources import Source
from stroke_side_monitor.perception.face_tracker import StillFaceFinder
from stroke_side_monitor.perception.tflite import ModelError
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import portrait
from stroke_side_monitor.simulation.recording import write_bag, write_video
from stroke_side_monitor.simulation.session import Session, SessionPlan
from stroke_side_monitor.simulation.still import simulate_still
from training.occlusion import people

PLAN = SessionPlan(exercises=('smile',), first_rest_s=2.0, rest_s=1.0, hold_s=1.5, fps=10.0,
                   head_motion=0.3, camera=0.3)
KEYS = {'input', 'stamp_s', 'side', 'confidence', 'p_left', 'p_none', 'p_right', 'M', 'E',
        'symmetry_index', 'grade', 'basis', 'mouth_severity', 'eye_severity', 'severity_reasons',
        'reasons',
        'yaw_deg', 'pitch_deg', 'roll_deg', 'metrics', 'z'}


@pytest.fixture(scope='module')
def patient(astronaut):
    return portrait(astronaut, 'astronaut')


@pytest.fixture(scope='module')
def session(patient):
    return Session(patient, Palsy.of(Side.RIGHT, 0.9, 'central'), PLAN, seed=2)


@pytest.fixture
def pictures(tmp_path, patient):
    """left.jpg, right.png and the mirror image of left in a folder below."""
    folder = tmp_path / 'pictures'
    (folder / 'deeper').mkdir(parents=True)
    framed = patient.framed(640, 480, 110.0)
    for side, name in ((Side.LEFT, 'left.jpg'), (Side.RIGHT, 'right.png')):
        rgb, _ = simulate_still(framed, Palsy.of(side, 1.0, 'central'), 'smile')
        cv2.imwrite(str(folder / name), rgb[:, :, ::-1])
        if side is Side.LEFT:
            cv2.imwrite(str(folder / 'deeper' / 'mirrored.png'),
                        np.ascontiguousarray(rgb[:, ::-1, ::-1]))
    return folder


def run(*arguments):
    return assess.main([str(argument) for argument in arguments])


def lines(out):
    return [json.loads(line) for line in (out / 'assessments.jsonl').read_text().splitlines()]


def by_name(out):
    return {Path(record['input']).name: record for record in lines(out)}


def test_a_masked_face_among_pictures_is_unknown_and_says_why(tmp_path, patient):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    finder = StillFaceFinder()
    rgb, _ = simulate_still(patient.framed(640, 480, 110.0), Palsy.of(Side.LEFT, 1.0, 'central'))
    face = people.find(finder, rgb)
    finder.close()
    masked = people.hiding(face, 'validation', 'surgical mask', np.random.default_rng(5)).rgb
    for name, picture in (('bare.png', rgb), ('masked.png', masked),
                          ('mirrored.png', masked[:, ::-1])):
        cv2.imwrite(str(folder / name), np.ascontiguousarray(picture[:, :, ::-1]))
    assert run(folder, '--out', tmp_path / 'out') == 0
    found = by_name(tmp_path / 'out')
    assert found['bare.png']['side'] == 'left'
    for name in ('masked.png', 'mirrored.png'):
        assert found[name]['side'] == 'unknown'
        assert found[name]['reasons'] == ['mouth_hidden']
        assert found[name]['metrics'] == {}
    masked, mirrored = found['masked.png'], found['mirrored.png']
    turned = {name: None if masked[name] is None else -masked[name]
              for name in ('yaw_deg', 'roll_deg')}
    assert {**masked, **turned, 'input': ''} == {**mirrored, 'input': ''}


def test_pictures_in_folders_are_assessed_on_the_patients_side(pictures, tmp_path):
    out = tmp_path / 'out'
    assert run(pictures, '--out', out) == 0
    sides = {name: record['side'] for name, record in by_name(out).items()}
    assert sides == {'left.jpg': 'left', 'right.png': 'right', 'mirrored.png': 'right'}
    assert all(record.keys() >= KEYS for record in lines(out))
    with (out / 'summary.csv').open() as file:
        assert {Path(row['input']).name: row['side'] for row in csv.DictReader(file)} == sides
    with (out / 'asymmetry.csv').open() as file:
        rows = {Path(row['input']).name: row for row in csv.DictReader(file)}
    assert float(rows['left.jpg']['mouth.commissure_height']) > 1.0
    assert float(rows['right.png']['z.mouth.commissure_height']) < -1.0


def test_mirrored_swaps_the_side_and_nothing_else(pictures, tmp_path):
    run(pictures / 'deeper', '--out', tmp_path / 'as_is')
    run(pictures / 'deeper', '--out', tmp_path / 'undone', '--mirrored')
    as_is, = lines(tmp_path / 'as_is')
    undone, = lines(tmp_path / 'undone')
    assert (as_is['side'], undone['side']) == ('right', 'left')
    assert undone['symmetry_index'] == as_is['symmetry_index']
    assert undone['M'] == -as_is['M']


def test_bad_inputs_are_named_and_the_rest_goes_on(pictures, tmp_path, capsys):
    jpeg = (pictures / 'left.jpg').read_bytes()
    (pictures / 'cut.jpg').write_bytes(jpeg[:len(jpeg) // 2])
    (pictures / 'noise.png').write_bytes(os.urandom(2000))
    (pictures / 'empty.jpg').write_bytes(b'')
    (pictures / 'broken.mp4').write_bytes(os.urandom(5000))
    note = tmp_path / 'note.txt'
    note.write_text('not a picture')
    out = tmp_path / 'out'
    assert run(pictures, note, tmp_path / 'absent.png', '--out', out) == 1
    records = by_name(out)
    failed = {name for name, record in records.items() if 'error' in record}
    assert failed == {'cut.jpg', 'noise.png', 'empty.jpg', 'broken.mp4', 'note.txt', 'absent.png'}
    assert records['left.jpg']['side'] == 'left'
    told = capsys.readouterr().err
    assert all(name in told for name in failed)


def test_a_picture_without_a_face_is_unknown_and_no_error(tmp_path):
    cv2.imwrite(str(tmp_path / 'wall.png'), np.full((480, 640, 3), 180, np.uint8))
    assert run(tmp_path / 'wall.png', '--out', tmp_path / 'out') == 0
    record, = lines(tmp_path / 'out')
    assert (record['side'], record['reasons'], record['M']) == ('unknown', ['no_face'], None)


def test_several_processes_give_the_same_lines(pictures, tmp_path):
    run(pictures, '--out', tmp_path / 'one')
    run(pictures, '--out', tmp_path / 'two', '--jobs', 2)
    assert lines(tmp_path / 'one') == lines(tmp_path / 'two')


def test_a_video_is_assessed_second_by_second_or_frame_by_frame(session, tmp_path):
    video = tmp_path / 'session.mp4'
    write_video(session, video)
    assert run(video, '--out', tmp_path / 'seconds') == 0
    assert run(video, '--out', tmp_path / 'frames', '--per', 'frame') == 0
    seconds, frames = lines(tmp_path / 'seconds'), lines(tmp_path / 'frames')
    assert len(frames) == len(session)
    assert sum(record['frames'] for record in seconds) == len(session)
    assert 'right' in {record['side'] for record in seconds}
    assert 'left' not in {record['side'] for record in seconds}


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_is_assessed_with_the_cues_it_holds(session, tmp_path, storage):
    write_bag(session, tmp_path / 'bag', storage=storage)
    assert run(tmp_path / 'bag', '--out', tmp_path / 'out') == 0
    records = lines(tmp_path / 'out')
    assert records[-1]['basis'] == 'dynamic'
    assert records[-1]['side'] == 'right'
    assert run(tmp_path / 'bag', '--out', tmp_path / 'again') == 0
    assert lines(tmp_path / 'again') == records


def severity(index, grade, basis, **changed):
    """One frame's record, as far as its severity goes."""
    return {'input': 'x', 'stamp_s': 0.0, 'side': 'none', 'stable': False, 'M': 0.1, 'E': 0.1,
            'symmetry_index': index, 'grade': grade, 'basis': basis, 'mouth_severity': grade,
            'eye_severity': grade, 'pattern': grade, 'severity_reasons': [], 'reasons': [],
            **changed}


UNMOVED = {'severity_reasons': ['no_valid_exercise', 'no_movement_or_bilateral']}


@pytest.mark.parametrize(('frames', 'stands'), [
    ([severity(100.0, 'normal', 'static'), severity(62.0, 'mild', 'static'),
      severity(60.0, 'mild', 'static')], 1),
    ([severity(100.0, 'normal', 'static'), severity(95.0, 'normal', 'static'),
      severity(None, 'unknown', 'static', **UNMOVED)], 2),
    ([severity(100.0, 'normal', 'static'), severity(50.0, 'moderate', 'dynamic'),
      severity(45.0, 'moderate', 'dynamic'), severity(90.0, 'normal', 'static'),
      severity(90.0, 'normal', 'static')], 2),
    ([severity(None, 'unknown', 'unknown', side='unknown'), severity(60.0, 'mild', 'static'),
      severity(70.0, 'mild', 'static')], 1)])
def test_index_grade_and_basis_of_a_second_are_of_one_frame(frames, stands):
    """At rest of the one in the middle; what exercises came to, or that they gave nothing, last."""
    second = records.summarise_second(frames)
    told = ('symmetry_index', 'grade', 'basis', 'mouth_severity', 'eye_severity', 'pattern',
            'severity_reasons')
    assert {name: second[name] for name in told} == {name: frames[stands][name] for name in told}


@pytest.mark.parametrize(('found', 'index', 'basis'), [
    ([severity(100.0, 'normal', 'static'), severity(90.0, 'normal', 'static'),
      severity(None, 'unknown', 'unknown', side='unknown')], 95.0, 'static'),
    ([severity(100.0, 'normal', 'static'), severity(40.0, 'moderate', 'dynamic'),
      severity(45.0, 'moderate', 'dynamic'), severity(90.0, 'normal', 'static'),
      severity(None, 'unknown', 'unknown', side='unknown')], 45.0, 'dynamic'),
    ([severity(100.0, 'normal', 'static'), severity(100.0, 'normal', 'static'),
      severity(None, 'unknown', 'static', **UNMOVED)], None, 'static'),
    ([severity(None, 'unknown', 'unknown', side='unknown')], None, 'unknown')])
def test_index_and_basis_of_an_input_are_the_reports(found, index, basis):
    told = records.summarise_input(found)
    assert (told['median_symmetry_index'], told['basis']) == (index, basis)


def test_an_exercise_open_to_the_end_of_a_recording_counts(session, tmp_path):
    held = int(session.cues[1].stamp_ns / 1e9 - session.start_ns / 1e9) * int(PLAN.fps)
    write_bag(session, tmp_path / 'bag', progress=lambda frames: islice(frames, held))
    for per in ('second', 'frame'):
        assert run(tmp_path / 'bag', '--out', tmp_path / per, '--per', per) == 0
        *_, last = lines(tmp_path / per)
        assert (last['basis'], last['side']) == ('dynamic', 'right')
        assert last['symmetry_index'] < 76
        assert {record['basis'] for record in lines(tmp_path / per)} == {'static', 'dynamic'}


def test_the_topic_of_a_bag_can_be_named_wrongly(session, tmp_path, capsys):
    write_bag(session, tmp_path / 'bag')
    assert run(tmp_path / 'bag', '--out', tmp_path / 'out', '--topic', '/nowhere') == 1
    assert 'no image topic /nowhere; the bag has /' in capsys.readouterr().err


@pytest.fixture
def two_monitors(session, tmp_path):
    """A bag with the cues of two monitors, beside `one` with those of one alone."""
    from rosbags.highlevel import AnyReader
    from rosbags.rosbag2 import StoragePlugin, Writer
    write_bag(session, tmp_path / 'one')
    with AnyReader([tmp_path / 'one'], default_typestore=inputs.typestore()) as reader, \
            Writer(tmp_path / 'two', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {}
        for connection, stamp_ns, raw in reader.messages():
            cue = connection.msgtype == inputs.CUE
            for topic in [connection.topic, *(['/arm/exercise_cue'] if cue else [])]:
                if topic not in topics:
                    topics[topic] = writer.add_connection(
                        topic, connection.msgtype, msgdef=connection.msgdef.data,
                        rihs01=connection.digest)
                writer.write(topics[topic], stamp_ns, raw)
    return tmp_path / 'two'


def test_of_several_cue_topics_the_patients_must_be_named(two_monitors, tmp_path, capsys):
    assert run(two_monitors, '--out', tmp_path / 'unnamed') == 1
    told = capsys.readouterr().err
    assert 'name the cue topic with --cue-topic; the bag has /arm/exercise_cue, /' in told
    cues = re.search('exercise_cue, (/.*)', told)[1]
    assert run(two_monitors, '--out', tmp_path / 'named', '--cue-topic', cues) == 0
    assert run(tmp_path / 'one', '--out', tmp_path / 'one_monitor') == 0
    assert [{**record, 'input': ''} for record in lines(tmp_path / 'named')] == [
        {**record, 'input': ''} for record in lines(tmp_path / 'one_monitor')]
    assert run(two_monitors, '--out', tmp_path / 'wrong', '--cue-topic', '/nowhere') == 1
    assert 'no cue topic /nowhere; the bag has /arm' in capsys.readouterr().err


def test_a_manifest_names_the_cue_topic_of_each_bag(two_monitors, tmp_path):
    manifest = tmp_path / 'manifest.csv'
    manifest.write_text('input,cue_topic\ntwo,/arm/exercise_cue\none,\none,/nowhere\n')
    assert run(manifest, '--out', tmp_path / 'out') == 1
    said = [list(found) for _, found in itertools.groupby(
        lines(tmp_path / 'out'), lambda record: ('error' in record, record['input']))]
    assert [found[-1].get('basis', 'error') for found in said] == ['dynamic', 'dynamic', 'error']


def test_annotated_pictures_are_written(pictures, tmp_path):
    run(pictures, '--out', tmp_path / 'out', '--overlay')
    written = sorted(path.name for path in (tmp_path / 'out' / 'overlay').iterdir())
    assert [name.split('_', 1)[1] for name in written] == ['mirrored.jpg', 'left.jpg', 'right.jpg']
    drawn = cv2.imread(str(tmp_path / 'out' / 'overlay' / written[1]))
    assert drawn.shape == (480, 640, 3)


def test_seconds_of_one_stamp_have_an_overlay_each(session, tmp_path):
    """A bag that was played twice into one recording."""
    from rosbags.highlevel import AnyReader
    from rosbags.rosbag2 import StoragePlugin, Writer
    write_bag(session, tmp_path / 'once', progress=lambda frames: islice(frames, 15))
    with AnyReader([tmp_path / 'once'], default_typestore=inputs.typestore()) as reader, \
            Writer(tmp_path / 'twice', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection, = (one for one in reader.connections if one.msgtype in (
            inputs.RAW_IMAGE, inputs.COMPRESSED_IMAGE))
        topic = writer.add_connection(connection.topic, connection.msgtype,
                                      msgdef=connection.msgdef.data, rihs01=connection.digest)
        for later_ns in (0, 2_000_000_000):
            for _, received_ns, raw in reader.messages([connection]):
                writer.write(topic, received_ns + later_ns, raw)
    assert run(tmp_path / 'twice', '--out', tmp_path / 'out', '--overlay') == 0
    stamps = [record['stamp_s'] for record in lines(tmp_path / 'out')]
    assert len(set(stamps)) < len(stamps)
    assert len(list((tmp_path / 'out' / 'overlay').iterdir())) == len(stamps)


@pytest.mark.parametrize('way', [(), ('--jobs', 2), ('--scheduler', 'local')])
def test_an_overlay_that_cannot_be_written_stops_the_run_for_resume(
        pictures, tmp_path, capsys, request, way):
    """It is no input's fault: as an error of theirs it would be kept for good."""
    if '--scheduler' in way:
        request.getfixturevalue('fleet')
    out = tmp_path / 'out'
    with largest_file(20_000):  # the journal is smaller, and pictures are larger
        assert run(pictures, '--out', out, '--overlay', *way) == 2
    assert re.search('overlay.* cannot be written .* carry on with --resume',
                     capsys.readouterr().err)
    assert run(pictures, '--out', out, '--overlay', '--resume') == 0
    assert len(list((out / 'overlay').iterdir())) == 3


@contextlib.contextmanager
def largest_file(size):
    """As a disk that is full, for this process and those that it starts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_overlays_go_with_the_results_that_they_show(pictures, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    overlays = out / 'overlay'
    assert run(pictures, '--out', out, '--overlay') == 0
    with interrupted_at(2, monkeypatch):
        assert run(pictures / 'right.png', pictures / 'left.jpg', '--out', out, '--overlay') == 130
    assert len(list(overlays.iterdir())) == 3
    assert run(pictures / 'right.png', pictures / 'left.jpg', '--out', out, '--overlay',
               '--resume') == 0
    assert sorted(path.name for path in overlays.iterdir()) == ['00000_right.jpg', '00001_left.jpg']
    assert run(pictures / 'right.png', '--out', out) == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)


def test_overlays_stay_with_their_inputs_where_others_come_before_or_go(
        pictures, tmp_path, monkeypatch):
    """The list of a resumed run may be another; one of a changed file is drawn anew."""
    def overlays(given, out, *further):
        assert run(*given, '--out', out, '--overlay', *further) == 0
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in (out / 'overlay').iterdir()}

    for name in ('before', 'gone'):
        (tmp_path / name).mkdir()
        os.link(pictures / 'deeper' / 'mirrored.png', tmp_path / name / 'left.jpg')
    left, right = pictures / 'left.jpg', pictures / 'right.png'
    with interrupted_at(4, monkeypatch):
        assert run(left, tmp_path / 'gone', right, left, '--out', tmp_path / 'out', '--overlay'
                   ) == 130
    given = (tmp_path / 'before', left, right, left)
    assert overlays(given, tmp_path / 'out', '--resume') == overlays(given, tmp_path / 'whole')
    assert sorted(path.name for path in (tmp_path / 'out' / 'overlay').iterdir()) == [
        '00000_left.jpg', '00001_left.jpg', '00002_right.jpg', '00003_left.jpg']


@pytest.mark.parametrize(('first', 'then'), [((), ('--overlay',)), (('--overlay',), ())])
def test_a_run_is_resumed_with_the_overlays_it_began_with(
        pictures, tmp_path, monkeypatch, capsys, first, then):
    """Those of what is done would be lacking, or lie about for nothing."""
    out = tmp_path / 'out'
    with interrupted_at(2, monkeypatch):
        assert run(pictures, '--out', out, *first) == 130
    assert run(pictures, '--out', out, '--resume', *then) == 2
    assert 'begun with other overlay: repeat its command' in capsys.readouterr().err
    assert run(pictures, '--out', out, '--resume', *first) == 0


def test_overlays_that_got_their_names_are_there_for_another_list_too(
        pictures, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    with monkeypatch.context() as patched:
        patched.setattr(run_folder.atomic_file, 'write', full)
        assert run(pictures / 'left.jpg', '--out', out, '--overlay') == 2
    assert run(pictures / 'right.png', pictures / 'left.jpg', '--out', out, '--overlay',
               '--resume') == 0
    assert sorted(path.name for path in (out / 'overlay').iterdir()) == [
        '00000_right.jpg', '00001_left.jpg']
    assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, 'overlay'])


def test_a_run_that_ended_while_its_results_got_their_names_is_resumed(
        pictures, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    with monkeypatch.context() as patched:
        patched.setattr(run_folder.atomic_file, 'write', full)
        assert run(pictures, '--out', out, '--overlay') == 2
    (out / 'summary.csv').unlink()
    assert run(pictures, '--out', out, '--overlay', '--resume') == 0
    assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, 'overlay'])
    assert len(list((out / 'overlay').iterdir())) == 3


def full(*_):
    raise OSError(errno.ENOSPC, 'No space left on device')


def test_a_worker_that_cannot_be_started_is_no_fault_of_the_output_folder(
        pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'gone'))
    assert run(pictures, '--out', tmp_path / 'out', '--jobs', 2) == 2
    told = capsys.readouterr().err
    assert re.search('a worker process cannot be started .*gone', told)
    assert 'cannot be written' not in told


@pytest.mark.parametrize('stem', ['n' * 250, 'ü' * 125])
def test_a_long_name_has_an_overlay_too(pictures, tmp_path, stem):
    long = tmp_path / f'{stem}.jpg'
    long.write_bytes((pictures / 'left.jpg').read_bytes())
    assert run(long, '--out', tmp_path / 'out', '--overlay') == 0
    written, = (tmp_path / 'out' / 'overlay').iterdir()
    assert written.name == f'00000_{stem.encode()[:200].decode()}.jpg'


FILES = ('assessments.jsonl', 'asymmetry.csv', 'summary.csv', 'run.json')
JOURNAL = '.assess.journal'


def started(start_process, *arguments, scratch=None):
    """`assess` as a process of its own; one that hears an interrupt even in a background shell.

    scratch: its folder for temporary files; None: the machine's.
    """
    return start_process('-m', 'stroke_side_monitor.assess', *map(str, arguments),
                         wrapper=('env', '--default-signal=INT,TERM',
                                  *([f'TMPDIR={scratch}'] if scratch else ())))


def wait_for_results(out, process, count):
    journal = out / JOURNAL
    while not journal.exists() or journal.read_bytes().count(b'\n') <= count:
        assert process.poll() is None


@pytest.mark.parametrize(('jobs', 'number'), [(1, signal.SIGINT), (2, signal.SIGINT),
                                              (1, signal.SIGTERM), (1, signal.SIGKILL),
                                              (2, signal.SIGKILL)])
def test_an_interrupted_run_keeps_what_is_done_and_can_be_resumed(
        pictures, tmp_path, capfd, start_process, never_ending, jobs, number):
    # With one picture that never ends the run cannot be over before it is ended.
    held_up = pictures / 'z_never_ends.png'
    pipe = never_ending(held_up)
    for index in range(16):
        os.link(pictures / 'right.png', pictures / f'copy{index:03d}.png')
    (pictures / 'noise.png').write_bytes(b'no picture')
    command, out = (pictures, '--out', tmp_path / 'out', '--jobs', jobs), tmp_path / 'out'
    scratch = tmp_path / 'scratch'
    scratch.mkdir()
    process = started(start_process, *command, scratch=scratch)
    wait_for_results(out, process, 3)
    assert jobs == 1 or list(scratch.iterdir())
    process.send_signal(number)
    process.wait()
    patience = time.monotonic() + 60.0
    while list(scratch.iterdir()):  # after a SIGKILL the processes it had started put it away
        assert time.monotonic() < patience, 'temporary files stay behind'
        time.sleep(0.05)
    told = capfd.readouterr().err
    assert 'Traceback' not in told
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        kept, = re.findall(r'interrupted; (\d+) of 21 inputs are kept in .* --resume', told)
        assert 3 <= int(kept) < 21
    for path in (held_up, pipe):
        path.unlink()
    os.link(pictures / 'right.png', held_up)
    assert [path.name for path in out.iterdir()] == [JOURNAL]
    assert run(*command) == 2
    assert 'continue it with --resume' in capfd.readouterr().err
    assert run(*command, '--resume', '--rotation', 90) == 2
    assert 'begun with other parameters' in capfd.readouterr().err
    with (out / JOURNAL).open('ab') as journal:
        journal.write(b'{"name": "the power fai')
    before = (out / JOURNAL).read_bytes().count(b'\n') - 1
    assert run(*command, '--resume') == 1
    assert run(pictures, '--out', tmp_path / 'undisturbed') == 1
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (out / name).read_bytes() == (tmp_path / 'undisturbed' / name).read_bytes(), name
    assert before >= 3


def test_an_input_that_changed_since_is_assessed_again(
        pictures, tmp_path, start_process, never_ending):
    out = tmp_path / 'out'
    never_ending(pictures / 'z_never_ends.png')
    process = started(start_process, pictures, '--out', out)
    wait_for_results(out, process, 3)
    process.send_signal(signal.SIGINT)
    process.wait()
    (pictures / 'z_never_ends.png').unlink()
    (pictures / 'left.jpg').write_bytes((pictures / 'right.png').read_bytes())
    assert run(pictures, '--out', out, '--resume') == 0
    assert by_name(out)['left.jpg']['side'] == 'right'


@contextlib.contextmanager
def interrupted_at(number, monkeypatch):
    """Ctrl-C while picture `number` is looked at, counted from 1; also in the background."""
    look, looks = tasks.Worker._picture, itertools.count(1)

    def interrupted_look(worker, *arguments):
        if next(looks) == number:
            signal.raise_signal(signal.SIGINT)
        return look(worker, *arguments)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(tasks.Worker, '_picture', interrupted_look)
            yield
    finally:
        signal.signal(signal.SIGINT, before)


def damage_line(number, out):
    """As a page that never reached the disk."""
    found = (out / JOURNAL).read_bytes().splitlines(keepends=True)
    found[number] = bytes(len(found[number]) - 1) + b'\n'
    (out / JOURNAL).write_bytes(b''.join(found))


@pytest.mark.parametrize(('number', 'again'), [(1, 2), (2, 2), (0, 3)])
def test_a_damaged_line_of_the_journal_costs_that_line(
        pictures, tmp_path, monkeypatch, number, again):
    """Without its first nobody knows how the others were made."""
    out = tmp_path / 'out'
    with interrupted_at(3, monkeypatch):
        assert run(pictures, '--out', out) == 130
    damage_line(number, out)
    with monkeypatch.context() as patched:
        looked, look = [], tasks.Worker._picture

        def noted_look(worker, task, *others):
            looked.append(task.place)
            return look(worker, task, *others)

        patched.setattr(tasks.Worker, '_picture', noted_look)
        assert run(pictures, '--out', out, '--resume') == 0
    assert len(looked) == again
    assert run(pictures, '--out', tmp_path / 'undisturbed') == 0
    assert lines(out) == lines(tmp_path / 'undisturbed')


@pytest.mark.parametrize('line', [b'[]', b'3', b'{}', b'{"name": 1, "nth": 2, "records": []}',
                                  b'{"name": [], "nth": 0}', b'\xff', b'"\\'])
def test_whatever_stands_in_a_line_of_the_journal(tmp_path, line):
    task, = tasks.number([Source(Input(tmp_path / 'a.jpg', Kind.PICTURE))])
    with RunFolder(tmp_path, [task], {}, resume=False) as kept:
        kept.keep(tasks.to_result(task, [records.from_error(task.name, 'damaged')]))
    journal = tmp_path / JOURNAL
    head, entry, *_ = journal.read_bytes().split(b'\n')
    for damaged in (line, json.dumps({**json.loads(entry), 'records': []}).encode()):
        journal.write_bytes(b'\n'.join((head, damaged, entry, b'')))
        with RunFolder(tmp_path, [task], {}, resume=True) as again:
            assert again.done == 1


@pytest.mark.parametrize('later', ['false,left\ntrue,left', 'false,left\nfalse,left'])
def test_an_answer_is_kept_only_for_what_its_manifest_said(pictures, tmp_path, monkeypatch, later):
    """Rows in another order, or with another value, are other questions."""
    manifest, out = tmp_path / 'manifest.csv', tmp_path / 'out'

    def say(rows):
        manifest.write_text('input_mirrored,input\n' + rows.replace('left', 'pictures/left.jpg'))

    say('true,left\nfalse,left')
    with interrupted_at(2, monkeypatch):
        assert run(manifest, '--out', out) == 130
    say(later)
    assert run(manifest, '--out', out, '--resume') == 0
    mirrored = {'true': 'right', 'false': 'left'}
    assert [record['side'] for record in lines(out)] == [
        mirrored[row.partition(',')[0]] for row in later.split()]


def test_an_answer_is_kept_only_for_its_topic(tmp_path):
    def folder(topic, *, resume=True):
        source = Source(Input(tmp_path / 'bag', Kind.BAG), topic=topic)
        return RunFolder(tmp_path / 'out', tasks.number([source]), {}, resume=resume)

    with folder('/left', resume=False) as kept:
        task, = kept.remaining
        kept.keep(tasks.to_result(task, [records.from_error(task.name, 'damaged')]))
    with folder('/left') as same:
        assert same.done == 1
    with folder('/right') as other:
        assert other.done == 0


def test_two_runs_do_not_write_into_one_folder(
        pictures, tmp_path, capfd, start_process, never_ending):
    out = tmp_path / 'out'
    never_ending(pictures / 'z_never_ends.png')
    process = started(start_process, pictures, '--out', out)
    wait_for_results(out, process, 3)
    assert run(pictures / 'left.jpg', '--out', out, '--resume') == 2
    assert 'another run is writing' in capfd.readouterr().err


def readers(path):
    """The processes that have this file open."""
    found = []
    # Not pathlib's: that one breaks off where a process ends meanwhile (CPython 3.11).
    for entry in glob.glob('/proc/[0-9]*/fd/*'):
        with contextlib.suppress(OSError):
            if os.readlink(entry) == str(path):
                found.append(int(Path(entry).parts[2]))
    return [pid for pid in found if pid != os.getpid()]


def test_a_worker_that_dies_costs_its_input_alone(
        pictures, tmp_path, start_process, never_ending):
    """A picture that never ends holds its worker up until it is killed: once, and once again."""
    poison = never_ending(pictures / 'poison.png')
    out = tmp_path / 'out'
    process = started(start_process, pictures, '--out', out, '--jobs', 2)
    held = os.open(poison, os.O_RDWR)
    killed = set()
    while len(killed) < 2:
        assert process.poll() is None
        for pid in set(readers(poison)) - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    process.wait()
    os.close(held)
    assert process.returncode == 1
    records = by_name(out)
    assert 'ended the process that assessed it, 2 times (SIGKILL)' in records['poison.png']['error']
    assert {name: record['side'] for name, record in records.items() if 'side' in record} == {
        'left.jpg': 'left', 'right.png': 'right', 'mirrored.png': 'right'}


def test_workers_end_with_a_command_that_is_killed(
        pictures, tmp_path, start_process, never_ending):
    poison = never_ending(pictures / 'poison.png')
    process = started(start_process, pictures, '--out', tmp_path / 'out', '--jobs', 2)
    held = os.open(poison, os.O_RDWR)
    while not readers(poison):
        assert process.poll() is None
    process.kill()
    process.wait()
    while readers(poison):
        pass
    os.close(held)


def test_a_run_says_what_it_was_made_with(pictures, tmp_path):
    run(pictures, '--out', tmp_path / 'out', '--min-interocular', 40)
    told = json.loads((tmp_path / 'out' / 'run.json').read_text())
    assert told['parameters']['min_interocular_px'] == 40
    assert told['versions']['stroke_side_monitor'] == stroke_side_monitor.__version__
    for name, path in (('model', resources.model_path('side_classifier.tflite')),
                       ('norms', resources.config_path('norms.yaml'))):
        assert told[name]['sha256'] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (told['inputs'], told['failed']) == (3, 0)


def test_every_parameter_of_the_pipeline_can_be_set(pictures, tmp_path):
    picture = pictures / 'left.jpg'
    run(picture, '--out', tmp_path / 'strict', '--set', 'min_interocular_px=500',
        '--set', 'use_classifier=false')
    record, = lines(tmp_path / 'strict')
    assert (record['side'], record['reasons']) == ('unknown', ['too_small'])
    told = json.loads((tmp_path / 'strict' / 'run.json').read_text())['parameters']
    assert (told['min_interocular_px'], told['use_classifier']) == (500.0, False)
    run(picture, '--out', tmp_path / 'turned', '--set', 'input_mirrored=True')
    assert by_name(tmp_path / 'turned')['left.jpg']['side'] == 'right'


@pytest.mark.parametrize(('given', 'why'), [
    ('mouth_onn=3', 'no parameter mouth_onn; did you mean mouth_on?'),
    ('mouth_on', 'is not NAME=VALUE'), ('mouth_on=wide', "'wide' is not a double"),
    ('mouth_on=nan', 'outside 0.1 to 20'), ('input_mirrored=1', 'is not a bool'),
    ('image_rotation_deg=45', 'is not one of 0 to 270 by 90'),
    ('mouth_off=9', 'mouth_off: 9.0 is above mouth_on'),
    ('assess_rate_hz=2', 'fewer than 4 frames in window_s, which is 1.0')])
def test_a_parameter_that_cannot_be_is_refused(pictures, tmp_path, capsys, given, why):
    with pytest.raises(SystemExit) as ended:
        run(pictures, '--out', tmp_path / 'out', '--set', given)
    assert ended.value.code == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('jobs', [1, 2])
def test_norms_and_model_of_ones_own(pictures, tmp_path, capsys, jobs):
    norms = tmp_path / 'norms.yaml'
    ours = resources.config_path('norms.yaml').read_text()
    norms.write_text(re.sub(r'(?m)(log_sd: )(-?[\d.]+)',
                            lambda found: f'{found[1]}{float(found[2]) + 1}', ours))
    picture = pictures / 'left.jpg'
    run(picture, '--out', tmp_path / 'ours')
    assert run(picture, '--out', tmp_path / 'wider', '--norms', norms, '--jobs', jobs) == 0
    (before,), (after,) = lines(tmp_path / 'ours'), lines(tmp_path / 'wider')
    assert 0 < after['M'] < before['M'] / 2
    told = json.loads((tmp_path / 'wider' / 'run.json').read_text())['norms']
    assert told['sha256'] == hashlib.sha256(norms.read_bytes()).hexdigest()
    for name, why in (('absent.tflite', '--model .* cannot be read'),
                      ('norms.yaml', r'norms\.json')):
        assert run(picture, '--out', tmp_path / 'bad', '--model', tmp_path / name,
                   '--jobs', jobs) == 2
        assert re.search(why, capsys.readouterr().err)


def hostile(folder, name, data):
    (folder / os.fsdecode(name)).write_bytes(data)
    return os.fsdecode(name)


def test_whatever_an_input_does_costs_itself_alone(pictures, tmp_path):
    """A header that asks for gigabytes, a name that is not UTF-8, a bag with a damaged part."""
    jpeg = (pictures / 'left.jpg').read_bytes()
    half = len(jpeg) // 2
    huge = b'\x00\x00\x9c\x40\x00\x00\x75\x30\x08\x02\x00\x00\x00'
    png = b'\x89PNG\r\n\x1a\n' + b''.join(
        len(body).to_bytes(4, 'big') + kind + body + zlib.crc32(kind + body).to_bytes(4, 'big')
        for kind, body in ((b'IHDR', huge), (b'IDAT', zlib.compress(b'')), (b'IEND', b'')))
    hostile(pictures, b'huge.png', png)
    hostile(pictures, b'zeroed.jpg', jpeg[:half] + bytes(512) + jpeg[half + 512:])
    hostile(pictures, b'closed.jpg', jpeg[:half] + b'\xff\xd9')
    hostile(pictures, b'damaged.mcap', b'\x89MCAP0\r\n' + bytes(range(256)) * 8)
    hostile(pictures, b'm\xfcller.jpg', jpeg)
    hostile(pictures, b'motion.jpg', jpeg + b'\x00\x00\x00\x18ftypmp42' + bytes(300_000))
    out = tmp_path / 'out'
    assert run(pictures, '--out', out) == 1
    said = {record['input'].rsplit('/', 1)[-1]: record for record in lines(out)}
    assert {name for name, record in said.items() if 'error' in record} == {
        'huge.png', 'zeroed.jpg', 'closed.jpg', 'damaged.mcap'}
    for name in ('left.jpg', 'm\\xfcller.jpg', 'motion.jpg'):
        assert said[name]['side'] == 'left', name
    assert said['right.png']['side'] == 'right'
    assert 'pixels' in said['huge.png']['error']
    assert 'damaged JPEG' in said['zeroed.jpg']['error']
    assert all('\n' not in record.get('error', '') for record in said.values())


@pytest.mark.parametrize('jobs', [1, 2])
def test_a_name_that_is_not_utf8_in_what_is_told_costs_its_input_alone(
        pictures, tmp_path, capsys, monkeypatch, jobs):
    """A suffix, a folder and a pipe with such a name: what is said of them has it."""
    def in_bytes(name):
        return tmp_path / os.fsdecode(name)

    in_bytes(b'note.\xff').touch()
    in_bytes(b'broken\xff').mkdir()
    (in_bytes(b'broken\xff') / 'metadata.yaml').write_text('no bag')
    in_bytes(b'bag').mkdir()
    (in_bytes(b'bag') / 'metadata.yaml').touch()
    os.mkfifo(in_bytes(b'bag') / os.fsdecode(b'pipe\xff'))
    given = (in_bytes(b'note.\xff'), in_bytes(b'broken\xff'), in_bytes(b'bag'),
             pictures / 'left.jpg')
    out = tmp_path / 'out'
    if jobs == 1:
        with interrupted_at(1, monkeypatch):
            assert run(*given, '--out', out) == 130
    assert run(*given, '--out', out, '--jobs', jobs, '--resume') == 1
    *failed, whole = lines(out)
    assert whole['side'] == 'left'
    assert len(failed) == 3
    assert all('error' in record for record in failed)
    assert '".\\udcff" is neither' in failed[0]['error']
    assert 'its pipe\\udcff is a pipe' in failed[2]['error']
    assert 'Traceback' not in capsys.readouterr().err


class FallsIntoACallback:
    """Ctrl-C while something is being taken apart: Python cannot raise there."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
def test_an_interrupt_that_python_swallows_still_ends_the_run(
        pictures, tmp_path, capsys, monkeypatch):
    look = tasks.Worker._picture

    def interrupted_look(worker, *arguments):
        FallsIntoACallback()
        return look(worker, *arguments)

    monkeypatch.setattr(tasks.Worker, '_picture', interrupted_look)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert assess.main([str(pictures), '--out', str(tmp_path / 'out')]) == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert 'interrupted; 1 of 3 inputs are kept' in capsys.readouterr().err
    assert [path.name for path in (tmp_path / 'out').iterdir()] == [JOURNAL]


@pytest.mark.parametrize(('where', 'error'), [
    ('_picture', RuntimeError), ('_pipeline', ModelError)])
def test_an_interrupt_that_c_code_makes_another_exception_of_is_no_error_of_the_input(
        pictures, tmp_path, capsys, monkeypatch, heard, where, error):
    """As pybind11 does; kept as the input's error, --resume would never try it again."""
    def converted(*_, **__):
        swallow_an_interrupt()
        raise error("Unable to convert call argument '0'")

    with monkeypatch.context() as patched:
        patched.setattr(tasks.Worker, where, converted)
        assert run(pictures, '--out', tmp_path / 'out') == 130
    assert capsys.readouterr().err.splitlines()[-1] == 'assess: interrupted; nothing was written'
    assert run(pictures, '--out', tmp_path / 'out', '--resume') == 0


def test_what_an_interrupt_took_from_a_bag_is_read_again(session, tmp_path, monkeypatch, heard):
    """A reader takes what its C code raises for a damaged message, and goes on."""
    bag, out = tmp_path / 'bag', tmp_path / 'out'
    write_bag(session, bag, progress=lambda frames: islice(frames, 15))
    read, looks = inputs._to_frame, itertools.count(1)

    def converted(*arguments):
        if next(looks) == 3:
            swallow_an_interrupt()
            raise RuntimeError("Unable to convert call argument '0'")
        return read(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(inputs, '_to_frame', converted)
        assert run(bag, '--out', out) == 130
    assert run(bag, '--out', out, '--resume') == 0
    assert 'damaged' not in str(lines(out)[-1])


@pytest.fixture
def heard():
    """An interrupt is heard, also by tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def swallow_an_interrupt():
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_inputs_are_looked_for_is_said_in_one_line(
        pictures, tmp_path, capsys, monkeypatch, number):
    def endless(*_):
        signal.raise_signal(number)
        raise AssertionError('it was not heard')

    before = signal.signal(number, signal.default_int_handler)
    try:
        monkeypatch.setattr(sources, 'find', endless)
        assert run(pictures, '--out', tmp_path / 'out') == 128 + number
    finally:
        signal.signal(number, before)
    assert capsys.readouterr().err == 'assess: interrupted\n'


@pytest.mark.parametrize(('name', 'encoding'), [(b'\xff', 'utf-8'), ('ü'.encode(), 'ascii')])
def test_an_output_folder_whose_name_the_terminal_does_not_take(
        pictures, tmp_path, monkeypatch, name, encoding):
    out, told = tmp_path / os.fsdecode(name), io.BytesIO()
    monkeypatch.setattr(sys, 'stdout', io.TextIOWrapper(told, encoding, errors='strict'))
    assert run(pictures / 'left.jpg', '--out', out) == 0
    sys.stdout.flush()
    assert b'1 inputs, 0 could not be assessed; results in ' in told.getvalue()
    assert (out / 'summary.csv').exists()


def test_a_background_run_does_not_hear_an_interrupt(pictures, tmp_path, monkeypatch):
    look = tasks.Worker._picture

    def interrupted_look(worker, *arguments):
        signal.raise_signal(signal.SIGINT)
        return look(worker, *arguments)

    monkeypatch.setattr(tasks.Worker, '_picture', interrupted_look)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assess.main([str(pictures), '--out', str(tmp_path / 'out')])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / 'out' / 'summary.csv').exists()


@pytest.mark.parametrize('out', ['pictures', 'pictures/deeper', 'pictures/results', 'home'])
def test_nobodys_files_are_replaced(pictures, tmp_path, capsys, out):
    (pictures / 'summary.csv').write_text('precious')
    (tmp_path / 'home').mkdir()
    (tmp_path / 'home' / 'summary.csv').write_text('precious')
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')}
    assert run(pictures, '--out', tmp_path / out) == 2
    assert 'choose' in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')} == before


@pytest.mark.parametrize('theirs', ['run.json', 'overlay/00001_a.jpg', 'assessments.parquet'])
def test_nobodys_single_file_is_replaced(pictures, tmp_path, capsys, theirs):
    (tmp_path / 'out' / theirs).parent.mkdir(parents=True)
    (tmp_path / 'out' / theirs).write_text('precious')
    assert run(pictures, '--out', tmp_path / 'out', '--overlay') == 2
    assert 'choose another folder' in capsys.readouterr().err
    assert (tmp_path / 'out' / theirs).read_text() == 'precious'


def test_what_somebody_put_among_overlays_is_not_removed(pictures, tmp_path, capsys):
    out = tmp_path / 'out'
    assert run(pictures / 'left.jpg', '--out', out, '--overlay') == 0
    (out / 'overlay' / 'notes.txt').write_text('precious')
    assert run(pictures / 'left.jpg', '--out', out) == 2
    assert 'overlay/notes.txt that is not of an earlier run' in capsys.readouterr().err
    (out / JOURNAL).touch()
    assert run(pictures / 'left.jpg', '--out', out, '--resume') == 2
    assert (out / 'overlay' / 'notes.txt').read_text() == 'precious'


def test_overlays_that_are_closed_to_us_are_said_in_one_line(
        pictures, tmp_path, capsys, monkeypatch):
    def closed(_):  # root may look
        raise PermissionError(errno.EACCES, 'Permission denied')

    (tmp_path / 'out' / 'overlay').mkdir(parents=True)
    monkeypatch.setattr(os, 'listdir', closed)
    assert run(pictures, '--out', tmp_path / 'out') == 2
    assert 'out cannot be written (Permission denied)' in capsys.readouterr().err


def test_an_odd_name_or_folder_costs_itself_alone(pictures, tmp_path, monkeypatch):
    look = Path.iterdir

    def iterdir(path):  # as of one who is not root
        if path.name == 'deeper':
            raise PermissionError(errno.EACCES, 'Permission denied')
        return look(path)

    monkeypatch.setattr(Path, 'iterdir', iterdir)
    (tmp_path / 'circle').symlink_to('circle')
    manifest = tmp_path / 'manifest.csv'
    manifest.write_bytes(b'input\n' + b'm' * 300 + b'.jpg\n' + b'null\0.jpg\n')
    assert run(pictures, tmp_path / ('a' * 300), tmp_path / ('g*' * 150), tmp_path / 'circle',
               manifest, '--out', tmp_path / 'out') == 1
    errors = {Path(record['input']).name[:5]: record['error'] for record in lines(tmp_path / 'out')
              if 'error' in record}
    too_long = 'cannot be read (File name too long)'
    assert errors == {
        'deepe': 'cannot be read (Permission denied)', 'aaaaa': too_long, 'mmmmm': too_long,
        'g*g*g': 'matches no file', 'circl': 'no such file or folder',
        'null\0': 'no such file or folder'}
    assert {name for name, record in by_name(tmp_path / 'out').items() if 'side' in record} == {
        'left.jpg', 'right.png'}


@pytest.mark.parametrize('name', ['circle', 'a' * 300, 'file'])
def test_an_output_folder_that_cannot_be_is_said_in_one_line(pictures, tmp_path, capsys, name):
    (tmp_path / 'circle').symlink_to('circle')
    (tmp_path / 'file').touch()
    assert run(pictures, '--out', tmp_path / name) == 2
    assert f'{name} cannot be written' in capsys.readouterr().err
