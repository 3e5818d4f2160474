"""What differs between the answers of two runs, counted: figures only.

It never reads a file and never words anything. Left and right are the PATIENT's.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from stroke_side_monitor.assessment.norms import SMILE_ONSET_MM
from stroke_side_monitor.assessment.terms import Grade
from stroke_side_monitor.assessment.trend import (
    MINIMAL_DETECTABLE_CHANGE,
    minimal_detectable_change,
)
from stroke_side_monitor.compare.runs import Pair
from stroke_side_monitor.offline import records
from stroke_side_monitor.offline.records import Record
from stroke_side_monitor.report import summary

DETECTABLE = minimal_detectable_change(MINIMAL_DETECTABLE_CHANGE['symmetry_index'])
SHOWN = 20
OUTCOMES = ('left', 'right', 'none', 'unknown', 'error')
KINDS = ('assessable', 'side', 'stable side', 'grade', 'index')


@dataclass(frozen=True)
class Verdict:
    """What the records of one input come to.

    side: that of most records with one, stable: of those marked stable; 'unknown' where they are
    as many. index, grade: as of the therapist's report. mouth_score: median M. NaN: not known.
    outcome: the side, or 'error'. reasons: codes, the most frequent first.
    """

    outcome: str
    stable: str
    grade: Grade
    index: float
    mouth_score: float
    reasons: tuple[str, ...] = ()

    @staticmethod
    def of(found: Sequence[Record]) -> Verdict:
        if 'error' in found[0]:
            return Verdict('error', 'unknown', Grade.UNKNOWN, math.nan, math.nan)
        told = records.summarise_input(found)
        named = [record for record in found if record['side'] != 'unknown']
        stands = summary.verdict(records.graded(found), named, exercised=records.exercised(found))
        return Verdict(
            told['side'],
            records.majority([record['side'] for record in named if record['stable']])
            or 'unknown', Grade[stands.get('grade', 'unknown').upper()],
            _number(stands.get('symmetry_index')), _number(told['median_M']),
            tuple(told['reasons'].split()))


class Change(NamedTuple):
    """One input's verdicts in both runs, and which of KINDS are not the same."""

    name: str
    a: Verdict
    b: Verdict
    kinds: tuple[str, ...]

    @staticmethod
    def of(name: str, a: Verdict, b: Verdict) -> Change:
        one_failed = (a.outcome == 'error') != (b.outcome == 'error')
        found = {'assessable': one_failed,
                 'side': a.outcome != b.outcome and not one_failed,
                 'stable side': a.stable != b.stable and not one_failed,
                 'grade': a.grade is not b.grade and not one_failed,
                 'index': abs(b.index - a.index) > DETECTABLE}
        return Change(name, a, b, tuple(kind for kind in KINDS if found[kind]))

    @property
    def weight(self) -> tuple[int, float, float]:
        """Larger for a change that matters more; all 0 for none at all."""
        sides = {self.a.outcome, self.b.outcome}
        rank = 4 if {'left', 'right'} <= sides else \
            next((3 - place for place, kind in enumerate(KINDS[:3]) if kind in self.kinds), 0)
        return rank, _known(abs(self.b.index - self.a.index)), \
            _known(abs(self.b.mouth_score - self.a.mouth_score))


@dataclass(frozen=True)
class Quality:
    """How a face was seen, cut into ranges. edges: between them, in `unit`."""

    name: str
    column: str
    unit: str
    edges: tuple[float, ...]

    @property
    def labels(self) -> list[str]:
        """One a range, lowest first."""
        edges = [f'{edge:g}'.replace('-', '−') for edge in self.edges]
        return [f'below {edges[0]}', *(f'{one} to {other}' for one, other in pairwise(edges)),
                f'{edges[-1]} and more']


QUALITIES = (
    Quality('Turned aside (+: to the patient\'s left)', 'yaw_deg', '°', (-15.0, -5.0, 5.0, 15.0)),
    Quality('Turned up (+) or down', 'pitch_deg', '°', (-15.0, -5.0, 5.0, 15.0)),
    Quality('Size: pixels between the eyes', 'interocular_px', 'px', (50.0, 80.0, 120.0, 180.0)),
    Quality('Expression: width of the mouth', 'mouth_width_mm', 'mm',
            SMILE_ONSET_MM))


