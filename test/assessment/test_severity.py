"""What the severity estimate says about scores at rest and about movement."""

import dataclasses
import math
from dataclasses import replace

import pytest

from stroke_side_monitor.assessment.exercise import ExerciseResult
from stroke_side_monitor.assessment.severity import (
    DEFAULTS,
    beside_side,
    bordering_grade,
    dynamic_severity,
    grade_of,
    movement_asymmetry,
    of_this_moment,
    pooled_asymmetry,
    region_severity,
    static_severity,
    unknown_severity,
)
from stroke_side_monitor.assessment.terms import (
    Basis,
    Grade,
    Pattern,
    RegionSeverity,
    Side,
    Trend,
)


def test_an_unassessed_face_has_no_figure_anywhere():
    estimate = unknown_severity(('no_face',))
    assert (estimate.grade, estimate.basis) == (Grade.UNKNOWN, Basis.UNKNOWN)
    assert (estimate.mouth_severity, estimate.eye_severity) == (RegionSeverity.UNKNOWN,) * 2
    assert (estimate.pattern, estimate.trend) == (Pattern.UNKNOWN, Trend.UNKNOWN)
    assert math.isnan(estimate.symmetry_index)
    assert math.isnan(estimate.trend_per_minute)
    assert (estimate.nihss_min, estimate.nihss_max) == (-1, -1)
    assert (estimate.house_brackmann_min, estimate.house_brackmann_max) == (-1, -1)
    assert estimate.reasons == ('no_face',)


@pytest.mark.parametrize(('score', 'severity'), [
    (0.0, RegionSeverity.NONE), (1.99, RegionSeverity.NONE), (-1.99, RegionSeverity.NONE),
    (2.0, RegionSeverity.MILD), (-3.99, RegionSeverity.MILD),
    (4.0, RegionSeverity.MODERATE), (-7.49, RegionSeverity.MODERATE),
    (7.5, RegionSeverity.SEVERE), (-40.0, RegionSeverity.SEVERE),
    (math.nan, RegionSeverity.UNKNOWN),
])
def test_the_mouth_is_graded_by_the_size_of_its_score(score, severity):
    assert region_severity(score, DEFAULTS.mouth_cuts) == severity


@pytest.mark.parametrize(('index', 'grade'), [
    (100, Grade.NORMAL), (90, Grade.NORMAL), (89.9, Grade.NEAR_NORMAL), (76, Grade.NEAR_NORMAL),
    (75.9, Grade.MILD), (51, Grade.MILD), (50.9, Grade.MODERATE), (26, Grade.MODERATE),
    (25.9, Grade.SEVERE), (6, Grade.SEVERE), (5.9, Grade.COMPLETE), (0, Grade.COMPLETE),
    (math.nan, Grade.UNKNOWN),
])
def test_grades_follow_the_house_brackmann_measurement_bands(index, grade):
    assert grade_of(index) == grade


def test_a_symmetric_face_at_rest_is_normal_but_may_hide_house_brackmann_4():
    estimate = static_severity(0.3, -0.2)
    assert (estimate.grade, estimate.symmetry_index) == (Grade.NORMAL, 100.0)
    assert estimate.basis == Basis.STATIC
    assert (estimate.house_brackmann_min, estimate.house_brackmann_max) == (1, 4)
    assert (estimate.nihss_min, estimate.nihss_max) == (0, 1)
    assert 'rest_only' in estimate.reasons


def test_a_static_index_follows_its_formula():
    # sqrt(3^2 + 4^2) = 5; 100 - 80 (5 - 1.5) / 8.5
    assert static_severity(3.0, 4.0).symmetry_index == pytest.approx(67.0588, abs=1e-4)


def test_a_face_at_rest_is_never_called_completely_paralysed():
    estimate = static_severity(-60.0, 60.0)
    assert (estimate.grade, estimate.symmetry_index) == (Grade.SEVERE, 20.0)
    assert estimate.nihss_max == 2


def test_left_and_right_weakness_are_equally_severe_bit_for_bit():
    for mouth, eye in ((3.3, 1.7), (8.1, -2.2), (0.1, 6.3)):
        assert static_severity(mouth, eye) == static_severity(-mouth, -eye)


def test_the_static_grade_is_monotone_in_the_asymmetry():
    grades = [static_severity(0.1 * step, 0.0).grade for step in range(150)]
    assert grades == sorted(grades)
    assert set(grades) == {
        Grade.NORMAL, Grade.NEAR_NORMAL, Grade.MILD, Grade.MODERATE, Grade.SEVERE}


