"""How slices make one answer for a patient. numpy only: trainer, evaluation and page share it.

A slice's logit speaks of that slice; the label is the patient's, and most slices of a patient with
a stroke show nothing (docs/scans.md).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def carried(logits: NDArray[np.float64], attention: NDArray[np.float64], pooling: str,
            top_share: float) -> NDArray[np.float64]:
    """What each slice weighs in the patient's logit; float64 (n,), sums to 1.

    Args:
        logits, attention: float64 (n,), n >= 1.
        pooling: 'mean'; 'top': the mean of the largest top_share of the logits; 'attention':
            softmax of the attention (Ilse, Tomczak & Welling 2018).
    """
    count = len(logits)
    if pooling == 'attention':
        weights = np.exp(attention - attention.max())
        return np.asarray(weights / weights.sum())
    most = top_count(count, top_share) if pooling == 'top' else count
    weights = np.zeros(count)
    weights[np.argsort(-logits, kind='stable')[:most]] = 1 / most
    return weights


def top_count(slices: int, top_share: float) -> int:
    """How many slices count for 'top'."""
    return max(1, math.ceil(top_share * slices))


def pooled(logits: NDArray[np.float64], attention: NDArray[np.float64], pooling: str,
           top_share: float) -> float:
    """The patient's logit, before calibration."""
    return float((carried(logits, attention, pooling, top_share) * logits).sum())
