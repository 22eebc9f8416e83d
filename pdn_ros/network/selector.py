"""Selector: which patches get refined."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BUDGET_SHARE = 0.25
"""Share of the patches that is refined when no budget is given."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What was picked.

    Attributes:
        scores: (rows, cols) float32 in [0, 1], driver's weights blended with the prior.
        patches: (K,) int32, row-major ids, best first.
    """

    scores: NDArray[np.float32]
    patches: NDArray[np.int32]


def default_budget(count: int) -> int:
    """Return K for N patches when none is given: a quarter of them, at least one."""
    return max(1, round(BUDGET_SHARE * count))


def select(
    weights: NDArray[np.float32],
    budget: int,
    *,
    prior: NDArray[np.float32] | None = None,
    lidar_weight: float = 0.5,
    threshold: float = 0.0,
) -> Selection:
    """Pick the patches with the highest scores.

    Args:
        weights: (rows, cols) driver weights in [0, 1].
        budget: K, the most patches to pick.
        prior: (rows, cols) LiDAR prior in [0, 1]; a NaN leaves the patch to the driver.
        lidar_weight: b in score = (1 - b) * w + b * prior.
        threshold: Only patches with at least this score are picked; 0 picks K whatever they score.

    Raises:
        ValueError: The prior has another shape than the weights.
    """
    scores = weights.astype(np.float32)
    if prior is not None:
        if prior.shape != weights.shape:
            raise ValueError(f"prior of {prior.shape} patches for an image of {weights.shape}")
        blended = (1 - lidar_weight) * scores + lidar_weight * prior
        scores = np.where(np.isnan(prior), scores, blended).astype(np.float32)
    # A stable sort breaks ties by index.
    order = np.argsort(-scores.ravel(), kind="stable")[: max(0, budget)]
    if threshold > 0:
        order = order[scores.ravel()[order] >= threshold]
    return Selection(scores, order.astype(np.int32))