def test_an_eye_that_was_not_measured_leaves_the_grade_unknown_but_not_the_mouth():
    estimate = static_severity(5.0, math.nan)
    assert estimate.mouth_severity == RegionSeverity.MODERATE
    assert (estimate.eye_severity, estimate.grade) == (RegionSeverity.UNKNOWN, Grade.UNKNOWN)
    assert estimate.nihss_min == estimate.house_brackmann_min == -1
    assert 'eye_not_measured' in estimate.reasons


def test_lids_that_cannot_be_compared_grade_no_eye_and_leave_the_mouth_its_index():
    for mouth in (0.5, 5.0):
        estimate = static_severity(mouth, 9.0, eye_unclear=True)
        alone = static_severity(mouth, 0.0)
        assert (estimate.eye_severity, estimate.mouth_severity) == (
            RegionSeverity.UNKNOWN, alone.mouth_severity)
        assert (estimate.symmetry_index, estimate.grade) == (alone.symmetry_index, alone.grade)
        assert 'eye_not_measured' in estimate.reasons
        assert of_this_moment(alone, mouth, 9.0, Side.NONE, eye_unclear=True) == estimate
        results = palsy({'smile': 0.9})
        assert dynamic_severity([], mouth, 9.0, eye_unclear=True) == estimate
        assert dynamic_severity(results, mouth, 9.0, eye_unclear=True) == dynamic_severity(
            results, mouth, math.nan)


@pytest.mark.parametrize('named', [Side.LEFT, Side.RIGHT])
def test_a_face_with_a_named_side_is_never_called_normal(named):
    rest = static_severity(0.2, 0.1)
    for mouth in (1.5, 2.1, 2.5, 3.0, 9.0):
        said = of_this_moment(rest, mouth, 0.0, named)
        assert said.grade > Grade.NORMAL
        assert said.symmetry_index <= static_severity(mouth, 0.0).symmetry_index
    assert of_this_moment(rest, 2.1, math.nan, named).grade == Grade.UNKNOWN


def test_without_a_side_the_index_is_that_of_the_moment():
    rest = replace(static_severity(0.2, 0.1), trend=Trend.STABLE, trend_per_minute=0.5)
    said = of_this_moment(rest, 1.9, 0.0, Side.NONE)
    assert said == replace(static_severity(1.9, 0.0), trend=Trend.STABLE, trend_per_minute=0.5)


def test_an_affected_eye_alone_is_not_nihss_0():
    assert static_severity(0.0, 4.0).nihss_min == 1


ALL = ('smile', 'eye_close', 'brow_raise', 'pucker', 'snarl')


def repetition(exercise, right=10.0, left=10.0, *, valid=True, reasons=(), synkinesis_left=1.0):
    """One repetition as the tracker reports it, by its excursions."""
    smiling = exercise in ('smile', 'pucker')
    return ExerciseResult(
        stamp_s=1.0, start_s=0.0, exercise=exercise, repetition=1, valid=valid,
        excursion_left=left, excursion_right=right, unit='mm',
        ratio=min(left, right) / max(left, right) if valid else math.nan,
        asymmetry=(right - left) / (right + left) if valid else math.nan,
        lag_ms=0.0, trajectory_correlation=1.0,
        residual_opening_left=math.nan, residual_opening_right=math.nan,
        synkinesis_left=synkinesis_left if smiling else math.nan,
        synkinesis_right=1 / synkinesis_left if smiling else math.nan,
        item_score=3, quality=1.0, reasons=tuple(reasons))


def unmoved(exercise):
    return repetition(exercise, 1.0, 1.0, valid=False, reasons=['no_movement_or_bilateral'])


def palsy(ratios):
    """One repetition of each exercise, the left side moving by that share of the right."""
    return [repetition(name, 10.0, 10.0 * ratio) for name, ratio in ratios.items()]


def test_equal_movement_everywhere_is_a_full_index():
    estimate = dynamic_severity(palsy(dict.fromkeys(ALL, 1.0)), 0.0, 0.0)
    assert (estimate.symmetry_index, estimate.grade) == (100.0, Grade.NORMAL)
    assert (estimate.basis, estimate.pattern) == (Basis.DYNAMIC, Pattern.NONE)
    assert (estimate.nihss_min, estimate.nihss_max) == (0, 0)
    assert (estimate.house_brackmann_min, estimate.house_brackmann_max) == (1, 1)
    assert 'rest_only' not in estimate.reasons


def test_the_dynamic_index_is_the_weighted_mean_of_the_ratios():
    ratios = {'smile': 0.2, 'eye_close': 0.6, 'brow_raise': 0.9, 'pucker': 0.4, 'snarl': 0.5}
    # .35*.2 + .25*.6 + .2*.9 + .1*.4 + .1*.5 = .49
    assert dynamic_severity(palsy(ratios), 0.0, 0.0).symmetry_index == pytest.approx(49.0)


