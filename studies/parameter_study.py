"""`python -m studies.parameter_study`: one parameter setting over many patients.

It never writes pictures: every simulated frame goes straight into the monitor's
pipeline. Left and right are the PATIENT's.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tqdm import tqdm

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.offline.inputs import InputError
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.simulation.portrait import PictureError, Portrait
from stroke_side_monitor.simulation.request import Request
from stroke_side_monitor.simulation.score import (
    Report,
    Score,
    Truth,
    score,
    settings_from,
    spearman,
)
from stroke_side_monitor.simulation.session import Cue, Session, SessionPlan


def requests(photos: Sequence[Path], smiles: Path | None, severities: Sequence[float],
             plan: SessionPlan, pattern: str) -> Iterator[Request]:
    """Every person healthy once, and weak on either side at every severity."""
    for seed, photo in enumerate(photos):
        smile = '' if smiles is None else str(smiles / photo.name)
        yield Request('none', 0.0, pattern, seed=seed, photo=str(photo), smile_photo=smile,
                      plan=plan)
        for severity in severities:
            for side in ('left', 'right'):
                yield Request(side, severity, pattern, seed=seed, photo=str(photo),
                              smile_photo=smile, plan=plan)


def judge(session: Session, pipeline: Pipeline, name: str) -> Score:
    """Film a session, assess it frame by frame, score it."""
    pipeline.reset()
    truths, reports = [], []
    for item in session.timeline():
        if isinstance(item, Cue):
            pipeline.cue(item.exercise, item.start, item.stamp_ns * 1e-9, item.hold_s)
            continue
        truth = item.truth
        stamp_s = truth.stamp_ns * 1e-9
        said = pipeline.assess(item.rgb, stamp_s)
        truths.append(Truth(stamp_s, truth.side, truth.severity_mouth, truth.severity_eye,
                            truth.severity_brow, truth.exercise))
        reports.append(Report(stamp_s, said.side.side, said.side.stable,
                              said.severity.symmetry_index))
    return score(name, truths, reports)


def table(found: Sequence[tuple[Request, Score]]) -> str:
    """One row per severity, and the rank correlation within persons."""
    lines = ['severity  patients  seconds right  as none  other side  undecided  '
             'latency s   index']
    for severity in sorted({request.severity for request, _ in found}):
        scores = [one for request, one in found if request.severity == severity]
        seconds = sum(sum(one.confusion.values()) for one in scores)
        right = sum(one.right for one in scores)
        undecided = seconds - sum(one.decided for one in scores)
        as_none = 0 if severity == 0 else sum(
            count for one in scores for (_, said), count in one.confusion.items()
            if said is Side.NONE)
        late = [one.latency_s for one in scores if not math.isnan(one.latency_s)]
        index = [one.reported_index for one in scores if not math.isnan(one.reported_index)]
        lines.append(
            f'{severity:>8.2f}  {len(scores):>8}  {right:>7}/{seconds - undecided:<5}  '
            f'{as_none:>7}  {seconds - undecided - right - as_none:>10}  {undecided:>9}  '
            f'{median(late) if late else math.nan:>5.1f} ({len(late):>3})  '
            f'{median(index) if index else math.nan:>5.0f} ({len(index):>3})')
    correlations = [one for one in _correlations(found) if not math.isnan(one)]
    if correlations:
        lines.append(f'Spearman of severity and 100 - index within {len(correlations)} '
                     f'person-sides: median {median(correlations):.2f}, '
                     f'at least .9 in {sum(one > 0.9 - 1e-9 for one in correlations)}')
    return '\n'.join(lines)


def _correlations(found: Sequence[tuple[Request, Score]]) -> Iterator[float]:
    for photo in sorted({request.photo for request, _ in found}):
        for side in ('left', 'right'):
            course = sorted((request.severity, one.reported_index) for request, one in found
                            if request.photo == photo and request.side in (side, 'none')
                            and not math.isnan(one.reported_index))
            if len(course) >= 4:
                yield spearman([severity for severity, _ in course],
                               [-index for _, index in course])


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. 0: done; 2: a photograph or parameter that cannot be used."""
    parser = argparse.ArgumentParser(
        prog='python -m studies.parameter_study', description=__doc__)
    parser.add_argument('photos', nargs='+', type=Path, help='healthy frontal photographs')
    parser.add_argument('--smiles', type=Path,
                        help='folder with smiling photographs under the same names')
    parser.add_argument('--severity', type=float, nargs='+', default=[0.25, 0.5, 0.75, 1.0])
    parser.add_argument('--pattern', choices=('central', 'peripheral'), default='central')
    parser.add_argument('--fps', type=float, default=10.0)
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE',
                        help='a pipeline parameter to try; repeatable')
    parsed = parser.parse_args(arguments)
    plan = SessionPlan(fps=parsed.fps)
    try:
        settings = settings_from(parsed.set)
        found = _run(list(requests(parsed.photos, parsed.smiles, parsed.severity, plan,
                                   parsed.pattern)), settings)
    except (InputError, PictureError) as error:
        print(f'study: {error}', file=sys.stderr)
        return 2
    print(table(found))
    return 0


def _run(wanted: Sequence[Request], settings: PipelineSettings) -> list[tuple[Request, Score]]:
    pipeline = Pipeline(settings, video=True)
    people: dict[str, Portrait] = {}
    found = []
    try:
        for request in tqdm(wanted, unit='patient', disable=None):
            if request.photo not in people:
                people = {request.photo: request.person()}
            session = Session(people[request.photo], request.palsy(), request.plan, request.seed)
            found.append((request, judge(session, pipeline, request.photo)))
        return found
    finally:
        pipeline.close()


if __name__ == '__main__':
    raise SystemExit(main())
