"""The side: thresholds, hysteresis, conflicts, and left treated as right is."""

import itertools
import math
from dataclasses import replace

import pytest

from stroke_side_monitor.assessment.side import (
    Evidence,
    SideFilter,
    SideRule,
    decide,
    evidence_strength,
    side_probabilities,
    unknown_side,
)
from stroke_side_monitor.assessment.terms import ClassifierAgreement, Side

RULE = SideRule()


def negated(evidence):
    return Evidence(-evidence.mouth, -evidence.eye, -evidence.classifier, -evidence.movement,
                    unasked=-evidence.unasked, eye_hidden=evidence.eye_hidden)


def test_a_clearly_drooping_left_mouth_is_left():
    assert decide(Evidence(RULE.mouth_on, 0.0), RULE).side is Side.LEFT


def test_a_clearly_drooping_right_mouth_is_right():
    assert decide(Evidence(-RULE.mouth_on, 0.0), RULE).side is Side.RIGHT


def test_just_below_the_threshold_is_none():
    assert decide(Evidence(RULE.mouth_on - 1e-9, 0.0), RULE).side is Side.NONE


def test_a_side_once_named_is_held_down_to_the_release():
    held = decide(Evidence(RULE.mouth_off, 0.0), RULE, previous=Side.LEFT)
    released = decide(Evidence(RULE.mouth_off - 1e-9, 0.0), RULE, previous=Side.LEFT)
    other = decide(Evidence(-RULE.mouth_off, 0.0), RULE, previous=Side.LEFT)
    assert (held.side, released.side, other.side) == (Side.LEFT, Side.NONE, Side.NONE)


def test_a_wide_left_lid_gap_alone_is_left():
    assert decide(Evidence(0.3, RULE.eye_on), RULE).side is Side.LEFT
    assert decide(Evidence(0.3, RULE.eye_on - 0.1), RULE).side is Side.NONE


def test_the_mouth_speaks_before_the_lids():
    assert decide(Evidence(RULE.mouth_on + 0.1, -9.0), RULE).side is Side.LEFT


def test_lids_that_healthy_faces_show_name_no_side():
    assert decide(Evidence(0.3, 3.4), RULE).side is Side.NONE


@pytest.mark.parametrize('mouth', [-0.5, -1.9])
def test_strong_lids_against_the_mouth_are_a_conflict(mouth):
    against = decide(Evidence(mouth, RULE.eye_on), RULE)
    assert (against.side, against.reasons) == (Side.UNKNOWN, ('lids_conflict',))
    assert decide(Evidence(mouth, RULE.eye_on - 0.1), RULE).side is Side.NONE
    assert decide(Evidence(-mouth, RULE.eye_on), RULE).side is Side.LEFT


def test_lids_that_tell_nothing_are_reported_and_not_heard():
    for mouth in (0.3, -1.9):
        said = decide(Evidence(mouth, 9.0, lids_tell=0.0), RULE)
        assert (said.side, said.eye_score, said.reasons) == (Side.NONE, 9.0, ())
    window = SideFilter(1.0, 0.5, least_frames=3)
    for index, tell in enumerate((1.0, 1.0, 0.0, 1.0, 0.0)):
        said = window.add(index / 30, Evidence(0.3, 9.0, lids_tell=tell), RULE)
    assert said.side is Side.LEFT, 'most frames tell'


def test_the_window_tells_what_the_lids_may_not_say():
    window = SideFilter(1.0, 0.5, least_frames=3)
    unclear = []
    for index, tell in enumerate((0.0, 1.0, 1.0, 0.0, 0.0, math.nan, math.nan)):
        window.add(index / 30, Evidence(0.3, 9.0, lids_tell=tell), RULE)
        unclear.append(window.lids_unclear)
    # Of the frame alone while the window is warming up; frames without lids have no vote.
    assert unclear == [True, False, False, False, True, True, True]
    window.reset()
    window.add(1.0, Evidence(0.3, math.nan, lids_tell=math.nan), RULE)
    assert not window.lids_unclear


def test_lids_against_a_mouth_that_names_a_side_are_not_heard():
    heard = decide(Evidence(-2.2, 9.0), RULE)
    assert (heard.side, heard.reasons) == (Side.RIGHT, ())
    assert heard.confidence == decide(Evidence(-2.2, 0.0), RULE).confidence


