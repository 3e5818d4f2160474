"""Bags, videos and folders of pictures, and the command line that writes them."""

import csv
import dataclasses

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline.inputs import Frame, read_bag, read_picture
from stroke_side_monitor.simulation import recording
from stroke_side_monitor.simulation.__main__ import main
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.session import Session, SessionPlan

PLAN = SessionPlan(exercises=('smile',), hold_s=0.4, rest_s=0.3, first_rest_s=0.4, fps=8.0,
                   width=320, height=300, interocular_px=85.0)


@pytest.fixture
def session(astronaut):
    return Session(astronaut, Palsy.of(Side.RIGHT, 0.8, 'central'), PLAN, seed=2)


def read(path):
    with AnyReader([path]) as reader:
        return [(connection.topic, stamp, reader.deserialize(data, connection.msgtype))
                for connection, stamp, data in reader.messages()]


@pytest.mark.parametrize('storage', recording.STORAGES)
@pytest.mark.parametrize('transport', recording.TRANSPORTS)
def test_a_bag_holds_pictures_truth_and_cues(session, tmp_path, storage, transport):
    recording.write_bag(session, tmp_path / 'bag', storage=storage, transport=transport)
    messages = read(tmp_path / 'bag')
    frames = list(session)
    images = [one for one in messages if one[0].startswith('/camera/image_raw')]
    truths = [one for one in messages if one[0] == '/patient/truth']
    cues = [one for one in messages if one[0] == '/stroke_side_monitor/exercise_cue']
    assert [stamp for _, stamp, _ in images] == [frame.truth.stamp_ns for frame in frames]
    if transport == 'raw':
        picture = images[3][2].data.reshape(300, 320, 3)
        np.testing.assert_array_equal(picture, frames[3].rgb)
    else:
        assert images[3][2].data.tobytes() == frames[3].jpeg
    assert {truth.side for _, _, truth in truths} == {3}  # SimulatedPatientTruth.RIGHT
    for (_, stamp, truth), frame in zip(truths, frames, strict=True):
        seconds = truth.header.stamp
        assert seconds.sec * 10 ** 9 + seconds.nanosec == stamp == frame.truth.stamp_ns
        assert truth.exercise == frame.truth.exercise
        assert truth.commissure_left_mm == pytest.approx(frame.truth.commissure_mm[0], abs=1e-4)
    assert [(cue.exercise, cue.phase, cue.cue_id) for _, _, cue in cues] == [
        ('smile', 0, 1), ('smile', 1, 1)]
    stamps = [stamp for _, stamp, _ in messages]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize('storage', recording.STORAGES)
def test_the_same_session_gives_the_same_bag(session, tmp_path, storage):
    for name in ('one', 'two'):
        recording.write_bag(session, tmp_path / name / 'bag', storage=storage)
    one, two = (sorted((tmp_path / name / 'bag').iterdir()) for name in ('one', 'two'))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_assess_reads_the_bag(session, tmp_path):
    recording.write_bag(session, tmp_path / 'bag')
    items = list(read_bag(tmp_path / 'bag', None))
    assert sum(isinstance(item, Frame) for item in items) == len(session)


@pytest.mark.parametrize('write', [recording.write_bag, recording.write_frames,
                                   recording.write_video])
def test_an_interrupted_recording_leaves_nothing(session, tmp_path, write):
    def interrupted(frames):
        for index, frame in enumerate(frames):
            if index == 3:
                raise KeyboardInterrupt
            yield frame

    with pytest.raises(KeyboardInterrupt):
        write(session, tmp_path / 'out.mp4', progress=interrupted)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('write', [recording.write_bag, recording.write_frames,
                                   recording.write_video])
def test_nothing_is_overwritten(session, tmp_path, write):
    (tmp_path / 'out.mp4').write_text('precious')
    with pytest.raises(recording.OutputError, match='exists already'):
        write(session, tmp_path / 'out.mp4')
    assert (tmp_path / 'out.mp4').read_text() == 'precious'
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_of_pictures_with_its_truth(session, tmp_path):
    recording.write_frames(session, tmp_path / 'frames')
    rows = list(csv.DictReader((tmp_path / 'frames' / 'truth.csv').open()))
    frames = list(session)
    assert len(rows) == len(frames)
    for row, frame in zip(rows, frames, strict=True):
        assert row['side'] == 'right'
        assert int(row['stamp_ns']) == frame.truth.stamp_ns
        picture = read_picture(tmp_path / 'frames' / row['file'])
        np.testing.assert_array_equal(picture, frame.rgb)


