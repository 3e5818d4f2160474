"""What one recorded session comes to: figures only, ready to be drawn and put into words.

It never reads a file and never words anything. Left and right are the PATIENT's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from statistics import median
from typing import Any

from stroke_side_monitor.assessment.personal import DEPARTURE_CODES
from stroke_side_monitor.assessment.severity import NO_VALID_EXERCISE, grade_of, pooled_asymmetry
from stroke_side_monitor.assessment.side import SideRule
from stroke_side_monitor.assessment.terms import Basis, Grade, Pattern, RegionSeverity, Side
from stroke_side_monitor.assessment.trend import (
    MINIMAL_DETECTABLE_CHANGE,
    TrendEstimate,
    estimate_trend,
    minimal_detectable_change,
)
from stroke_side_monitor.patient_files.session_record import (
    SESSION_BEGAN,
    FrameLine,
    Record,
    RecordedSession,
)
from stroke_side_monitor.report.parts import Part, reported

_DAY_S = 86400.0
_DEPARTURES = frozenset(code for codes in DEPARTURE_CODES.values() for code in codes)


@dataclass(frozen=True)
class Second:
    """One second of the session.

    time_s: from the recording's first frame. side: UNKNOWN unless half of its frames were assessed.
    mouth_score: median M; index: median symmetry index; both NaN when unknown.
    dynamic: the index rests on movements.
    """

    time_s: float
    side: Side
    mouth_score: float
    index: float
    dynamic: bool


@dataclass(frozen=True)
class Band:
    """An exercise under way: start and end in seconds from the recording's first frame."""

    exercise: str
    start_s: float
    end_s: float
    valid: bool


@dataclass(frozen=True)
class Movement:
    """All repetitions of one exercise.

    left, right: median excursions of the usable repetitions, in `unit`; NaN without one.
    ratio: weaker / stronger of those medians. item: Sunnybrook-like 1..5, 0 without.
    usable, repetitions: how many of how many. reasons: codes of all, most frequent first.
    """

    exercise: str
    unit: str
    left: float
    right: float
    ratio: float
    item: int
    usable: int
    repetitions: int
    reasons: tuple[str, ...]

    @property
    def weaker(self) -> Side:
        """The side that moved less by more than a tenth; NONE when alike, UNKNOWN without.

        It describes one movement. Healthy people's differ as much; see SessionSummary.moved_less.
        """
        if math.isnan(self.ratio):
            return Side.UNKNOWN
        if self.ratio >= 0.9:
            return Side.NONE
        return Side.LEFT if self.left < self.right else Side.RIGHT

    @property
    def asymmetry(self) -> float:
        """D of the medians; NaN where the ratio is."""
        return math.nan if math.isnan(self.ratio) else \
            (self.right - self.left) / (self.right + self.left)


@dataclass(frozen=True)
class SessionSummary:
    """One session in figures: of one part, where the recording holds several.

    parts: all of them; part: the place of the one that all else here is of.
    duration_s: from its first frame to its last.
    side: named in most assessed seconds at rest; side_share: of the assessed seconds, 0..1.
    index, grade, basis, mouth, eye, pattern, nihss, house_brackmann: the last
        dynamic estimate, or the medians at rest without exercises.
    mouth_score, eye_score: medians of M and E at rest.
    assessed_share: of all frames, 0..1. departed_share: of the assessed frames, 0..1,
        that differed from the personal baseline. lost: reasons of the others, frames each.
    severity_reasons: what limits trust in the severity.
    repetitions: the whole lines of the exercises, times from the recording's first frame.
    events: name and seconds from there. damaged: unreadable lines of the recording.
    movement_on: the |D| from which movements named a side when the recording began.
    """

    name: str
    patient_key: str
    started: datetime
    duration_s: float
    seconds: tuple[Second, ...]
    bands: tuple[Band, ...]
    movements: tuple[Movement, ...]
    repetitions: tuple[Mapping[str, Any], ...]
    side: Side
    side_share: float
    mouth_score: float
    eye_score: float
    index: float
    grade: Grade
    basis: Basis
    mouth: RegionSeverity
    eye: RegionSeverity
    pattern: Pattern
    nihss: tuple[int, int]
    house_brackmann: tuple[int, int]
    severity_reasons: tuple[str, ...]
    frames: int
    assessed_share: float
    departed_share: float
    lost: tuple[tuple[str, int], ...]
    events: tuple[tuple[str, float], ...]
    damaged: int
    versions: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    part: int
    movement_on: float

    @property
    def start_s(self) -> float:
        """Of the first frame that the figures are of, seconds from the recording's first."""
        return self.parts[self.part].start_s

    @property
    def moved_less(self) -> Side:
        """The side that all movements together name, as the monitor has it; UNKNOWN without one."""
        asymmetry = pooled_asymmetry({one.exercise: (one.right, one.left)
                                      for one in self.movements})
        if math.isnan(asymmetry):
            return Side.UNKNOWN
        if abs(asymmetry) < self.movement_on:
            return Side.NONE
        return Side.LEFT if asymmetry > 0.0 else Side.RIGHT

    @property
    def moved_as_healthy(self) -> bool:
        """Whether neither all movements together nor one by itself would name a side."""
        return self.moved_less is Side.NONE and all(
            not abs(one.asymmetry) >= self.movement_on for one in self.movements)

    def movement(self, exercise: str) -> Movement | None:
        """The figures of one exercise; None when it was not done."""
        return next((m for m in self.movements if m.exercise == exercise), None)


