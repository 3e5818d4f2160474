"""Codes → sentences for the page, in the reader's language.

The codes' own words are the therapist's report's; here are advice and headings. It decides only
which advice belongs to which severity. Left and right are the PATIENT's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from stroke_side_monitor.assessment.terms import Basis, Grade, Pattern, RegionSeverity
from stroke_side_monitor.report import words
from stroke_side_monitor.report.parts import Part

FACE_LABELS = ('left', 'none', 'right')
SCAN_LABELS = ('stroke', 'normal')
_ORDER = ('unknown', 'none', 'mild', 'moderate', 'severe')


def emergency() -> str:
    """Always first."""
    return _('Sudden weakness of face, arm or leg, or trouble speaking, is an emergency: call '
             '%(number)s now, whatever this page says, and note when it began.') % {
                 'number': settings.EMERGENCY_NUMBER}


def disclaimer() -> str:
    """On every result."""
    return _('A measurement aid, not a diagnosis. Left and right are the patient’s own.')


def side(code: str) -> str:
    """The answer in one line."""
    return {'left': _('The patient’s LEFT side looks weaker'),
            'right': _('The patient’s RIGHT side looks weaker'),
            'none': _('No side looks weaker'),
            'unknown': _('No answer: the side cannot be told')}[code]


def label(code: str) -> str:
    """A label of feedback."""
    return {'left': _('left side weaker'), 'right': _('right side weaker'),
            'none': _('no side weaker'), 'stroke': _('stroke'), 'normal': _('normal'),
            'unknown': _('no answer')}.get(code, code)


def labels(kind: str) -> list[tuple[str, str]]:
    """What may be said of a case of this kind: code and words."""
    return [(code, label(code)) for code in (SCAN_LABELS if kind == 'scan' else FACE_LABELS)]


# A file beside those of a scan; what else is left out, the reader says.
NO_SCAN = 'is no file of a scan'
NO_SCAN_MODEL = gettext_lazy('No scan model is installed: stroke or normal is not judged here')


def scan_answer(result: Mapping[str, Any]) -> str:
    """The model's answer in one line."""
    judged = result.get('judged')
    if judged is None:
        return str(NO_SCAN_MODEL)
    return {'stroke': _('The model sees signs of a stroke'),
            'normal': _('The model sees no sign of a stroke'),
            'review': _('Flagged for review: the model gives no answer')}[judged['answer']]


def scan_advice(result: Mapping[str, Any]) -> str:
    """What to do with that."""
    judged = result.get('judged')
    if judged is None:
        return _('The slices can be looked through. No scan model is shipped, because '
                 'none could be trained on licensed patients; docs/clinic.md says what a model '
                 'must be like and how to train one.')
    return {'stroke': _('A radiologist must look at this scan at once. The red places are where '
                        'the model looked, not the outline of a lesion.'),
            'normal': _('A model misses strokes, early ones above all: this rules nothing out. A '
                        'radiologist reads the scan.'),
            'review': _('A radiologist must look at this scan; what the model leans to is not '
                        'shown as an answer.')}[judged['answer']]


def scan_reasons(result: Mapping[str, Any]) -> list[str]:
    """Why it is flagged, or what trust in the answer lacks."""
    judged = result.get('judged') or {'reasons': [], 'limits': []}
    told = {
        'low_confidence': _('The model is not sure enough.'),
        'unlike_training': _('The pictures are unlike those the model was trained on: another '
                             'device, window or kind of picture.'),
        'no_brain': _('No slice shows enough brain.'),
        'window_unknown': _('Ready-made pictures: their window is unknown.'),
        'source_unknown': _('The model was not calibrated on this device: too few confirmed cases '
                            'of it were there.')}
    return [told[code] for code in (*judged['reasons'], *judged['limits'])]


