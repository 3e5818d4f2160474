"""`python -m stroke_side_monitor.simulation.score`: what was reported against what was true.

It never changes a recording. A bag that holds the monitor's reports is scored as
recorded; any other is assessed here, by the monitor's own pipeline, and then scored.
Left and right are the PATIENT's.
"""

from __future__ import annotations

import argparse
import csv
import functools
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from stroke_side_monitor.assessment.norms import NormsError
from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.interruption import ends_cleanly
from stroke_side_monitor.offline import inputs
from stroke_side_monitor.offline.inputs import Cue, Frame, InputError, Note
from stroke_side_monitor.offline.stream import Assessed, Stream
from stroke_side_monitor.perception.tflite import ModelError
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings, parameters

TRUTH = 'stroke_side_msgs/msg/SimulatedPatientTruth'
AFFECTED_SIDE = 'stroke_side_msgs/msg/AffectedSide'
SEVERITY = 'stroke_side_msgs/msg/Severity'

# Weight of each movement in the symmetry index, and the region that makes it.
_INDEX_PARTS = {'smile': (0.35, 'mouth'), 'eye_close': (0.25, 'eye'),
                'brow_raise': (0.20, 'brow'), 'pucker': (0.10, 'mouth')}


@dataclass(frozen=True)
class Truth:
    """What was true at stamp_s (seconds). Severities 0..1; exercise: 'rest' or commanded."""

    stamp_s: float
    side: Side
    mouth: float
    eye: float
    brow: float
    exercise: str


@dataclass(frozen=True)
class Report:
    """What the monitor said of the frame stamped stamp_s (seconds); index NaN when unknown."""

    stamp_s: float
    side: Side
    stable: bool
    symmetry_index: float


@dataclass(frozen=True)
class Score:
    """How one recording was judged.

    confusion: seconds by (true side, reported side).
    decided, right: seconds with a side, and with the true one.
    latency_s: from the palsy's onset (or the start) to the first stable report of
        the true side, seconds; NaN when it never came.
    expected_index: the symmetry index at the end, 0..100, if every movement made
        were measured perfectly and the face at rest cost nothing; NaN without movements.
    reported_index: what the monitor said last, 0..100; NaN when unknown.
    unmatched: reports on frames of which no truth is known.
    """

    name: str
    confusion: Counter[tuple[Side, Side]]
    latency_s: float
    expected_index: float
    reported_index: float
    unmatched: int

    @property
    def decided(self) -> int:
        return sum(count for (_, said), count in self.confusion.items()
                   if said is not Side.UNKNOWN)

    @property
    def right(self) -> int:
        return sum(count for (true, said), count in self.confusion.items() if true is said)


def score(name: str, truths: Sequence[Truth], reports: Sequence[Report]) -> Score:
    """Compare second by second.

    A second is decided when at least half of its frames are; its side is the one
    most of those name. Seconds in which the palsy sets in are left out: neither
    answer is wrong there.

    Raises:
        InputError: no report has a frame of which the truth is known.
    """
    by_stamp = {_key(truth.stamp_s): truth for truth in truths}
    pairs = [(by_stamp[_key(report.stamp_s)], report) for report in reports
             if _key(report.stamp_s) in by_stamp]
    if not pairs:
        raise InputError('no report is about a frame of which the truth is known')
    confusion: Counter[tuple[Side, Side]] = Counter()
    for second in _seconds(pairs):
        sides = {truth.side for truth, _ in second}
        if len(sides) == 1:
            confusion[sides.pop(), _majority([report.side for _, report in second])] += 1
    indices = [report.symmetry_index for _, report in pairs
               if not math.isnan(report.symmetry_index)]
    return Score(name, confusion, _latency(pairs), _expected_index([truth for truth, _ in pairs]),
                 indices[-1] if indices else math.nan, len(reports) - len(pairs))


_Pair = tuple[Truth, Report]


def _expected_index(truths: Sequence[Truth]) -> float:
    parts = [_INDEX_PARTS[exercise] for exercise in sorted({truth.exercise for truth in truths})
             if exercise in _INDEX_PARTS]
    if not parts:
        return math.nan
    lost = sum(weight * getattr(truths[-1], region) for weight, region in parts)
    return 100.0 * (1.0 - lost / sum(weight for weight, _ in parts))


def _key(stamp_s: float) -> int:
    return round(stamp_s * 1e5)  # stamps as float seconds are good to a microsecond


def _seconds(pairs: Sequence[_Pair]) -> Iterator[list[_Pair]]:
    seconds: dict[int, list[_Pair]] = defaultdict(list)
    start = min(truth.stamp_s for truth, _ in pairs)
    for pair in pairs:
        seconds[int(pair[0].stamp_s - start)].append(pair)
    return iter(seconds.values())