def test_movement_names_a_side_that_rest_does_not_show():
    at_rest = Evidence(0.2, 0.0)
    assert decide(at_rest, RULE).side is Side.NONE
    assert decide(replace(at_rest, movement=0.5), RULE).side is Side.LEFT
    assert decide(replace(at_rest, movement=-0.5), RULE).side is Side.RIGHT


def test_movement_against_rest_is_unknown_unless_rest_is_clear():
    against = Evidence(2.5, 0.0, movement=-0.5)
    assert decide(against, RULE).reasons == ('movement_conflict',)
    assert decide(against, RULE).side is Side.UNKNOWN
    assert decide(replace(against, mouth=RULE.conflict_below), RULE).side is Side.LEFT


def test_the_classifier_against_weak_landmarks_is_unknown():
    conflicting = decide(Evidence(2.5, 0.0, classifier=-1.5), RULE)
    assert (conflicting.side, conflicting.reasons) == (Side.UNKNOWN, ('classifier_conflict',))
    assert conflicting.agreement is ClassifierAgreement.CONFLICTS
    clear = decide(Evidence(RULE.conflict_below, 0.0, classifier=-1.5), RULE)
    assert (clear.side, clear.agreement) == (Side.LEFT, ClassifierAgreement.CONFLICTS)


@pytest.mark.parametrize(('score', 'said'), [
    (1.0, Side.LEFT), (0.99, Side.NONE), (-1.5, Side.NONE), (math.nan, Side.NONE)])
def test_less_of_the_mouth_will_do_where_the_classifier_sees_the_same_side(score, said):
    assert decide(Evidence(RULE.supported_on, 0.0, score), RULE).side is said
    assert decide(Evidence(-RULE.supported_on, 0.0, -score), RULE).side is said.mirrored
    assert decide(Evidence(RULE.supported_on - 1e-9, 0.0, score), RULE).side is Side.NONE


def test_a_side_named_by_two_witnesses_is_the_likeliest():
    decision = decide(Evidence(RULE.supported_on, 0.0, 1.5), RULE)
    assert decision.agreement is ClassifierAgreement.AGREES
    assert decision.confidence == decision.p_left > decision.p_none > decision.p_right


def test_a_side_named_by_two_witnesses_outlives_the_second_one():
    mouth = (RULE.mouth_off + RULE.mouth_on) / 2
    held = [decide(Evidence(mouth, 0.0, score), RULE, previous=Side.LEFT).side
            for score in (1.2, 0.8, math.nan)]
    assert held == [Side.LEFT] * 3


def test_a_mouth_near_supported_on_does_not_flicker_while_the_classifier_supports_it():
    side = Side.NONE
    said = []
    for mouth in (1.4, 1.6, 1.4, 1.6, 1.2, 1.6, 1.0, 1.4):
        side = decide(Evidence(mouth, 0.0, 1.2), RULE, side).side
        said.append(side)
    assert said == [Side.NONE, *[Side.LEFT] * 5, Side.NONE, Side.NONE]


@pytest.mark.parametrize(('lids', 'movement'), [
    (4.6, -0.40), (4.7, -0.40), (6.0, -0.6), (-6, 0.45)])
def test_movement_against_the_lids_is_unknown_however_strong_either_is(lids, movement):
    said = decide(Evidence(0.0, lids, movement=movement), RULE)
    assert (said.side, said.reasons) == (Side.UNKNOWN, ('movement_conflict',))
    assert decide(Evidence(0.0, lids, movement=-movement), RULE).side is not Side.UNKNOWN


def test_movement_against_lids_that_are_not_heard_names_its_side():
    against_the_mouth = Evidence(-RULE.lids_yield, 4.4, movement=-0.5)
    assert decide(against_the_mouth, RULE).side is Side.RIGHT
    assert decide(replace(against_the_mouth, eye=9.0, lids_tell=0.0), RULE).side is Side.RIGHT


@pytest.mark.parametrize('mouth_on', [1.5, 2.1, 4.2])
@pytest.mark.parametrize('evidence', [
    Evidence(0.0, 0.0, movement=0.40), Evidence(0.0, 4.6), Evidence(1.6, 0.0, classifier=1.2),
    Evidence(4.3, 0.0)])
