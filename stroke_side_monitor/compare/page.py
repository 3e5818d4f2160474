"""Puts what differs between two runs onto one HTML page.

It never computes figures and refers to nothing outside the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from stroke_side_monitor.compare import plots, wording
from stroke_side_monitor.compare.changes import (
    DETECTABLE,
    OUTCOMES,
    QUALITIES,
    Change,
    Comparison,
)
from stroke_side_monitor.compare.runs import Difference, Pair, Run
from stroke_side_monitor.report import sheet


def html(a: Run, b: Run, differences: Sequence[Difference], found: Comparison,
         most_changed: Fraction | None) -> str:
    """The whole page, self-contained.

    Args:
        most_changed: share of changed inputs that is allowed, 0 to 1; None: any.
    """
    with mpl.rc_context(sheet.STYLE):
        drawn = _shift(found)
        shown = ''.join(_changed(change, pair) for change, pair in found.most)
    return sheet.document('Two runs compared', _BODY.format(
        a=escape(str(a.folder)), b=escape(str(b.folder)),
        headline=escape(wording.headline(found, most_changed)), facts=_facts(found),
        warnings=_list(wording.warnings(differences, found)),
        differences=_differences(differences), inputs=_confusion(found.by_input, 'inputs'),
        records=_confusion(found.by_record, 'records of videos and bags')
        if found.by_record else '', shift=drawn, detectable=f'{DETECTABLE:g}',
        shown=len(found.most), changed=shown or '<p>No answer differs.</p>'), _CSS)


def _facts(found: Comparison) -> str:
    return ''.join(f'<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>'
                   for name, value in wording.facts(found))


def _list(lines: Iterable[str]) -> str:
    items = ''.join(f'<li>{escape(line)}</li>' for line in lines)
    return f'<ul>{items}</ul>' if items else ''


def _differences(differences: Sequence[Difference]) -> str:
    if not differences:
        return '<p>Nothing: the same versions, parameters, model and norms.</p>'
    return _table(('', 'run A', 'run B'), map(wording.difference, differences))


def _confusion(counts: Counter[tuple[str, str]], what: str) -> str:
    """Rows: run A, columns: run B; what stayed is green, what changed the darker the more."""
    most = max((count for (one, other), count in counts.items() if one != other), default=1)
    shown = [name for name in OUTCOMES if any(name in pair for pair in counts)]
    heads = ''.join(f'<th>{wording.OUTCOMES[name]}</th>' for name in shown)
    rows = ''.join(
        f'<tr><th>{wording.OUTCOMES[one]}</th>'
        + ''.join(_cell(counts[one, other], one == other, most) for other in shown) + '</tr>'
        for one in shown)
    return f'<div><h3>{what}</h3><table class="confusion"><thead><tr><td>A ↓ &nbsp; B →</td>' \
           f'{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(count: int, same: bool, most: int) -> str:
    if not count:
        return '<td class="zero">0</td>'
    if same:
        return f'<td style="background:#e4efe7">{count:,}</td>'
    return f'<td style="background:rgba(213,94,0,{0.15 + 0.5 * count / most:.2f})">{count:,}</td>'


def _shift(found: Comparison) -> str:
    if not any(one.records for ranges in found.shift.values() for one in ranges):
        return '<p>No record of both runs has M.</p>'
    figure = Figure((7.6, 4.5), layout=ConstrainedLayoutEngine(hspace=0.08, wspace=0.04))
    panels = figure.subplots(2, 2).flat
    for axes, quality in zip(panels, QUALITIES, strict=True):
        plots.shift(axes, quality, found.shift[quality.column])
    figure.legend(*panels[0].get_legend_handles_labels(), loc='outside upper right', ncols=2,
                  frameon=False, fontsize=8)
    rows = [row for quality in QUALITIES for row in (
        (f'{quality.name}: {label} {quality.unit}', f'{one.records:,}',
         f'{one.quantile(0.5):+.2f}', f'{one.quantile(0.05):+.2f} to {one.quantile(0.95):+.2f}',
         f'{one.more_asymmetric:+.2f}', f'{one.other_side / one.records:.1%}')
        for label, one in zip(quality.labels, found.shift[quality.column], strict=True)
        if one.records)]
    return sheet.to_svg(figure) + _table(
        ('', 'records', 'M', 'nine of ten within', '|M|', 'side changed'), rows)


def _changed(change: Change, pair: Pair) -> str:
    return f'<article><h3>{escape(change.name)}</h3><p>{escape(wording.change(change))}</p>' \
           f'{_drawing(pair)}</article>'


def _drawing(pair: Pair) -> str:
    assert pair.a is not None
    assert pair.b is not None
    failed = [record['error'] for record in (pair.a[0], pair.b[0]) if 'error' in record]
    if failed:
        return _list(failed)
    if len(pair.a) > 1 or len(pair.b) > 1:
        figure = Figure((7.4, 3.5), layout='constrained')
        plots.stream(figure, pair.a, pair.b)
        return sheet.to_svg(figure)
    (one,), (other,) = pair.a, pair.b
    if not (plots.is_drawable(one) or plots.is_drawable(other)):
        return ''
    return sheet.svg((6.2, 3.9), lambda axes: plots.still(axes, one, other))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = ''.join(f'<th>{escape(name)}</th>' for name in heads)
    body = ''.join('<tr>' + ''.join(f'<td>{escape(cell)}</td>' for cell in row) + '</tr>'
                   for row in rows)
    return f'<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


_CSS = '''
h3 { font-size: 14px; margin: 20px 0 4px; overflow-wrap: anywhere; }
td { overflow-wrap: anywhere; }
.confusions { display: flex; flex-wrap: wrap; gap: 0 40px; }
.confusion { width: auto; } .confusion th, .confusion td { padding: 5px 12px; border: 0; }
.confusion tbody td { text-align: right; min-width: 62px; font-variant-numeric: tabular-nums; }
.confusion thead td { color: #777; font-size: 12px; } .confusion .zero { color: #bbb; }
article { break-inside: avoid; border-top: 1px solid #e4e4e4; } article p { margin: 0 0 6px; }
'''

_BODY = '''\
<header><h1>Two runs compared</h1><p>A: {a} &nbsp;·&nbsp; B: {b} &nbsp;·&nbsp; left and right are
the patient's own</p></header>
<section><p class="headline">{headline}</p>{warnings}<dl>{facts}</dl>
<p class="note">An input has changed where its side, its stable side or its grade is another, or its
symmetry index by more than {detectable} points, which measuring an unchanged face again may vary
by.</p></section>
<section><h2>What the runs were made with that differs</h2>{differences}</section>
<section><h2>Sides, A against B</h2><div class="confusions">{inputs}{records}</div></section>
<section><h2>How the mouth score M has moved</h2>{shift}
<p class="note">B minus A, in standard deviations of healthy faces: the median of M (positive: more
to the left) and of |M| (positive: more asymmetric), and where nine of ten records' M lies. Ranges
by how A saw the face. A long video counts with each of its records.</p></section>
<section><h2>The {shown} most changed inputs</h2>
<p class="note">Those first that name the other side, then those that only one run could assess,
another side, another stable side; among these by the change of the index and of M.</p>
{changed}</section>
<section class="limits"><h2>Limits</h2><ul><li>This tells what differs, not which run is right.</li>
<li>A measurement aid, not a diagnosis.</li></ul></section>
'''
