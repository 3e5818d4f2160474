"""Faults injected for real: no crash, no leak, no stale and no wrong side."""

from __future__ import annotations

import ctypes
import os
import shutil

import cv2
import numpy as np
import psutil
import pytest
from ros_harness import LARGE_IMAGES, RELIABLE, REPOSITORY, MonitorProcess, Robot
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.perception.image import ImageDecodeError
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.ros import conversions
from stroke_side_msgs.msg import AffectedSide


def as_encoding(message: Image, encoding: str) -> Image:
    """The same picture and header in another encoding."""
    rgb = conversions.picture(message)
    pixels = {'bgr8': rgb[..., ::-1], 'rgba8': np.dstack([rgb, rgb[..., :1]]),
              'mono8': cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)}[encoding]
    height, width = rgb.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    told = Image(header=message.header, height=height, width=width, encoding=encoding,
                 step=width * channels)
    told.data.frombytes(np.ascontiguousarray(pixels).tobytes())
    return told


def test_a_camera_that_restarts_with_another_size_and_encoding_is_followed(robot, right_weak):
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    robot.node.destroy_publisher(robot.camera)
    assert robot.until_silence_is_told().side == AffectedSide.UNKNOWN
    robot.camera = robot.node.create_publisher(Image, 'image', RELIABLE)
    robot.until_connected()
    larger = cv2.resize(right_weak, (1280, 960), interpolation=cv2.INTER_CUBIC)
    assert robot.watch(larger).side == AffectedSide.RIGHT
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    for encoding in ('bgr8', 'rgba8', 'mono8'):
        for _ in range(3):  # in mid-stream
            answer = robot.answer_to(as_encoding(robot.message(right_weak), encoding))
            assert answer.side == AffectedSide.RIGHT, encoding


def test_what_is_no_picture_is_counted_named_once_and_survived(robot, monitor, right_weak):
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    bad = (Image(height=480, width=640, encoding='bayer_x'),
           Image(height=480, width=640, encoding='rgb8', step=9), Image(encoding='mono8'))

    def all_counted(level, message, values):
        # Only the newest image waits for the monitor, so each has to be shown until it is seen.
        if sum(key.startswith('undecodable: ') for key in values) == len(bad):
            return level == 1
        for message in bad:
            robot.camera.publish(message)
            robot.spin_for(0.1)
        return False

    _, _, values = robot.status('images', all_counted)
    assert int(values['undecodable: unsupported encoding']) > 0
    assert int(values['undecodable: wrong step']) > 0
    assert int(values['undecodable: wrong size']) > 0
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    named = [line for line in monitor.log.splitlines() if 'undecodable image' in line]
    assert len(named) == 3, named
    assert "undecodable image on /image (encoding 'bayer_x'): encoding 'bayer_x' is not " \
        'supported; expected one of rgb8' in '\n'.join(named)


def test_a_stream_of_nothing_but_rubbish_withdraws_the_side(robot, right_weak):
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    rubbish = Image(height=480, width=640, encoding='rgb8', step=1)
    timer = robot.node.create_timer(0.05, lambda: robot.camera.publish(rubbish))
    with robot.stale_after(1.0):
        assert robot.until_withdrawn('undecodable_image').side == AffectedSide.UNKNOWN
    robot.node.destroy_timer(timer)


def test_a_camera_that_is_killed_and_comes_back_is_followed(tmp_path, start_process):
    def start_camera(side: str):
        return start_process(
            '-m', 'stroke_side_monitor.ros', 'patient', '--ros-args', '-r', '__ns:=/killed',
            '-p', f'side:={side}', '-p', 'severity:=0.9', '-p', 'pattern:=peripheral',
            **LARGE_IMAGES)

    with MonitorProcess(tmp_path / 'log', namespace='killed', reliable=False,
                        stale_timeout_s=1.0) as process, \
            Robot('killed', image_topic='elsewhere') as robot:
        camera = start_camera('right')
        robot.until(lambda: robot.sides and robot.sides[-1].side == AffectedSide.RIGHT,
                    'the right side')
        camera.kill()
        assert robot.until_withdrawn('no_image').side == AffectedSide.UNKNOWN
        robot.sides.clear()
        start_camera('left')
        robot.until(lambda: robot.sides and robot.sides[-1].side == AffectedSide.LEFT,
                    'the left side')
        assert AffectedSide.RIGHT not in {said.side for said in robot.sides}
        assert process.stop() == 0