def test_how_probable_a_side_is_does_not_depend_on_what_is_asked_of_it(evidence, mouth_on):
    asked = replace(RULE, mouth_on=mouth_on)
    assert decide(evidence, asked).side is Side.LEFT
    assert decide(evidence, asked).p_left == decide(evidence, RULE).p_left


def test_a_side_is_never_named_beside_a_likelier_other_one():
    """Asked for little of M beside the classifier, M outweighs what moves unasked; by what the
    probabilities were calibrated with it does not."""
    rule = replace(RULE, mouth_on=3.0, mouth_off=0.5, supported_on=0.8)
    evidence = Evidence(-1.91, 0.0, classifier=-2.59, unasked=0.95)
    for one in (evidence, negated(evidence)):
        said = decide(one, rule, previous=Side.RIGHT if one is evidence else Side.LEFT)
        named, other = (said.p_right, said.p_left) if said.side is Side.RIGHT else (
            said.p_left, said.p_right)
        assert said.side in (Side.LEFT, Side.RIGHT)
        assert named >= other


def test_movement_against_two_witnesses_is_unknown():
    against = Evidence(RULE.supported_on, 0.0, 1.2, movement=-0.5)
    assert decide(against, RULE).reasons == ('movement_conflict',)
    assert decide(replace(against, classifier=0.9), RULE).side is Side.RIGHT


@pytest.mark.parametrize('mouth', [0.5, 3.1])
def test_movement_is_compared_with_what_names_the_side(mouth):
    """A mouth that leans to the left a little, and moves less on the right in talk."""
    talking = Evidence(mouth, 0.0, unasked=-1.0 if mouth < 1.0 else -2.0)
    assert decide(talking, RULE).side is Side.RIGHT
    agreeing = decide(replace(talking, movement=-0.5), RULE)
    assert (agreeing.side, agreeing.reasons) == (Side.RIGHT, ())
    against = decide(replace(talking, movement=0.5), RULE)
    assert (against.side, against.reasons) == (Side.UNKNOWN, ('movement_conflict',))


def test_lids_are_compared_with_what_the_mouth_comes_to():
    talking = Evidence(0.6, -RULE.eye_on, unasked=-0.7)
    assert decide(talking, RULE).side is Side.RIGHT
    assert decide(replace(talking, eye=RULE.eye_on), RULE).reasons == ('lids_conflict',)


def test_a_mouth_that_moves_evenly_unasked_needs_more_and_one_that_does_not_less():
    evidence = Evidence(2.4, 0.0)
    said = [decide(replace(evidence, unasked=unasked), RULE).side
            for unasked in (math.nan, 0.0, 0.2, -0.2)]
    assert said == [Side.LEFT, Side.NONE, Side.LEFT, Side.NONE]
    assert decide(Evidence(1.7, 0.0, unasked=0.36), RULE).side is Side.LEFT
    assert decide(Evidence(1.7, 0.0), RULE).side is Side.NONE


def test_beside_a_covered_eye_only_a_clear_mouth_or_a_movement_names_a_side():
    covered = Evidence(RULE.mouth_on + RULE.hidden_eye_yields - 0.1, math.nan, eye_hidden=1.0)
    said = decide(covered, RULE)
    assert (said.side, said.reasons) == (Side.UNKNOWN, ('eye_hidden',))
    assert decide(replace(covered, mouth=covered.mouth + 0.2), RULE).side is Side.LEFT
    assert decide(replace(covered, mouth=0.0, movement=-0.5), RULE).side is Side.RIGHT
    assert decide(replace(covered, eye_hidden=0.0), RULE).side is Side.LEFT


def test_what_yields_is_never_turned_round():
    assert [evidence_strength(Evidence(mouth, 0.0, unasked=0.0), RULE)
            for mouth in (0.0, 0.4, -0.4, -1.5)] == [0.0, 0.0, 0.0, -0.5]


def test_unasked_movement_alone_names_a_side_only_where_it_is_extreme():
    assert decide(Evidence(0.0, 0.0, unasked=0.5), RULE).side is Side.NONE
    assert decide(Evidence(0.0, 0.0, unasked=0.8), RULE).side is Side.LEFT


