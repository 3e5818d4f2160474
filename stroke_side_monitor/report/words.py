"""A session's figures in plain sentences, and every code in words a therapist knows.

It never computes and never draws. Left and right are the PATIENT's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from stroke_side_monitor.assessment.severity import bordering_grade
from stroke_side_monitor.assessment.terms import (
    Basis,
    Grade,
    Pattern,
    RegionSeverity,
    Side,
    Trend,
)
from stroke_side_monitor.report.parts import ORIENTATION_CHANGED, Part
from stroke_side_monitor.report.summary import Comparison, Movement, SessionSummary

SIDES = {Side.UNKNOWN: 'not determined', Side.NONE: 'no weaker side', Side.LEFT: 'left',
         Side.RIGHT: 'right'}
GRADES = {Grade.UNKNOWN: 'not graded', Grade.NORMAL: 'normal', Grade.NEAR_NORMAL: 'near normal',
          Grade.MILD: 'mild', Grade.MODERATE: 'moderate', Grade.SEVERE: 'severe',
          Grade.COMPLETE: 'complete'}
REGIONS = {RegionSeverity.UNKNOWN: 'not determined', RegionSeverity.NONE: 'not affected',
           RegionSeverity.MILD: 'mild', RegionSeverity.MODERATE: 'moderate',
           RegionSeverity.SEVERE: 'severe'}
BASES = {Basis.UNKNOWN: 'nothing could be assessed', Basis.STATIC: 'from the face at rest only',
         Basis.DYNAMIC: 'from commanded movements'}
PATTERNS = {
    Pattern.UNKNOWN: 'not determined (brow and eye closure were not both exercised)',
    Pattern.NONE: 'no weakness in upper or lower face',
    Pattern.LOWER_FACE: 'lower face; the forehead is spared',
    Pattern.WHOLE_FACE: 'whole side, forehead included',
    Pattern.INDETERMINATE: 'between lower face and whole side'}
EXERCISES = {'smile': 'Smile', 'eye_close': 'Close eyes gently',
             'eye_close_tight': 'Close eyes tightly', 'brow_raise': 'Raise brows',
             'pucker': 'Pucker lips', 'snarl': 'Wrinkle nose', 'show_teeth': 'Show lower teeth'}
# In the middle of a sentence.
_DOING = {'smile': 'smiling', 'eye_close': 'closing the eyes gently',
          'eye_close_tight': 'closing the eyes tightly', 'brow_raise': 'raising the brows',
          'pucker': 'puckering the lips', 'snarl': 'wrinkling the nose',
          'show_teeth': 'showing the lower teeth'}
REASONS = {
    'no_face': 'no face in the picture', 'several_faces': 'more than one face',
    'too_small': 'face too small or far away', 'yaw': 'head turned aside',
    'pitch': 'head turned up or down', 'roll': 'head tilted',
    'upside_down': 'head upside down', 'mouth_hidden': 'mouth covered', 'blink': 'blink',
    'orientation_changed': 'left and right were swapped by a parameter',
    'lids_unclear': 'eyes too small, narrow or shut to be compared',
    'talking': 'talking or smiling', 'eye_hidden': 'an eye covered',
    'from_below': 'seen from below', 'turned': 'head turned too far for exercises',
    'lids_conflict': 'lids and mouth point to different sides',
    'cut_by_border': 'face cut off by the picture',
    'too_dark': 'too dark', 'too_bright': 'too bright', 'blurred': 'blurred',
    'degenerate_face': 'face not recognised well enough', 'warming_up': 'start of watching',
    'no_image': 'no picture from the camera', 'undecodable_image': 'damaged pictures',
    'disabled': 'switched off', 'inactive': 'switched off', 'shutting_down': 'switched off',
    'internal_error': 'fault of the monitor',
    'classifier_conflict': 'picture and landmarks point to different sides',
    'baseline_caution': 'differs from the personal baseline',
    'new_asymmetry': 'the face has changed and stays so',
    'baseline_alarm': 'differs clearly from the personal baseline',
    'movement_conflict': 'movement and rest point to different sides',
    'no_movement_or_bilateral': 'no movement on either side (or both sides weak)',
    'rest_missing': 'no calm second before the cue', 'rest_reused': 'earlier rest was used',
    'rest_unsteady': 'face already moving before the cue',
    'rest_eyes_closed': 'eyes closed before the cue',
    'too_few_frames': 'face not visible long enough', 'too_short': 'stopped too soon',
    'stop_missing': 'no stop was signalled',
    'needs_second_repetition': 'counts from the second repetition',
    'no_valid_exercise': 'no exercise could be used', 'rest_only': 'no exercises were done',
    'few_exercises': 'smile and eye closure were not both done',
    'exercises_disagree_on_side': 'exercises point to different sides',
    'near_grade_border': 'near the border of two grades',
    'mouth_not_measured': 'mouth not measured', 'eye_not_measured': 'eyes not measured'}
# Why a part of a recording began.
BEGAN = {
    '': 'start of the recording', 'started': 'start of the recording',
    'reset': 'started anew for a patient',
    'another_face': 'another face, or the same one elsewhere or after a while',
    'orientation_changed': 'the orientation of the camera was changed',
    'internal_error': 'fault of the monitor'}
PARTS = {
    'reported': 'This recording holds %(count)d parts, as the person or the camera\'s orientation '
                'may have changed between them; all that is told here is of the part from '
                '%(start)s to %(end)s (%(why)s).',
    'left out': 'Left out: %(parts)s.',
    'one': 'from %(start)s (%(why)s), %(seconds)d s assessed, usable repetitions: %(usable)d',
    'more': 'and %(count)d more',
    'orientation': 'After that part the orientation of the camera was changed: left and right may '
                   'be wrong in these figures.'}
# docs/clinical.md, "When a repetition counts".
HEALTHY_DIFFERENCE = 'Differences of this size do not by themselves make a side the weaker one: ' \
    'in half of healthy people one side of the smile reaches 87% of the other or less, in one of ' \
    'twenty less than 50%.'
# Of the parts left out, so many are named.
_MOST_PARTS = 6

LIMITS = (
    'This is a measurement aid, not a diagnosis. It does not replace an examination.',
    'House-Brackmann and NIHSS figures are estimates from a camera, not ratings by an examiner.',
    'The face is seen by software trained on healthy faces, which shows asymmetry smaller than '
    'it is; this is made up for only in part. Millimetres are those of a face with the eye '
    'centres 63 mm apart.',
    'Accuracy has so far been measured on simulated patients and healthy volunteers\' '
    'photographs only, not on patients.',
    'Sudden new facial weakness is an emergency: call the emergency number, whatever this '
    'page says.')


def reason(code: str) -> str:
    """A reason code in words."""
    return REASONS.get(code, code.replace('_', ' '))


def exercise(name: str) -> str:
    """An exercise's name as told to the patient."""
    return EXERCISES.get(name, name.replace('_', ' '))


