"""Selectors with and without the LiDAR prior, and their curves over K."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np
from evidence import budget
from steering_samples import Floats, Sample

from pdn_ros.files import atomic
from pdn_ros.network.selector import select
from pdn_ros.perception import PipelineConfig

SHARES: Final = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.40, 0.50)
WEIGHTS: Final = (0.3, 0.5, 0.7)
SHIPPED: Final = PipelineConfig().lidar.weight
RANDOM_ORDERS: Final = 20

Score = Callable[[Sample, Floats], Floats]


def blend(weight: float, *, dark: bool = False) -> Score:
    """Score as the pipeline does."""

    def score(sample: Sample, _: Floats) -> Floats:
        driver = sample.dark if dark and sample.dark is not None else sample.weights
        return select(np.asarray(driver, np.float32), 0, prior=np.asarray(sample.prior, np.float32),
                      lidar_weight=weight).scores  # fmt: skip

    return score


def reserve(share: float) -> Score:
    """Score so that the prior's best patches go first, a share of all, and then the driver's."""

    def score(sample: Sample, _: Floats) -> Floats:
        first = rank(sample.prior) >= 1 - share
        return np.where(first, 1 + sample.prior, sample.weights)

    return score


def rank(values: Floats) -> Floats:
    """Ranks of values from 0 to 1; of equals the first is the largest, as in the selector."""
    order = np.argsort(-values.ravel(), kind="stable")
    ranks = np.empty(values.size)
    ranks[order] = np.linspace(1, 0, values.size)
    return ranks.reshape(values.shape)


def scaled(values: Floats) -> Floats:
    """Values as shares of the largest."""
    return values / max(float(values.max()), 1e-6)


SELECTORS: Final[dict[str, Score]] = {
    "random": lambda _, noise: noise,
    "driver": blend(0.0),
    **{f"blend {weight}": blend(weight) for weight in WEIGHTS},
    "prior": blend(1.0),
    "oracle": lambda sample, _: sample.objects.sum(axis=0).reshape(sample.weights.shape),
}
IDEAS: Final[dict[str, Score]] = {
    "by rank": lambda sample, _: rank(sample.weights) + rank(sample.prior),
    "each scaled to its maximum": lambda sample, _: scaled(sample.weights) + scaled(sample.prior),
    "noisy or": lambda sample, _: 1 - (1 - sample.weights) * (1 - sample.prior),
    "the larger of both": lambda sample, _: np.maximum(sample.weights, sample.prior),
    "geometric mean": lambda sample, _: sample.weights * sample.prior,
    **{
        f"the prior's best {first} % of all patches, then the driver's": reserve(first / 100)
        for first in (10, 5)
    },
}
"""Other ways to join driver and prior."""
IN_THE_DARK: Final[dict[str, Score]] = {
    "driver": blend(0.0, dark=True),
    **{f"blend {weight}": blend(weight, dark=True) for weight in WEIGHTS},
}


def curves(samples: Sequence[Sample], selectors: dict[str, Score]) -> dict[str, Any]:
    """Shares of pixels and of objects (at least half of each) in the selected patches."""
    rng = np.random.default_rng(0)
    table: dict[str, Any] = {}
    for name, score in selectors.items():
        rows: dict[str, list[float]] = {"pixels": [], "objects": []}
        for share in SHARES:
            inside, whole, rare = [], [], np.zeros(2)
            for sample in samples:
                for _ in range(RANDOM_ORDERS if name == "random" else 1):
                    scores = score(sample, rng.random(sample.weights.shape))
                    count = budget(share, sample.weights.size)
                    got, size = sample.found(scores, count)
                    if sample.rare is not None:
                        picked = select(np.asarray(scores, np.float32), count).patches
                        rare += (sample.rare[picked].sum(), sample.rare.sum())
                    inside.append(got)
                    whole.append(size)
            got, size = np.concatenate(inside), np.concatenate(whole)
            rows["pixels"].append(percent(got.sum() / size.sum()))
            rows["objects"].append(percent(np.mean(got >= 0.5 * size)))
            if rare[1]:
                rows.setdefault("near and far", []).append(percent(rare[0] / rare[1]))
        table[name] = rows
    return table


def percent(share: float | np.floating[Any]) -> float:
    """With one decimal."""
    return round(100 * float(share), 1)


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw the curves."""
    panels = (
        ("simulated", "pixels", "Simulated, day: pixels of thin\nobjects beyond 30 m"),
        ("simulated", "objects", "Simulated, day: thin objects\nbeyond 30 m"),
        ("dark", "pixels", "Simulated, dark: pixels of thin\nobjects beyond 30 m"),
        ("kitti", "objects", "KITTI: labeled boxes\nunder 40 px"),
    )
    styles = {
        "random": ("0.6", ":", "random"),
        "driver": ("tab:blue", "-", "driver alone"),
        "prior": ("tab:green", "--", "LiDAR prior alone"),
        f"blend {SHIPPED}": ("tab:red", "-", f"driver and prior (lidar.weight {SHIPPED})"),
        "oracle": ("black", ":", "oracle"),
    }
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.9), sharey=True, layout="constrained")
    for axis, (data, count, title) in zip(axes, panels, strict=True):
        for name, (color, line, label) in styles.items():
            # Random, prior and oracle see the same in the dark.
            table = result[data] if name in result[data] else result["simulated"]
            axis.plot([100 * s for s in SHARES], table[name][count], line, color=color,
                      label=label, marker=".", lw=2 if line == "-" else 1.3)  # fmt: skip
        axis.axvline(25, color="0.85", lw=5, zorder=0)
        axis.set(title=title, xlabel="patches refined, %", ylim=(0, 102), xlim=(3, 52))
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        axis.title.set_fontsize(10.5)
    axes[0].set_ylabel("in refined patches, %")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5,
                  frameon=False)  # fmt: skip
    with atomic(path) as part:
        figure.savefig(part, dpi=110, format="png")