def _majority(sides: Sequence[Side]) -> Side:
    named = Counter(side for side in sides if side is not Side.UNKNOWN)
    if 2 * sum(named.values()) < len(sides) or not named:
        return Side.UNKNOWN
    (first, count), *rest = named.most_common(2)
    return Side.UNKNOWN if rest and rest[0][1] == count else first


def _latency(pairs: Sequence[_Pair]) -> float:
    final = pairs[-1][0].side
    onset = next(truth.stamp_s for truth, _ in pairs if truth.side is final)
    found = (truth.stamp_s for truth, report in pairs
             if truth.stamp_s >= onset and report.stable and report.side is final)
    return next(found, math.nan) - onset


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation with mean ranks for ties; NaN where one side is constant."""
    ranks = [_mean_ranks(np.asarray(values, dtype=float)) for values in (first, second)]
    if len(first) < 2 or any(np.ptp(rank) == 0.0 for rank in ranks):
        return math.nan
    return float(np.corrcoef(*ranks)[0, 1])


def _mean_ranks(values: Any) -> Any:
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    return below + (equal - 1) / 2.0


def read(path: Path, settings: PipelineSettings) -> tuple[list[Truth], list[Report]]:
    """Truth and reports of a bag, or of a film as a folder of pictures with truth.csv.

    Raises:
        InputError: neither of them, or without truth.
    """
    if (path / 'truth.csv').is_file():
        truths, frames = _read_folder(path)
        return truths, list(_assess(frames, settings, len(truths)))
    if path.suffix != '.mcap' and not (path / inputs.BAG_METADATA).is_file():
        raise InputError(f'neither a bag nor a folder of pictures with truth.csv; {_MAKE_ONE}')
    truths, reports = _read_bag(path)
    if not truths:
        raise InputError(f'holds no {TRUTH}; only simulated patients can be scored')
    if not reports:
        reports = list(_assess(inputs.read_bag(path, None), settings, len(truths)))
    return truths, reports


def _read_bag(path: Path) -> tuple[list[Truth], list[Report]]:
    from rosbags.highlevel import AnyReader, AnyReaderError
    truths: list[Truth] = []
    sides: dict[int, tuple[float, Side, bool]] = {}
    indices: dict[int, float] = {}
    try:
        with AnyReader([path], default_typestore=inputs.typestore()) as reader:
            wanted = [one for one in reader.connections
                      if one.msgtype in (TRUTH, AFFECTED_SIDE, SEVERITY)]
            for connection, _, raw in reader.messages(wanted) if wanted else ():
                message: Any = reader.deserialize(raw, connection.msgtype)
                stamp = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
                if connection.msgtype == TRUTH:
                    truths.append(Truth(stamp, Side(message.side), message.severity_mouth,
                                        message.severity_eye, message.severity_brow,
                                        message.exercise))
                elif connection.msgtype == AFFECTED_SIDE:
                    sides[_key(stamp)] = (stamp, Side(message.side), bool(message.stable))
                else:
                    indices[_key(stamp)] = float(message.symmetry_index)
    except AnyReaderError as error:
        raise InputError(f'not a readable bag ({error})') from error
    reports = [Report(stamp, side, stable, indices.get(key, math.nan))
               for key, (stamp, side, stable) in sides.items()]
    return truths, reports


_MAKE_ONE = 'make one with python -m stroke_side_monitor.simulation --bag or --frames'
# What is read of truth.csv.
_COLUMNS = ('file', 'stamp_ns', 'side', 'severity_mouth', 'severity_eye', 'severity_brow',
            'exercise', 'phase')


def _read_table(path: Path) -> tuple[list[dict[str, str]], list[Truth]]:
    """The rows of a film's truth.csv, and what they say."""
    try:
        with path.open(newline='') as file:
            reader = csv.DictReader(file, restval='')
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(
                    f'{path.name} lacks {", ".join(missing)}; only a film can be scored, not '
                    f'single pictures as training.simulate writes them; {_MAKE_ONE}')
            rows = list(reader)
        return rows, [Truth(int(row['stamp_ns']) * 1e-9, Side[row['side'].upper()],
                            float(row['severity_mouth']), float(row['severity_eye']),
                            float(row['severity_brow']), row['exercise']) for row in rows]
    except InputError:
        raise
    except (KeyError, ValueError, csv.Error) as error:
        raise InputError(f'{path.name} is damaged ({type(error).__name__}: {error}); '
                         f'{_MAKE_ONE}') from error


