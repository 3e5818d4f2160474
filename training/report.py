"""The evaluation as one self-contained HTML page: tables, curves and pictures, no link outside.

It computes nothing that is not already in the figures.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from training.explain import HeatMap
from training.predictors import Answers, Run

matplotlib.use('Agg')
from matplotlib import pyplot as plt

_STYLE = '''body{font:15px/1.45 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;
color:#1c2733}table{border-collapse:collapse;margin:.6em 0}td,th{border:1px solid #c9d2db;padding:
.25em .6em;text-align:right}th:first-child,td:first-child{text-align:left}th{background:#eef2f6}
img{max-width:100%}figure{display:inline-block;margin:.3em;text-align:center}
.note{background:#fff6e0;border-left:4px solid #d99a00;padding:.5em 1em}'''


@dataclass(frozen=True)
class Page:
    """One model's part. figures: from figures.all_figures. labels: true class numbers."""

    title: str
    run: Run
    figures: dict[str, Any]
    labels: NDArray[np.int64]
    answers: Answers
    heat_maps: list[HeatMap]


def render(pages: Sequence[Page], manifest: dict[str, Any], split: str) -> str:
    """The whole page."""
    parts = ['<p class="note">Figures are of the saved, quantised files. Intervals are 95 %, '
             'resampled by person. Sources named healthy, spline, bump, half or mesh are '
             'simulated from healthy photographs: such figures are no evidence about patients. '
             'Left and right are the patient\'s.</p>',
             '<h2>Dataset</h2>', _dataset(manifest), '<h2>Side by side</h2>', _comparison(pages)]
    parts += [_model(one) for one in pages]
    return whole_page(f'Evaluation on the {split} split', parts)


def whole_page(title: str, parts: Sequence[str]) -> str:
    """A self-contained page of HTML parts."""
    return '\n'.join([
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Evaluation</title>',
        f'<style>{_STYLE}</style><h1>{escape(title)}</h1>', *parts, '</html>\n'])


def _dataset(manifest: dict[str, Any]) -> str:
    rows = [[split, str(manifest['people'][split]), *(str(counts.get(label, 0))
             for label in ('left', 'none', 'right'))]
            for split, counts in manifest['pictures'].items()]
    rejected = ', '.join(f'{n} × {why}' for why, n in manifest['rejected'].items()) or 'nothing'
    return table(['split', 'people', 'left', 'none', 'right'], rows) + \
        f'<p>Left out: {escape(rejected)}. Crop: {escape(manifest["crop_version"])}.</p>'


def _comparison(pages: Sequence[Page]) -> str:
    return table(
        ['model', 'task', 'accuracy', 'calibration error', 'mirror agreement', 'mirror exact'],
        [[page.title, page.figures['task'], interval(page.figures['accuracy']),
          f'{page.figures["calibration"]["expected_error"]:.3f}',
          f'{page.figures["mirror"]["agreement"]:.3f}',
          'yes' if page.figures['mirror']['exactly_negated'] else 'no'] for page in pages])


