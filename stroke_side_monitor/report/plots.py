"""Draws a session's figures with matplotlib: onto given axes, so that page and PDF share them.

It never computes figures and never writes files. Left and right are the
PATIENT's; the face map is drawn as one sees the patient, whose right side is on
the left of the picture, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, Patch, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from stroke_side_monitor.assessment.severity import DEFAULTS
from stroke_side_monitor.assessment.terms import RegionSeverity, Side
from stroke_side_monitor.report import words
from stroke_side_monitor.report.summary import Comparison, Second, SessionSummary

# Okabe & Ito's palette: told apart by colour-blind readers, and in grey print.
LEFT, RIGHT, NEUTRAL, UNKNOWN = '#0072b2', '#d55e00', '#7fa98f', '#dddddd'
INK, FAINT = '#222222', '#888888'
SIDE_COLOURS = {Side.LEFT: LEFT, Side.RIGHT: RIGHT, Side.NONE: NEUTRAL, Side.UNKNOWN: UNKNOWN}
SEVERITY_COLOURS = {RegionSeverity.UNKNOWN: '#ffffff', RegionSeverity.NONE: '#e4efe7',
                    RegionSeverity.MILD: '#fbd999', RegionSeverity.MODERATE: '#f2975a',
                    RegionSeverity.SEVERE: '#c2412d'}
GRADE_NAMES = ('complete', 'severe', 'moderate', 'mild', 'near normal', 'normal')


def timeline(side_axes: Axes, score_axes: Axes, index_axes: Axes, session: SessionSummary) -> None:
    """Side, mouth asymmetry and symmetry index over time, with the exercises as bands."""
    times = np.array([second.time_s for second in session.seconds])
    side_strip(side_axes, session.seconds, 'weaker\nside')
    side_legend(side_axes)
    scores = np.array([second.mouth_score for second in session.seconds])
    score_axes.plot(times + 0.5, scores, color=INK, linewidth=1.2)
    score_frame(score_axes, scores)
    index_bands(index_axes)
    indices = np.array([second.index for second in session.seconds])
    dynamic = np.array([second.dynamic for second in session.seconds])
    index_axes.plot(times + 0.5, np.where(dynamic, np.nan, indices), color=FAINT, linewidth=1.2,
                    linestyle='--', label='from rest')
    index_axes.plot(times + 0.5, np.where(dynamic, indices, np.nan), color=INK, linewidth=1.8,
                    label='from movement')
    index_axes.legend(loc='lower left', ncols=2, frameon=False, fontsize=7.5)
    index_axes.set(ylabel='symmetry\nindex', xlabel='minutes : seconds')
    _exercise_bands((side_axes, score_axes, index_axes), session)
    clock(index_axes, max(session.duration_s, 1.0), session.start_s)


def side_strip(axes: Axes, seconds: Sequence[Second], label: str) -> None:
    """The weaker side over time, as a strip of colours."""
    for side in Side:
        runs = _runs([second.time_s for second in seconds if second.side is side])
        axes.broken_barh(runs, (0, 1), color=SIDE_COLOURS[side], linewidth=0)
    axes.set(yticks=[], ylim=(0, 1))
    axes.set_ylabel(label, rotation=0, ha='right', va='center', fontsize=8)


def side_legend(axes: Axes) -> None:
    """What the colours of side_strip mean, above it."""
    axes.legend(
        handles=[Patch(color=SIDE_COLOURS[side], label=words.SIDES[side])
                 for side in (Side.LEFT, Side.RIGHT, Side.NONE, Side.UNKNOWN)],
        ncols=4, loc='lower left', bbox_to_anchor=(0.0, 1.02), frameon=False, fontsize=8)


def score_frame(axes: Axes, scores: NDArray[np.float64]) -> None:
    """Range, healthy band and directions for a course of mouth scores."""
    axes.axhspan(-2, 2, color='#eef3ef', linewidth=0, zorder=0)
    axes.axhline(0, color=FAINT, linewidth=0.6)
    reach = max(5.0, 1.15 * np.nanmax(np.abs(scores))) if np.isfinite(scores).any() else 5.0
    axes.set(ylim=(-reach, reach), ylabel='mouth\nasymmetry')
    axes.text(1.005, 0.97, 'left\nweaker', transform=axes.transAxes, fontsize=7, color=LEFT,
              va='top')
    axes.text(1.005, 0.03, 'right\nweaker', transform=axes.transAxes, fontsize=7, color=RIGHT,
              va='bottom')


def movements(axes: Axes, session: SessionSummary) -> None:
    """Left against right excursion of every exercise, in percent of the stronger side."""
    done = list(reversed(session.movements))
    for row, movement in enumerate(done):
        if math.isnan(movement.ratio):
            axes.text(1.5, row, words.reason(movement.reasons[0]) if movement.reasons
                      else 'not measured', va='center', fontsize=8, color=FAINT, style='italic')
            continue
        strong = max(movement.left, movement.right)
        for offset, value, colour in ((0.19, movement.right, RIGHT), (-0.19, movement.left, LEFT)):
            axes.barh(row + offset, 100 * value / strong, height=0.34, color=colour)
            axes.text(100 * value / strong + 1.0, row + offset, _amount(value, movement.unit),
                      va='center', fontsize=7.5, color=INK)
    axes.set_yticks(range(len(done)), [words.exercise(m.exercise) for m in done])
    axes.set(xlim=(0, 122), xticks=(0, 25, 50, 75, 100), ylim=(-0.6, len(done) - 0.4),
             xlabel='% of the stronger side')
    axes.axvline(100, color=FAINT, linewidth=0.6, linestyle=':')
    axes.legend(handles=[Patch(color=RIGHT, label="patient's right"),
                         Patch(color=LEFT, label="patient's left")],
                ncols=2, loc='lower left', bbox_to_anchor=(0.0, 1.0), frameon=False, fontsize=8)
    plain(axes)
    axes.tick_params(axis='y', length=0)


def face_map(axes: Axes, session: SessionSummary) -> None:
    """Brow, eye and mouth of each side, coloured by how severely that side is affected there."""
    axes.add_patch(Ellipse((0, 0), 2.05, 2.75, facecolor='#fbf7f2', edgecolor=FAINT, linewidth=1.2))
    axes.plot([0, 0], [-1.37, 1.37], color='#cccccc', linewidth=0.8, linestyle=(0, (4, 4)))
    levels = region_levels(session)
    for side, sign in ((Side.RIGHT, -1.0), (Side.LEFT, 1.0)):
        for region, outline in (('brow', _brow), ('eye', _eye), ('mouth', _mouth)):
            level = levels[region, side]
            unknown = level is RegionSeverity.UNKNOWN
            axes.add_patch(PathPatch(
                outline(sign), facecolor=SEVERITY_COLOURS[level], edgecolor=INK, linewidth=0.9,
                hatch='////' if unknown else None, linestyle=':' if unknown else '-'))
        axes.add_patch(Ellipse((sign * 0.42, 0.30), 0.13, 0.13, facecolor=INK))
    nose = np.array([(-0.06, 0.1), (-0.13, -0.22), (-0.1, -0.3), (0.0, -0.27)])
    for sign in (-1.0, 1.0):
        axes.plot(sign * nose[:, 0], nose[:, 1], color=FAINT, linewidth=1.0)
    axes.text(-1.12, 1.28, "patient's\nright", ha='right', va='top', fontsize=9, color=RIGHT)
    axes.text(1.12, 1.28, "patient's\nleft", ha='left', va='top', fontsize=9, color=LEFT)
    axes.legend(handles=[Patch(facecolor=SEVERITY_COLOURS[level], edgecolor=INK, linewidth=0.5,
                               hatch='////' if level is RegionSeverity.UNKNOWN else None,
                               label=words.REGIONS[level])
                         for level in (RegionSeverity.NONE, RegionSeverity.MILD,
                                       RegionSeverity.MODERATE, RegionSeverity.SEVERE,
                                       RegionSeverity.UNKNOWN)],
                loc='upper center', bbox_to_anchor=(0.5, 0.02), ncols=3, frameon=False, fontsize=8)
    axes.set(xlim=(-1.75, 1.75), ylim=(-1.5, 1.5), aspect='equal')
    axes.axis('off')


def region_levels(session: SessionSummary) -> dict[tuple[str, Side], RegionSeverity]:
    """How severely brow, eye and mouth of either side are affected.

    The brow by movement only: on the side that moved less there, whichever the mouth names.
    """
    named = (Side.LEFT, Side.RIGHT)
    weaker = words.weaker_side(session)
    brow = session.movement('brow_raise')
    ratio = brow.ratio if brow else math.nan
    levels = {'mouth': session.mouth, 'eye': session.eye,
              'brow': RegionSeverity.UNKNOWN if math.isnan(ratio) else RegionSeverity(
                  RegionSeverity.SEVERE - sum(ratio >= cut for cut in DEFAULTS.exercise_cuts))}
    shown = {}
    for region, level in levels.items():
        side = brow.weaker if region == 'brow' and brow and brow.weaker in named else weaker
        for own in (Side.RIGHT, Side.LEFT):
            # Without a side, what is known of the region is known of both halves.
            healthy = side in named and own is not side
            spared = healthy and level is not RegionSeverity.UNKNOWN
            shown[region, own] = RegionSeverity.NONE if spared else level
    return shown


def quality(axes: Axes, session: SessionSummary) -> None:
    """How much could be assessed, and why the rest could not."""
    rows = [('assessed', session.assessed_share, NEUTRAL)] + [
        (words.reason(code), count / max(session.frames, 1), '#b9b9b9')
        for code, count in session.lost[:5]]
    rows.reverse()
    axes.barh([label for label, _, _ in rows], [100 * share for _, share, _ in rows],
              color=[colour for _, _, colour in rows], height=0.6)
    for row, (_, share, _) in enumerate(rows):
        axes.text(100 * share + 1.5, row, f'{share:.0%}' if share >= 0.01 or share == 0
                  else 'under 1%', va='center', fontsize=8)
    axes.set(xlim=(0, 115), xlabel='% of pictures', xticks=(0, 25, 50, 75, 100))
    plain(axes)
    axes.tick_params(axis='y', length=0)


def course(axes: Axes, comparison: Comparison) -> None:
    """The index of every comparable session, with what measuring may vary by."""
    days, indices = np.array(comparison.days), np.array(comparison.indices)
    index_bands(axes)
    axes.errorbar(days, indices, yerr=comparison.detectable / 2, color=INK, linewidth=1.3,
                  marker='o', markersize=5, capsize=2.5, elinewidth=0.8, ecolor=FAINT)
    if not math.isnan(comparison.trend.slope):
        middle = np.nanmedian(indices - comparison.trend.slope * days)
        axes.plot(days, middle + comparison.trend.slope * days, color=LEFT, linewidth=1.2,
                  linestyle='--', label='Theil-Sen line')
        axes.legend(loc='lower right', frameon=False, fontsize=8)
    axes.set(xlabel='days since the first session shown', ylabel='symmetry index')
    axes.xaxis.set_major_locator(MaxNLocator('auto', integer=True))
    axes.margins(x=0.04)


def index_bands(axes: Axes) -> None:
    """Range and grades for a course of symmetry indices."""
    floors = (0.0, DEFAULTS.severe_floor, *DEFAULTS.grade_floors, 100.0)
    for number, (low, high) in enumerate(pairwise(floors)):
        axes.axhspan(low, high, color='#f4f4f1' if number % 2 else '#ffffff', linewidth=0)
        axes.text(1.005, (low + high) / 2, GRADE_NAMES[number], fontsize=7, color=FAINT,
                  va='center', transform=axes.get_yaxis_transform())
    axes.set(ylim=(0, 100), yticks=(0, 25, 50, 75, 100))
    plain(axes)


def _exercise_bands(all_axes: tuple[Axes, Axes, Axes], session: SessionSummary) -> None:
    for axes in all_axes[1:]:
        for band in session.bands:
            axes.axvspan(band.start_s, band.end_s, color='#f0e442' if band.valid else '#bbbbbb',
                         alpha=0.28, linewidth=0)
    # Away from the curve.
    up = not session.mouth_score > 0
    # More names than this would lie on each other; the table has them.
    for band in session.bands if len(session.bands) <= _MOST_NAMES else ():
        all_axes[1].text((band.start_s + band.end_s) / 2, 0.97 if up else 0.03,
                         words.exercise(band.exercise), rotation=90, fontsize=6.5, color=INK,
                         ha='center', va='top' if up else 'bottom',
                         transform=all_axes[1].get_xaxis_transform())
    for axes in all_axes:
        plain(axes)
        axes.set_xlim(session.start_s, session.start_s + max(session.duration_s, 1.0))


_MOST_NAMES = 30


def _runs(starts: list[float]) -> list[tuple[float, float]]:
    """Whole stretches (start, length) of seconds that follow each other."""
    runs: list[tuple[float, float]] = []
    for start in starts:
        if runs and sum(runs[-1]) == start:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1.0)
        else:
            runs.append((start, 1.0))
    return runs


def clock(axes: Axes, duration_s: float, start_s: float = 0.0) -> None:
    """Ticks in minutes and seconds, not too many."""
    step_s = next((step for step in (5, 10, 15, 30, 60, 120, 300, 600)
                   if duration_s / step <= 12), 1200)
    first_s = step_s * math.ceil(start_s / step_s)
    ticks = np.arange(first_s, start_s + duration_s + 1e-9, step_s)
    axes.set_xticks(ticks, [f'{int(tick) // 60}:{int(tick) % 60:02d}' for tick in ticks])


def _amount(value: float, unit: str) -> str:
    return f'{value:.1f} mm' if unit == 'mm' else f'{value:.0%} closed'


def plain(axes: Axes) -> None:
    """Without a frame above and at the right."""
    for edge in ('top', 'right'):
        axes.spines[edge].set_visible(False)


def _closed(points: list[tuple[float, float]], sign: float) -> Path:
    corners = [(sign * x, y) for x, y in points]
    codes = [Path.MOVETO] + [Path.CURVE3] * (len(corners) - 1) + [Path.CLOSEPOLY]
    return Path([*corners, corners[0]], codes)


def _brow(sign: float) -> Path:
    return _closed([(0.18, 0.66), (0.46, 0.90), (0.74, 0.68), (0.76, 0.62), (0.72, 0.60),
                    (0.46, 0.78), (0.18, 0.57), (0.15, 0.61), (0.18, 0.66)], sign)


def _eye(sign: float) -> Path:
    return _closed([(0.20, 0.28), (0.42, 0.54), (0.66, 0.30), (0.42, 0.12), (0.20, 0.28)], sign)


def _mouth(sign: float) -> Path:
    return _closed([(0.0, -0.62), (0.10, -0.56), (0.20, -0.60), (0.36, -0.68), (0.48, -0.74),
                    (0.30, -0.94), (0.0, -0.95), (0.0, -0.80), (0.0, -0.62)], sign)