def doing(name: str) -> str:
    """An exercise in the middle of a sentence."""
    return _DOING.get(name, name.replace('_', ' '))


def reached(movement: Movement) -> str:
    """How much of the other side's movement the one that moved less reached, and which one."""
    if math.isnan(movement.ratio):
        return '–'
    side = f'{SIDES[movement.weaker]} ' if movement.weaker is not Side.NONE else ''
    return f'{side}{movement.ratio:.0%}'


def event(name: str) -> str:
    """Something that happened, in words."""
    return {'new_asymmetry': 'New asymmetry: the face differs from before; have a look',
            'reset': 'Started anew for a patient',
            'orientation_changed': 'The orientation of the camera was changed by a parameter',
            'baseline_enrolled': 'Personal baseline stored'}.get(name, name.replace('_', ' '))


def clock(time_s: float) -> str:
    """Minutes and seconds."""
    minutes, seconds = divmod(round(time_s), 60)
    return f'{minutes}:{seconds:02d}'


def began(reason: str) -> str:
    """Why a part of a recording began."""
    return BEGAN.get(reason, reason.replace('_', ' '))


def part_sentences(parts: Sequence[Part], place: int, translate: Callable[[str], str] = str
                   ) -> list[str]:
    """Of which part of a recording the figures are, and what was left out; empty where it has one.

    Args:
        parts: of the recording. place: of the one that the figures are of.
        translate: gives PARTS and BEGAN in the reader's language.
    """
    if len(parts) < 2:
        return []
    told = translate(PARTS['reported']) % {
        'count': len(parts), 'start': clock(parts[place].start_s),
        'end': clock(parts[place].end_s), 'why': translate(began(parts[place].reason))}
    others = [part for part in parts if part is not parts[place]]
    most = sorted(others, key=lambda part: (part.usable, part.assessed_s))[-_MOST_PARTS:]
    named = [translate(PARTS['one']) % {
        'start': clock(part.start_s), 'why': translate(began(part.reason)),
        'seconds': part.assessed_s, 'usable': part.usable} for part in others if part in most]
    if len(others) > len(named):
        named.append(translate(PARTS['more']) % {'count': len(others) - len(named)})
    left_out = translate(PARTS['left out']) % {'parts': '; '.join(named)}
    turned = any(part.reason == ORIENTATION_CHANGED for part in parts[place + 1:])
    return [told, left_out, translate(PARTS['orientation'])] if turned else [told, left_out]