def scan_facts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where the pictures came from, and what would be judged."""
    window = result['window']
    if window == 'unknown':
        window = _('unknown: ready-made pictures')
    return [(_('Form'), {'dicom': 'DICOM', 'nifti': 'NIfTI'}.get(result['form'], _('pictures'))),
            (_('Device'), result.get('device') or _('unknown')), (_('Window'), window),
            *scan_extent(result), (_('Slices'), _slices(result)),
            (_('With enough brain to judge'), str(result['with_brain'])),
            *_judged_facts(result.get('judged'))]


def _slices(result: Mapping[str, Any]) -> str:
    count = str(result['count'])
    return f'{count}; {_("some between them seem to be missing")}' if result.get('gaps') else count


def scan_extent(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What of the files was not looked at; empty where all of it was."""
    told = []
    if result.get('series', 1) > 1:
        told.append((_('Looked at'), _('1 of %(count)d series, the one with most slices') % {
            'count': result['series']}))
    reasons = {'holds no picture': _('without a picture'), NO_SCAN: _('no file of a scan'),
               'repeats another slice': _('copy of another slice'),
               'is no axial picture (a scout or another plane)': _('scout or another plane')}
    # Sorted: PostgreSQL keeps no order of names in JSON.
    files = [f'{count} × {reasons.get(why) or _of_another_kind(why)}'
             for why, count in sorted(result.get('left_out', {}).items())]
    return [*told, (_('Files left out'), '; '.join(files))] if files else told


def _of_another_kind(why: str) -> str:
    """The reader's words for a picture of something else than CT, in the page's language."""
    found = re.fullmatch(r'is a picture of (.+), not of CT', why)
    return _('of %(modality)s, not of CT') % {'modality': found[1]} if found else why