def test_the_window_keeps_what_moved_unasked():
    window = SideFilter(1.0, 0.5, least_frames=3)
    for index, unasked in enumerate((math.nan, 0.4, 0.4)):
        said = window.add(index / 30, Evidence(1.7, 0.0, unasked=unasked), RULE)
    assert said.side is Side.LEFT


@pytest.mark.parametrize(('score', 'agreement'), [
    (1.2, ClassifierAgreement.AGREES), (0.9, ClassifierAgreement.UNDECIDED),
    (-0.9, ClassifierAgreement.UNDECIDED), (math.nan, ClassifierAgreement.ABSENT)])
def test_agreement_is_reported(score, agreement):
    assert decide(Evidence(4.0, 0.0, classifier=score), RULE).agreement is agreement


def test_a_missing_eye_score_decides_nothing():
    assert decide(Evidence(0.0, math.nan), RULE).side is Side.NONE
    assert decide(Evidence(4.0, math.nan), RULE).side is Side.LEFT


def test_probabilities_sum_to_one_and_follow_the_strength():
    previous = 0.0
    for strength in (-9.0, -2.0, -0.5, 0.0, 0.5, 2.0, 9.0, 500.0):
        left, none, right = side_probabilities(strength, RULE)
        assert left + none + right == pytest.approx(1.0, abs=1e-12)
        assert left >= previous
        previous = left
    assert side_probabilities(0.0, RULE)[1] > 0.8


@pytest.mark.parametrize('mouth', [0.0, 1.0, 2.2, 4.0])
def test_seen_from_below_none_is_less_sure_and_nothing_is_named_otherwise(mouth):
    level, above, from_below, farther = (
        decide(Evidence(mouth, 0.0, pitch_deg=pitch), RULE) for pitch in (11.0, -24.0, 24.0, 40.0))
    assert above == level
    assert from_below.side is level.side
    assert from_below.p_none < level.p_none
    assert from_below.p_left > level.p_left
    assert farther.p_none == side_probabilities(mouth, RULE, RULE.below_to_deg)[1]
    mirrored = decide(Evidence(-mouth, 0.0, pitch_deg=24.0), RULE)
    assert (mirrored.p_left, mirrored.p_none, mirrored.p_right) == (
        from_below.p_right, from_below.p_none, from_below.p_left)


@pytest.mark.parametrize('previous', list(Side))
@pytest.mark.parametrize('mouth', [0.0, 1.1, 1.4, 1.5, 1.9, 2.9, 6.1])
def test_a_mirror_swaps_the_side_and_nothing_else(mouth, previous):
    for e, c, d, (u, h) in itertools.product(
            (-5.0, -4.0, 0.3, 4.6), (math.nan, -1.3, 0.2, 1.0, 2.0), (math.nan, -0.4, 0.35),
            ((math.nan, 0.0), (-0.3, 0.0), (0.1, 1.0))):
        evidence = Evidence(mouth, e, c, d, unasked=u, eye_hidden=h)
        direct = decide(evidence, RULE, previous)
        mirrored = decide(negated(evidence), RULE, previous.mirrored)
        assert mirrored.side is direct.side.mirrored, evidence
        same = {'p_left': mirrored.p_right, 'p_right': mirrored.p_left,
                'p_none': mirrored.p_none, 'confidence': mirrored.confidence}
        for name, value in same.items():
            known = getattr(direct, name)
            assert (math.isnan(known) and math.isnan(value)) or known == value, (evidence, name)
        assert (mirrored.agreement, mirrored.reasons) == (direct.agreement, direct.reasons), \
            evidence


@pytest.mark.parametrize('previous', [Side.LEFT, Side.RIGHT])
def test_evidence_of_nothing_holds_no_side_however_low_the_release(previous):
    rule = replace(RULE, mouth_off=0.0)
    for nothing in (0.0, -0.0):
        assert decide(Evidence(nothing, 0.0), rule, previous).side is Side.NONE
    assert decide(Evidence(0.01, 0.0), rule, Side.LEFT).side is Side.LEFT


def test_unknown_carries_no_probability():
    decision = unknown_side(('yaw',))
    assert decision.side is Side.UNKNOWN
    assert decision.confidence == 0.0
    assert all(map(math.isnan, (decision.p_left, decision.p_none, decision.p_right)))


