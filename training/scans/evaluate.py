"""Finished scan runs and their dataset → one HTML report and one JSON, models side by side.

It runs the SAVED files over the test patients, which nothing else in training reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from sklearn.metrics import roc_curve
from tqdm import tqdm

from training.common import (
    TrainingError,
    appearing_folder,
    check_replaceable,
    log,
    read_json,
    write_json,
    write_whole,
)
from training.intervals import with_interval
from training.report import figure_html, image, interval, table, whole_page
from training.scans.dataset import Patient, ScanDataset, load
from training.scans.figures import auc, patient_figures, text
from training.scans.judge import REVIEW, Verdict, heat, judge_patient, open_model, overlaid

_SHOWN = 6


@dataclass(frozen=True)
class _Judged:
    """One run's answers about the patients of a split."""

    folder: Path
    about: dict[str, Any]
    patients: tuple[Patient, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Of a stroke, per patient."""
        return np.array([one.probability for one in self.verdicts])

    @property
    def stroke(self) -> NDArray[np.bool_]:
        """The truth, per patient."""
        return np.array([one.stroke for one in self.patients])


def evaluate_scans(runs: Sequence[Path], data: Path, out: Path, split: str, *, made_by: str
                   ) -> dict[str, Any]:
    """Measure every run on the patients of a split; write out/report.html and evaluation.json.

    The same figures go into each run folder, for export.

    Raises:
        TrainingError: a run is of another dataset, or the split holds nobody.
    """
    check_replaceable(out, made_by)
    dataset = load(data)
    patients = dataset.of(split)
    if not patients:
        raise TrainingError(f'{data} holds no {split} patient')
    judged = [_judge(folder, dataset, patients) for folder in runs]
    figures = {one.about['config']['name']: _figures(one, split) for one in judged}
    for one, found in zip(judged, figures.values(), strict=True):
        write_json(one.folder / 'evaluation.json', found)
    with appearing_folder(out, made_by) as hidden:
        write_json(hidden / 'evaluation.json', {'dataset': dataset.manifest, 'models': figures})
        write_whole(hidden / 'report.html', _page(judged, figures, dataset, split))
    for name, found in figures.items():
        log.info('%-24s %s; flagged %d of %d', name, text(found), found['flagged'],
                 found['patients'])
    log.info('report: %s', out / 'report.html')
    return figures


def _judge(folder: Path, dataset: ScanDataset, patients: tuple[Patient, ...]) -> _Judged:
    about = read_json(folder / 'run.json', 'train')
    if about['dataset'] != dataset.manifest:
        raise TrainingError(f'{folder} was trained on another dataset than {dataset.folder}; its '
                            'test patients may have been trained on')
    model = open_model(folder)
    verdicts = [judge_patient(model, dataset, patient)
                for patient in tqdm(patients, desc=model.card['name'], unit='patient')]
    return _Judged(folder, about, patients, tuple(verdicts))


def _figures(judged: _Judged, split: str) -> dict[str, Any]:
    names = [one.name for one in judged.patients]
    stroke, probability = judged.stroke, judged.probabilities
    answered = np.array([one.answer != REVIEW for one in judged.verdicts])
    sources = sorted({one.source for one in judged.patients})
    found = {'model': judged.about['config']['name'], 'split': split, 'patients': len(names),
             'slices': sum(len(one.rows) for one in judged.patients),
             **patient_figures(names, stroke, probability), 'flagged': int((~answered).sum())}
    if answered.any():
        right = ((probability >= 0.5) == stroke)[answered]
        found['accuracy_of_answered'] = with_interval(
            [name for name, said in zip(names, answered, strict=True) if said],
            lambda index: float(right[index].mean()))
    if len(sources) > 1:
        found['sources'] = {
            source: {'patients': int(mine.sum()), 'auc': auc(stroke[mine], probability[mine]),
                     'accuracy': float(((probability >= 0.5) == stroke)[mine].mean()),
                     'flagged': int((~answered[mine]).sum())}
            for source in sources
            for mine in [np.array([one.source == source for one in judged.patients])]}
    return found


# --- The page -----------------------------------------------------------------------------------

_ROWS = (('auc', 'AUC'), ('accuracy', 'accuracy'), ('precision', 'precision'),
         ('recall', 'recall'), ('specificity', 'specificity'), ('f1', 'F1'),
         ('accuracy_of_answered', 'accuracy of those not flagged'))


def _page(judged: Sequence[_Judged], figures: dict[str, dict[str, Any]], dataset: ScanDataset,
          split: str) -> str:
    names = list(figures)
    parts = [
        '<p class="note">One answer per PATIENT, by the saved file. Intervals are 95 %, resampled '
        'by patient. What "stroke" means is what the labels of these pictures meant. Phantoms are '
        'drawn: a figure on them is no evidence about patients. Not a diagnosis.</p>',
        '<h2>Dataset</h2>', table(
            ['split', 'stroke', 'normal', 'slices'],
            [[name, str(found.get('stroke', 0)), str(found.get('normal', 0)),
              str(dataset.manifest['slices'][name])]
             for name, found in dataset.manifest['patients'].items()]),
        f'<h2>Side by side, {escape(split)} patients</h2>', table(
            ['', *names],
            [[label, *(interval(figures[name][key]) if key in figures[name] else '–'
                       for name in names)] for key, label in _ROWS]
            + [['always "normal"', *(f'{figures[n]["always_normal_accuracy"]:.3f}'
                                     for n in names)],
               ['flagged for review', *(f'{figures[n]["flagged"]} of {figures[n]["patients"]}'
                                        for n in names)]])]
    for one, (name, found) in zip(judged, figures.items(), strict=True):
        parts += _model(one, name, found, dataset)
    return whole_page(f'Evaluation of scan models on the {split} split', parts)


def _model(judged: _Judged, name: str, found: dict[str, Any], dataset: ScanDataset) -> list[str]:
    about = judged.about
    parts = [f'<h2>{escape(name)}</h2>', '<h3>Confusion (rows: truth)</h3>', table(
        ['', 'normal', 'stroke'], [[label, *map(str, counts)] for label, counts in zip(
            ('normal', 'stroke'), found['confusion'], strict=True)])]
    parts += ['<h3>Ways to make a patient of slices, patients held out of each fold</h3>', table(
        ['pooling', 'AUC', 'accuracy'],
        [[way + (' (used)' if way == about['config']['pooling'] else ''),
          interval(one['auc']), interval(one['accuracy'])]
         for way, one in about['poolings'].items()])]
    if 'leak' in about:
        parts += ['<h3>What a split slice by slice would have claimed</h3>', table(
            ['split', 'slice AUC', 'slice accuracy', 'patient AUC'],
            [[way.replace('_', ' '), *(f'{one[key]:.3f}' for key in (
                'slice_auc', 'slice_accuracy', 'patient_auc'))]
             for way, one in about['leak'].items()]),
            '<p>The first row knows patients again; only the second says anything.</p>']
    if 'sources' in found:
        calibrated = about['calibration'].get('sources', ())
        parts += ['<h3>By source</h3>', table(
            ['source', 'patients', 'AUC', 'accuracy', 'flagged', 'calibrated on its own'],
            [[source, str(one['patients']), f'{one["auc"]:.3f}', f'{one["accuracy"]:.3f}',
              str(one['flagged']), 'yes' if source in calibrated else 'no']
             for source, one in found['sources'].items()])]
    parts.append(figure_html(_curves(judged, found), 'ROC and reliability, by patient'))
    parts += ['<h3>The slices that carried the answer</h3>', *_shown(judged, dataset)]
    return parts


def _curves(judged: _Judged, found: dict[str, Any]) -> bytes:
    drawing, (roc, reliability) = plt.subplots(1, 2, figsize=(9, 3.8))
    if judged.stroke.any() and not judged.stroke.all():
        false_rate, true_rate, _ = roc_curve(judged.stroke, judged.probabilities)
        roc.plot(false_rate, true_rate)
    roc.plot([0, 1], [0, 1], ':', color='grey')
    roc.set(xlabel='false positive rate', ylabel='true positive rate')
    bins = found['calibration']['bins']
    reliability.plot([0, 1], [0, 1], ':', color='grey')
    reliability.plot([b['confidence'] for b in bins], [b['right'] for b in bins], 'o-')
    reliability.set(xlabel='stated confidence', ylabel='share right', xlim=(0, 1), ylim=(0, 1.02))
    return image(drawing)


def _shown(judged: _Judged, dataset: ScanDataset) -> list[str]:
    """The slice that weighed most, with its heat map, of some patients with a stroke."""
    chosen = [i for i, one in enumerate(judged.patients) if one.stroke][:_SHOWN]
    figures = []
    for i in chosen:
        patient, verdict = judged.patients[i], judged.verdicts[i]
        most = int((verdict.weights * verdict.scores).argmax())
        picture, inside = dataset.slice(patient.rows[most])
        png = cv2.imencode('.png', overlaid(
            picture, inside, heat(verdict.looks[most], picture, inside))[..., ::-1])
        figures.append(figure_html(bytes(png[1]), f'stroke; said {verdict.answer}, probability '
                                   f'{verdict.probability:.2f}'))
    return figures
