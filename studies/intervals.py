"""How far a study's figure may be off: intervals by person and of shares.

It never measures anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray


def interval(values: NDArray[np.float64], form: str = '+.3f') -> str:
    """Mean with its 95 % bootstrap interval by person, in this format.

    Args:
        values: float64 (n,), one a person; those not known are NaN.
    """
    known = values[np.isfinite(values)]
    if len(known) < 3:
        return '–'
    rng = np.random.default_rng(0)
    drawn = [known[rng.integers(0, len(known), len(known))].mean() for _ in range(2000)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f'{known.mean():{form}} ({low:{form}} to {high:{form}})'


class OfPerson(Protocol):
    """What was found of somebody."""

    @property
    def person(self) -> int:
        """Who, by number."""


Found = TypeVar('Found', bound=OfPerson)


def by_person(found: Sequence[Found], of: Callable[[Found], float]) -> NDArray[np.float64]:
    """Each person's mean, float64 (people,)."""
    people = sorted({one.person for one in found})
    return np.array([np.mean([of(one) for one in found if one.person == person])
                     for person in people])


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927), 0 to 1; count at least 1."""
    z, p = 1.96, hits / count
    centre = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return max(centre - half, 0.0), centre + half
