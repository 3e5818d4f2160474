"""Draws what differs between two runs, onto given axes.

It never computes figures and never writes files. Run A is grey, run B is black.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stroke_side_monitor.compare.changes import Quality, Shift
from stroke_side_monitor.offline.records import METRIC_NAMES, Record
from stroke_side_monitor.report import plots
from stroke_side_monitor.report.summary import Second, by_second

_A: Mapping[str, Any] = {'color': '#9a9a9a', 'label': 'run A'}
_B: Mapping[str, Any] = {'color': plots.INK, 'label': 'run B'}


def shift(axes: Axes, quality: Quality, by_range: Sequence[Shift]) -> None:
    """How M and |M| moved, range by range: medians, and where nine of ten shifts of M lie."""
    rows = range(len(by_range))
    low, middle, high = (np.array([one.quantile(share) for one in by_range])
                         for share in (0.05, 0.5, 0.95))
    axes.axvline(0, color=plots.FAINT, linewidth=0.7)
    axes.hlines(rows, low, high, color=_A['color'], linewidth=2.2)
    axes.plot(middle, rows, 'o', color=_B['color'], markersize=5, label='M')
    axes.plot([one.more_asymmetric for one in by_range], rows, 'd', color=plots.RIGHT,
              fillstyle='none', markersize=6, label='|M|')
    axes.set_yticks(rows, [f'{label} {quality.unit}' if one.records else f'{label} (none)'
                           for label, one in zip(quality.labels, by_range, strict=True)])
    reach = max(0.5, 1.1 * np.nanmax(np.abs([low, high])))
    axes.set(xlim=(-reach, reach), ylim=(-0.6, len(by_range) - 0.4))
    axes.set_title(quality.name, fontsize=9, loc='left', color=plots.INK)
    plots.plain(axes)
    axes.tick_params(axis='y', length=0)


def stream(figure: Figure, a: Sequence[Record], b: Sequence[Record]) -> None:
    """Side, M and index of a video or bag over time, in both runs."""
    top, below, score, index = figure.subplots(
        4, 1, sharex=True, height_ratios=(0.22, 0.22, 1.7, 1.7))
    start_s = min(a[0]['stamp_s'], b[0]['stamp_s'])
    of_runs = [_seconds(found, start_s) for found in (a, b)]
    for axes, seconds, label in ((top, of_runs[0], 'A'), (below, of_runs[1], 'B')):
        plots.side_strip(axes, seconds, label)
        plots.plain(axes)
    plots.side_legend(top)
    plots.index_bands(index)
    for seconds, style in zip(of_runs, (_A, _B), strict=True):
        times = [second.time_s + 0.5 for second in seconds]
        score.plot(times, [second.mouth_score for second in seconds], linewidth=1.5, **style)
        index.plot(times, [second.index for second in seconds], linewidth=1.5, **style)
    plots.score_frame(score, np.array(
        [second.mouth_score for seconds in of_runs for second in seconds]))
    plots.plain(score)
    index.set(ylabel='symmetry\nindex', xlabel='minutes : seconds')
    index.legend(loc='lower left', ncols=2, frameon=False, fontsize=7.5)
    lasts_s = max((seconds[-1].time_s + 1.0 for seconds in of_runs if seconds), default=1.0)
    index.set_xlim(0, lasts_s)
    plots.clock(index, lasts_s)


def _seconds(found: Sequence[Record], start_s: float) -> tuple[Second, ...]:
    return by_second([{**record, 'stamp_s': record['stamp_s'] - start_s,
                       'assessed': record['side'] != 'unknown'} for record in found])


def still(axes: Axes, a: Record, b: Record) -> None:
    """Scores and every metric of a picture in healthy standard deviations, in both runs."""
    names = ['M', 'E', *METRIC_NAMES]
    rows = range(len(names) - 1, -1, -1)
    before, after = ([record['M'], record['E'], *(record['z'].get(name) for name in METRIC_NAMES)]
                     for record in (a, b))
    values = np.array([before, after], dtype=float)
    axes.axvspan(-2, 2, color='#eef3ef', linewidth=0, zorder=0)
    axes.axvline(0, color=plots.FAINT, linewidth=0.6)
    axes.hlines(rows, values.min(axis=0), values.max(axis=0), color='#cccccc', linewidth=1.2)
    axes.plot(values[0], rows, 'o', markersize=7, fillstyle='none', **_A)
    axes.plot(values[1], rows, 'o', markersize=3.5, **_B)
    axes.set_yticks(rows, ['M: mouth score', 'E: eye score',
                           *(name.replace('.', ': ').replace('_', ' ')
                             for name in METRIC_NAMES)], fontsize=7.5)
    known = np.abs(values[np.isfinite(values)])
    reach = max(3.0, 1.1 * known.max()) if known.size else 3.0
    axes.set(xlim=(-reach, reach), ylim=(-0.7, len(names) - 0.3), xlabel='healthy SD')
    axes.axhline(len(names) - 2.5, color='#cccccc', linewidth=0.6)
    for at, text, colour in ((0.0, 'right weaker', plots.RIGHT), (1.0, 'left weaker', plots.LEFT)):
        axes.text(at, 1.01, text, transform=axes.transAxes, fontsize=7.5, color=colour,
                  ha='right' if at else 'left')
    axes.legend(loc='lower center', bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False,
                fontsize=7.5)
    plots.plain(axes)
    axes.tick_params(axis='y', length=0)


def is_drawable(record: Record) -> bool:
    """Whether still() has something to show."""
    return bool(record['z']) and not math.isnan(record['z'][METRIC_NAMES[0]] or math.nan)