def test_a_camera_that_changes_its_rate_in_mid_stream_is_followed(robot, right_weak):
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    for rate_hz in (5, 120, 30):
        for _ in range(10):
            answer = robot.show(right_weak, at_s=robot.now_s + 1 / rate_hz)
            assert (answer.side, list(answer.reasons)) == (AffectedSide.RIGHT, []), rate_hz
    assert answer.stable


def test_stamps_that_stand_still_are_assessed_and_named(robot, right_weak):
    robot.watch(right_weak)
    for _ in range(4):
        answer = robot.show(right_weak, at_s=robot.now_s)
        assert answer.side == AffectedSide.RIGHT
    level, message, _ = robot.status('images', lambda level, text, values: 'advance' in text)
    assert (level, message) == (1, '/image: image stamps do not advance')


def test_a_gap_in_the_stamps_does_not_carry_the_side_over(robot, right_weak):
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    after = robot.show(right_weak, at_s=robot.now_s + 5.0)
    assert (after.side, list(after.reasons)) == (AffectedSide.UNKNOWN, ['warming_up'])
    assert robot.watch(right_weak).side == AffectedSide.RIGHT


def test_a_camera_without_stamps_is_assessed_in_the_time_its_images_take(robot, right_weak):
    # `stable` needs half a second to pass on the images' clock.
    robot.until(lambda: robot.show(right_weak, at_s=0.0).stable, 'a stable side')
    assert robot.sides[-1].side == AffectedSide.RIGHT
    assert conversions.stamp_s(robot.sides[-1].header) == 0.0
    robot.status('images', lambda level, message, values: 'must set header.stamp' in message)


def test_a_flood_is_dropped_not_queued(robot, right_weak):
    robot.watch(right_weak, 5)
    robot.sides.clear()
    flood = [robot.message(right_weak) for _ in range(200)]
    for message in flood:
        robot.camera.publish(message)
    last = flood[-1].header
    robot.until(lambda: robot.sides and robot.sides[-1].header == last, 'the newest frame')
    assert len(robot.sides) < len(flood), 'every frame of the flood was assessed'
    stamps = [conversions.stamp_s(side.header) for side in robot.sides]
    assert stamps == sorted(stamps)
    before = len(robot.sides)
    robot.spin_for(0.3)
    assert all('no_image' in side.reasons for side in robot.sides[before:]), 'a backlog followed'


