"""Which lines of a recording belong together, and of which of them its figures are.

A recording goes on when the patient is changed or the camera turned round; what was seen before is
then not of the same face, or not of the same left and right. It never reads a file and never words
anything.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stroke_side_monitor.patient_files.session_record import SESSION_BEGAN, RecordedSession

# The pipeline's own word, which importing would load MediaPipe for: the patient is the same.
CLOCK_WENT_BACK = 'clock_went_back'
# Likewise: left and right are not what they were.
ORIENTATION_CHANGED = 'orientation_changed'
# The event that alone parts records of before SESSION_BEGAN, and a reason beside it since.
RESET = 'reset'

Lines = list[Mapping[str, Any]]


@dataclass(frozen=True)
class Part:
    """A time of one person before one orientation of the camera.

    reason: why it began, as in `session_reason`; '' where the record does not say.
    start_s, end_s: of its first and last frame, seconds from the recording's first.
    frames: those assessed; assessed_s: seconds of which at least half of the frames were.
    usable, repetitions: of its exercises, how many of how many.
    """

    reason: str
    start_s: float
    end_s: float
    frames: int
    assessed_s: int
    usable: int
    repetitions: int


def reported(session: RecordedSession) -> tuple[RecordedSession, tuple[Part, ...], int]:
    """The lines of which the figures are, as a session; all parts in order, and that one's place.

    Args:
        session: whole lines only, times from its first frame.
    """
    groups = _groups(session.lines)
    parts = tuple(_part(reason, lines) for reason, lines in groups)
    place = _place(parts)
    return replace(session, lines=tuple(groups[place][1])), parts, place


def _place(parts: Sequence[Part]) -> int:
    """The part with most usable repetitions, of equals the later one.

    Without any, one in which movements were asked for, for that was the patient; of those, and
    where none were, the one that was seen most. Somebody who turns left and right round has found
    them wrong: what was before counts only where nothing was assessed since.
    """
    turned = max((place for place, part in enumerate(parts)
                  if part.reason == ORIENTATION_CHANGED), default=0)
    first = turned if any(part.frames for part in parts[turned:]) else 0
    moved = any(part.usable for part in parts[first:])

    def tells(place: int) -> tuple[int, int, int]:
        part = parts[place]
        if moved:
            return part.usable, 0, place
        return part.repetitions > 0, part.frames, place

    return max(range(first, len(parts)), key=tells)


def _groups(lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, Lines]]:
    """Why each part began, and its lines; what holds neither frame nor result is none of its own.

    At least one, be it empty.
    """
    told = any(_is_event(line, SESSION_BEGAN) for line in lines)
    groups: list[tuple[str, Lines]] = [('', [])]
    for line in lines:
        reason = _why_it_begins(line, told)
        if reason is not None and _holds_something(groups[-1][1]):
            groups.append((reason, []))
        elif reason is not None:
            groups[-1] = (reason, groups[-1][1])
        groups[-1][1].append(line)
    if len(groups) > 1 and not _holds_something(groups[-1][1]):
        _, rest = groups.pop()
        groups[-1][1].extend(rest)
    return groups


def _why_it_begins(line: Mapping[str, Any], told: bool) -> str | None:
    """Why a part begins with this line; None where none does."""
    if not told:
        return RESET if _is_event(line, RESET) else None
    if not _is_event(line, SESSION_BEGAN) or line.get('reason') == CLOCK_WENT_BACK:
        return None
    return str(line.get('reason', ''))


def _is_event(line: Mapping[str, Any], name: str) -> bool:
    return bool(line['kind'] == 'event' and line['name'] == name)


def _holds_something(lines: Lines) -> bool:
    return any(line['kind'] in ('frame', 'exercise') for line in lines)


def _part(reason: str, lines: Lines) -> Part:
    frames = [line for line in lines if line['kind'] == 'frame']
    exercises = [line for line in lines if line['kind'] == 'exercise']
    seen = Counter(math.floor(frame['stamp_s']) for frame in frames)
    assessed = Counter(math.floor(frame['stamp_s']) for frame in frames if frame['assessed'])
    return Part(reason, frames[0]['stamp_s'] if frames else 0.0,
                frames[-1]['stamp_s'] if frames else 0.0, assessed.total(),
                sum(2 * assessed[second] >= count for second, count in seen.items()),
                sum(line['valid'] for line in exercises), len(exercises))
