"""People come and go before a running monitor: nobody inherits anything of the one before.

The first person is weak on the RIGHT, the second, the mirror image, on the LEFT. What is carried
over between them therefore shows as a wrong side.
"""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from ros_harness import Robot

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.simulation import portrait
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.still import simulate_still
from stroke_side_msgs.msg import AffectedSide, ExerciseCue

LETTER = {AffectedSide.UNKNOWN: 'U', AffectedSide.NONE: 'N', AffectedSide.LEFT: 'L',
          AffectedSide.RIGHT: 'R'}
HALF_A_SECOND = 15  # frames


class People:
    """Pictures 960 wide and 480 high with one place on either side."""

    def __init__(self) -> None:
        person = portrait.portrait(portrait.astronaut()).framed(480, 480, 100)
        self.first, _ = simulate_still(person, Palsy.of(Side.RIGHT, 0.9, 'peripheral'))
        self.second = np.ascontiguousarray(self.first[:, ::-1])
        self.nobody = np.full_like(self.first, 127)

    def at(self, left: np.ndarray | None = None, right: np.ndarray | None = None) -> np.ndarray:
        """Who stands where in the picture."""
        return np.hstack([self.nobody if one is None else one for one in (left, right)])


@pytest.fixture(scope='module')
def people():
    return People()


def shown(robot: Robot, picture: np.ndarray, frames: int) -> list[AffectedSide]:
    """What was said about each of so many frames."""
    return [robot.show(picture) for _ in range(frames)]


def course(answers: list[AffectedSide]) -> str:
    """The sides as a word, equal neighbours once: 'RUL'."""
    return re.sub(r'(.)\1+', r'\1', ''.join(LETTER[said.side] for said in answers))


def measured(robot: Robot, answers: list[AffectedSide]) -> list[float]:
    """The mouth's height difference of these frames in mm, where there was a face."""
    headers = [said.header for said in answers]
    return [metric.value for seen in robot.asymmetries if seen.header in headers
            for metric in seen.metrics if metric.name == 'mouth.commissure_height']


def assert_only_the_second(robot: Robot, answers: list[AffectedSide]) -> None:
    """Unknown while it warms up, then LEFT; nothing measured mixes the two."""
    assert course(answers) == 'UL', [(LETTER[said.side], said.reasons) for said in answers]
    assert 'warming_up' in {reason for said in answers for reason in said.reasons}
    assert not any(said.landmark_score < 0 for said in answers)
    assert robot.severities[-1].header == answers[-1].header
    of_second = measured(robot, answers)
    assert len(of_second) > 5
    # One person, one picture: what the mesh gives differs by its noise only.
    assert np.ptp(of_second) < 0.5 * abs(np.median(of_second)), of_second


def test_a_face_that_jumps_elsewhere_is_another_person(robot, people):
    assert shown(robot, people.at(left=people.first), 20)[-1].side == AffectedSide.RIGHT
    assert_only_the_second(robot, shown(robot, people.at(right=people.second), 20))


@pytest.mark.parametrize('place', ['left', 'right'])
def test_one_leaves_and_another_comes_half_a_second_later(robot, people, place):
    assert shown(robot, people.at(left=people.first), 20)[-1].side == AffectedSide.RIGHT
    assert course(shown(robot, people.at(), HALF_A_SECOND)) == 'U'
    assert_only_the_second(robot, shown(robot, people.at(**{place: people.second}), 20))


def test_of_two_alike_nobody_is_named_and_who_stays_is_known_afresh(robot, people):
    assert shown(robot, people.at(left=people.first), 20)[-1].side == AffectedSide.RIGHT
    # Others are looked for once a second; until then the one who is followed stands.
    both = shown(robot, people.at(people.first, people.second), 45)
    assert course(both) == 'RU'
    assert list(both[-1].reasons) == ['several_faces']
    assert_only_the_second(robot, shown(robot, people.at(right=people.second), 45))


def test_after_a_step_back_in_time_others_are_still_looked_for(robot, people):
    robot.now_s += 900.0
    shown(robot, people.at(left=people.first), 20)
    robot.now_s -= 900.0
    answers = shown(robot, people.at(left=people.first), 20)
    answers += shown(robot, people.at(people.first, people.second), 45)
    assert course(answers) == 'URU'
    assert list(answers[-1].reasons) == ['several_faces']


def test_who_comes_to_the_front_is_the_patient_from_then_on(robot, people):
    small = np.full_like(people.first, 127)
    small[100:400, 100:400] = cv2.resize(people.first, (300, 300), interpolation=cv2.INTER_AREA)
    assert shown(robot, people.at(left=small), 20)[-1].side == AffectedSide.RIGHT
    answers = shown(robot, people.at(small, people.second), 60)
    assert course(answers) == 'RUL', [(LETTER[said.side], said.reasons) for said in answers]


def test_an_exercise_of_the_one_who_left_has_its_result_and_is_not_the_next_ones(robot, people):
    his = shown(robot, people.at(left=people.first), 40)[-1].session
    header = robot.message(people.nobody).header
    robot.cues.publish(ExerciseCue(header=header, exercise='smile', phase=ExerciseCue.START))
    robot.status('node', lambda level, message, values: values['exercise_cue'] == 'smile start')
    shown(robot, people.at(left=people.first), 20)
    shown(robot, people.at(right=people.second), 20)
    header = robot.message(people.nobody).header
    robot.cues.publish(ExerciseCue(header=header, exercise='smile', phase=ExerciseCue.STOP))
    robot.status('node', lambda level, message, values: values['exercise_cue']
                 == 'smile stop: stop_without_start')
    shown(robot, people.at(right=people.second), 90)  # time enough for another result
    result, = robot.results
    assert (result.exercise, result.valid) == ('smile', False)
    # Of his session, and there is one for every START that was taken.
    assert result.session == his < robot.sides[-1].session