def summarise(session: RecordedSession) -> SessionSummary:
    """Figures of one session; one without any frame has an UNKNOWN side and no seconds."""
    session, parts, place = reported(_from_zero(_whole(session)))
    frames, repetitions = session.of_kind('frame'), session.of_kind('exercise')
    bands = tuple(Band(line['exercise'], line['start_s'], line['stamp_s'], line['valid'])
                  for line in repetitions)
    seconds = by_second(frames)
    assessed = [frame for frame in frames if frame['assessed']]
    resting = [frame for frame in assessed if not _within(frame['stamp_s'], bands)]
    side, share = _side([second for second in seconds
                         if not _within(second.time_s + 0.5, bands)])
    stands = verdict(assessed, resting, exercised=bool(bands))
    return SessionSummary(
        name=session.folder.name, patient_key=session.patient_key, started=session.started,
        duration_s=frames[-1]['stamp_s'] - frames[0]['stamp_s'] if frames else 0.0,
        seconds=seconds, bands=bands, movements=_movements(repetitions),
        repetitions=tuple(repetitions), side=side, side_share=share,
        mouth_score=_median(frame['M'] for frame in resting),
        eye_score=_median(frame['E'] for frame in resting),
        index=_number(stands.get('symmetry_index')),
        grade=Grade[str(stands.get('grade', 'unknown')).upper()],
        basis=Basis[str(stands.get('basis', 'unknown')).upper()],
        mouth=RegionSeverity[str(stands.get('mouth_severity', 'unknown')).upper()],
        eye=RegionSeverity[str(stands.get('eye_severity', 'unknown')).upper()],
        pattern=Pattern[str(stands.get('pattern', 'unknown')).upper()],
        nihss=_range(stands.get('nihss')), house_brackmann=_range(stands.get('house_brackmann')),
        severity_reasons=tuple(stands.get('severity_reasons', ())),
        frames=len(frames), assessed_share=len(assessed) / len(frames) if frames else 0.0,
        departed_share=sum(not _DEPARTURES.isdisjoint(frame['reasons']) for frame in assessed)
        / len(assessed) if assessed else 0.0,
        lost=tuple(Counter(reason for frame in frames if not frame['assessed']
                           for reason in frame['reasons']).most_common()),
        events=tuple((str(line['name']), line['stamp_s']) for line in session.of_kind('event')
                     if line['name'] != SESSION_BEGAN),
        damaged=session.damaged,
        versions=tuple(session.metadata['versions'].items()), parts=parts, part=place,
        movement_on=_movement_on(session.metadata['parameters']))


@dataclass(frozen=True)
class Comparison:
    """This session beside earlier ones of the same basis.

    days: since the first of them; indices: NaN where unknown; both by session.
    detectable: least difference of two sessions that is not just measurement.
    change: from the session before to this one; NaN without one.
    trend: over all; its slope is points per day.
    mixed_versions: they were not all measured by the same software, models and norms.
    """

    days: tuple[float, ...]
    indices: tuple[float, ...]
    detectable: float
    change: float
    trend: TrendEstimate
    mixed_versions: bool


