"""One case on one A4 page.

It words and measures nothing; what it prints is what the page shows.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

_A4 = (8.27, 11.69)
_turn = threading.Lock()  # matplotlib's settings are the process's


@dataclass(frozen=True)
class Sheet:
    """Everything printed of a case; sentences are in the reader's language."""

    title: str
    subtitle: str
    emergency: str
    answer: str
    advice: str
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str]
    footer: str
    picture: bytes | None = None


def pdf(sheet: Sheet) -> bytes:
    """The page as PDF."""
    file = io.BytesIO()
    with _turn, mpl.rc_context({'font.size': 10, 'pdf.fonttype': 42}), PdfPages(
            file, metadata={'Title': sheet.title, 'Creator': 'stroke_side_monitor',
                            'CreationDate': None}) as pages:
        pages.savefig(_page(sheet))
    return file.getvalue()


def _page(sheet: Sheet) -> Figure:
    figure = Figure(figsize=_A4)
    writer = _Writer(figure)
    writer.text(sheet.title, size=17, weight='bold')
    writer.text(sheet.subtitle, size=9.5, colour='#52646c', gap=0.016)
    writer.text(sheet.emergency, size=10, weight='bold', colour='#6d1414', gap=0.016)
    writer.text(sheet.answer, size=14, weight='bold', gap=0.01)
    writer.text(sheet.advice, gap=0.012)
    if sheet.picture is not None:
        writer.picture(sheet.picture)
    for name, value in sheet.facts:
        writer.fact(name, value)
    for note in sheet.notes:
        writer.text(f'• {note}')
    figure.text(0.09, 0.04, '\n'.join(wrap(sheet.footer, 110)), fontsize=8, color='#52646c')
    return figure


class _Writer:
    """Puts lines below one another."""

    def __init__(self, figure: Figure) -> None:
        self._figure, self._y = figure, 0.95

    def text(self, words: str, *, size: float = 10, weight: str = 'normal',
             colour: str = '#1d2a30', gap: float = 0.006) -> None:
        """A paragraph."""
        width = round(88 * 10 / size * (0.93 if weight == 'bold' else 1.0))
        for line in wrap(words, width):
            self._figure.text(0.09, self._y, line, fontsize=size, fontweight=weight,
                              color=colour, va='top')
            self._y -= size * 0.00165
        self._y -= gap

    def fact(self, name: str, value: str) -> None:
        """A name and its value side by side."""
        self._figure.text(0.09, self._y, name, fontsize=10, color='#52646c', va='top')
        lines = wrap(value, 60) or ['–']
        for line in lines:
            self._figure.text(0.34, self._y, line, fontsize=10, va='top')
            self._y -= 0.0175

    def picture(self, data: bytes) -> None:
        """A JPEG, at most a third of the page."""
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None
        height, width = bgr.shape[:2]
        share = min(0.82, 0.34 * _A4[1] / _A4[0] * width / height)
        tall = share * height / width * _A4[0] / _A4[1]
        axes = self._figure.add_axes((0.09, self._y - tall, share, tall))
        axes.imshow(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        axes.axis('off')
        self._y -= tall + 0.02