def test_a_video_with_its_truth(session, tmp_path):
    truth = recording.write_video(session, tmp_path / 'patient.mp4')
    capture = cv2.VideoCapture(str(tmp_path / 'patient.mp4'))
    assert capture.get(cv2.CAP_PROP_FPS) == PLAN.fps
    read_ok, picture = capture.read()
    assert read_ok
    first = session.frame(0).rgb
    assert np.abs(picture[..., ::-1].astype(int) - first).mean() < 6.0
    assert len(list(csv.DictReader(truth.open()))) == len(session)


def test_the_command_line_writes_a_bag(tmp_path, capsys):
    status = main(['--side', 'none', '--seed', '5', '--exercises', '--first-rest', '0.3',
                   '--rest', '0.3', '--fps', '5', '--bag', str(tmp_path / 'bag')])
    assert status == 0
    assert 'frames' in capsys.readouterr().out
    assert {message.side for topic, _, message in read(tmp_path / 'bag')
            if topic == '/patient/truth'} == {1}  # SimulatedPatientTruth.NONE


def shown(picture, path):
    cv2.imwrite(str(path), picture[..., ::-1])
    return str(path)


def pictures():
    from skimage import data
    astronaut = data.astronaut()
    turned = cv2.warpAffine(astronaut, cv2.getRotationMatrix2D((224, 120), 35, 1.0), (512, 512))
    return {
        'no face': data.coins()[..., None].repeat(3, axis=2),
        'more than one face': np.hstack([astronaut[:, 50:400], astronaut[:, 50:400]]),
        'the head is turned: roll': turned,
        'the face is too small': cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA),
        'cut off': astronaut[:, 215:],
    }


@pytest.mark.parametrize('reason', ['no face', 'more than one face', 'the head is turned: roll',
                                    'the face is too small', 'cut off'])
def test_unusable_photographs_are_named_with_the_reason(tmp_path, capsys, reason):
    photo = shown(pictures()[reason], tmp_path / 'someone.png')
    assert main(['--photo', photo, '--bag', str(tmp_path / 'bag')]) == 2
    message = [line for line in capsys.readouterr().err.splitlines()
               if line.startswith('simulation:')]
    assert len(message) == 1
    assert 'someone.png' in message[0]
    assert reason in message[0]
    assert not (tmp_path / 'bag').exists()


@pytest.mark.parametrize(('arguments', 'said'), [
    (['--photo', 'nobody.jpg'], 'nobody.jpg: cannot be read'),
    (['--severity', '1.5'], 'severity 1.5 lies outside'),
    (['--smile-photo', 'smile.jpg'], 'needs the neutral one'),
    (['--fps', '0'], 'fps 0.0 lies outside')])
def test_bad_requests_get_one_clear_line(tmp_path, capsys, arguments, said):
    assert main([*arguments, '--frames', str(tmp_path / 'frames')]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_pairs_of_people_smile_with_their_own_teeth(shared, mesh):
    from stroke_side_monitor.simulation import portrait
    from stroke_side_monitor.simulation.face import SimulatedFace
    from stroke_side_monitor.simulation.palsy import Expression
    london = shared / 'data' / 'london_faces'
    person = portrait.portrait(
        read_picture(london / 'neutral' / '002.jpg'), '002', mesh=mesh,
        smiling_rgb=read_picture(london / 'smiling' / '002.jpg')).framed(400, 400, 110.0)
    face = SimulatedFace(person, Palsy.of(Side.NONE, 0.0))
    mouth = person.project(person.points[[78, 308, 13]])
    left, top = mouth.min(axis=0) - 4
    right, bottom = mouth.max(axis=0) + 22
    whiteness = [face.draw(Expression.of('smile', how))[0][int(top):int(bottom),
                                                           int(left):int(right)].min(axis=2)
                 for how in (0.0, 1.0)]
    assert np.percentile(whiteness[1], 95) > np.percentile(whiteness[0], 95) + 40
    plan = dataclasses.replace(PLAN, exercises=())
    assert Session(person, Palsy.of(Side.LEFT, 0.5), plan).frame(0).rgb.shape == (300, 320, 3)