def compare(sessions: Sequence[SessionSummary]) -> Comparison | None:
    """Compare the last session with those before it; None when it is the only one.

    Args:
        sessions: of one patient, oldest first.
    """
    alike = [session for session in sessions if session.basis is sessions[-1].basis]
    if len(alike) < 2:
        return None
    first = alike[0].started
    days = [(session.started - first).total_seconds() / _DAY_S for session in alike]
    indices = [session.index for session in alike]
    detectable = minimal_detectable_change(MINIMAL_DETECTABLE_CHANGE['symmetry_index'])
    return Comparison(tuple(days), tuple(indices), detectable, indices[-1] - indices[-2],
                      estimate_trend(days, indices, detectable),
                      len({session.versions for session in alike}) > 1)


def _within(time_s: float, bands: Iterable[Band]) -> bool:
    # A second for the face to relax.
    return any(band.start_s <= time_s <= band.end_s + 1.0 for band in bands)


# Seconds. What seems longer is a clock that was set, or a break that no plot should show.
_LONGEST_PAUSE_S = 600.0


def _whole(session: RecordedSession) -> RecordedSession:
    """The session without lines in which a name or a value is damaged; those are counted."""
    whole = tuple(line for line in session.lines if _is_whole(line))
    return replace(session, lines=whole,
                   damaged=session.damaged + len(session.lines) - len(whole))


def _is_whole(line: Mapping[str, Any]) -> bool:
    needed, possible = _NEEDED.get(line['kind'], {}), _POSSIBLE.get(line['kind'], {})
    return all(name in line and fits(line[name]) for name, fits in needed.items()) \
        and all(fits(line[name]) for name, fits in possible.items() if name in line)


_Fits = Callable[[Any], bool]


def _is_a(*types: type) -> _Fits:
    return lambda value: isinstance(value, types)


def _is_word_of(kind: type[Enum]) -> _Fits:
    words = [one.name.lower() for one in kind]
    return lambda value: value in words


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_range(value: Any) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 2
                             and all(isinstance(one, int) for one in value))


_is_figure = _is_a(int, float, type(None))
# By kind of line: names without which it is damaged, and names that older records may lack.
_NEEDED: Mapping[str, Mapping[str, _Fits]] = {
    'frame': {'assessed': _is_a(bool), 'side': _is_word_of(Side), 'basis': _is_word_of(Basis),
              'M': _is_figure, 'E': _is_figure, 'symmetry_index': _is_figure,
              'reasons': _are_words},
    'exercise': {'exercise': _is_a(str), 'unit': _is_a(str), 'valid': _is_a(bool),
                 'start_s': _is_a(int, float), 'excursion_left': _is_figure,
                 'excursion_right': _is_figure, 'item_score': _is_figure, 'reasons': _are_words},
    'event': {'name': _is_a(str)},
}
_POSSIBLE: Mapping[str, Mapping[str, _Fits]] = {
    'frame': {'grade': _is_word_of(Grade), 'mouth_severity': _is_word_of(RegionSeverity),
              'eye_severity': _is_word_of(RegionSeverity), 'pattern': _is_word_of(Pattern),
              'nihss': _is_range, 'house_brackmann': _is_range, 'severity_reasons': _are_words},
}
# All that is read of a frame.
FRAME_NAMES = frozenset(('kind', 'stamp_s', *_NEEDED['frame'], *_POSSIBLE['frame']))


def _from_zero(session: RecordedSession) -> RecordedSession:
    """The session with all its times counted from its first frame.

    Where the frames' clock goes back or leaps, the session goes on from where it was.
    """
    shift_s = last_s = math.nan
    lines: list[Mapping[str, Any]] = []
    for line in session.lines:
        stamp_s = line['stamp_s']
        if line['kind'] == 'frame':
            if math.isnan(last_s):
                shift_s = stamp_s
            elif not 0.0 <= stamp_s - last_s <= _LONGEST_PAUSE_S:
                shift_s += stamp_s - last_s
            last_s = stamp_s
        # What comes before the first frame happens at zero.
        shift = stamp_s if math.isnan(shift_s) else shift_s
        if isinstance(line, FrameLine):
            lines.append(line.at(stamp_s - shift))
            continue
        times: Record = {name: line[name] - shift
                         for name in ('stamp_s', 'start_s') if name in line}
        lines.append({**line, **times})
    return replace(session, lines=tuple(lines))