def test_weights_of_exercises_not_done_are_left_out():
    # (.35*.4 + .25*.8) / .6
    index = dynamic_severity(palsy({'smile': 0.4, 'eye_close': 0.8}), 0.0, 0.0).symmetry_index
    assert index == pytest.approx(56.667, abs=1e-3)


def test_asymmetry_at_rest_and_synkinesis_take_points_away():
    healthy = palsy(dict.fromkeys(ALL, 1.0))
    # 20 (5.5 - 1.5) / 8
    assert dynamic_severity(healthy, -5.5, 0.0).symmetry_index == pytest.approx(90.0)
    # .7 * 5 = 3.5; 20 (3.5 - 1.5) / 8
    assert dynamic_severity(healthy, 0.0, 5.0).symmetry_index == pytest.approx(95.0)
    narrowed = [*healthy[1:], repetition('smile', 10.0, 9.999999, synkinesis_left=0.675)]
    # 15 (.85 - .675) / .35
    assert dynamic_severity(narrowed, 0.0, 0.0).symmetry_index == pytest.approx(92.5, abs=1e-3)


def test_only_the_weak_sides_eye_counts_as_synkinesis():
    results = [repetition('smile', 9.0, 10.0, synkinesis_left=0.5)]  # the RIGHT is weaker
    assert dynamic_severity(results, 0.0, 0.0).symmetry_index == pytest.approx(90.0)


def test_the_latest_repetitions_are_pooled_by_their_medians():
    results = [repetition('smile', 10.0, left) for left in (1.0, 1.0, 5.0, 9.0, 6.0)]
    assert dynamic_severity(results, 0.0, 0.0).symmetry_index == pytest.approx(60.0)


def test_noise_that_changes_sides_pools_to_symmetry():
    results = [repetition('smile', 10.0, 8.0), repetition('smile', 8.0, 10.0)]
    assert dynamic_severity(results, 0.0, 0.0).symmetry_index == pytest.approx(100.0)


def test_the_dynamic_grade_is_monotone_in_the_ratio():
    grades = [dynamic_severity(palsy(dict.fromkeys(ALL, step / 50)), 0.0, 0.0).grade
              for step in range(50, -1, -1)]
    assert grades == sorted(grades)
    assert set(grades) == set(Grade) - {Grade.UNKNOWN}


def test_complete_palsy_is_grade_complete_and_nihss_3():
    estimate = dynamic_severity(palsy(dict.fromkeys(ALL, 0.0)), 9.0, 5.0)
    assert (estimate.grade, estimate.symmetry_index) == (Grade.COMPLETE, 0.0)
    assert (estimate.nihss_min, estimate.nihss_max) == (3, 3)
    assert estimate.house_brackmann_max == 6
    assert estimate.mouth_severity == estimate.eye_severity == RegionSeverity.SEVERE


def test_a_paralysed_lower_face_with_a_moving_forehead_is_nihss_2():
    ratios = {'smile': 0.05, 'pucker': 0.1, 'eye_close': 0.95, 'brow_raise': 1.0}
    estimate = dynamic_severity(palsy(ratios), 5.0, 0.0)
    assert (estimate.nihss_min, estimate.nihss_max) == (2, 2)


def test_without_the_upper_face_exercised_nihss_is_a_range():
    estimate = dynamic_severity(palsy({'smile': 0.02}), 5.0, 0.0)
    assert (estimate.nihss_min, estimate.nihss_max) == (2, 3)
    assert 'few_exercises' in estimate.reasons


def test_the_house_brackmann_range_covers_the_error_of_the_index():
    estimate = dynamic_severity(palsy({'smile': 0.55, 'eye_close': 0.55}), 0.0, 0.0)
    assert estimate.grade == Grade.MILD
    assert (estimate.house_brackmann_min, estimate.house_brackmann_max) == (3, 4)


@pytest.mark.parametrize(('ratios', 'pattern'), [
    ({'smile': 0.3, 'pucker': 0.4, 'eye_close': 0.9, 'brow_raise': 0.95}, Pattern.LOWER_FACE),
    ({'smile': 0.3, 'pucker': 0.4, 'eye_close': 0.3, 'brow_raise': 0.2}, Pattern.WHOLE_FACE),
    ({'smile': 0.9, 'pucker': 0.9, 'eye_close': 0.9, 'brow_raise': 0.9}, Pattern.NONE),
    ({'smile': 0.3, 'pucker': 0.4, 'eye_close': 0.9, 'brow_raise': 0.5}, Pattern.INDETERMINATE),
    ({'smile': 0.3, 'pucker': 0.4, 'eye_close': 0.9}, Pattern.UNKNOWN),
    ({'eye_close': 0.9, 'brow_raise': 0.9}, Pattern.UNKNOWN)])