def test_two_hundred_hertz_are_thinned_out_and_what_was_dropped_is_counted(robot, right_weak):
    fates = ('frames_assessed', 'frames_dropped', 'frames_passed_over', 'frames_late',
             'frames_undecodable')

    def counts() -> np.ndarray:
        def settled(_level: int, _message: str, values: dict[str, str]) -> bool:
            # Nothing is said yet of a frame that is in hand: DDS may send the last one late.
            return int(values['frames_received']) == sum(int(values[name]) for name in fates)

        _, _, values = robot.status('images', settled)
        return np.array([int(values[name]) for name in fates])

    small = cv2.resize(right_weak, (320, 240), interpolation=cv2.INTER_AREA)
    robot.watch(small, 5)
    before = counts()
    robot.sides.clear()
    lags, period_s, sent = [], 1 / 200, 510
    for _ in range(sent // 3):
        heard = len(robot.sides)
        # Three at once: where the machine is busy, one at a time come no faster than they are seen.
        for _ in range(3):
            robot.camera.publish(robot.message(small, at_s=robot.now_s + period_s))
        robot.spin_for(3 * period_s)
        lags += [robot.now_s - conversions.stamp_s(said.header) for said in robot.sides[heard:]]
    robot.until_silence_is_told()  # the end of the stream
    assessed, dropped, *others = counts() - before
    assert dropped
    assert 0 < assessed <= sent - dropped
    assert others == [0, 0, 0], 'all that came were due and in order'
    # In seconds of the stream's own clock; behind a queue the lag would grow to the end.
    assert np.median(lags) < 0.25, lags
    assert AffectedSide.LEFT not in {said.side for said in robot.sides}


def test_a_controller_that_joins_late_hears_nothing_of_the_last_patient(robot, right_weak):
    assert robot.watch(right_weak).side == AffectedSide.RIGHT
    with Robot(image_topic='elsewhere') as late:
        late.until_found()
        with robot.stale_after(1.0):
            late.until(lambda: late.sides, 'the first message to the late controller')
        assert late.sides[0].side == AffectedSide.UNKNOWN
        assert list(late.sides[0].reasons) == ['no_image']


def test_simulated_time_that_stands_still_stops_neither_watchdog_nor_diagnostics(
        tmp_path, right_weak):
    with MonitorProcess(tmp_path / 'log', namespace='still', use_sim_time=True) as process, \
            Robot('still') as robot:
        robot.until_connected()
        assert robot.watch(right_weak).side == AffectedSide.RIGHT
        assert robot.until_silence_is_told().side == AffectedSide.UNKNOWN
        robot.status('node')
        robot.status('node')
        assert process.stop() == 0


@pytest.mark.parametrize(('behind_s', 'step_s'), [(5.0, 1 / 30), (0.0, 1e-6)],
                         ids=['late', 'hardly advancing'])
def test_images_that_nobody_will_look_at_do_not_keep_a_side_alive(
        tmp_path, right_weak, behind_s, step_s):
    with MonitorProcess(tmp_path / 'log', namespace='stuck', jump_back_s=10.0, assess_rate_hz=15.0,
                        stale_timeout_s=0.5) as process, Robot('stuck') as robot:
        robot.until_connected()
        robot.until(lambda: robot.camera.publish(robot.message(right_weak)) or any(
            said.side == AffectedSide.RIGHT for said in robot.sides), 'a side')
        at_s, before = robot.now_s - behind_s, len(robot.sides)

        def withdrawn() -> bool:
            nonlocal at_s
            at_s += step_s
            robot.camera.publish(robot.message(right_weak, at_s))
            robot.spin_for(1 / 30)
            return any('no_image' in said.reasons for said in robot.sides[before:])

        robot.until(withdrawn, 'UNKNOWN while images come')
        assert process.stop() == 0


def copied_model(folder) -> tuple:
    """A copy of the shipped model and its card."""
    return tuple(shutil.copy(REPOSITORY / 'models' / f'side_classifier.{kind}', folder)
                 for kind in ('tflite', 'json'))


def alter(path: str) -> None:
    with open(path, 'r+b') as file:
        file.truncate(1000)


@pytest.mark.parametrize(('spoil', 'said'), [
    (alter, 'sha256'), (os.remove, 'No such file or directory')], ids=['altered', 'removed'])
def test_a_spoilt_model_is_refused_and_one_spoilt_while_running_does_no_harm(
        tmp_path, right_weak, spoil, said):
    model, _ = copied_model(tmp_path)
    with MonitorProcess(tmp_path / 'log', namespace='altered', model_path=model,
                        autostart=False) as process, Robot('altered') as robot:
        assert robot.transition('configure')
        assert robot.transition('activate')
        robot.until_connected()
        assert robot.watch(right_weak).side == AffectedSide.RIGHT
        spoil(model)
        assert robot.watch(right_weak).side == AffectedSide.RIGHT
        assert robot.transition('deactivate')
        assert robot.transition('cleanup')
        assert not robot.transition('configure')
        _, message, _ = robot.status('node', lambda level, *_: level == 2)
        assert said in message
        assert model in message
        # Mended without a restart.
        copied_model(tmp_path)
        assert robot.transition('configure')
        assert robot.status('node', lambda level, *_: level == 0)[1] == 'inactive'
        assert process.stop() == 0


def test_damaged_jpegs_through_dds_never_give_the_wrong_side(tmp_path, right_weak):
    rng = np.random.default_rng(7)
    with MonitorProcess(tmp_path / 'log', namespace='jpeg',
                        image_transport='compressed') as process, \
            Robot('jpeg', transport='compressed') as robot:
        robot.until_connected()
        assert robot.watch(right_weak).side == AffectedSide.RIGHT
        for _ in range(150):
            message = robot.message(right_weak)
            robot.camera.publish(mutated(message, rng))
            robot.show(right_weak)
        assert all(side.side != AffectedSide.LEFT for side in robot.sides)
        _, _, values = robot.status(
            'images', lambda *status: int(status[2]['frames_undecodable']) > 50)
        assert int(values['frames_assessed']) >= 150
        assert robot.status('node')[2]['frames_failed'] == '0'
        assert process.stop() == 0


def mutated(message, rng: np.random.Generator):
    """A copy with fields or bytes changed at random."""
    if isinstance(message, CompressedImage):
        data = bytearray(message.data)
        for _ in range(rng.integers(1, 12)):
            data[rng.integers(len(data))] = rng.integers(256)
        if rng.random() < 0.3:
            data = data[:rng.integers(len(data))]
        changed = CompressedImage(header=message.header, format='jpeg')
        changed.data.frombytes(bytes(data))
        return changed
    changed = Image(header=message.header, height=message.height, width=message.width,
                    encoding=message.encoding, step=message.step, data=message.data)
    field = rng.choice(['height', 'width', 'step', 'encoding', 'data'])
    if field == 'data':
        changed.data = message.data[:rng.integers(len(message.data))]
    elif field == 'encoding':
        changed.encoding = str(rng.choice(['bgra8', 'mono16', 'yuv422', '', 'x', '16UC1']))
    else:
        setattr(changed, field, int(rng.integers(0, 2 ** int(rng.integers(1, 32)))))
    return changed


def test_twenty_thousand_mutated_messages_leave_no_trace(right_weak):
    rng = np.random.default_rng(20_000)
    small = cv2.resize(right_weak, (400, 300), interpolation=cv2.INTER_AREA)
    raw = conversions.image_message(small, Header())
    jpeg = CompressedImage(format='jpeg')
    jpeg.data.frombytes(cv2.imencode('.jpg', small[..., ::-1])[1].tobytes())
    pipeline = Pipeline(PipelineSettings(), video=True)
    refused, said, memory, decodable = [], [], [], 0
    for number in range(20_000):
        message = mutated(jpeg if number % 4 == 0 else raw, rng)
        try:
            rgb = conversions.picture(message)
        except ImageDecodeError as error:
            refused.append(str(error))
        else:
            decodable += 1
            if decodable % 8 == 0:  # assessing all of them would take minutes
                # The true patient in between, so that there is a side to spoil.
                pipeline.assess(small, number / 15)
                said.append(pipeline.assess(rgb, (number + 0.5) / 15).side.side)
        if number % 5_000 == 4_999:
            # What the allocator keeps for reuse is not a leak: give it back before looking.
            ctypes.CDLL(None).malloc_trim(0)
            memory.append(psutil.Process().memory_info().rss / 1e6)
    pipeline.close()
    assert len(refused) > 10_000
    assert not any('\n' in text for text in refused)
    assert len(said) > 100
    assert Side.LEFT not in said
    # A leak of one picture per message would be gigabytes.
    assert memory[-1] - memory[0] < 30, memory


@pytest.mark.parametrize('shape', [(1, 1), (1, 3000), (3000, 1), (7, 5), (2000, 3)])
def test_pictures_of_absurd_shape_are_assessed_as_faceless(shape):
    pipeline = Pipeline(PipelineSettings(use_classifier=False), video=True)
    answer = pipeline.assess(np.full((*shape, 3), 90, np.uint8), 1.0)
    pipeline.close()
    assert (answer.side.side, answer.view.reasons) == (Side.UNKNOWN, ('no_face',))