def by_second(frames: Sequence[Mapping[str, Any]]) -> tuple[Second, ...]:
    """The seconds of these frames, oldest first; each frame says whether it was `assessed`."""
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for frame in frames:
        groups.setdefault(math.floor(frame['stamp_s']), []).append(frame)
    return tuple(_second(float(number), group) for number, group in sorted(groups.items()))


def _second(time_s: float, frames: Sequence[Mapping[str, Any]]) -> Second:
    assessed = [frame for frame in frames if frame['assessed']]
    if 2 * len(assessed) < len(frames):
        return Second(time_s, Side.UNKNOWN, math.nan, math.nan, False)
    counts = Counter(frame['side'] for frame in assessed).most_common(2)
    tied = len(counts) == 2 and counts[0][1] == counts[1][1]
    return Second(time_s, Side.UNKNOWN if tied else Side[counts[0][0].upper()],
                  _median(frame['M'] for frame in assessed),
                  _median(frame['symmetry_index'] for frame in assessed),
                  assessed[-1]['basis'] == 'dynamic')


def _side(seconds: Sequence[Second]) -> tuple[Side, float]:
    known = Counter(second.side for second in seconds if second.side is not Side.UNKNOWN)
    ranked = known.most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return Side.UNKNOWN, 0.0
    return ranked[0][0], ranked[0][1] / known.total()


def verdict(assessed: Sequence[Mapping[str, Any]], resting: Sequence[Mapping[str, Any]], *,
            exercised: bool) -> Mapping[str, Any]:
    """The frame whose severity stands for the session; empty where none is known.

    Args:
        assessed: the frames with a side; resting: those of them outside exercises.
        exercised: there were exercises; without, rest is told by its median.
    """
    known = [frame for frame in assessed if frame['basis'] != 'unknown']
    if not known:
        return {}
    if exercised:
        return _of_exercises(known)
    calm = [frame for frame in resting if frame['symmetry_index'] is not None] or known
    index = _median(frame['symmetry_index'] for frame in calm)
    middle = min(calm, key=lambda frame: abs(_number(frame['symmetry_index']) - index))
    return {**middle, 'symmetry_index': index, 'grade': grade_of(index).name.lower()}


def _of_exercises(known: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The last frame that tells what the exercises came to; the last of all where none does.

    A clock that went back makes the pipeline forget them, and so did another face in records that
    do not tell of it: what it says from then on is of a face at rest.
    """
    moved = [frame for frame in known if frame['basis'] == 'dynamic']
    tried = [frame for frame in known
             if NO_VALID_EXERCISE in frame.get('severity_reasons', ())]
    return (moved or tried or known)[-1]


def _movements(lines: Sequence[Mapping[str, Any]]) -> tuple[Movement, ...]:
    names = list(dict.fromkeys(line['exercise'] for line in lines))
    return tuple(_movement(name, [line for line in lines if line['exercise'] == name])
                 for name in names)


def _movement(name: str, lines: Sequence[Mapping[str, Any]]) -> Movement:
    usable = [line for line in lines if line['valid']]
    left = _median(line['excursion_left'] for line in usable)
    right = _median(line['excursion_right'] for line in usable)
    ratio = min(left, right) / max(left, right) if usable and max(left, right) > 0 else math.nan
    reasons = Counter(reason for line in lines for reason in line['reasons'])
    return Movement(name, lines[0]['unit'], left, right, ratio,
                    round(_median(line['item_score'] for line in usable)) if usable else 0,
                    len(usable), len(lines), tuple(reason for reason, _ in reasons.most_common()))


def _median(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return median(known) if known else math.nan


def _movement_on(parameters: Mapping[str, Any]) -> float:
    value = parameters.get('movement_on')
    return float(value) if isinstance(value, (int, float)) else SideRule.movement_on


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _range(value: Sequence[int] | None) -> tuple[int, int]:
    return (value[0], value[1]) if value else (-1, -1)