def _judged_facts(judged: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if judged is None or judged['probability'] is None:
        return []
    carried = ', '.join(str(one['slice'] + 1) for one in judged['carried'])
    return [(_('Probability of a stroke'), _percent(judged['probability'])),
            (_('Confidence'), _percent(judged['confidence'])),
            (_('Slices that carried the answer'), carried or '–'),
            (_('Distance from the training patients (known up to 1)'),
             decimal(judged['distance']))]


def presets(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Windows to choose from: code and words."""
    named = {'brain': _('Brain (W 80 L 40)'), 'stroke': _('Stroke (W 40 L 40)'),
             'blood': _('Blood (W 200 L 80)'), 'bone': _('Bone (W 2800 L 600)'),
             'as-is': _('As it came'), 'prepared': _('Prepared: head cut out, straightened'),
             'heat': _('Where the model looked')}
    return [(code, named[code]) for code in result['presets']]


def worst(figures: Mapping[str, Any]) -> str:
    """The worst of mouth, eye and grade: unknown, none, mild, moderate or severe."""
    return max((figures['mouth_severity'], figures['eye_severity'], _graded(figures)),
               key=_ORDER.index)


def _graded(figures: Mapping[str, Any]) -> str:
    """The grade in the regions' words."""
    return {'normal': 'none', 'near_normal': 'none', 'complete': 'severe'}.get(
        figures['grade'], figures['grade'])


def advice(figures: Mapping[str, Any]) -> str:
    """What to do, by side and severity; `emergency` goes before it."""
    named = figures['side']
    if named == 'unknown':
        return _('Take the picture again: face straight to the camera, near enough, in even '
                 'light. No answer does not mean that nothing is wrong.')
    if named == 'none' and figures['basis'] == 'dynamic' \
            and _graded(figures) in ('mild', 'moderate', 'severe'):
        return _('No side can be named, but the movements were less even than most healthy '
                 'people’s. Unless it is known and old, have it examined soon. This does not rule '
                 'out a stroke.')
    if named == 'none':
        return _('Both sides look alike within what healthy faces show. Mild weakness often '
                 'shows only in movement: do the guided exercises. This does not rule out a '
                 'stroke.')
    what_to_do = {
        'severe': _('Unless it is known and old, have it examined at once; swallowing and closing '
                    'the eye need looking after.'),
        'moderate': _('Unless it is known and old, have it examined today.'),
        'unknown': _('Unless it is known and old, have it examined today.'),
    }.get(worst(figures), _('Unless it is known and old, have it examined soon; the guided '
                            'exercises show more than one picture does.'))
    return f'{_weakness(figures)} {what_to_do}'


def _weakness(figures: Mapping[str, Any]) -> str:
    """How weak: the whole face where its grade says so, else the part that is weakest."""
    most = worst(figures)
    if most == 'unknown':
        return _('How severe the weakness is cannot be told.')
    parts = [part for part in ('mouth', 'eye') if figures[f'{part}_severity'] == most]
    return {
        ('severe', 'face'): _('Severe weakness.'),
        ('severe', 'mouth'): _('Severe weakness of the mouth.'),
        ('severe', 'eye'): _('Severe weakness of the eye.'),
        ('severe', 'mouth and eye'): _('Severe weakness of mouth and eye.'),
        ('moderate', 'face'): _('Moderate weakness.'),
        ('moderate', 'mouth'): _('Moderate weakness of the mouth.'),
        ('moderate', 'eye'): _('Moderate weakness of the eye.'),
        ('moderate', 'mouth and eye'): _('Moderate weakness of mouth and eye.'),
    }.get((most, 'face' if _graded(figures) == most else ' and '.join(parts)),
          _('Slight weakness.'))


def facts(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of what is told beside the side."""
    confidence = _percent(figures['confidence'] if figures['side'] != 'unknown' else None)
    share = 'movements' in figures  # a video has no single confidence
    told = [(_('Seconds that agree') if share else _('Confidence'), confidence)]
    index = figures['symmetry_index']
    told.append((_('Symmetry index'), '–' if index is None else f'{index:.0f} / 100'))
    told += [
        (_('Grade'), _(words.GRADES[Grade[figures['grade'].upper()]])),
        (_('Mouth'), _(words.REGIONS[RegionSeverity[figures['mouth_severity'].upper()]])),
        (_('Eye'), _(words.REGIONS[RegionSeverity[figures['eye_severity'].upper()]])),
        (_('Rests on'), _(words.BASES[Basis[figures['basis'].upper()]]))]
    pattern = Pattern[figures['pattern'].upper()]
    if pattern is not Pattern.UNKNOWN:
        told.append((_('Pattern'), _(words.PATTERNS[pattern])))
    return told


def probabilities(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Left, none, right with their probabilities; empty without an answer."""
    if figures.get('p_left') is None:
        return []
    return [(label(name), _percent(figures[f'p_{name}'])) for name in FACE_LABELS]


def classes(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an installed network of face classes says, likeliest first; empty without one."""
    named = {
        'mild_eye': _('eye, mild'), 'moderate_eye': _('eye, moderate'),
        'severe_eye': _('eye, severe'), 'mild_mouth': _('mouth, mild'),
        'moderate_mouth': _('mouth, moderate'), 'severe_mouth': _('mouth, severe'),
        'normal': _('normal'), 'near_normal': _('near normal'), 'mild': _('mild'),
        'moderate': _('moderate'), 'severe': _('severe'), 'complete': _('complete')}
    return [(named.get(code, code), _percent(share)) for code, share in sorted(
        figures.get('classes', {}).items(), key=lambda one: -one[1])]


def reasons(figures: Mapping[str, Any]) -> list[str]:
    """Why there is no answer, or what limits trust in it."""
    return [_(words.reason(code)) for code in figures['reasons']]


def parts(figures: Mapping[str, Any]) -> list[str]:
    """Of which part of a video the figures are, where it shows several people; else empty."""
    found = [Part(**part) for part in figures.get('parts', ())]
    return words.part_sentences(found, figures.get('part', 0), _)


def report_texts() -> list[str]:
    """Every text of the report that the page shows; the second catalogue translates them."""
    tables: list[Mapping[Any, str]] = [words.SIDES, words.GRADES, words.REGIONS, words.BASES,
                                       words.PATTERNS, words.EXERCISES, words.REASONS, words.BEGAN,
                                       words.PARTS]
    return sorted({text for table in tables for text in table.values()})


def exercise(name: str) -> str:
    """An exercise as told to the patient."""
    return _(words.exercise(name))


def movements(found: list[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A video's exercises, a row each."""
    weaker = {'left': _('left'), 'right': _('right'), 'none': _('alike'), 'unknown': '–'}
    return [{
        'exercise': exercise(one['exercise']), 'weaker': weaker[one['weaker']],
        'ratio': _percent(one['ratio']), 'usable': f"{one['usable']} / {one['repetitions']}",
        'why': ', '.join(_(words.reason(code)) for code in one['reasons'])} for one in found]


def decimal(value: float) -> str:
    """Two places, after the reader's decimal sign."""
    return number_format(round(value, 2), 2)  # which itself would cut off, not round


def _percent(value: float | None) -> str:
    if value is None:
        return '–'
    # No measurement of a face is certain.
    return '> 99 %' if value > 0.99 else '< 1 %' if value < 0.01 else f'{100 * value:.0f} %'
