"""From pixels to an assessment, on a real face, its mirror image and the simulated patient."""

import dataclasses
import math

import cv2
import numpy as np
import pytest

from stroke_side_monitor import landmarks as lm
from stroke_side_monitor import resources
from stroke_side_monitor.assessment import metrics
from stroke_side_monitor.assessment.exercise import ExerciseResult
from stroke_side_monitor.assessment.norms import NormsError
from stroke_side_monitor.assessment.terms import Basis, Grade, RegionSeverity, Side
from stroke_side_monitor.perception.face_mesh import RegionMesh
from stroke_side_monitor.perception.face_tracker import NOTHING, StillFaceFinder
from stroke_side_monitor.perception.patient_choice import POLICIES
from stroke_side_monitor.perception.tflite import ModelError
from stroke_side_monitor.pipeline import CLOCK_WENT_BACK, Pipeline, PipelineSettings
from stroke_side_monitor.simulation.face import HeadMotion
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import portrait, read_picture
from stroke_side_monitor.simulation.session import Cue, Session, SessionPlan
from stroke_side_monitor.simulation.still import simulate_still
from studies import hidden_eye
from training.occlusion import people

# The astronaut's photograph shows 39 px between the eyes.
SETTINGS = PipelineSettings(min_interocular_px=20.0)


@pytest.fixture(scope='module')
def stills():
    pipeline = Pipeline(SETTINGS, video=False)
    yield pipeline
    pipeline.close()


@pytest.fixture(scope='module')
def patient(astronaut):
    return portrait(astronaut, 'astronaut')


def flipped(picture):
    return np.ascontiguousarray(picture[:, ::-1])


