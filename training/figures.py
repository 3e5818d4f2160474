"""Figures of merit with intervals: how often right, how well calibrated, how mirror-fair.

Pure functions over labels and probabilities; intervals resample PEOPLE, not pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from training.intervals import calibration, rounded, with_interval
from training.predictors import Answers
from training.tasks import Row, Task

_SUBGROUPS = ('source', 'gender', 'ethnicity', 'age_band')


def all_figures(task: Task, rows: Sequence[Row], labels: NDArray[np.int64], answers: Answers
                ) -> dict[str, Any]:
    """Everything evaluate reports about one model on one split."""
    chosen = answers.probabilities.argmax(axis=1)
    people = [row['group'] for row in rows]
    right = chosen == labels
    result: dict[str, Any] = {
        'accuracy': with_interval(people, _share(right)),
        'classes': _per_class(task, people, labels, chosen, answers.probabilities),
        'confusion': confusion_matrix(labels, chosen,
                                      labels=range(len(task.classes))).tolist(),
        'calibration': calibration(right, answers.probabilities.max(axis=1)),
        'mirror': mirror(task, answers),
        'subgroups': _subgroups(rows, right)}
    if answers.scores is not None:
        result['side'] = side_figures(rows, answers.scores)
    return result


def side_figures(rows: Sequence[Row], scores: NDArray[np.float64]) -> dict[str, Any]:
    """Of a signed score: the side of weak faces, and |score| telling weak from healthy.

    Per generator and over all; sides are counted from severity 0.5 up as well, because below
    that a face's own asymmetry may rightly outweigh the simulated one.
    """
    kinds = sorted({row['source'].split('/')[0] for row in rows})
    return {kind: _side_of([i for i, row in enumerate(rows)
                            if kind == 'all' or row['source'].split('/')[0] == kind], rows, scores)
            for kind in ('all', *kinds)}


def _side_of(index: list[int], rows: Sequence[Row], scores: NDArray[np.float64]) -> dict[str, Any]:
    sign = np.array([{'left': 1, 'right': -1}.get(row['label'], 0) for row in rows])
    strong = np.array([_at_least_half(row) for row in rows])
    mine = np.zeros(len(rows), bool)
    mine[index] = True
    result: dict[str, Any] = {}
    for name, chosen in (('side_accuracy', mine & (sign != 0)),
                         ('side_accuracy_severity_0.5_up', mine & (sign != 0) & strong)):
        if chosen.any():
            right = np.sign(scores[chosen]) == sign[chosen]
            result[name] = with_interval(_people(rows, chosen), _share(right))
    healthy = mine & (sign == 0)
    if healthy.any():
        outside = np.abs(scores[healthy]) > 1
        result['healthy_outside_dead_band'] = with_interval(
            _people(rows, healthy), _share(outside))
        both = healthy | (mine & strong & (sign != 0))
        weak, strength = sign[both] != 0, np.abs(scores[both])
        result['presence_auc_severity_0.5_up'] = with_interval(
            _people(rows, both), _auc_of(weak, strength))
    return result


def _at_least_half(row: Row) -> bool:
    try:
        return float(row['severity']) >= 0.5
    except ValueError:
        return True  # a real picture without a number counts as what it is


def _people(rows: Sequence[Row], chosen: NDArray[np.bool_]) -> list[str]:
    return [row['group'] for row, taken in zip(rows, chosen, strict=True) if taken]


def mirror(task: Task, answers: Answers) -> dict[str, Any]:
    """How often the mirrored picture got the mirrored answer, and by how much at worst not."""
    swap = [task.classes.index(task.mirrored.get(name, name)) for name in task.classes]
    expected = answers.probabilities[:, swap]
    agree = answers.mirrored.argmax(axis=1) == expected.argmax(axis=1)
    exact = answers.scores is not None and answers.mirrored_scores is not None \
        and bool((answers.mirrored_scores == -answers.scores).all())
    return {'agreement': rounded(agree.mean()), 'exactly_negated': exact,
            'largest_probability_difference': rounded(np.abs(answers.mirrored - expected).max())}


def _per_class(task: Task, people: Sequence[str], labels: NDArray[np.int64],
               chosen: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, Any]:
    precision, recall, f1, count = precision_recall_fscore_support(
        labels, chosen, labels=range(len(task.classes)), zero_division=0.0)
    return {name: {'precision': rounded(precision[i]), 'recall': rounded(recall[i]),
                   'f1': rounded(f1[i]), 'pictures': int(count[i]),
                   'auc': with_interval(people, _auc_of(labels == i, probabilities[:, i]))}
            for i, name in enumerate(task.classes)}


def _subgroups(rows: Sequence[Row], right: NDArray[np.bool_]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for kind in _SUBGROUPS:
        values = [_age_band(row['age']) if kind == 'age_band' else row[kind] for row in rows]
        for value in sorted(set(values) - {''}):
            chosen = np.array([v == value for v in values])
            result.setdefault(kind, {})[value] = with_interval(
                _people(rows, chosen), _share(right[chosen]))
    return result


def _age_band(age: str) -> str:
    try:
        years = float(age)
    except ValueError:
        return ''
    return 'under 30' if years < 30 else '30 to 49' if years < 50 else '50 and over'


def _share(true: NDArray[np.bool_]) -> Callable[[NDArray[np.int64]], float]:
    return lambda index: float(true[index].mean())


def _auc_of(positive: NDArray[np.bool_], value: NDArray[np.float64]
            ) -> Callable[[NDArray[np.int64]], float]:
    return lambda index: _auc(positive[index], value[index])


def _auc(positive: NDArray[np.bool_], value: NDArray[np.float64]) -> float:
    if positive.all() or not positive.any():
        return float('nan')
    return float(roc_auc_score(positive, value))
