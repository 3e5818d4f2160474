"""Recorded simulated patients, played into the monitor through DDS on simulated time."""

from __future__ import annotations

import pytest
from bag_player import BagPlayer
from rclpy.serialization import serialize_message
from ros_harness import MonitorProcess, Robot

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.ros.conversions import stamp_s
from stroke_side_monitor.simulation import portrait, recording, score
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.session import Session, SessionPlan
from stroke_side_msgs.msg import AffectedSide

IMAGE = '/camera/image_raw/compressed'
SHORT = SessionPlan(exercises=('smile',), hold_s=1.0, rest_s=0.8, first_rest_s=2.0, fps=10.0,
                    blinks_per_minute=0.0)
REPORTED = {Side.LEFT: AffectedSide.LEFT, Side.RIGHT: AffectedSide.RIGHT,
            Side.NONE: AffectedSide.NONE}


@pytest.fixture(scope='module')
def person():
    return portrait.portrait(portrait.astronaut(), 'astronaut')


@pytest.fixture(scope='module')
def bags(person, tmp_path_factory):
    """One short bag per side, 10 frames/s."""
    folder = tmp_path_factory.mktemp('bags')
    for side in REPORTED:
        palsy = Palsy.of(side, 0.9, 'central')
        recording.write_bag(Session(person, palsy, SHORT, seed=4), folder / side.name)
    return folder


@pytest.fixture(scope='module')
def replay_monitor(tmp_path_factory):
    values = {'use_sim_time': True, 'image_transport': 'compressed',
              f'qos_overrides.{IMAGE}.subscription.reliability': 'reliable'}
    with MonitorProcess(tmp_path_factory.mktemp('replay') / 'log', reliable=False,
                        arguments=('-r', 'image:=/camera/image_raw'), **values) as process:
        yield process
        assert process.stop() == 0, process.log


@pytest.fixture
def replay(replay_monitor, bags):
    """(robot, a function that makes a connected player of one side's bag)."""
    with Robot(transport='compressed', image_topic='/camera/image_raw') as robot:
        robot.until_connected()

        def player(side: Side) -> BagPlayer:
            made = BagPlayer(robot.node, bags / side.name, robot.spin_for)
            robot.until(lambda: made.connected(IMAGE), 'the monitor to take images and clock')
            robot.reset()
            return made

        yield robot, player


def in_step(robot, player):
    """Play frame by frame, each only after the answer to the one before; all answers in order."""
    answers = []
    for one in player.messages:
        if one.topic == IMAGE:
            count = len(robot.sides)
            player.send(one)
            header = one.message.header
            robot.until(lambda count=count, header=header: any(
                said.header == header for said in robot.sides[count:]), 'an answer')
            answers += [said for said in robot.sides[count:] if said.header == header]
    return answers


def as_seen(robot):
    """Holds an image until the one before has its answer: a busy machine drops most otherwise."""
    sent = []

    def wait(one):
        if one.topic == IMAGE:
            robot.until(lambda: not sent or any(
                said.header == sent[-1] for said in robot.sides), 'an answer')
            sent.append(one.message.header)

    return wait


def last_answer(robot, player):
    """The answer to the bag's last frame, which nothing newer can push out."""
    header = next(one for one in reversed(player.messages) if one.topic == IMAGE).message.header
    # The watchdog speaks under the last image's header, which the test before may have left.
    return robot.until(lambda: next((said for said in robot.sides if said.header == header
                                     and list(said.reasons) != ['no_image']), None),
                       'an answer to the last frame')


def without_session(answers):
    """The messages as bytes, but for which session they are of and why it began."""
    for said in answers:
        said.session, said.session_reason = 0, ''
    return [serialize_message(said) for said in answers]


@pytest.mark.parametrize('side', list(REPORTED))
def test_the_side_is_right_over_a_replayed_session(replay, side):
    robot, make_player = replay
    player = make_player(side)
    answers = in_step(robot, player)
    truths = [score.Truth(stamp_s(one.message.header), Side(one.message.side), 0.0, 0.0, 0.0,
                          one.message.exercise)
              for one in player.messages if one.topic == '/patient/truth']
    reports = [score.Report(stamp_s(said.header), Side(said.side), said.stable, float('nan'))
               for said in answers]
    judged = score.score(side.name, truths, reports)
    assert judged.decided >= 5
    assert judged.right >= 0.98 * judged.decided
    assert judged.latency_s <= 1.5


def test_the_same_bag_twice_gives_identical_messages(replay):
    robot, make_player = replay
    player = make_player(Side.LEFT)
    first = in_step(robot, player)
    robot.reset()
    second = in_step(robot, player)
    assert {said.session for said in second} == {said.session + 1 for said in first}
    assert without_session(second) == without_session(first)
    assert len(first) == sum(one.topic == IMAGE for one in player.messages)


def test_looping_starts_afresh_when_the_stamps_jump_back(replay):
    robot, make_player = replay
    player = make_player(Side.RIGHT)
    first, second = in_step(robot, player), in_step(robot, player)  # no reset in between
    # Nothing of the last round survives the jump: not the side, not the tracked face.
    assert {said.session for said in second} == {said.session + 1 for said in first}
    assert {said.session_reason for said in second} == {'clock_went_back'}
    assert without_session(second) == without_session(first)


@pytest.mark.parametrize('rate', [0.5, 1.0, 4.0])
def test_the_pace_does_not_matter(replay, rate):
    robot, make_player = replay
    player = make_player(Side.LEFT)
    player.play(rate=rate, wait=as_seen(robot))
    answer = last_answer(robot, player)
    assert (answer.side, answer.stable) == (AffectedSide.LEFT, True), answer
    stamps = [stamp_s(said.header) for said in robot.sides if said.reasons != ['no_image']]
    assert stamps == sorted(stamps)


def test_starting_in_the_middle(replay):
    robot, make_player = replay
    player = make_player(Side.RIGHT)
    player.play(start_offset_s=2.5, wait=as_seen(robot))
    answer = last_answer(robot, player)
    assert (answer.side, answer.stable) == (AffectedSide.RIGHT, True), answer
    began = stamp_s(robot.sides[0].header)
    assert began >= player.messages[0].stamp_ns * 1e-9 + 2.49


def test_a_paused_player_withdraws_the_side_and_playing_on_restores_it(replay):
    robot, make_player = replay
    player = make_player(Side.LEFT)
    player.play(until_s=2.5, wait=as_seen(robot))
    robot.until(lambda: robot.sides[-1].side == AffectedSide.LEFT, 'a side before the pause')
    robot.until_silence_is_told()  # simulated time stands still; the watchdog's does not
    player.play(start_offset_s=2.5, wait=as_seen(robot))
    answer = last_answer(robot, player)
    assert (answer.side, answer.stable) == (AffectedSide.LEFT, True), answer