def which_part(session: SessionSummary) -> str:
    """"part 2 of 3"; empty where the recording has one."""
    count = len(session.parts)
    return f'part {session.part + 1} of {count}' if count > 1 else ''


def headline(session: SessionSummary) -> str:
    """The session in one sentence."""
    if session.basis is Basis.UNKNOWN:
        return 'The face could not be assessed in this session.'
    if session.grade is Grade.UNKNOWN:
        return 'The severity could not be graded in this session.'
    side = weaker_side(session)
    if session.grade is Grade.NORMAL and side is Side.NONE:
        return f'Symmetric within what healthy faces show{_at_rest(session)}.'
    words = {Side.LEFT: ' of the patient\'s left side', Side.RIGHT: ' of the patient\'s right side',
             Side.NONE: '', Side.UNKNOWN: ', side not determined'}[side]
    # The index of a face may be normal although a side is weaker by a little.
    name = 'Slight' if session.grade is Grade.NORMAL else GRADES[session.grade].capitalize()
    return f'{name} facial {"asymmetry" if side in (Side.NONE, Side.UNKNOWN) else "weakness"}' \
           f'{words}{_at_rest(session)}.'


def weaker_side(session: SessionSummary) -> Side:
    """The side at rest, or the one that the movements name where rest names none."""
    named = (Side.LEFT, Side.RIGHT)
    return session.moved_less if session.side not in named and session.moved_less in named \
        else session.side


def paragraphs(session: SessionSummary, comparison: Comparison | None) -> list[str]:
    """The session in a few plain sentences, most important first."""
    told = [*part_sentences(session.parts, session.part), _rest_sentence(session),
            *_movement_sentences(session), _index_sentence(session)]
    if session.pattern not in (Pattern.UNKNOWN, Pattern.NONE):
        told.append(f'Pattern of weakness: {PATTERNS[session.pattern]}. '
                    'This is a pattern of movement, not a diagnosis.')
    if session.departed_share >= 0.1:
        told.append(f'In {session.departed_share:.0%} of the assessed pictures the face differed '
                    'from this patient\'s stored baseline.')
    told += comparison_sentences(comparison)
    told.append(_quality_sentence(session))
    return [sentence for sentence in told if sentence]


def comparison_sentences(comparison: Comparison | None) -> list[str]:
    """How this session stands to the earlier ones."""
    if comparison is None:
        return []
    told = []
    if not math.isnan(comparison.change):
        if abs(comparison.change) < comparison.detectable:
            told.append(
                f'Against the session before, the index changed by {comparison.change:+.0f} '
                f'points: less than the {comparison.detectable:.0f} that measuring may vary by.')
        else:
            told.append(
                f'Against the session before, the index {_rose(comparison.change)} by '
                f'{abs(comparison.change):.0f} points, more than the '
                f'{comparison.detectable:.0f} that measuring may vary by.')
    told.append(_trend_sentence(comparison))
    if comparison.mixed_versions:
        told.append('Not all of these sessions were measured by the same version of the software '
                    'and its models; part of a change may come from that.')
    return told