def test_the_pattern_tells_a_spared_forehead_from_a_whole_weak_side(ratios, pattern):
    assert dynamic_severity(palsy(ratios), 0.0, 0.0).pattern == pattern


def test_movement_reveals_weakness_that_rest_hides():
    estimate = dynamic_severity(palsy({'smile': 0.4, 'eye_close': 1.0}), 0.2, 0.1)
    assert estimate.mouth_severity == RegionSeverity.MODERATE
    assert estimate.eye_severity == RegionSeverity.NONE
    assert static_severity(0.2, 0.1).mouth_severity == RegionSeverity.NONE


@pytest.mark.parametrize('ratio', [1.0, 0.95])
def test_even_movement_beside_a_named_side_is_not_called_normal(ratio):
    estimate = dynamic_severity(palsy({'smile': ratio, 'eye_close': ratio}), 3.0, 0.3)
    assert estimate.grade == Grade.NORMAL
    for named in (Side.NONE, Side.UNKNOWN):
        assert beside_side(estimate, named) == estimate
    said = beside_side(estimate, Side.LEFT)
    assert said == beside_side(estimate, Side.RIGHT)
    assert (said.grade, said.symmetry_index) == (Grade.NEAR_NORMAL, 89.0)
    assert (said.house_brackmann_min, said.house_brackmann_max) == (1, 2)
    assert said.reasons == ('near_grade_border',)
    assert (said.basis, said.mouth_severity) == (estimate.basis, estimate.mouth_severity)
    worse = dynamic_severity(palsy({'smile': 0.6, 'eye_close': 0.8}), 3.0, 0.3)
    assert beside_side(worse, Side.LEFT) == worse


def test_no_movement_on_either_side_never_reads_normal():
    others = palsy({'eye_close': 1.0, 'brow_raise': 1.0})
    for results in ([unmoved('smile')], [unmoved('smile'), *others], [*others, unmoved('smile')]):
        estimate = dynamic_severity(results, 0.0, 0.0)
        assert estimate.grade == Grade.UNKNOWN
        assert math.isnan(estimate.symmetry_index)
        assert estimate.mouth_severity == RegionSeverity.UNKNOWN
        assert (estimate.nihss_min, estimate.house_brackmann_min) == (-1, -1)
        assert estimate.reasons[0] == 'no_movement_or_bilateral'


def test_closure_on_neither_side_leaves_the_eye_unknown():
    estimate = dynamic_severity([unmoved('eye_close'), *palsy({'smile': 1.0})], 0.0, 0.0)
    assert (estimate.eye_severity, estimate.grade) == (RegionSeverity.UNKNOWN, Grade.UNKNOWN)


def test_no_movement_beside_clear_weakness_stays_graded_and_says_so():
    estimate = dynamic_severity([unmoved('brow_raise'), *palsy({'smile': 0.2})], 2.0, 0.0)
    assert estimate.grade == Grade.SEVERE
    assert 'no_movement_or_bilateral' in estimate.reasons


def test_movement_in_a_later_repetition_lifts_the_doubt():
    estimate = dynamic_severity([unmoved('smile'), *palsy({'smile': 1.0})], 0.0, 0.0)
    assert estimate.grade == Grade.NORMAL


def test_without_exercises_or_with_invalid_ones_only_the_basis_stays_static():
    assert dynamic_severity([], 3.0, 0.0) == static_severity(3.0, 0.0)
    lost = repetition('smile', valid=False, reasons=['too_few_frames'])
    estimate = dynamic_severity([lost], 3.0, 0.0)
    assert estimate.basis == Basis.STATIC
    assert estimate.reasons[:2] == ('no_valid_exercise', 'rest_only')
    assert estimate.symmetry_index == static_severity(3.0, 0.0).symmetry_index


def test_the_first_brow_repetition_counts_once_there_is_a_second():
    first = dataclasses.replace(
        repetition('brow_raise', 10.0, 2.0), valid=False, reasons=('needs_second_repetition',))
    assert dynamic_severity([first], 0.0, 0.0).basis == Basis.STATIC
    both = dynamic_severity([first, repetition('brow_raise', 10.0, 6.0)], 0.0, 0.0)
    assert both.symmetry_index == pytest.approx(40.0)


