"""A patient against their own face: change is told, the side is not touched."""

from dataclasses import replace

import pytest
import yaml

from stroke_side_monitor import resources
from stroke_side_monitor.assessment.baseline import REST_NEEDED_S
from stroke_side_monitor.assessment.metrics import METRICS
from stroke_side_monitor.assessment.norms import TURNED_DRIFT, Context, Norms
from stroke_side_monitor.assessment.personal import PersonalReference
from stroke_side_monitor.assessment.side import mouth_score
from stroke_side_monitor.assessment.terms import Side

FRONT = Context(yaw_deg=0.0, roll_deg=0.0, mouth_width_mm=48.0, interocular_px=120.0)
RATE = 10.0


@pytest.fixture(scope='module')
def norms():
    return Norms.from_mapping(yaml.safe_load(resources.config_path('norms.yaml').read_text()))


def face(droop):
    """Metrics of a face whose left mouth corner hangs by `droop` mm."""
    return {metric.name: 0.0 for metric in METRICS} | {
        'mouth.commissure_height': droop, 'mouth.upper_lip_height': droop / 2,
        'mouth.smile_angle': 2.0 * droop}


def watch(reference, norms, droop, seconds, start=0.0, context=FRONT):
    metrics = face(droop)
    score = mouth_score(norms.z(metrics, context))
    return [reference.add(start + index / RATE, metrics, context, steady_mouth_score=score,
                          at_rest=True, results=()) for index in range(int(seconds * RATE))]


@pytest.fixture
def enrolled(norms):
    """A patient whose left corner hung by 3 mm when enrolled."""
    reference = PersonalReference(norms)
    reference.enrol()
    findings = watch(reference, norms, 3.0, REST_NEEDED_S + 5)
    assert any(one.enrolment and one.enrolment.baseline for one in findings)
    return reference


def test_an_old_palsy_does_not_depart_from_its_own_baseline(enrolled, norms):
    assert {one.codes for one in watch(enrolled, norms, 3.0, 5, start=100)} == {()}


def test_a_worse_droop_departs(enrolled, norms):
    assert watch(enrolled, norms, 8.0, 1, start=100)[-1].codes == ('baseline_alarm',)
    assert watch(enrolled, norms, 6.5, 1, start=102)[-1].codes == ('baseline_caution',)


def test_recovery_departs_too(enrolled, norms):
    assert watch(enrolled, norms, 0.0, 1, start=100)[-1].codes != ()


def test_without_a_baseline_nothing_is_said(norms):
    assert {one.codes for one in watch(PersonalReference(norms), norms, 9.0, 5)} == {()}


def test_a_new_asymmetry_that_stays_is_one_event(enrolled, norms):
    calm = watch(enrolled, norms, 3.0, 60, start=100)
    changed = watch(enrolled, norms, 8.5, 40, start=160)
    assert not any(one.new_asymmetry for one in calm)
    events = [one.new_asymmetry for one in changed if one.new_asymmetry]
    assert [event.side for event in events] == [Side.LEFT]
    assert sum('new_asymmetry' in one.codes for one in changed) == 1
    # Sustained means 80 % of ten seconds.
    assert events[0].stamp_s - 160 == pytest.approx(8.0, abs=0.2)


def test_the_same_face_in_a_smile_or_turned_does_not_depart(enrolled, norms):
    smiling = replace(FRONT, mouth_width_mm=60.0)
    assert {one.codes for one in watch(enrolled, norms, 3.0, 2, 100, smiling)} == {()}


def test_who_comes_changed_is_told_of_and_who_recovers_is_not(enrolled, norms):
    """The reference is the face that was enrolled, not the one of this session's beginning."""
    enrolled.reset()  # the next session
    changed = watch(enrolled, norms, 8.5, 60, start=1000)
    assert [one.new_asymmetry.side for one in changed if one.new_asymmetry] == [Side.LEFT]
    assert not any(one.new_asymmetry for one in watch(enrolled, norms, 3.0, 60, start=1060))


def test_a_baseline_taken_away_is_no_reference_any_more(enrolled, norms):
    enrolled.use(None)
    assert not any(one.codes for one in watch(enrolled, norms, 8.5, 60, start=1000))


@pytest.mark.parametrize(('yaw', 'roll'), [(20, 0), (-20, 0), (0, 29), (24, 25), (24, -25)])
def test_enrolled_in_a_pose_the_same_face_in_it_does_not_depart(norms, yaw, roll):
    context = replace(FRONT, yaw_deg=yaw, roll_deg=roll)
    seen = {name: norm.expected(context) + norm.sd(context) * norms_drift(name, context)
            for name, norm in norms.metrics.items()}
    reference = PersonalReference(norms)
    reference.enrol()
    score = mouth_score(norms.z(seen, context))
    assert score == pytest.approx(0.0, abs=1e-9)
    for index in range(int((REST_NEEDED_S + 5) * RATE)):
        reference.add(index / RATE, seen, context, steady_mouth_score=score, at_rest=True,
                      results=())
    assert reference.baseline.metrics == pytest.approx(dict.fromkeys(seen, 0.0), abs=1e-9)
    # And it is the same face from the front.
    assert watch(reference, norms, 0.0, 1, start=100)[-1].codes == ()
    assert watch(reference, norms, 5.5, 1, start=102)[-1].codes == ('baseline_alarm',)


def norms_drift(name, context):
    return TURNED_DRIFT.get(name, 0.0) * context.turned_deg


def test_another_person_ends_an_enrolment(norms):
    reference = PersonalReference(norms)
    reference.enrol()
    assert watch(reference, norms, 0.0, 5)[-1].enrolment is not None
    reference.reset()
    assert watch(reference, norms, 0.0, 5, start=10)[-1].enrolment is None


def test_a_missed_frame_gathers_nothing(norms):
    reference = PersonalReference(norms)
    reference.enrol()
    watch(reference, norms, 0.0, 5)
    before = watch(reference, norms, 0.0, 0.1, start=5)[-1].enrolment.rest_s
    assert reference.miss(5.2, ('yaw',)).enrolment.rest_s == before
    assert reference.miss(5.3, ('yaw',)).enrolment.reasons == ('yaw',)
