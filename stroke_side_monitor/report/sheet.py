"""What every page has in common: its frame and style, and drawings as SVG within it.

It never knows what is drawn, and refers to nothing outside the page.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from html import escape

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# matplotlib's own; draw within mpl.rc_context(STYLE).
STYLE = {'font.size': 9, 'font.family': 'sans-serif', 'axes.edgecolor': '#888888',
         'axes.labelcolor': '#444444', 'xtick.color': '#444444', 'ytick.color': '#444444',
         'svg.hashsalt': 'stroke_side_monitor', 'hatch.linewidth': 0.4}


def document(title: str, body: str, more_style: str = '') -> str:
    """A whole page.

    Args:
        title: plain text. body: HTML. more_style: CSS beside what all pages have.
    """
    return _DOCUMENT.format(title=escape(title), style=CSS + more_style, body=body)


def svg(size: tuple[float, float], draw: Callable[[Axes], None]) -> str:
    """One drawing as an element of HTML; size in inches."""
    figure = Figure(size, layout='constrained')
    draw(figure.add_subplot())
    return to_svg(figure)


def to_svg(figure: Figure) -> str:
    """A figure as an element of HTML."""
    text = io.StringIO()
    figure.savefig(text, format='svg', metadata={'Date': None})
    drawn = text.getvalue()
    # Only the element itself: the XML and DOCTYPE lines do not belong into HTML.
    return drawn[drawn.index('<svg'):]


CSS = '''
@page { size: A4; margin: 14mm 13mm; }
* { box-sizing: border-box; }
body { font: 15px/1.5 "Source Sans 3", "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  color: #222; background: #fff; max-width: 860px; margin: 0 auto; padding: 28px 24px; }
header { border-bottom: 2px solid #222; padding-bottom: 10px; margin-bottom: 18px; }
h1 { font-size: 25px; margin: 0; } h2 { font-size: 17px; margin: 30px 0 8px; }
header p { margin: 2px 0 0; color: #666; font-size: 13px; }
.before { color: #6d1414; font-weight: 600; }
.headline { font-size: 21px; font-weight: 600; margin: 0 0 8px; }
.top { display: grid; grid-template-columns: 1fr 300px; gap: 22px; align-items: start; }
.top ul { margin: 0; padding-left: 18px; } .top li { margin-bottom: 5px; }
dl { display: grid; grid-template-columns: repeat(4, 1fr); gap: 8px; margin: 18px 0 0; }
dl div { border: 1px solid #ddd; border-radius: 6px; padding: 7px 10px; }
dt { font-size: 11.5px; color: #666; } dd { margin: 0; font-weight: 600; }
.two { display: grid; grid-template-columns: 1.1fr 1fr; gap: 20px; align-items: start; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { text-align: left; color: #666; font-weight: 500; border-bottom: 1px solid #999; }
td { border-bottom: 1px solid #e4e4e4; vertical-align: top; } th, td { padding: 4px 8px 4px 0; }
small, .note { color: #777; font-size: 12px; } svg { max-width: 100%; height: auto; }
.limits { border: 1px solid #bbb; border-radius: 6px; padding: 4px 16px 10px; margin-top: 30px; }
.limits h2 { margin-top: 10px; } .limits ul { margin: 0; padding-left: 18px; font-size: 13.5px; }
footer { color: #888; font-size: 11.5px; margin-top: 16px; }
h2 { break-after: avoid; } svg, tr, .top, .two, .limits { break-inside: avoid; }
@media screen and (max-width: 700px) { .top, .two { grid-template-columns: 1fr; }
  dl { grid-template-columns: repeat(2, 1fr); } }
@media print { body { padding: 0; font-size: 9.5pt; } h2 { margin: 14px 0 4px; }
  .top { grid-template-columns: 1fr 250px; } .headline { font-size: 15pt; } }
'''

# The generator is how a command knows its own earlier page (atomic_file.write_own).
_DOCUMENT = '''<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="generator" content="stroke_side_monitor">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body>
{body}</body></html>
'''
