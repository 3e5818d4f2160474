"""Intervals and calibration of any figure; resampling is by person.

Pure functions; they know neither faces nor heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEAST_PEOPLE = 3
_BINS = 10


def with_interval(people: Sequence[str], value: Callable[[NDArray[np.int64]], float]
                  ) -> dict[str, Any]:
    """A figure with its 95 % bootstrap interval by person (Efron & Tibshirani 1993).

    Args:
        people: whose each picture is.
        value: figure of the pictures with the given indices; NaN where it has no meaning.

    Returns:
        value, interval_95 (None with fewer than three people), pictures, people.
    """
    names, member = np.unique(np.asarray(people), return_inverse=True)
    if len(names) < LEAST_PEOPLE:  # resampling a handful of people says nothing
        return {'value': rounded(value(np.arange(len(people)))), 'interval_95': None,
                'pictures': len(people), 'people': len(names)}
    pictures = [np.flatnonzero(member == i) for i in range(len(names))]
    rng = np.random.default_rng(0)
    drawn = [value(np.concatenate([pictures[i] for i in rng.integers(0, len(names), len(names))]))
             for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(drawn).any() else (np.nan,) * 2
    return {'value': rounded(value(np.arange(len(people)))),
            'interval_95': [rounded(low), rounded(high)],
            'pictures': len(people), 'people': len(names)}


def calibration(right: NDArray[np.bool_], confidence: NDArray[np.float64]) -> dict[str, Any]:
    """Reliability in ten bins, and expected calibration error (Guo et al. 2017)."""
    place = np.clip((confidence * _BINS).astype(int), 0, _BINS - 1)
    filled = [place == b for b in range(_BINS) if (place == b).any()]
    bins = [{'confidence': rounded(confidence[b].mean()), 'right': rounded(right[b].mean()),
             'pictures': int(b.sum())} for b in filled]
    error = sum(b.sum() * abs(confidence[b].mean() - right[b].mean()) for b in filled) / len(right)
    return {'expected_error': rounded(error), 'bins': bins}


def rounded(value: Any) -> float | None:
    """Four places, or None where the figure has no meaning."""
    return round(float(value), 4) if np.isfinite(value) else None