class Shift:
    """How M and |M| have moved, of many records; kept to a hundredth of a standard deviation."""

    def __init__(self) -> None:
        self.records = self.other_side = 0
        self._signed: Counter[int] = Counter()
        self._sized: Counter[int] = Counter()

    def add(self, a: float, b: float, *, other_side: bool) -> None:
        """One record: M in a and in b."""
        self.records += 1
        self.other_side += other_side
        self._signed[round(100 * (b - a))] += 1
        self._sized[round(100 * (abs(b) - abs(a)))] += 1

    def quantile(self, share: float) -> float:
        """The shift of M that so large a share of records does not exceed; NaN without any."""
        return self._quantile(self._signed, share)

    @property
    def more_asymmetric(self) -> float:
        """The median shift of |M|: of a mixed crowd M may stay where |M| has grown."""
        return self._quantile(self._sized, 0.5)

    def _quantile(self, hundredths: Counter[int], share: float) -> float:
        upto = 0
        for value, count in sorted(hundredths.items()):
            upto += count
            if upto >= share * self.records:
                return value / 100
        return math.nan


@dataclass
class Comparison:
    """Everything that is told about two runs.

    both: inputs in both. only_a, only_b: the others' names. other_length: names of those with
    another number of records. changed: in the order of b. most: heaviest first, with their records.
    by_input, by_record: how often (outcome in a, in b); records of videos and bags only.
    shift: by quality, one a range.
    """

    both: int = 0
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)
    other_length: list[str] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    most: list[tuple[Change, Pair]] = field(default_factory=list)
    by_input: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_record: Counter[tuple[str, str]] = field(default_factory=Counter)
    shift: Mapping[str, list[Shift]] = field(default_factory=lambda: {
        quality.column: [Shift() for _ in quality.labels] for quality in QUALITIES})

    @property
    def share(self) -> Fraction:
        """Of all inputs of either run, those that changed or are in one only; 0 to 1, exactly."""
        alone = len(self.only_a) + len(self.only_b)
        return Fraction(len(self.changed) + alone, max(self.both + alone, 1))

    def of_kind(self, kind: str) -> int:
        """How many inputs changed in this of KINDS."""
        return sum(kind in change.kinds for change in self.changed)


def compare(found: Iterable[Pair]) -> Comparison:
    """Count what differs.

    Raises:
        RunError: a run cannot be read.
    """
    told = Comparison()
    heap: list[tuple[tuple[int, float, float], int, Change, Pair]] = []
    for number, pair in enumerate(found):
        if pair.a is None or pair.b is None:
            (told.only_b if pair.a is None else told.only_a).append(pair.name)
            continue
        change = Change.of(pair.name, Verdict.of(pair.a), Verdict.of(pair.b))
        _count(told, change, pair.a, pair.b)
        if any(change.weight):
            # The earlier of two as heavy; numbers never tie, so changes are never compared.
            push = heapq.heappush if len(heap) < SHOWN else heapq.heappushpop
            push(heap, (change.weight, -number, change, pair))
    told.most = [(change, pair) for _, _, change, pair in sorted(heap, reverse=True)]
    return told


def _count(told: Comparison, change: Change, a: Sequence[Record], b: Sequence[Record]) -> None:
    told.both += 1
    told.by_input[change.a.outcome, change.b.outcome] += 1
    if change.kinds:
        told.changed.append(change)
    if 'error' in (change.a.outcome, change.b.outcome):
        return
    if len(a) != len(b):
        told.other_length.append(change.name)
    for one, other in _alongside(a, b):
        if len(a) > 1:
            told.by_record[one['side'], other['side']] += 1
        if one['M'] is not None and other['M'] is not None:
            _add_shift(told.shift, one, other)


def _alongside(a: Sequence[Record], b: Sequence[Record]) -> Iterator[tuple[Record, Record]]:
    """The records of the same moments; of a stamp that comes again, each time with its own."""
    of_b: dict[float, deque[Record]] = {}
    for record in b:
        of_b.setdefault(record['stamp_s'], deque()).append(record)
    for record in a:
        others = of_b.get(record['stamp_s'])
        if others:
            yield record, others.popleft()


def _add_shift(shift: Mapping[str, list[Shift]], one: Record, other: Record) -> None:
    for quality in QUALITIES:
        seen = one.get(quality.column)  # runs of before it was kept have none
        if seen is not None:
            shift[quality.column][bisect_right(quality.edges, seen)].add(
                one['M'], other['M'], other_side=one['side'] != other['side'])


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value
