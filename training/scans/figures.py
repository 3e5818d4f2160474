"""Figures of merit of a scan model, by patient, with intervals that resample patients.

Pure functions over labels and probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from training.intervals import calibration, rounded, with_interval


def patient_figures(names: Sequence[str], stroke: NDArray[np.bool_],
                    probability: NDArray[np.float64]) -> dict[str, Any]:
    """Accuracy, precision, recall, F1, AUC, confusion and calibration of the answer `stroke`.

    Args:
        names, stroke, probability: one each per patient.
    """
    said = probability >= 0.5

    def ratio(top: NDArray[np.bool_], of: NDArray[np.bool_]) -> Any:
        return lambda index: float(top[index].sum() / of[index].sum()) if of[index].any() \
            else float('nan')

    def f1(index: NDArray[np.int64]) -> float:
        both = said[index].sum() + stroke[index].sum()
        return float(2 * (said & stroke)[index].sum() / both) if both else float('nan')

    everybody = np.ones(len(stroke), bool)
    return {
        'auc': with_interval(names, lambda i: auc(stroke[i], probability[i])),
        'accuracy': with_interval(names, ratio(said == stroke, everybody)),
        'precision': with_interval(names, ratio(said & stroke, said)),
        'recall': with_interval(names, ratio(said & stroke, stroke)),
        'specificity': with_interval(names, ratio(~said & ~stroke, ~stroke)),
        'f1': with_interval(names, f1),
        'always_normal_accuracy': rounded(float((~stroke).mean())),
        'confusion': [[int((~stroke & ~said).sum()), int((~stroke & said).sum())],
                      [int((stroke & ~said).sum()), int((stroke & said).sum())]],
        'calibration': calibration(said == stroke, np.maximum(probability, 1 - probability))}


def auc(stroke: NDArray[np.bool_], value: NDArray[np.float64]) -> float:
    """Area under the ROC curve; NaN with one class only."""
    if stroke.all() or not stroke.any():
        return float('nan')
    return float(roc_auc_score(stroke, value))


def text(figures: dict[str, Any]) -> str:
    """The two that matter most, in a line."""
    return ', '.join(f'{name} {_interval(figures[key])}' for name, key in (
        ('patient AUC', 'auc'), ('accuracy', 'accuracy')))


def _interval(figure: dict[str, Any]) -> str:
    if figure['value'] is None:
        return '–'
    if figure['interval_95'] is None:
        return f'{figure["value"]:.3f}'
    low, high = figure['interval_95']
    return f'{figure["value"]:.3f} ({low:.3f} to {high:.3f})'
