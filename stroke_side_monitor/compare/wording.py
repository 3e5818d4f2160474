"""A comparison of two runs in sentences, for terminal and page.

It never computes and never draws. Left and right are the PATIENT's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from itertools import count

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.compare import changes
from stroke_side_monitor.compare.changes import Change, Comparison
from stroke_side_monitor.compare.runs import Difference
from stroke_side_monitor.report import words

OUTCOMES = {side.name.lower(): words.SIDES[side] for side in Side} | {
    'error': 'could not be assessed'}
_KINDS = {'assessable': 'assessable in one only', 'side': 'side', 'stable side': 'stable side',
          'grade': 'grade', 'index': f'index by more than {changes.DETECTABLE:g}'}
_NAMED = 5
_DIGITS = 12


def headline(found: Comparison, most_changed: Fraction | None) -> str:
    """The comparison in one sentence, with what was allowed."""
    alone = len(found.only_a) + len(found.only_b)
    told = f'{len(found.changed)} of {_inputs(found.both)} changed'
    if alone:
        told += f', {alone} in one run only'
    if most_changed is None:
        return f'{told} ({percent(found.share)}).'
    told += f' ({percent(found.share, most_changed)})'
    verdict = 'more than' if found.share > most_changed else 'within'
    return f'{told}: {verdict} the {percent(most_changed, most_changed)} allowed.'


def facts(found: Comparison) -> list[tuple[str, str]]:
    """What changed, in numbers of inputs."""
    flipped = found.by_input['left', 'right'] + found.by_input['right', 'left']
    return [('inputs in both runs', f'{found.both:,}'), ('changed', f'{len(found.changed):,}'),
            *((_KINDS[kind], f'{found.of_kind(kind):,}') for kind in changes.KINDS),
            ('left against right', f'{flipped:,}')]


def warnings(differences: Sequence[Difference], found: Comparison) -> list[str]:
    """What limits the comparison, most important first."""
    told = [f'{_inputs(len(names))} only in run {run}: {_some(names)}'
            for run, names in (('A', found.only_a), ('B', found.only_b)) if names]
    kinds = {difference.what for difference in differences}
    if found.other_length and 'per' not in kinds:
        told.append(f'{_inputs(len(found.other_length))} with another number of records; perhaps '
                    f'not the same files: {_some(found.other_length)}')
    if 'per' in kinds:
        told.append('One run has a record per second, the other per frame: only records of the '
                    'same stamp are compared.')
    if not differences and found.changed:
        told.append('Both runs were made with the same versions, parameters, model and norms, yet '
                    'answers differ: other files of the same names, or another kind of machine.')
    return told


def difference(one: Difference) -> Difference:
    """As it is shown: of a hash the first digits."""
    if not one.what.endswith('sha256'):
        return one
    return Difference(one.what, one.a[:_DIGITS], one.b[:_DIGITS])


def change(one: Change) -> str:
    """What is not the same about one input."""
    parts = [f'{name} {before} → {after}' for name, before, after in _values(one)
             if before != after]
    for run, verdict in (('A', one.a), ('B', one.b)):
        if verdict.outcome == 'unknown' and 'side' in one.kinds and verdict.reasons:
            parts.append(f'{run}: {", ".join(map(words.reason, verdict.reasons))}')
    return '; '.join(parts) or 'nothing that shows in a verdict'


def _values(one: Change) -> Iterator[tuple[str, str, str]]:
    a, b = one.a, one.b
    yield 'side', OUTCOMES[a.outcome], OUTCOMES[b.outcome]
    yield 'stable side', OUTCOMES[a.stable], OUTCOMES[b.stable]
    yield 'grade', words.GRADES[a.grade], words.GRADES[b.grade]
    yield 'index', _number(a.index, '.0f'), _number(b.index, '.0f')
    yield 'M', _number(a.mouth_score, '+.1f'), _number(b.mouth_score, '+.1f')


def text(differences: Sequence[Difference], found: Comparison, most_changed: Fraction | None
         ) -> str:
    """Everything for a terminal."""
    lines = [headline(found, most_changed)]
    lines += [f'  {name}: {number}' for name, number in facts(found)[2:]]
    lines += ['', *map('{0[0]}: {0[1]} → {0[2]}'.format, map(difference, differences))] \
        if differences \
        else ['', 'the runs were made with the same versions, parameters, model and norms']
    lines += ['', *(f'note: {one}' for one in warnings(differences, found))]
    lines += _confusion('inputs', found.by_input)
    if found.by_record:
        lines += _confusion('records of videos and bags', found.by_record)
    if found.most:
        lines += ['', 'most changed:', *(f'  {one.name}: {change(one)}' for one, _ in found.most)]
    return '\n'.join(lines)


def _confusion(what: str, counts: Counter[tuple[str, str]]) -> list[str]:
    names = changes.OUTCOMES
    return ['', f'{what}: A down, B across', ' ' * 9 + ''.join(f'{name:>9}' for name in names),
            *(f'{one:<9}' + ''.join(f'{counts[one, other]:>9}' for other in names)
              for one in names)]


def percent(share: Fraction, limit: Fraction | None = None) -> str:
    """A share in percent; never rounded to all, nothing or the limit, nor across it."""
    marks = [Fraction(0), Fraction(1), *([] if limit is None else [limit])]
    for digits in count(3):
        context = Context(prec=digits)
        rounded = context.divide(Decimal(100 * share.numerator), Decimal(share.denominator))
        if all(_side(Fraction(rounded) / 100, mark) == _side(share, mark) for mark in marks):
            break
    return f'{rounded.normalize(context):f} %'


def _side(share: Fraction, mark: Fraction) -> int:
    return (share > mark) - (share < mark)


def _inputs(number: int) -> str:
    return f'{number:,} input{"" if number == 1 else "s"}'


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ', '.join(names[:_NAMED]) + (f' and {more:,} more' if more > 0 else '')


def _number(value: float, form: str) -> str:
    return '–' if math.isnan(value) else format(value, form)