def _read_folder(path: Path) -> tuple[list[Truth], Iterator[Frame | Cue | Note]]:
    rows, truths = _read_table(path / 'truth.csv')

    def frames() -> Iterator[Frame | Cue | Note]:
        exercise = 'rest'
        for row, truth in zip(rows, truths, strict=True):
            # The folder keeps no cues; the truth's phases say when they were given.
            commanded = 'rest' if row['phase'] == 'offset' else row['exercise']
            if commanded != exercise:
                if exercise != 'rest':
                    yield Cue(truth.stamp_s, exercise, False, 0.0)
                if commanded != 'rest':
                    yield Cue(truth.stamp_s, commanded, True, 0.0)
                exercise = commanded
            yield Frame(truth.stamp_s, truth.stamp_s,
                        functools.partial(inputs.read_picture, path / row['file']))

    return truths, frames()


def _assess(items: Iterator[Frame | Cue | Note], settings: PipelineSettings, total: int
            ) -> Iterator[Report]:
    pipeline = Pipeline(settings, video=True)
    try:
        with tqdm(total=total, unit='frame', disable=None, leave=False) as progress:
            for step in Stream(pipeline).assessed(items):
                if isinstance(step, Assessed):
                    said = step.assessment
                    progress.update()
                    yield Report(said.stamp_s, said.side.side, said.side.stable,
                                 said.severity.symmetry_index)
    finally:
        pipeline.close()


def table(scores: Sequence[Score]) -> str:
    """Everything that was found, as text."""
    lines = ['seconds            reported']
    lines.append('true       ' + ''.join(f'{side.name.lower():>9}' for side in Side))
    total: Counter[tuple[Side, Side]] = sum((one.confusion for one in scores), Counter())
    for true in (Side.NONE, Side.LEFT, Side.RIGHT):
        lines.append(f'{true.name.lower():<11}'
                     + ''.join(f'{total[true, said]:>9}' for said in Side))
    decided, right = (sum(getattr(one, name) for one in scores) for name in ('decided', 'right'))
    share = f'{right / decided:.1%}' if decided else 'none decided'
    lines += [f'side right in {right} of {decided} decided seconds ({share}), '
              f'{sum(total.values()) - decided} undecided', '']
    width = max(len(one.name) for one in scores)
    lines.append(f'{"recording":<{width}}  {"right":>9}  {"latency":>8}  '
                 'symmetry index: expected, reported, error')
    for one in scores:
        lines.append(f'{one.name:<{width}}  {one.right:>4}/{one.decided:<4}  '
                     f'{_number(one.latency_s, "7.2f")} s  {_number(one.expected_index, "25.0f")}, '
                     f'{_number(one.reported_index, "8.0f")}, '
                     f'{_number(one.reported_index - one.expected_index, "+5.0f")}')
    unmatched = sum(one.unmatched for one in scores)
    if unmatched:
        lines.append(f'{unmatched} reports on frames of unknown truth were left out')
    known = [one for one in scores if not math.isnan(one.reported_index - one.expected_index)]
    if len(known) > 2:
        correlation = spearman([one.expected_index for one in known],
                               [one.reported_index for one in known])
        error = float(np.mean([abs(one.reported_index - one.expected_index) for one in known]))
        lines.append(f'symmetry index over {len(known)} recordings: Spearman '
                     f'{_number(correlation, ".2f")}, mean absolute error {error:.0f}')
    return '\n'.join(lines)


def _number(value: float, form: str) -> str:
    return '-' if math.isnan(value) else format(value, form)


@ends_cleanly('score')
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. 0: scored; 2: nothing that could be scored."""
    parser = argparse.ArgumentParser(
        prog='python -m stroke_side_monitor.simulation.score', description=__doc__)
    parser.add_argument('recordings', nargs='+', type=Path, metavar='BAG_OR_RUN',
                        help='bag, or folder of --frames: a film\'s pictures with truth.csv')
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE',
                        help='a pipeline parameter to try, e.g. mouth_on=2.5; repeatable')
    parsed = parser.parse_args(arguments)
    scores = []
    try:
        settings = settings_from(parsed.set)
        for path in parsed.recordings:
            try:
                scores.append(score(path.name, *read(path, settings)))
            except InputError as error:
                raise InputError(f'{path}: {error}') from error
    except (InputError, ModelError, NormsError, FileNotFoundError) as error:
        print(f'score: {error}', file=sys.stderr)
        return 2
    print(table(scores))
    return 0


def settings_from(changes: Sequence[str]) -> PipelineSettings:
    """The default settings with changes like 'mouth_on=2.5'.

    Raises:
        InputError: no such parameter, or not a value of its type.
    """
    texts = {name: text for name, _, text in (change.partition('=') for change in changes)}
    try:
        return parameters.changed(PipelineSettings(), texts)
    except parameters.ParameterError as error:
        raise InputError(f'--set: {error}') from error


if __name__ == '__main__':
    raise SystemExit(main())
