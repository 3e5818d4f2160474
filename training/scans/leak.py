"""What a split slice by slice would have claimed, beside what a split by patient says.

Published figures of .94 to .98 on head CT are of the first kind: a recogniser that knows the
patient again knows the answer. It trains nothing that is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from training.scans.config import ScanConfig
from training.scans.figures import auc
from training.scans.heads import fit_reducer


def leak(slices: Sequence[NDArray[np.float32]], stroke: Sequence[bool], features: int,
         config: ScanConfig) -> dict[str, dict[str, float]]:
    """Logistic regression on every slice with its patient's label, split in two ways.

    Args:
        slices: per patient, float32 (n, features + measurements).

    Returns:
        For 'split_by_slice' and 'split_by_patient': slice_auc, slice_accuracy, patient_auc.
    """
    values = np.concatenate(slices)
    patient = np.repeat(np.arange(len(slices)), [len(one) for one in slices])
    labels = np.array(stroke)[patient]
    ways = {
        'split_by_slice': StratifiedKFold(config.folds, shuffle=True, random_state=config.seed
                                          ).split(values, labels),
        'split_by_patient': StratifiedGroupKFold(
            config.folds, shuffle=True, random_state=config.seed).split(values, labels, patient)}
    found = {}
    for way, folds in ways.items():
        said = np.zeros(len(values))
        for mine, held in folds:
            reducer = fit_reducer(values[mine], features, config.components)
            model = LogisticRegression(C=0.1, max_iter=2000, class_weight='balanced').fit(
                reducer(values[mine]), labels[mine])
            said[held] = model.decision_function(reducer(values[held]))
        means = np.array([said[patient == i].mean() for i in range(len(slices))])
        found[way] = {'slice_auc': auc(labels, said),
                      'slice_accuracy': float(((said > 0) == labels).mean()),
                      'patient_auc': auc(np.array(stroke), means)}
    return found
