"""Follows simulated patients over eight therapy sessions: one that improves, one that does not.

Every session is filmed, assessed and recorded as on the robot; the report then says whether
there is a trend. It prints the figures of docs/clinical.md and leaves the records behind.
Run: .venv/bin/python -m studies.sessions_study --data ../shared/data --out FOLDER
"""

from __future__ import annotations

import argparse
import dataclasses
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from stroke_side_monitor.assessment.terms import Side
from stroke_side_monitor.patient_files.session_record import SessionRecorder, read_session
from stroke_side_monitor.pipeline import Pipeline, PipelineSettings
from stroke_side_monitor.report.command import write_report
from stroke_side_monitor.report.summary import compare, summarise
from stroke_side_monitor.simulation.palsy import Palsy
from stroke_side_monitor.simulation.portrait import Portrait, portrait, read_picture
from stroke_side_monitor.simulation.session import NANOSECONDS, Cue, Session
from studies.movement_study import PLAN

SESSIONS = 8
COURSES = {'improving': np.linspace(0.8, 0.2, SESSIONS), 'stable': np.full(SESSIONS, 0.5)}
FIRST = datetime(2026, 3, 2, 9, 30, tzinfo=timezone.utc)


def main() -> None:
    """Film both courses of every person and judge them."""
    options = _parse()
    pipeline = Pipeline(PipelineSettings(use_classifier=False), video=True)
    files = sorted((options.data / 'london_faces/neutral').glob('*.jpg'))
    for number, path in list(enumerate(files))[options.skip:options.skip + options.people]:
        smiling = options.data / 'london_faces/smiling' / path.name
        person = portrait(read_picture(path), path.name, smiling_rgb=read_picture(smiling),
                          smiling_name=smiling.name, both_passes=True)
        side = (Side.LEFT, Side.RIGHT)[number % 2]
        for course, severities in COURSES.items():
            key = f'{path.stem}-{course}'
            folders = [
                record(pipeline, person, Palsy.of(side, float(severity), options.pattern),
                       options.out, key, day, seed=1000 * number + day)
                for day, severity in enumerate(severities)]
            judge(key, folders, options.out / f'{key}.html')
    pipeline.close()


def record(pipeline: Pipeline, person: Portrait, palsy: Palsy, out: Path, key: str, day: int,
           seed: int) -> Path:
    """Film, assess and record one session; returns its folder."""
    session = Session(person, palsy, dataclasses.replace(PLAN, fps=10.0), seed)
    recorder = SessionRecorder(out, patient_key=key, versions={'software': 'study'},
                               parameters={}, tell=print, started=FIRST + timedelta(days=2 * day))
    pipeline.reset()
    for item in session.timeline():
        if isinstance(item, Cue):
            stamp_s = item.stamp_ns / NANOSECONDS
            status = pipeline.cue(item.exercise, item.start, stamp_s, item.hold_s)
            recorder.cue(stamp_s, item.exercise, item.start, item.hold_s, status)
        else:
            recorder.assessment(pipeline.assess(item.rgb, item.truth.stamp_ns / NANOSECONDS))
    recorder.close()
    return recorder.folder


def judge(key: str, folders: list[Path], page: Path) -> None:
    """Print what the report says of a course, and write its page."""
    summaries = [summarise(read_session(folder)) for folder in folders]
    comparison = compare(summaries)
    write_report(folders, page)
    indices = ' '.join(f'{summary.index:.0f}' for summary in summaries)
    said = 'nothing to compare' if comparison is None else comparison.trend
    print(f'{key}: index {indices}; {said}', flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=Path, required=True, help='folder with london_faces')
    parser.add_argument('--out', type=Path, required=True, help='where the sessions go')
    parser.add_argument('--people', type=int, default=2)
    parser.add_argument('--skip', type=int, default=20, help='leave out the first so many of them')
    parser.add_argument('--pattern', choices=('central', 'peripheral'), default='peripheral')
    return parser.parse_args()


if __name__ == '__main__':
    main()