def _trend_sentence(comparison: Comparison) -> str:
    trend = comparison.trend
    number = sum(not math.isnan(index) for index in comparison.indices)
    if trend.trend is Trend.UNKNOWN:
        of_all = '' if number == len(comparison.indices) else \
            f', of {len(comparison.indices)}, whose index is known'
        return f'{number} comparable sessions{of_all}: a trend needs at least four.'
    if trend.trend is Trend.STABLE:
        return f'Over {number} sessions no trend can be told from chance or from what ' \
               f'measuring may vary by (change {trend.change:+.0f} points, p = {trend.p:.2f}).'
    direction = 'Improving' if trend.trend is Trend.IMPROVING else 'Worsening'
    p = f'{trend.p:.3f}' if trend.p >= 0.001 else 'below 0.001'
    return f'{direction} over {number} sessions: about {abs(trend.slope) * 7:.1f} points a week ' \
           f'(p {"=" if trend.p >= 0.001 else "is"} {p}).'


def _rose(change: float) -> str:
    return 'rose' if change > 0 else 'fell'


def _at_rest(session: SessionSummary) -> str:
    return ' at rest' if session.basis is Basis.STATIC else ''


def _rest_sentence(session: SessionSummary) -> str:
    if session.side is Side.UNKNOWN:
        return 'At rest, no side could be determined.'
    share = f'{session.side_share:.0%} of the assessed seconds'
    if session.side is Side.NONE:
        return f'At rest the face looked symmetric ({share}).'
    return f'At rest the patient\'s {SIDES[session.side]} side looked weaker ({share}).'


def _movement_sentences(session: SessionSummary) -> list[str]:
    if not session.movements:
        return ['No exercises were signalled, so weakness that shows only in movement would '
                'be missed.']
    unequal = [m for m in session.movements if m.weaker in (Side.LEFT, Side.RIGHT)]
    alike = [m for m in session.movements if m.weaker is Side.NONE]
    unusable = [m for m in session.movements if m.weaker is Side.UNKNOWN]
    told = []
    for side in (Side.LEFT, Side.RIGHT):
        reached = [f'{movement.ratio:.0%} in {doing(movement.exercise)}'
                   for movement in unequal if movement.weaker is side]
        if reached:
            told.append(f'In movement the patient\'s {SIDES[side]} side reached, of the other: '
                        f'{", ".join(reached)}.')
    if unequal and session.moved_as_healthy:
        told.append(HEALTHY_DIFFERENCE)
    if alike:
        told.append(f'Both sides moved alike in: {_list(alike)}.')
    still = [m for m in unusable if 'no_movement_or_bilateral' in m.reasons]
    if still:
        told.append(f'Neither side moved in: {_list(still)}. Both sides may be weak, or the '
                    'exercise was not done; this is not a normal finding.')
    other = [m for m in unusable if m not in still]
    if other:
        told.append(f'Could not be used: {_list(other)}.')
    return told


def _list(movements: list[Movement]) -> str:
    return ', '.join(doing(movement.exercise) for movement in movements)


def _index_sentence(session: SessionSummary) -> str:
    if math.isnan(session.index):
        return 'No symmetry index could be given.'
    beyond = bordering_grade(session.index) if session.basis is Basis.DYNAMIC else Grade.UNKNOWN
    border = f', near the border to {GRADES[beyond]}' if beyond else ''
    return f'Symmetry index {session.index:.0f} of 100 ({BASES[session.basis]}): ' \
           f'{GRADES[session.grade]}{border}.'


def _quality_sentence(session: SessionSummary) -> str:
    told = f'The face could be assessed in {session.assessed_share:.0%} of {session.frames} ' \
           'pictures'
    if session.lost:
        told += f'; most often lost because: {reason(session.lost[0][0])}'
    return told + '.'


def span(bounds: tuple[int, int], roman: bool = False) -> str:
    """An estimated range: "II to IV" or "1 to 2"; a dash when unknown."""
    low, high = bounds
    if low < 0:
        return '–'
    names = ['0', 'I', 'II', 'III', 'IV', 'V', 'VI'] if roman else [str(n) for n in range(7)]
    return names[low] if low == high else f'{names[low]} to {names[high]}'
