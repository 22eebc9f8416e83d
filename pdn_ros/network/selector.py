"""Selector: which patches get refined, of one image or of all that share a budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BUDGET_SHARE = 0.25
"""Share of the patches that is refined when no budget is given."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The patches of one image.

    Attributes:
        weights: (rows, cols) driver weights in [0, 1].
        prior: (rows, cols) LiDAR prior in [0, 1]; a NaN leaves the patch to the driver.
        importance: Factor on the scores when they compete with those of other images, >= 0.
    """

    weights: NDArray[np.float32]
    prior: NDArray[np.float32] | None = None
    importance: float = 1.0


@dataclass(frozen=True, slots=True)
class Selection:
    """What was picked of one image.

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
    """Pick the patches of a single image, as `select_shared` does."""
    (selection,) = select_shared(
        [Candidates(weights, prior)], budget, lidar_weight=lidar_weight, threshold=threshold
    )
    return selection


def select_shared(
    images: Sequence[Candidates],
    budget: int,
    *,
    lidar_weight: float = 0.5,
    threshold: float = 0.0,
    floor: float = 0.0,
) -> list[Selection]:
    """Pick the patches with the highest scores of all images.

    Args:
        images: Their patches.
        budget: K, the most patches to pick of all images together.
        lidar_weight: b in score = (1 - b) * w + b * prior.
        threshold: Only patches with at least this score are picked; 0 picks K whatever they score.
        floor: Part of an equal share that each image gets before the rest goes to the highest
            scores, 0 to 1; equal shares are in proportion to the images' patches.

    Returns:
        The selection of each image. Equal scores go by the images' order, then by the patches' ids.

    Raises:
        ValueError: A prior has another shape than the weights.
    """
    scores = [_scores(image, lidar_weight) for image in images]
    budget = max(0, budget)
    counts = [one.size for one in scores]
    ends = np.cumsum(counts)
    starts = ends - counts
    merit = np.concatenate(
        [one.ravel() * np.float32(i.importance) for one, i in zip(scores, images, strict=True)]
    )
    owed = np.zeros(merit.size, np.bool_)
    for start, one in zip(starts, scores, strict=True):
        best = np.argsort(-one.ravel(), kind="stable")
        owed[start + best[: int(floor * budget * one.size / merit.size)]] = True
    # Both sorts are stable: ties keep the order of images and ids.
    order = np.lexsort((-merit, ~owed))
    if threshold > 0:
        order = order[np.concatenate([one.ravel() for one in scores])[order] >= threshold]
    order = order[:budget]
    return [
        Selection(one, (order[(start <= order) & (order < end)] - start).astype(np.int32))
        for one, start, end in zip(scores, starts, ends, strict=True)
    ]


def _scores(image: Candidates, lidar_weight: float) -> NDArray[np.float32]:
    scores, prior = image.weights.astype(np.float32), image.prior
    if prior is None:
        return scores
    if prior.shape != scores.shape:
        raise ValueError(f"prior of {prior.shape} patches for an image of {scores.shape}")
    blended = (1 - lidar_weight) * scores + lidar_weight * prior
    return np.where(np.isnan(prior), scores, blended).astype(np.float32)
