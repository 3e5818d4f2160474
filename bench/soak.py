"""`make soak`: half an hour of frames through the monitor, to show that nothing grows or drifts.

It never looks inside the monitor: memory, threads and file descriptors come from /proc, latency
from stamp to message received. Exit status 1 when a limit is passed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bench.scene import machine, simulated_frames
from stroke_side_monitor import atomic_file
from stroke_side_monitor.local_dds import keep_local

MOST_GROWTH_MB = 5.0
# Of the median latency, last quarter against first; other load on the machine shows here too.
MOST_DRIFT = 0.25
_WARM_UP_SHARE = 0.1


@dataclass(frozen=True)
class Sample:
    """One interval. minutes: its end since the start; latencies in milliseconds."""

    minutes: float
    rss_mb: float
    threads: int
    descriptors: int
    shown: int
    answers: int
    latency_p50: float
    latency_p99: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write the record, judge; 1 when something grew."""
    parser = argparse.ArgumentParser(prog='soak', description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=30.0)
    parser.add_argument('--every', type=float, default=30.0, help='seconds between samples')
    parser.add_argument('--record', type=Path, default=Path('docs/soak.md'))
    options = parser.parse_args(arguments)
    keep_local(os.environ)
    # Only now: DDS reads its settings from the environment when rclpy starts.
    from bench import wire

    before = machine()
    samples: list[Sample] = []
    with wire.running(simulated_frames(60)) as (pid, camera):
        start = time.monotonic()
        for _ in tqdm(range(round(options.minutes * 60 / options.every)), unit='sample',
                      disable=None):
            samples.append(_sample(pid, camera, options.every, start))
    failures = judge(samples)
    atomic_file.write(options.record, record(before, samples, failures).encode())
    sys.stdout.write(f'written: {options.record}\n')
    for failure in failures:
        sys.stderr.write(f'soak: {failure}\n')
    return 1 if failures else 0


def judge(samples: Sequence[Sample]) -> list[str]:
    """One line for everything that grew or drifted after the first tenth of the run."""
    kept = samples[int(len(samples) * _WARM_UP_SHARE):]
    if len(kept) < 4:
        return [f'{len(samples)} samples are too few to judge; run longer']
    quarter = len(kept) // 4
    first, last = kept[:quarter], kept[-quarter:]
    failures = []
    growth = max(sample.rss_mb for sample in last) - max(sample.rss_mb for sample in first)
    if growth > MOST_GROWTH_MB:
        failures.append(f'memory grew by {growth:.1f} MB')
    for name in ('threads', 'descriptors'):
        counts = sorted({getattr(sample, name) for sample in kept})
        if len(counts) > 1:
            failures.append(f'the number of {name} changed: {counts}')
    early, late = (float(np.median([sample.latency_p50 for sample in part]))
                   for part in (first, last))
    if late > early * (1 + MOST_DRIFT):
        failures.append(f'median latency went from {early:.1f} to {late:.1f} ms')
    if any(sample.answers == 0 for sample in kept):
        failures.append('the monitor fell silent')
    return failures


def record(computer: dict[str, Any], samples: Sequence[Sample], failures: Sequence[str]) -> str:
    """The run as a page for docs/."""
    shown, answers = (sum(getattr(sample, name) for sample in samples)
                      for name in ('shown', 'answers'))
    lines = [
        '# Soak', '',
        f'{samples[-1].minutes:.0f} minutes at 30 Hz, raw 640x480, a simulated patient in one '
        f'process, the monitor in another: {shown} frames shown, {answers} answered. Measured on '
        f'{computer["cpu"]}, {computer["cores"]} cores, Python {computer["python"]}, load '
        f'{computer["load_before"]:.1f} before the start. Repeat with `make soak`.', '',
        'Result: ' + ('; '.join(failures) if failures else (
            f'memory within {MOST_GROWTH_MB:g} MB, threads and file descriptors constant, no '
            'drift in latency.')), '',
        '| minutes | RSS MB | threads | file descriptors | frames | answers | latency p50 ms | '
        'p99 ms |', '|---|---|---|---|---|---|---|---|']
    lines += [f'| {s.minutes:.1f} | {s.rss_mb:.1f} | {s.threads} | {s.descriptors} | {s.shown} | '
              f'{s.answers} | {s.latency_p50:.1f} | {s.latency_p99:.1f} |' for s in samples]
    return '\n'.join(lines) + '\n'


def _sample(pid: int, camera: Any, seconds: float, start: float) -> Sample:
    from bench import wire

    camera.latencies_ms.clear()
    camera.shown_s.clear()
    camera.run(seconds)
    p50, p99 = (np.percentile(camera.latencies_ms, (50, 99)).tolist()
                if camera.latencies_ms else (float('nan'),) * 2)
    return Sample(
        minutes=(time.monotonic() - start) / 60, rss_mb=wire.rss_mb(pid),
        threads=len(os.listdir(f'/proc/{pid}/task')),
        descriptors=len(os.listdir(f'/proc/{pid}/fd')), shown=len(camera.shown_s),
        answers=len(camera.latencies_ms), latency_p50=p50, latency_p99=p99)


if __name__ == '__main__':
    raise SystemExit(main())
