"""How sure a difference is: intervals over the images of a set, or over recordings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.95
"""Probability that an interval covers."""

Statistic = Callable[[NDArray[Any]], NDArray[np.float64]]
"""Maps sums of counts, or of other numbers, (R, ...) to a figure for each, (R,)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the bounds that 95 % of the resampled sets stay within; nan where none is."""

    value: float
    low: float
    high: float


def difference(
    statistic: Statistic,
    ours: Sequence[NDArray[Any]],
    theirs: Sequence[NDArray[Any]],
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Bootstrap a difference over the images (Efron, 1979), which are drawn for both sides alike.

    Args:
        statistic: The figure.
        ours: Numbers of each image that add up, (n, ...), of one system, or of several whose mean
            figure counts.
        theirs: The same of what is subtracted.
        resamples: Sets that are drawn.
        seed: Of the draws.
    """
    count = len(ours[0])
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    draws = np.concatenate([np.ones((1, count), np.int64), draws])  # the set itself comes first

    def figures(systems: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        sums = (np.tensordot(draws, counts, axes=1) for counts in systems)
        return np.asarray(np.mean([statistic(s) for s in sums], axis=0), np.float64)

    found = figures(ours) - figures(theirs)
    drawn = found[1:][~np.isnan(found[1:])]
    if not drawn.size:
        return Interval(float(found[0]), float("nan"), float("nan"))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(found[0]), float(low), float(high))