def test_gentle_and_tight_closure_are_one_exercise():
    results = [repetition('eye_close', 1.0, 0.9), repetition('eye_close_tight', 1.0, 0.7)]
    assert dynamic_severity(results, 0.0, 0.0).symmetry_index == pytest.approx(80.0)


def test_exercises_that_name_opposite_sides_are_mentioned():
    results = [repetition('smile', 10.0, 4.0), repetition('eye_close', 4.0, 10.0)]
    assert 'exercises_disagree_on_side' in dynamic_severity(results, 0.0, 0.0).reasons


@pytest.mark.parametrize(('ratio', 'beyond'), [
    (0.40, Grade.UNKNOWN), (0.48, Grade.MILD), (0.52, Grade.MODERATE), (0.60, Grade.UNKNOWN),
    (0.95, Grade.UNKNOWN), (0.93, Grade.NEAR_NORMAL)])
def test_an_index_near_another_grade_says_so(ratio, beyond):
    estimate = dynamic_severity(palsy({'smile': ratio, 'eye_close': ratio}), 0.0, 0.0)
    assert ('near_grade_border' in estimate.reasons) == (beyond is not Grade.UNKNOWN)
    assert bordering_grade(estimate.symmetry_index) is beyond


def test_what_is_not_graded_is_near_no_border():
    results = [*palsy({'eye_close': 0.78}), unmoved('smile')]
    estimate = dynamic_severity(results, 0.0, 0.0)
    assert estimate.grade is Grade.UNKNOWN
    assert 'near_grade_border' not in estimate.reasons


def test_without_movement_no_border_is_spoken_of():
    static = static_severity(1.5 + 8.5 * 0.32, 0.0)
    assert bordering_grade(static.symmetry_index) is Grade.NEAR_NORMAL
    assert static.reasons == ('rest_only',)


def test_movement_asymmetry_is_positive_for_a_weak_left_and_mirrors_exactly():
    ratios = {'smile': 0.2, 'eye_close': 0.6, 'pucker': 0.9}
    left_weak = palsy(ratios)
    right_weak = [repetition(name, 10.0 * ratio, 10.0) for name, ratio in ratios.items()]
    assert movement_asymmetry(left_weak) > 0.3
    assert movement_asymmetry(right_weak) == -movement_asymmetry(left_weak)
    assert dynamic_severity(left_weak, 2.0, 1.0) == dynamic_severity(right_weak, -2.0, -1.0)
    assert math.isnan(movement_asymmetry([unmoved('smile')]))


def test_asymmetry_is_pooled_alike_from_repetitions_and_from_their_medians():
    ratios = {'smile': 0.7, 'eye_close': 0.3, 'brow_raise': 1.0}
    shown = {name: (10.0, 10.0 * ratio) for name, ratio in ratios.items()}
    upper = (0.25 * 0.7 / 1.3) / 0.45  # the half that moves more unevenly, weighted as in the index
    assert movement_asymmetry(palsy(ratios)) == pooled_asymmetry(shown) == pytest.approx(upper)
    assert pooled_asymmetry({'eye_close_tight': (10.0, 5.0)}) == pytest.approx(1 / 3)
    both = {'eye_close': (10.0, 8.0), 'eye_close_tight': (10.0, 4.0)}
    assert pooled_asymmetry(both) == pytest.approx(4 / 16), 'one movement, not two'
    assert math.isnan(pooled_asymmetry({'smile': (math.nan, math.nan), 'show_teeth': (4.0, 1.0)}))


@pytest.mark.parametrize('named', [Side.LEFT, Side.RIGHT])
def test_beside_a_named_side_some_region_is_affected(named):
    for scores in ((1.6, 0.2), (1.9, 1.9)):
        rest = static_severity(*scores)
        assert (rest.mouth_severity, rest.eye_severity) == (RegionSeverity.NONE,) * 2
        said = beside_side(rest, named)
        assert (said.mouth_severity, said.nihss_min) == (RegionSeverity.MILD, 1)
        assert said.nihss_max >= said.nihss_min
        assert beside_side(rest, Side.NONE) == rest
        # As much as of a mouth that is mildly affected by its own score, and no more is known.
        known = static_severity(2.2, scores[1])
        assert (said.nihss_min, said.nihss_max) == (known.nihss_min, known.nihss_max)
    ungraded = beside_side(static_severity(1.6, math.nan), named)
    assert (ungraded.grade, ungraded.mouth_severity) == (Grade.UNKNOWN, RegionSeverity.MILD)
    assert (ungraded.nihss_min, ungraded.nihss_max) == (-1, -1)
    eye = static_severity(0.2, 5.0)
    assert beside_side(eye, named).mouth_severity is RegionSeverity.NONE