def _model(page: Page) -> str:
    figures, names = page.figures, page.run.task.classes
    parts = [f'<h2>{escape(page.title)}</h2>', '<h3>Per class</h3>',
             table(['class', 'precision', 'recall', 'F1', 'AUC', 'pictures'],
                    [[name, *(f'{one[k]:.3f}' for k in ('precision', 'recall', 'f1')),
                      interval(one['auc']), str(one['pictures'])]
                     for name, one in figures['classes'].items()]),
             '<h3>Confusion (rows: truth)</h3>',
             table(['', *names], [[name, *map(str, counts)] for name, counts in
                                   zip(names, figures['confusion'], strict=True)])]
    if 'side' in figures:
        parts += ['<h3>Side and presence, per source</h3>', _sides(figures['side'])]
    parts += ['<h3>Subgroups (accuracy)</h3>',
              table(['group', 'value', 'accuracy', 'pictures', 'people'],
                    [[kind, value, interval(one), str(one['pictures']), str(one['people'])]
                     for kind, values in figures['subgroups'].items()
                     for value, one in values.items()])]
    parts += [figure_html(_curves(page), 'ROC per class and reliability')]
    history = page.run.folder / 'history.json'
    if history.is_file():
        parts.append(figure_html(_training(json.loads(history.read_text())), 'Training'))
    shap = page.run.folder / 'shap.png'
    if shap.is_file():
        parts.append(figure_html(shap.read_bytes(), 'SHAP'))
    if page.heat_maps:
        parts += ['<h3>Where the answer came from</h3>',
                  '<p>Red speaks for the patient\'s left (signed score) or for the chosen class '
                  '(Grad-CAM), blue against.</p>',
                  *(figure_html(_png(one.picture), f'truth: {one.label}')
                    for one in page.heat_maps)]
    return '\n'.join(parts)


def _sides(side: dict[str, Any]) -> str:
    columns = ('side_accuracy', 'side_accuracy_severity_0.5_up', 'presence_auc_severity_0.5_up',
               'healthy_outside_dead_band')
    return table(['source', 'side right', 'side right, severity ≥ .5', 'presence AUC',
                  'healthy outside dead band'],
                 [[kind, *(interval(found[c]) if c in found else '' for c in columns)]
                  for kind, found in side.items()])


def interval(figure: dict[str, Any]) -> str:
    """'0.953 (0.931 to 0.972)', or a dash where the figure has no meaning."""
    if figure['value'] is None:
        return '–'
    if figure['interval_95'] is None:
        return f'{figure["value"]:.3f} (too few people)'
    low, high = figure['interval_95']
    return f'{figure["value"]:.3f} ({low:.3f} to {high:.3f})'


def _curves(page: Page) -> bytes:
    figure, (roc, reliability) = plt.subplots(1, 2, figsize=(9, 3.8))
    for number, name in enumerate(page.run.task.classes):
        true = page.labels == number
        if true.any() and not true.all():
            false_rate, true_rate, _ = roc_curve(true, page.answers.probabilities[:, number])
            roc.plot(false_rate, true_rate, label=name)
    roc.plot([0, 1], [0, 1], ':', color='grey')
    roc.set(xlabel='false positive rate', ylabel='true positive rate')
    roc.legend()
    bins = page.figures['calibration']['bins']
    reliability.plot([0, 1], [0, 1], ':', color='grey')
    reliability.plot([b['confidence'] for b in bins], [b['right'] for b in bins], 'o-')
    reliability.set(xlabel='stated confidence', ylabel='share right', xlim=(0, 1), ylim=(0, 1.02))
    return image(figure)


def _training(history: dict[str, list[float]]) -> bytes:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
    for axis, name in zip(axes, ('loss', 'accuracy'), strict=True):
        for key in (name, f'val_{name}'):
            axis.plot(range(1, len(history.get(key, ())) + 1), history.get(key, ()), '.-',
                      label=key)
        axis.set(xlabel='epoch', ylabel=name)
        axis.legend()
    return image(figure)


def image(figure: Any) -> bytes:
    """A drawing as PNG; it is closed."""
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=100)
    plt.close(figure)
    return buffer.getvalue()


def _png(rgb: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode('.png', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1])


def figure_html(png: bytes, caption: str) -> str:
    """A PNG inside the page, with its caption."""
    data = base64.b64encode(png).decode()
    return f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">' \
           f'<figcaption>{escape(caption)}</figcaption></figure>'


def table(header: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; cells are escaped."""
    head = ''.join(f'<th>{escape(cell)}</th>' for cell in header)
    body = ''.join('<tr>' + ''.join(f'<td>{escape(cell)}</td>' for cell in row) + '</tr>'
                   for row in rows)
    return f'<table><tr>{head}</tr>{body}</table>'