class TestFilter:
    def filled(self, mouth, seconds=2.0, rate=30.0, **options):
        side_filter = SideFilter(1.0, 0.5, 3)
        return side_filter, [side_filter.add(index / rate, Evidence(mouth, 0.0), RULE)
                             for index in range(int(seconds * rate))]

    def test_a_few_frames_are_awaited(self):
        _, decisions = self.filled(5.0)
        assert [decision.side for decision in decisions[:3]] == [Side.UNKNOWN, Side.UNKNOWN,
                                                                Side.LEFT]
        assert decisions[0].reasons == ('warming_up',)

    def test_a_side_becomes_stable_when_held(self):
        _, decisions = self.filled(5.0)
        first_stable = next(i for i, decision in enumerate(decisions) if decision.stable)
        assert first_stable == 2 + 15

    def test_one_wild_frame_does_not_flip_the_side(self):
        side_filter, _ = self.filled(5.0)
        assert side_filter.add(2.0, Evidence(-40.0, 0.0), RULE).side is Side.LEFT

    def test_a_new_droop_is_stable_within_one_and_a_half_seconds(self):
        side_filter, _ = self.filled(0.0)
        onset = 2.0
        for index in range(60):
            stamp = onset + index / 30
            decision = side_filter.add(stamp, Evidence(3.0, 0.0), RULE)
            if decision.side is Side.LEFT and decision.stable:
                break
        assert stamp - onset <= 1.5

    def test_a_missed_frame_is_unknown_at_once(self):
        side_filter, _ = self.filled(5.0)
        missed = side_filter.miss(2.0, ('yaw',))
        assert (missed.side, missed.reasons, missed.stable) == (Side.UNKNOWN, ('yaw',), False)

    @pytest.mark.parametrize(('missed_s', 'evidence'), [
        (2.0, None), (3.5, Evidence(5.0, 0.0))], ids=['face lost', 'a second not assessable'])
    def test_it_starts_over(self, missed_s, evidence):
        side_filter, _ = self.filled(5.0)
        side_filter.miss(missed_s, ('no_face',), evidence)
        again = side_filter.add(missed_s + 0.1, Evidence(RULE.mouth_off, 0.0), RULE)
        assert again.reasons == ('warming_up',)
        side_filter.add(missed_s + 0.15, Evidence(RULE.mouth_off, 0.0), RULE)
        # Released: the old side's hysteresis is gone too.
        assert side_filter.add(missed_s + 0.2, Evidence(RULE.mouth_off, 0.0), RULE
                               ).side is Side.NONE

    def test_a_face_seen_but_not_assessable_for_a_moment_does_not_start_over(self):
        side_filter, _ = self.filled(5.0)
        side_filter.miss(2.0, ('yaw',), Evidence(5.0, 0.0))
        again = side_filter.add(2.03, Evidence(5.0, 0.0), RULE)
        assert (again.side, again.stable) == (Side.LEFT, True)

    @pytest.mark.parametrize(('named_s', 'missed_s'), [(0.4, 0.3), (0.9, 0.6)],
                             ids=['a moment is left out', 'a long one starts anew'])
    def test_time_in_which_nothing_is_named_makes_no_side_stable(self, named_s, missed_s):
        side_filter, stable_after_s, rate = SideFilter(1.0, 0.5, 3), 0.5, 30.0
        evidence, named = Evidence(5.0, 0.0), []
        for index in range(int(rate * 3)):
            stamp_s = index / rate
            if named_s <= stamp_s < named_s + missed_s:
                side_filter.miss(stamp_s, ('yaw',), evidence)
                if missed_s > stable_after_s:
                    named.clear()
                continue
            said = side_filter.add(stamp_s, evidence, RULE)
            if said.side is not Side.LEFT:
                continue
            named.append(stamp_s)
            # Of the time that passed since it was first named, that in which it was.
            for_s = len(named) / rate
            if abs(for_s - stable_after_s) > 1.5 / rate:
                assert said.stable == (for_s > stable_after_s), stamp_s

    def test_reset_forgets_the_patient(self):
        side_filter, _ = self.filled(5.0)
        side_filter.reset()
        assert side_filter.add(2.0, Evidence(5.0, 0.0), RULE).side is Side.UNKNOWN
