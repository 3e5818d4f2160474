"""Puts a session's words and drawings onto one HTML page, or onto the pages of a PDF.

It never computes figures and refers to nothing outside the page.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from html import escape
from textwrap import wrap

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from stroke_side_monitor.report import plots, sheet, words
from stroke_side_monitor.report.summary import Comparison, Movement, SessionSummary

_A4 = (8.27, 11.69)
_WARNING = '#6d1414'


def html(session: SessionSummary, earlier: Sequence[SessionSummary],
         comparison: Comparison | None, *, before: str = '') -> str:
    """The whole page, self-contained.

    Args:
        session: the one reported on. earlier: of the same patient, oldest first.
        comparison: of all of them; None when there is nothing to compare with.
        before: a sentence that stands before everything told, such as whom to call.
    """
    with mpl.rc_context(sheet.STYLE):
        drawings = {
            'face': sheet.svg((3.6, 3.5), lambda axes: plots.face_map(axes, session)),
            'movements': sheet.svg((4.3, 1.1 + 0.52 * max(len(session.movements), 1)),
                              lambda axes: plots.movements(axes, session)),
            'timeline': _timeline_svg(session),
            'quality': sheet.svg((6.9, 0.75 + 0.27 * (1 + len(session.lost[:5]))),
                            lambda axes: plots.quality(axes, session)),
        }
        if comparison:
            drawings['course'] = sheet.svg((7.4, 2.6), lambda axes: plots.course(axes, comparison))
    paragraphs = ''.join(f'<li>{escape(sentence)}</li>'
                         for sentence in words.paragraphs(session, comparison))
    return sheet.document(_title(session), _BODY.format(
        title=escape(_title(session)), subtitle=escape(_subtitle(session)),
        before=f'<p class="before">{escape(before)}</p>\n' if before else '',
        headline=escape(words.headline(session)), paragraphs=paragraphs, facts=_facts(session),
        face=drawings['face'], exercises=_exercises(session, drawings['movements']),
        timeline=drawings['timeline'] if session.seconds else '<p>Nothing was recorded.</p>',
        course=_course(earlier, session, drawings.get('course'), comparison),
        quality=drawings['quality'], events=_events(session),
        limits=''.join(f'<li>{escape(limit)}</li>' for limit in words.LIMITS),
        footer=escape(_footer(session))))


def pdf(session: SessionSummary, comparison: Comparison | None, *, before: str = '') -> bytes:
    """The same on A4 pages: words and exercises first, then courses, quality and limits."""
    file = io.BytesIO()
    with mpl.rc_context({**sheet.STYLE, 'pdf.fonttype': 42}), PdfPages(
            file, metadata={'Title': _title(session), 'Creator': 'stroke_side_monitor',
                            'CreationDate': None}) as pages:
        for drawn in (*_first_sheets(session, comparison, before),
                      _last_sheet(session, comparison)):
            pages.savefig(drawn)
    return file.getvalue()


# Shares of a sheet's height: what facts and face map take with the map's legend, the same with the
# names above the bars, and what stays free below them.
_FACTS, _ABOVE_BARS, _BELOW_BARS = 0.29, 0.32, 0.045


def _first_sheets(session: SessionSummary, comparison: Comparison | None, before: str
                  ) -> list[Figure]:
    """Words, facts, face map and bars; what does not fit stands on a sheet of its own."""
    sheet, top = _words_sheet(session, comparison, before)
    sheets = [sheet]
    if top < _FACTS:
        sheets.append(Figure(_A4))
        top = 0.95
    _facts_and_face(sheets[-1], session, top)
    if not session.movements:
        return sheets
    height = min(0.04 + 0.035 * len(session.movements), 0.24)
    bottom = max(_BELOW_BARS, top - 0.36 - height)
    if bottom + height > top - _ABOVE_BARS:
        sheets.append(Figure(_A4))
        sheets[-1].text(0.08, 0.95, 'Exercises, left against right', fontsize=13, weight='bold')
        bottom = 0.91 - height
    plots.movements(sheets[-1].add_axes((0.24, bottom, 0.66, height)), session)
    return sheets


def _words_sheet(session: SessionSummary, comparison: Comparison | None, before: str
                 ) -> tuple[Figure, float]:
    """A sheet with the session in words, and how far up it is free below them."""
    sheet = Figure(_A4)
    sheet.text(0.08, 0.95, _title(session), fontsize=17, weight='bold')
    sheet.text(0.08, 0.928, _subtitle(session), fontsize=9, color=plots.FAINT)
    first = wrap(before, 92)
    sheet.text(0.08, 0.912, '\n'.join(first), fontsize=9.5, weight='bold', color=_WARNING, va='top',
               linespacing=1.4)
    down = 0.0165 * len(first)
    sheet.text(0.08, 0.885 - down, words.headline(session), fontsize=13, weight='bold')
    lines = [line for sentence in words.paragraphs(session, comparison)
             for line in wrap(sentence, 104, initial_indent='•  ', subsequent_indent='    ')]
    sheet.text(0.08, 0.868 - down, '\n'.join(lines), fontsize=9.5, va='top', linespacing=1.45)
    return sheet, 0.868 - down - 0.0152 * len(lines) - 0.035


def _facts_and_face(sheet: Figure, session: SessionSummary, top: float) -> None:
    for row, (name, value) in enumerate(_fact_list(session)):
        sheet.text(0.08, top - 0.02 - 0.028 * row, name, fontsize=9, color=plots.FAINT)
        sheet.text(0.33, top - 0.02 - 0.028 * row, value, fontsize=10)
    plots.face_map(sheet.add_axes((0.58, top - 0.26, 0.36, 0.26)), session)


def _last_sheet(session: SessionSummary, comparison: Comparison | None) -> Figure:
    sheet = Figure(_A4)
    sheet.text(0.08, 0.95, 'Course of the session', fontsize=13, weight='bold')
    if session.seconds:
        side, score, index = (sheet.add_axes((0.12, bottom, 0.76, height))
                              for bottom, height in ((0.885, 0.018), (0.765, 0.11), (0.63, 0.12)))
        plots.timeline(side, score, index, session)
        for axes in (side, score):
            axes.tick_params(labelbottom=False)
    if comparison:
        sheet.text(0.08, 0.555, 'Compared with earlier sessions', fontsize=13, weight='bold')
        plots.course(sheet.add_axes((0.12, 0.40, 0.76, 0.14)), comparison)
    sheet.text(0.08, 0.34, 'How much could be assessed', fontsize=13, weight='bold')
    plots.quality(sheet.add_axes((0.33, 0.22, 0.55, 0.11)), session)
    sheet.text(0.08, 0.165, 'Limits', fontsize=13, weight='bold')
    limits = [line for limit in words.LIMITS for line in wrap(
        limit, 115, initial_indent='•  ', subsequent_indent='    ')]
    sheet.text(0.08, 0.155, '\n'.join(limits), fontsize=8.5, va='top', linespacing=1.4)
    sheet.text(0.08, 0.025, _footer(session), fontsize=7, color=plots.FAINT)
    return sheet


def _title(session: SessionSummary) -> str:
    return f'Facial movement: {session.patient_key or "unnamed patient"}'


def _subtitle(session: SessionSummary) -> str:
    minutes, seconds = divmod(round(session.duration_s), 60)
    lasted = f'{minutes} min {seconds} s' if minutes else f'{seconds} s'
    part = f'{words.which_part(session)}, ' if len(session.parts) > 1 else ''
    done = len({movement.exercise for movement in session.movements})
    return f'Session of {session.started:%d %B %Y, %H:%M} UTC · {part}{lasted} · ' \
           f'{done or "no"} exercise{"" if done == 1 else "s"} · ' \
           'left and right are the patient\'s own'


def _footer(session: SessionSummary) -> str:
    versions = ', '.join(f'{name} {version}' for name, version in session.versions)
    damaged = f' · {session.damaged} damaged line(s) skipped' if session.damaged else ''
    return f'Record {session.name} · {versions or "versions not recorded"}{damaged}'


def _fact_list(session: SessionSummary) -> list[tuple[str, str]]:
    index = '–' if math.isnan(session.index) else f'{session.index:.0f} of 100'
    return [
        ('Weaker side', words.SIDES[words.weaker_side(session)]),
        ('Grade', words.GRADES[session.grade]), ('Symmetry index', index),
        ('Based on', words.BASES[session.basis].removeprefix('from ')),
        ('Mouth', words.REGIONS[session.mouth]), ('Eye', words.REGIONS[session.eye]),
        ('House-Brackmann (estimate)', words.span(session.house_brackmann, roman=True)),
        ('NIHSS item 4 (estimate)', words.span(session.nihss))]


def _facts(session: SessionSummary) -> str:
    return ''.join(f'<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>'
                   for name, value in _fact_list(session))


def _exercises(session: SessionSummary, drawing: str) -> str:
    if not session.movements:
        return '<p>No exercises were signalled in this session.</p>'
    rows = ''.join(map(_exercise_row, session.movements))
    return f'<div class="two">{drawing}<table><thead><tr><th>Exercise</th>' \
           '<th>moved less</th><th>item</th><th>used</th></tr></thead>' \
           f'<tbody>{rows}</tbody></table></div>' \
           '<p class="note">Moved less: which side, and how much of the other one\'s movement it ' \
           'reached; without a side: alike. Item: 1 no movement of that side … 5 like the other ' \
           'one (after Sunnybrook). Used: repetitions that could be used, of all.</p>'


def _exercise_row(movement: Movement) -> str:
    why = '; '.join(map(words.reason, movement.reasons))
    return f'<tr><td>{escape(words.exercise(movement.exercise))}' \
           + (f'<br><small>{escape(why)}</small>' if why else '') \
           + f'</td><td>{words.reached(movement)}</td><td>{movement.item or "–"}</td>' \
             f'<td>{movement.usable}/{movement.repetitions}</td></tr>'


def _course(earlier: Sequence[SessionSummary], session: SessionSummary, drawing: str | None,
            comparison: Comparison | None) -> str:
    if drawing is None or comparison is None:
        return '<p>There is no earlier session of the same kind to compare with.</p>'
    told = ' '.join(words.comparison_sentences(comparison))
    exercises = [movement.exercise for movement in session.movements]
    rows = ''.join(_session_row(one, exercises) for one in [*earlier, session])
    heads = ''.join(f'<th>{escape(words.exercise(name))}</th>' for name in exercises)
    reached = '; of each exercise, which side moved less, and how much of the other one\'s ' \
              'movement it reached' if exercises else ''
    return f'<p>{escape(told)}</p>{drawing}<p class="note">Bars: half of what two measurements ' \
           'of an unchanged face may differ by, either way.</p><table><thead><tr><th>Session</th>' \
           f'<th>Weaker side</th>{heads}<th>Index</th><th>Grade</th><th>Based on</th></tr>' \
           f'</thead><tbody>{rows}</tbody></table>' \
           f'<p class="note">Index: 100 is symmetric{reached}.</p>'


def _session_row(session: SessionSummary, exercises: Sequence[str]) -> str:
    movements = [session.movement(name) for name in exercises]
    when = f'{session.started:%d %b %Y}'
    cells = [', '.join(filter(None, (when, words.which_part(session)))),
             words.SIDES[words.weaker_side(session)],
             *('–' if movement is None else words.reached(movement) for movement in movements),
             '–' if math.isnan(session.index) else f'{session.index:.0f}',
             words.GRADES[session.grade], words.BASES[session.basis].removeprefix('from ')]
    return f'<tr>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'


def _events(session: SessionSummary) -> str:
    told = ''.join(f'<li>{escape(words.event(name))}, {words.clock(time_s)}</li>'
                   for name, time_s in session.events)
    return f'<section><h2>Events</h2><ul>{told}</ul></section>' if told else ''


def _timeline_svg(session: SessionSummary) -> str:
    figure = Figure((7.6, 4.4), layout='constrained')
    side, score, index = figure.subplots(3, 1, sharex=True, height_ratios=(0.25, 2, 2.2))
    if session.seconds:
        plots.timeline(side, score, index, session)
    return sheet.to_svg(figure)


_BODY = '''\
<header><h1>{title}</h1><p>{subtitle}</p></header>
{before}<section><div class="top"><div><p class="headline">{headline}</p><ul>{paragraphs}</ul></div>
<div>{face}</div></div><dl>{facts}</dl></section>
<section><h2>Exercises, left against right</h2>{exercises}</section>
<section><h2>Course of the session</h2>{timeline}
<p class="note">Mouth asymmetry is in standard deviations of healthy faces; the green band
(within 2) is what healthy faces show. Yellow: an exercise that could be used; grey: one that
could not.</p></section>
<section><h2>Compared with earlier sessions</h2>{course}</section>
<section><h2>How much could be assessed</h2>{quality}</section>
{events}
<section class="limits"><h2>Limits: a measurement aid, not a diagnosis</h2>
<ul>{limits}</ul></section>
<footer>{footer}</footer>
'''