def same(left, right):
    """Equal, NaN being equal to NaN."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return left == right


def assert_mirrored(direct, mirrored):
    """The assessment of a mirrored picture: sides swapped, everything else equal bit for bit."""
    swapped = {'p_left': 'p_right', 'p_right': 'p_left'}
    for field in dataclasses.fields(direct.side):
        value = getattr(direct.side, field.name)
        other = getattr(mirrored.side, swapped.get(field.name, field.name))
        if field.name == 'side':
            other = other.mirrored
        elif field.name in ('landmark_score', 'eye_score', 'classifier_score'):
            other = -other
        assert same(value, other), field.name
    for field in dataclasses.fields(direct.severity):
        assert same(getattr(direct.severity, field.name), getattr(mirrored.severity, field.name))
    assert mirrored.metrics == {name: -value for name, value in direct.metrics.items()}
    assert mirrored.z == {name: -value for name, value in direct.z.items()}


def drooping(patient, side, severity=1.0):
    rgb, _ = simulate_still(patient, Palsy.of(side, severity, 'central'), 'smile')
    return rgb


@pytest.mark.parametrize('side', [Side.LEFT, Side.RIGHT])
def test_a_simulated_palsy_is_found_on_the_patients_side(stills, patient, side):
    assessment = stills.assess(drooping(patient, side), 0.0)
    assert assessment.side.side is side
    assert assessment.side.confidence > 0.5
    assert assessment.severity.basis is Basis.STATIC
    assert assessment.severity.grade not in (Grade.UNKNOWN, Grade.NORMAL)


def test_a_healthy_face_is_none_and_not_unknown(stills, astronaut):
    assessment = stills.assess(astronaut, 0.0)
    assert assessment.side.side is Side.NONE
    # 39 px between her eyes are too few for the lids.
    assert assessment.side.reasons == ('lids_unclear',)


@pytest.mark.parametrize('side', [Side.LEFT, Side.NONE, Side.RIGHT])
def test_a_mirrored_still_swaps_the_side_bit_for_bit(stills, patient, side):
    rgb = drooping(patient, side)
    assert_mirrored(stills.assess(rgb, 0.0), stills.assess(flipped(rgb), 0.0))


def test_input_mirrored_undoes_the_mirror(stills, patient):
    rgb = drooping(patient, Side.LEFT)
    undoing = Pipeline(dataclasses.replace(SETTINGS, input_mirrored=True), video=False)
    direct, undone = stills.assess(rgb, 0.0), undoing.assess(flipped(rgb), 0.0)
    undoing.close()
    assert undone.side == direct.side
    assert undone.metrics == direct.metrics
    # The face region is that of the picture as received.
    left, top, width, height = direct.view.box_px
    assert undone.view.box_px == (rgb.shape[1] - left - width, top, width, height)


def test_a_mirrored_video_swaps_every_frame_bit_for_bit(patient):
    plan = SessionPlan(exercises=('smile',), first_rest_s=1.0, rest_s=0.5, hold_s=0.5, fps=10.0)
    session = Session(patient, Palsy.of(Side.LEFT, 0.8, 'peripheral'), plan, seed=4)
    direct, mirrored = Pipeline(SETTINGS, video=True), Pipeline(SETTINGS, video=True)
    for pipeline in (direct, mirrored):
        pipeline.cue('smile', True, session.cues[0].stamp_ns * 1e-9)
    blank = np.zeros((480, 640, 3), np.uint8)
    for index, frame in enumerate(session):
        rgb = blank if index in (12, 13) else frame.rgb  # the face is lost and found again
        stamp = frame.truth.stamp_ns * 1e-9
        assert_mirrored(direct.assess(rgb, stamp), mirrored.assess(flipped(rgb), stamp))
    results = direct.finish(), mirrored.finish()
    for pipeline in (direct, mirrored):
        pipeline.close()
    for one, other in zip(*results, strict=True):
        assert (one.excursion_left, one.excursion_right) == (
            other.excursion_right, other.excursion_left)


def test_who_is_seen_from_below_hears_so_and_none_is_less_sure(stills, shared):
    picture = sorted((shared / 'data/london_faces/neutral').glob('*.jpg'))[4]
    person = portrait(read_picture(picture), picture.stem).framed(480, 560, 110.0, 1000.0)
    level, from_below = (
        simulate_still(person, Palsy.of(Side.LEFT, 0.0, 'central'), head=HeadMotion(pitch_deg=pitch)
                       )[0] for pitch in (0.0, 21.0))
    seen = stills.assess(from_below, 0.0)
    assert seen.side.side is Side.NONE
    assert seen.side.reasons == ('from_below',)
    assert seen.side.p_none < stills.assess(level, 0.0).side.p_none - 0.1
    assert stills.assess(level, 0.0).side.reasons == ()
    assert_mirrored(seen, stills.assess(flipped(from_below), 0.0))


def test_of_a_head_turned_far_aside_a_side_is_told_but_no_movement_is_compared(shared):
    picture = sorted((shared / 'data/london_faces/neutral').glob('*.jpg'))[4]
    plan = SessionPlan(exercises=('smile',), first_rest_s=2.0, hold_s=1.0, rest_s=1.0, fps=8.0,
                       yaw_deg=27.0, head_motion=0.0, camera_distance_m=1.0)
    session = Session(portrait(read_picture(picture), picture.stem),
                      Palsy.of(Side.LEFT, 0.9, 'central'), plan)
    pipeline = Pipeline(SETTINGS, video=True)
    answers, results = [], []
    for item in session.timeline():
        if isinstance(item, Cue):
            pipeline.cue(item.exercise, item.start, item.stamp_ns * 1e-9, item.hold_s)
        else:
            answers.append(pipeline.assess(item.rgb, item.truth.stamp_ns * 1e-9))
            results += answers[-1].exercise_results
    pipeline.close()
    assert all(answer.side.side in (Side.LEFT, Side.NONE) for answer in answers[2:])
    assert answers[-1].side.side is Side.LEFT
    assert all('turned' in answer.side.reasons for answer in answers)
    assert [result.valid for result in results] == [False]
    assert 'too_few_frames' in results[0].reasons


def test_a_talking_patient_is_told_by_what_moves_and_mirrored_bit_for_bit(shared):
    picture = sorted((shared / 'data/london_faces/neutral').glob('*.jpg'))[1]
    patient = portrait(read_picture(picture), picture.stem)
    plan = SessionPlan(exercises=(), first_rest_s=0.5, talk_s=14.0, rest_s=0.1, fps=15.0)
    frames = list(Session(patient, Palsy.of(Side.LEFT, 0.5, 'central'), plan, seed=9))
    deaf = dataclasses.replace(SETTINGS, talking_yields=0.0, talking_gain=0.0)
    direct, mirrored, at_this_moment = (
        Pipeline(settings, video=True) for settings in (SETTINGS, SETTINGS, deaf))
    heard = []
    for frame in frames:
        stamp = frame.truth.stamp_ns * 1e-9
        answer = direct.assess(frame.rgb, stamp)
        assert_mirrored(answer, mirrored.assess(flipped(frame.rgb), stamp))
        without = at_this_moment.assess(frame.rgb, stamp)
        assert answer.z == without.z
        heard.append((answer.side.p_left, without.side.p_left, 'talking' in answer.side.reasons))
    for pipeline in (direct, mirrored, at_this_moment):
        pipeline.close()
    differ = [(one, other, talking) for one, other, talking in heard
              if one != other and not math.isnan(one)]
    assert len(differ) > 20
    assert all(talking for *_, talking in differ)
    assert sum(one > other for one, other, _ in differ) > len(differ) / 2, 'the left moves less'


def test_the_patients_left_is_where_the_landmarks_say(stills, astronaut):
    view = stills.assess(astronaut, 0.0).view
    assert view.points[lm.COMMISSURE_LEFT, 0] > 10 > -10 > view.points[lm.COMMISSURE_RIGHT, 0]


def test_no_face_is_unknown_with_its_reason(stills):
    assessment = stills.assess(np.full((480, 640, 3), 127, np.uint8), 0.0)
    assert (assessment.side.side, assessment.side.reasons) == (Side.UNKNOWN, ('no_face',))
    assert (assessment.severity.grade, assessment.severity.reasons) == (Grade.UNKNOWN,
                                                                        ('no_face',))
    assert assessment.metrics == {}


def test_two_faces_alike_are_unknown(stills, astronaut):
    face = astronaut[:300, 60:390]
    assessment = stills.assess(np.hstack([face, face]), 0.0)
    assert assessment.side.side is Side.UNKNOWN
    assert 'several_faces' in assessment.side.reasons


def test_a_smaller_second_face_is_mentioned_but_does_not_silence(stills, astronaut):
    face = astronaut[:300, 100:350]
    small = np.full_like(face, 200)
    smaller = cv2.resize(face, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    small[:smaller.shape[0], :smaller.shape[1]] = smaller
    assessment = stills.assess(np.hstack([small, face]), 0.0)
    assert assessment.side.side is Side.NONE
    assert assessment.side.reasons == ('lids_unclear', 'several_faces')


def test_a_failed_gate_is_unknown_although_everything_was_measured(astronaut):
    strict = Pipeline(PipelineSettings(min_interocular_px=400.0), video=False)
    assessment = strict.assess(astronaut, 0.0)
    strict.close()
    assert assessment.side.side is Side.UNKNOWN
    assert 'too_small' in assessment.side.reasons
    assert assessment.metrics != {}


def test_another_person_starts_afresh(patient, astronaut):
    """A face that comes up elsewhere must not inherit the droop of the one before."""
    session = Session(patient, Palsy.of(Side.LEFT, 1.0, 'peripheral'),
                      SessionPlan(exercises=(), first_rest_s=2.0, head_motion=0.0), seed=1)
    pipeline = Pipeline(SETTINGS, video=True)
    for frame in session:
        before = pipeline.assess(frame.rgb, frame.truth.stamp_ns * 1e-9)
    assert not math.isnan(before.side.landmark_score)
    stamp = frame.truth.stamp_ns * 1e-9
    elsewhere = np.full((480, 640, 3), 90, np.uint8)
    small = cv2.resize(astronaut[:300, 100:350], None, fx=0.9, fy=0.9)
    elsewhere[-small.shape[0]:, :small.shape[1]] = small
    seen = (pipeline.assess(elsewhere, stamp + 0.04 * index) for index in range(1, 6))
    after = next(assessment for assessment in seen if assessment.view.face is not None)
    pipeline.close()
    assert (after.side.side, after.side.reasons[:1]) == (Side.UNKNOWN, ('warming_up',))


def test_a_cue_given_before_the_first_face_stands(patient):
    plan = SessionPlan(exercises=('smile',), first_rest_s=2.0, rest_s=1.0, hold_s=1.0, fps=10.0,
                       head_motion=0.0)
    session = Session(patient, Palsy.of(Side.LEFT, 0.5, 'central'), plan, seed=1)
    pipeline = Pipeline(SETTINGS, video=True)
    for cue in session.cues:
        pipeline.cue(cue.exercise, cue.start, cue.stamp_ns * 1e-9, cue.hold_s)
    results = [result for frame in session
               for result in pipeline.assess(frame.rgb, frame.truth.stamp_ns * 1e-9
                                             ).exercise_results]
    results += pipeline.finish()
    pipeline.close()
    assert [result.exercise for result in results] == ['smile']


def test_a_repetition_that_ends_while_nobody_is_seen_counts_for_the_enrolment(patient):
    pipeline = Pipeline(SETTINGS, video=True)
    rest = simulate_still(patient, Palsy.of(Side.NONE, 0.0, 'central'))[0]
    pipeline.enrol_baseline()
    pipeline.assess(rest, 1.0)
    pipeline.cue('smile', True, 1.1, 1.0)
    pipeline.assess(rest, 1.2)
    missed = pipeline.assess(np.full_like(rest, 90), 3.2)
    assert [result.exercise for result in missed.exercise_results] == ['smile']
    # Time enough to relax.
    progress = pipeline.assess(rest, 5.5).personal.enrolment
    assert progress.reasons == ('needs_more_repetitions',)
    pipeline.close()


@pytest.mark.parametrize('policy', POLICIES)
@pytest.mark.parametrize('kept', [(1.0, 1.0, 0.0), (0.0, 0.0, 0.0)])
def test_a_mesh_that_has_failed_is_no_face_whoever_the_patient_is(patient, policy, kept,
                                                                 monkeypatch):
    pipeline = Pipeline(dataclasses.replace(SETTINGS, patient=policy), video=True)
    picture = drooping(patient, Side.LEFT)
    for index in range(3):
        pipeline.assess(picture, index / 15)
    session, see = pipeline.session, RegionMesh.look

    def fail(self, rgb, region):
        face = see(self, rgb, region)
        return face and dataclasses.replace(face, points=face.points * np.array(kept))

    with monkeypatch.context() as failing:
        failing.setattr(RegionMesh, 'look', fail)
        assert pipeline.assess(picture, 0.2).side.reasons == ('degenerate_face',)
    if any(kept):
        sides = [pipeline.assess(picture, 0.3 + index / 15).side.side for index in range(4)]
        assert sides[-1] is Side.LEFT
        assert pipeline.session == session
    pipeline.close()


def test_reset_forgets_the_patient(patient):
    session = Session(patient, Palsy.of(Side.LEFT, 1.0, 'peripheral'),
                      SessionPlan(exercises=(), first_rest_s=1.0, head_motion=0.0), seed=1)
    pipeline = Pipeline(SETTINGS, video=True)
    for frame in session:
        assessment = pipeline.assess(frame.rgb, frame.truth.stamp_ns * 1e-9)
    assert assessment.side.side is not Side.UNKNOWN
    pipeline.enrol_baseline()
    enrolling = pipeline.assess(frame.rgb, frame.truth.stamp_ns * 1e-9 + 0.1)
    assert enrolling.personal.enrolment is not None
    pipeline.reset()
    again = pipeline.assess(session.frame(0).rgb, session.frame(0).truth.stamp_ns * 1e-9)
    pipeline.close()
    assert again.side.reasons == ('warming_up',)
    assert again.personal.enrolment is None


@pytest.fixture
def pointing(monkeypatch):
    """Says, for a frame with that stamp, whether a region given before tells who is the patient."""
    pipeline = Pipeline(SETTINGS, video=True)
    wishes = []
    monkeypatch.setattr(pipeline._finder, 'look', lambda rgb, stamp_s, wish: (
        wishes.append(wish), NOTHING)[1])

    def holds(stamp_s):
        pipeline.assess(np.zeros((48, 64, 3), np.uint8), stamp_s)
        return wishes[-1].region is not None
    yield pipeline, holds
    pipeline.close()


def test_a_region_that_has_expired_stays_so_whatever_the_clock_does(pointing):
    pipeline, holds = pointing
    pipeline.point_at((0, 0, 10, 10))
    assert [holds(stamp) for stamp in (10.0, 12.0, 12.1, 600.0)] == [True, True, False, False]
    assert not holds(11.0)
    pipeline.reset(CLOCK_WENT_BACK)
    assert not holds(5.0)


def test_a_region_outlives_a_clock_that_went_back_but_not_its_patient(pointing):
    pipeline, holds = pointing
    pipeline.point_at((0, 0, 10, 10))
    assert holds(100.0)
    pipeline.reset(CLOCK_WENT_BACK)
    assert [holds(stamp) for stamp in (5.0, 7.0, 7.1)] == [True, True, False]
    pipeline.point_at((0, 0, 10, 10))
    assert holds(8.0)
    pipeline.reset()
    assert not holds(8.1)


def test_a_region_says_who_is_meant_in_the_next_picture(astronaut):
    face = astronaut[:300, 60:390]
    both = np.hstack([face, face])
    pipeline = Pipeline(SETTINGS, video=False)
    pipeline.point_at((330, 0, 330, 300))
    said = [pipeline.assess(both, 0.0).side.reasons for _ in range(2)]
    pipeline.close()
    assert 'several_faces' not in said[0]
    assert 'several_faces' in said[1]


def test_every_frame_reports_what_it_cost(stills, astronaut):
    timings = stills.assess(astronaut, 0.0).timings_ms
    assert set(timings) == {'mesh', 'crop', 'assess', 'classify'}
    assert all(value > 0 for value in timings.values())


def test_without_the_classifier_the_landmarks_speak_alone(patient):
    alone = Pipeline(dataclasses.replace(SETTINGS, use_classifier=False), video=False)
    assessment = alone.assess(drooping(patient, Side.RIGHT), 0.0)
    alone.close()
    assert assessment.side.side is Side.RIGHT
    assert math.isnan(assessment.side.classifier_score)


def test_gain_correction_changes_millimetres_and_no_decision(stills, patient):
    rgb = drooping(patient, Side.LEFT)
    corrected = Pipeline(dataclasses.replace(SETTINGS, gain_correction=True), video=False)
    plain, larger = stills.assess(rgb, 0.0), corrected.assess(rgb, 0.0)
    corrected.close()
    assert larger.side == plain.side
    assert larger.z == plain.z
    name = 'mouth.commissure_height'
    assert larger.metrics[name] == pytest.approx(plain.metrics[name] / metrics.GAINS[name])
    for name in ('nose.tip_deviation', 'mouth.dental_show'):  # no gain is known
        assert larger.metrics[name] == plain.metrics[name]


def test_missing_files_are_named(tmp_path):
    with pytest.raises(NormsError, match='make norms'):
        Pipeline(SETTINGS, video=False, norms_path=tmp_path / 'absent.yaml')
    with pytest.raises(NormsError, match='not YAML'):
        Pipeline(SETTINGS, video=False, norms_path=resources.model_path('side_classifier.tflite'))
    with pytest.raises(ModelError, match=r'absent\.tflite'):
        Pipeline(SETTINGS, video=False, model_path=tmp_path / 'absent.tflite')


def looked(pipeline, picture, stamps):
    """At which of these frames the classifier looked."""
    return [index for index, stamp in enumerate(stamps)
            if 'classify' in pipeline.assess(picture, stamp).timings_ms]


def test_the_classifier_looks_at_two_neighbouring_frames_at_the_rate_asked_for(patient):
    picture = drooping(patient, Side.LEFT)
    stamps = [index / 30 for index in range(14)]
    for settings, expected in (
            (SETTINGS, [0, 1, 10, 11]),
            (dataclasses.replace(SETTINGS, classifier_rate_hz=120.0), list(range(14))),
            # A short window must not be left without its vote.
            (dataclasses.replace(SETTINGS, window_s=0.2), [0, 1, 3, 4, 6, 7, 9, 10, 12, 13])):
        pipeline = Pipeline(settings, video=True)
        assert looked(pipeline, picture, stamps) == expected
        pipeline.reset()
        assert looked(pipeline, picture, stamps[:1]) == [0]
        pipeline.close()


def test_the_classifiers_vote_stands_between_its_looks(patient):
    picture = drooping(patient, Side.LEFT)
    pipeline = Pipeline(SETTINGS, video=True)
    votes = [pipeline.assess(picture, index / 30).side.classifier_score for index in range(40)]
    pipeline.close()
    assert not any(math.isnan(vote) for vote in votes[2:])


@pytest.mark.parametrize('side', [Side.NONE, Side.LEFT, Side.RIGHT])
def test_a_face_upside_down_gets_no_answer(stills, patient, side):
    person = patient.framed(640, 480, 90.0)
    rgb, _ = simulate_still(person, Palsy.of(side, float(side is not Side.NONE), 'central'))
    assert stills.assess(rgb, 0.0).side.side is side
    assessment = stills.assess(upside_down(rgb), 0.0)
    assert assessment.side.side is Side.UNKNOWN
    assert assessment.side.reasons == ('upside_down',)
    # The mesh draws a mouth on the forehead: no figure of it may be published.
    assert assessment.metrics == assessment.z == {}
    assert math.isnan(assessment.side.landmark_score)


@pytest.mark.parametrize('quarter_turns', [1, 3])
def test_a_face_lying_on_its_side_is_named_so(stills, astronaut, quarter_turns):
    assessment = stills.assess(np.ascontiguousarray(np.rot90(astronaut, quarter_turns)), 0.0)
    assert assessment.side.side is Side.UNKNOWN
    assert 'roll' in assessment.side.reasons


def test_a_camera_turned_right_side_up_is_believed_and_nothing_is_inherited(patient):
    rgb, _ = simulate_still(patient.framed(640, 480, 90.0), Palsy.of(Side.LEFT, 1.0, 'central'))
    pipeline = Pipeline(SETTINGS, video=True)
    answers = [pipeline.assess(upside_down(rgb) if index < 40 else rgb, index / 10).side
               for index in range(80)]
    pipeline.close()
    assert {answer.side for answer in answers[:40]} == {Side.UNKNOWN}
    assert {reason for answer in answers[:40] for reason in answer.reasons} \
        <= {'upside_down', 'no_face', 'pitch', 'yaw', 'roll', 'too_small'}
    assert 'upside_down' in answers[0].reasons
    assert {answer.side for answer in answers[60:]} == {Side.LEFT}
    assert {answer.side for answer in answers} == {Side.UNKNOWN, Side.LEFT}


def test_a_followed_face_that_is_suddenly_upside_down_is_noticed(patient):
    rgb, _ = simulate_still(patient.framed(640, 480, 90.0), Palsy.of(Side.LEFT, 1.0, 'central'))
    pipeline = Pipeline(SETTINGS, video=True)
    before = [pipeline.assess(rgb, index / 30).side.side for index in range(30)]
    after = [pipeline.assess(upside_down(rgb), index / 30).side.side for index in range(30, 120)]
    pipeline.close()
    assert before[-1] is Side.LEFT
    assert set(after[60:]) == {Side.UNKNOWN}


def upside_down(picture):
    return np.ascontiguousarray(picture[::-1, ::-1])


def masked(rgb, kind='surgical mask', split='validation'):
    """The same picture with something drawn before the mouth."""
    finder = StillFaceFinder()
    face = people.find(finder, rgb)
    finder.close()
    return people.hiding(face, split, kind, np.random.default_rng(5)).rgb


@pytest.mark.parametrize(('kind', 'split'), [
    ('surgical mask', 'validation'), ('towel', 'validation'), ('hand', 'validation'),
    ('cup', 'validation'), ('respirator', 'report'), ('microphone', 'report')])
@pytest.mark.parametrize('side', [Side.NONE, Side.LEFT])
def test_a_face_whose_mouth_is_hidden_gets_no_answer(stills, patient, side, kind, split):
    person = patient.framed(640, 480, 90.0)
    rgb, _ = simulate_still(person, Palsy.of(side, float(side is not Side.NONE), 'central'))
    assert stills.assess(rgb, 0.0).side.side is side
    hidden = masked(rgb, kind, split)
    direct, mirrored = stills.assess(hidden, 0.0), stills.assess(flipped(hidden), 0.0)
    assert direct.side.side is Side.UNKNOWN
    assert direct.side.reasons == ('mouth_hidden',)
    assert direct.metrics == direct.z == {}  # of a mouth that the mesh made up
    assert math.isnan(direct.side.landmark_score)
    assert_mirrored(direct, mirrored)


@pytest.mark.parametrize('stuff', hidden_eye.STUFFS)
@pytest.mark.parametrize('eye', [Side.LEFT, Side.RIGHT])
def test_a_healthy_face_with_an_eye_covered_is_called_neither_one_sided_nor_healthy(
        stills, astronaut, eye, stuff):
    face = people.framed(people.find(StillFaceFinder(), astronaut), 80.0, 0.0)
    rgb = hidden_eye.covered(face, stuff, eye, rng=np.random.default_rng(1))
    said = stills.assess(rgb, 0.0)
    assert (said.side.side, said.side.reasons[0]) == (Side.UNKNOWN, 'eye_hidden')
    assert len(set(said.side.reasons)) == len(said.side.reasons)
    assert math.isnan(said.side.eye_score)
    assert math.isnan(said.side.classifier_score)
    assert_mirrored(said, stills.assess(flipped(rgb), 0.0))


@pytest.mark.parametrize('side', [Side.LEFT, Side.RIGHT])
def test_a_complete_palsy_is_told_beside_a_covered_eye(stills, patient, side):
    rgb, _ = simulate_still(patient.framed(480, 520, 90.0), Palsy.of(side, 1.0, 'peripheral'),
                            'smile')
    face = people.find(StillFaceFinder(), rgb)
    said = stills.assess(
        hidden_eye.covered(face, 'gauze', side, rng=np.random.default_rng(1)), 0.0).side
    assert said.side is side
    assert 'eye_hidden' in said.reasons


@pytest.mark.parametrize('eye_distance_px', [44.0, 90.0])
def test_lids_that_may_not_name_a_side_grade_nothing_either(stills, patient, eye_distance_px):
    person = patient.framed(640, 480, eye_distance_px)
    rgb, _ = simulate_still(person, Palsy.of(Side.LEFT, 0.5, 'peripheral'), 'eye_close')
    said = stills.assess(rgb, 0.0)
    assert abs(said.side.eye_score) > SETTINGS.rule.eye_on
    assert (said.side.side, said.side.reasons) == (Side.NONE, ('lids_unclear',))
    assert (said.severity.grade, said.severity.eye_severity) == (
        Grade.NORMAL, RegionSeverity.UNKNOWN)
    assert 'eye_not_measured' in said.severity.reasons
    assert_mirrored(said, stills.assess(flipped(rgb), 0.0))


def test_even_exercises_beside_a_named_side_are_not_called_normal(patient):
    rgb, _ = simulate_still(patient.framed(640, 480, 90.0), Palsy.of(Side.LEFT, 1.0, 'peripheral'))
    nan = math.nan
    even = ExerciseResult(0.0, 1.0, 'smile', 1, True, 8.0, 8.0, 'mm', 1.0, 0.0, 0.0, 1.0,
                          nan, nan, nan, nan, 5, 1.0, ())
    pipeline = Pipeline(SETTINGS, video=True)
    pipeline._person._exercises.results = (even,)
    said = [pipeline.assess(rgb, index / 15) for index in range(4)][-1]
    so_far = pipeline.severity_so_far
    pipeline.close()
    assert said.side.side is Side.LEFT
    for estimate in (said.severity, so_far):
        assert (estimate.basis, estimate.grade) == (Basis.DYNAMIC, Grade.NEAR_NORMAL)


def test_lids_that_tell_nothing_do_not_name_a_side_by_the_blink_that_follows(monkeypatch, patient):
    person = patient.framed(640, 480, 90.0)
    rgb, _ = simulate_still(person, Palsy.of(Side.LEFT, 0.5, 'peripheral'), 'eye_close')
    pipeline = Pipeline(dataclasses.replace(SETTINGS, use_classifier=False), video=True)
    blinks = iter([False, False, True, True, True])
    monkeypatch.setattr(pipeline._person, 'blinks', lambda _: next(blinks))
    said = [pipeline.assess(rgb, index / 15).side for index in range(5)]
    pipeline.close()
    assert ['blink' in one.reasons for one in said] == [False] * 2 + [True] * 3
    assert {one.side for one in said[2:]} == {Side.NONE}


def test_a_mask_put_on_and_taken_off_before_the_camera(patient):
    person = patient.framed(640, 480, 90.0)
    rgb, _ = simulate_still(person, Palsy.of(Side.LEFT, 1.0, 'central'))
    hidden = masked(rgb)
    frames = [rgb] * 30 + [hidden] * 30 + [rgb] * 30
    direct, mirrored = Pipeline(SETTINGS, video=True), Pipeline(SETTINGS, video=True)
    answers = []
    for index, frame in enumerate(frames):
        said = direct.assess(frame, index / 15)
        assert_mirrored(said, mirrored.assess(flipped(frame), index / 15))
        answers.append(said.side)
    for pipeline in (direct, mirrored):
        pipeline.close()
    assert answers[29].side is Side.LEFT
    assert {answer.reasons for answer in answers[38:60]} == {('mouth_hidden',)}
    assert {answer.side for answer in answers[72:]} == {Side.LEFT}
    assert not [answer for answer in answers[:30] + answers[72:]
                if 'mouth_hidden' in answer.reasons]


def forget_by_reset(pipeline):
    """The patient is another one, and so is the clock."""
    pipeline.reset()
    return 5.0


def forget_by_absence(pipeline):
    """Nobody is there for so long that whoever comes is somebody else."""
    blank = np.zeros((480, 640, 3), np.uint8)
    for stamp in range(101, 108):
        pipeline.assess(blank, float(stamp))
    return 108.0


@pytest.mark.parametrize('forget', [forget_by_reset, forget_by_absence])
@pytest.mark.parametrize('what', ['eye_hidden', 'mouth_hidden'])
def test_what_hid_one_patients_face_is_not_seen_on_the_next(astronaut, what, forget):
    face = people.framed(people.find(StillFaceFinder(), astronaut), 80.0, 0.0)
    hidden = masked(face.rgb) if what == 'mouth_hidden' else hidden_eye.covered(
        face, 'gauze', Side.LEFT, rng=np.random.default_rng(1))
    pipeline = Pipeline(SETTINGS, video=True)
    before = [pipeline.assess(hidden, 100.0 + index / 15) for index in range(4)]
    stamp = forget(pipeline)
    # A frame that is refused anyway is not looked at: the verdict would be as it was.
    dark = pipeline.assess((face.rgb * 0.25).astype(np.uint8), stamp)
    after = [pipeline.assess(face.rgb, stamp + index / 15) for index in range(1, 5)]
    pipeline.close()
    assert all(what in one.side.reasons for one in before)
    assert 'too_dark' in dark.side.reasons
    assert [one.session for one in (before[-1], dark, after[-1])] == [1, 2, 2]
    assert not [one for one in after if what in one.side.reasons]


def test_one_frame_with_a_hand_before_the_mouth_empties_no_window(patient):
    person = patient.framed(640, 480, 90.0)
    rgb, _ = simulate_still(person, Palsy.of(Side.LEFT, 1.0, 'central'))
    hidden = masked(rgb, 'hand')
    for odd in range(20, 23):  # wherever the network's look falls
        pipeline = Pipeline(SETTINGS, video=True)
        said = [pipeline.assess(hidden if index == odd else rgb, index / 15).side
                for index in range(32)]
        pipeline.close()
        assert {answer.side for answer in said[10:]} == {Side.LEFT}


@pytest.mark.parametrize('degrees', [90, 180, 270])
@pytest.mark.parametrize('mirrored', [False, True])
def test_a_camera_that_hangs_askew_gives_the_very_same_answer(astronaut, stills, degrees, mirrored):
    upright = np.ascontiguousarray(astronaut[:480, :400])
    received = np.rot90(upright, degrees // 90)  # the camera sees the room turned the other way
    if mirrored:
        received = received[:, ::-1]
    askew = Pipeline(dataclasses.replace(SETTINGS, image_rotation_deg=degrees,
                                         input_mirrored=mirrored), video=False)
    direct, said = stills.assess(upright, 0.0), askew.assess(np.ascontiguousarray(received), 0.0)
    askew.close()
    assert said.side == direct.side
    assert said.metrics == direct.metrics
    left, top, width, height = said.view.box_px
    region = received[top:top + height, left:left + width]
    left, top, width, height = direct.view.box_px
    expected = upright[top:top + height, left:left + width]
    region = region[:, ::-1] if mirrored else region
    assert np.array_equal(np.rot90(region, -degrees // 90), expected)


def test_a_camera_upside_down_that_nobody_told_of_is_unknown_and_told_it_is_right(patient):
    rgb, _ = simulate_still(patient.framed(640, 480, 110.0), Palsy.of(Side.LEFT, 1.0, 'central'),
                            'smile')
    turned = np.ascontiguousarray(rgb[::-1, ::-1])
    for degrees, said in ((0, Side.UNKNOWN), (180, Side.LEFT)):
        pipeline = Pipeline(dataclasses.replace(SETTINGS, image_rotation_deg=degrees), video=False)
        assert pipeline.assess(turned, 0.0).side.side is said
        pipeline.close()
