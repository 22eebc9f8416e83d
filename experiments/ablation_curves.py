"""Curves over the number of refined patches: selectors, equal cost, thresholds."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from evidence import Images, Model, Score, budget
from numpy.typing import NDArray
from tqdm import tqdm

from pdn_ros.datasets import Sample
from pdn_ros.metrics.confusion import at_size
from pdn_ros.validation.cost import Cost
from pdn_ros.validation.selectors import coarse_entropy, gain, horizon_band

SHARES: Final = (0.05, 0.10, 0.15, 0.25, 0.40, 0.60, 1.0)
SELECTORS: Final = ("driver", "random", "horizon", "entropy", "oracle")
THRESHOLDS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
MOST: Final = 0.5
"""Largest share of the patches that a threshold may pick."""

Scores = NDArray[np.float32]


def class_worth(images: Images) -> NDArray[np.float64]:
    """Worth of a pixel of each class (C,): one over the class's pixels in the set.

    A mended pixel moves its class's IoU by about that much, and all classes count alike.
    """
    counts = np.zeros(256)
    for sample in images:
        counts += np.bincount(sample.label.ravel(), minlength=256)
    known = counts[: len(images.classes.names)]
    return np.where(known > 0, known.sum() / np.maximum(known, 1), 0)


def selector_curves(model: Model, images: Images) -> dict[str, Any]:
    """Score each selector and one dense pass of the same cost at each share of the patches.

    With every patch refined the selectors are alike: they run once.
    """
    cost, worth = Cost(model.config), class_worth(images)
    rows = (*SELECTORS, "equal_cost")
    scores = {name: [images.score() for _ in SHARES] for name in rows}
    ends = {name: images.score() for name in ("context", "dense")}
    gmac = {name: np.zeros(len(SHARES)) for name in ("patch", "dense")}
    for index, sample in enumerate(tqdm(images, disable=None)):
        size = sample.image.shape[0], sample.image.shape[1]
        for mode, score in ends.items():
            score.update(model.run(sample.image, mode=mode).mask, sample.label)
        priors = _priors(model, sample, worth, seed=index)
        for at, share in enumerate(SHARES):
            count = budget(share, priors["random"].size)
            scale = cost.equal_scale(*size, count)
            gmac["patch"][at] += cost.patches(*size, count) / 1e9 / len(images)
            gmac["dense"][at] += cost.dense(*size) / 1e9 / len(images)
            single = model.run(sample.image, mode="dense", dense_scale=scale)
            scores["equal_cost"][at].update(single.mask, sample.label)
            mask = None
            for name in SELECTORS:
                if share < 1 or mask is None:
                    mask = model.run(sample.image, priors.get(name), budget=count).mask
                scores[name][at].update(mask, sample.label)
    return {
        "images": len(images),
        "shares": SHARES,
        "gmac": {name: values.round(3).tolist() for name, values in gmac.items()},
        "ends": {name: score.figures() for name, score in ends.items()},
        "curves": {name: _columns(found) for name, found in scores.items()},
    }


def _priors(
    model: Model, sample: Sample, worth: NDArray[np.float64], seed: int
) -> dict[str, Scores]:
    """Score the patches for every selector but the driver, which scores them itself."""
    image, size = sample.image, sample.label.shape
    everything = model.run(image, budget=10**6)
    coarse = model.run(image, budget=0)
    grid = everything.grid
    masks = (at_size(found.mask, size) for found in (coarse, everything))
    noise = np.random.default_rng(seed).random((grid.rows, grid.cols))
    return {
        "random": noise.astype(np.float32),
        "horizon": horizon_band(grid),
        "entropy": coarse_entropy(model.parts, model.config, image),
        "oracle": gain(sample.label, *masks, grid, worth),
    }


def threshold_curve(model: Model, images: Images) -> dict[str, Any]:
    """Score patch mode at each threshold, with at most `MOST` of the patches."""
    scores = [images.score() for _ in THRESHOLDS]
    refined, patches = np.zeros(len(THRESHOLDS)), 0
    for sample in tqdm(images, disable=None):
        count = _patches(model, sample)
        patches += count
        for at, threshold in enumerate(THRESHOLDS):
            found = model.run(sample.image, budget=budget(MOST, count), threshold=threshold)
            scores[at].update(found.mask, sample.label)
            refined[at] += len(found.selected)
    return {
        "thresholds": THRESHOLDS,
        "share": (refined / patches).round(4).tolist(),
        **_columns(scores),
    }


def fixed_curve(model: Model, images: Images, shares: Sequence[float]) -> dict[str, Any]:
    """Score patch mode with the driver's choice at each share of the patches."""
    scores = [images.score() for _ in shares]
    for sample in tqdm(images, disable=None):
        for score, share in zip(scores, shares, strict=True):
            count = budget(share, _patches(model, sample))
            score.update(model.run(sample.image, budget=count).mask, sample.label)
    return {"share": list(shares), **_columns(scores)}


def _patches(model: Model, sample: Sample) -> int:
    """Return N."""
    size = model.config.patch_size
    return -(-sample.image.shape[0] // size) * -(-sample.image.shape[1] // size)


def _columns(scores: Sequence[Score]) -> dict[str, list[float]]:
    """Turn a row of scores into a list for each figure."""
    found = [score.figures() for score in scores]
    return {key: [figures[key] for figures in found] for key in found[0]}
