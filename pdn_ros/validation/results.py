"""What a validation finds: the record behind validate.json, and tables of it."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pdn_ros.metrics import DetectionScores, Interval

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS: Final = {
    "miou": ("mIoU", 3),
    "miou_11": ("mIoU\n11", 3),
    "thin_miou": ("thin", 3),
    "boundary_iou": ("bound-\nary", 3),
    "small": ("small\nF1", 3),
    "gmac": ("GMAC", 2),
    "refined_share": ("re-\nfined", 2),
    "wasted_share": ("wasted", 3),
    "ms_p50": ("ms", 1),
}
"""What the table shows: title and decimals."""
DIFFERENCES: Final = {"miou": "mIoU", "thin_miou": "thin", "small_f1": "small F1"}
"""What patch mode is compared in, with the other modes."""


@dataclass(frozen=True, slots=True)
class SmallFigures:
    """How small components are found: over all sizes, and by size class."""

    recall: float
    precision: float
    f1: float
    by_size: dict[str, DetectionScores]


@dataclass(frozen=True, slots=True)
class ModeFigures:
    """Figures of one mode over the whole set; nan where there is none.

    Attributes:
        miou: Mean IoU at the labels' own size.
        miou_11: The same with lane markings counted as road.
        thin_miou: Mean over the thin classes.
        boundary_iou: Mean boundary IoU.
        per_class_iou: IoU of each class.
        small: How the thin classes' components of 30 to 999 px are found.
        gmac: Multiply-accumulates of an image in units of 1e9, mean over the images.
        refined_share: Refined patches of all patches.
        wasted_share: Refined patches wholly on sky or plain road, of the refined ones.
        ms_p50: Median time from image to mask.
        seam_ratio: Label disagreement across the refined patches' borders over that beside them.
        seam_ratio_labels: The same of the labels, what the pictures themselves show there; nan
            where they have another size than the images.
        mendable_recall: Share of the errors that all patches mend which the selected ones hold.
        mendable_recall_entropy: The same, as many patches chosen by the coarse logits' entropy.
        mendable_recall_oracle: The same, the best choice of as many.
        mendable_recall_thin: Like `mendable_recall`, on the thin classes.
        mendable_recall_entropy_thin: Entropy's choice on the thin classes.
        mendable_recall_oracle_thin: The best choice for the thin classes.
    """

    miou: float
    miou_11: float
    thin_miou: float
    boundary_iou: float
    per_class_iou: dict[str, float]
    small: SmallFigures
    gmac: float
    refined_share: float
    wasted_share: float
    ms_p50: float
    seam_ratio: float
    seam_ratio_labels: float
    mendable_recall: float
    mendable_recall_entropy: float
    mendable_recall_oracle: float
    mendable_recall_thin: float
    mendable_recall_entropy_thin: float
    mendable_recall_oracle_thin: float


@dataclass(frozen=True, slots=True)
class Validation:
    """Figures of all modes, and what they were taken with.

    Attributes:
        differences: Patch mode less each other mode, `patch-MODE`, by figure: with the interval
            that 95 % of the sets resampled from these images stay within.
    """

    dataset: str
    split: str
    images: int
    classes: tuple[str, ...]
    hidden: dict[str, str]
    weights: str
    backend: str
    gmac_counter: str
    modes: dict[str, ModeFigures]
    differences: dict[str, dict[str, Interval]]

    def tables(self) -> "list[Table]":
        """Return tables for the terminal.

        The modes' figures, the IoU of each class, and where it ran: patch mode against the others,
        and its choice of patches against others'.
        """
        title = f"{self.dataset}, {self.split}: {self.images} images, {self.backend}"
        figures = _table(title, "mode", *(name for name, _ in COLUMNS.values()))
        for mode, found in self.modes.items():
            values = (_cell(_value(found, key), n) for key, (_, n) in COLUMNS.items())
            figures.add_row(mode, *values)
        figures.caption = f"GMAC by {self.gmac_counter}"
        classes = _table("IoU of the classes", "class", *(m.replace("_", "\n") for m in self.modes))
        for name in self.classes:
            row = (_cell(found.per_class_iou[name], 3) for found in self.modes.values())
            classes.add_row(name, *row)
        tables = [figures, classes]
        patch = self.modes.get("patch")
        if patch is not None and len(self.modes) > 1:
            tables.append(self._against_others(patch))
        if patch is not None and not math.isnan(patch.mendable_recall):
            tables.append(_choice(patch))
        return tables

    def _against_others(self, patch: ModeFigures) -> "Table":
        """Tabulate differences of the scores, in points with intervals, and ratios of the costs."""
        title = "patch less others, points (95 % interval), and cost over theirs"
        table = _table(title, "mode", *DIFFERENCES.values(), "GMAC", "ms")
        for mode, other in self.modes.items():
            if mode == "patch":
                continue
            found = self.differences[f"patch-{mode}"]
            points = (_interval(found[key]) for key in DIFFERENCES)
            ratios = (patch.gmac / other.gmac, patch.ms_p50 / other.ms_p50)
            table.add_row(mode, *points, *(_cell(ratio, 2) for ratio in ratios))
        return table


def mean_figures(figures: Sequence[ModeFigures]) -> ModeFigures:
    """Return the mean of each figure."""
    if len(figures) == 1:
        return figures[0]
    mean = _mean([asdict(f) for f in figures])
    by_size = {k: DetectionScores(**v) for k, v in mean["small"].pop("by_size").items()}
    mean["small"] = SmallFigures(**mean["small"], by_size=by_size)
    return ModeFigures(**mean)


def _mean(trees: Sequence[Any]) -> Any:
    """Mean of the numbers in dictionaries of one form."""
    if isinstance(trees[0], dict):
        return {key: _mean([tree[key] for tree in trees]) for key in trees[0]}
    return float(np.mean(trees))


def _value(figures: ModeFigures, column: str) -> float:
    value = figures.small.f1 if column == "small" else getattr(figures, column)
    assert isinstance(value, float)
    return value


def _interval(found: Interval) -> str:
    if math.isnan(found.low):
        return _cell(100 * found.value, 1, "+")
    return f"{100 * found.value:+.1f}\n({100 * found.low:.1f}, {100 * found.high:.1f})"


def _choice(patch: ModeFigures) -> "Table":
    """Tabulate the shares of the mendable errors in as many patches, by who chooses them."""
    title = "mendable errors in the selected patches"
    table = _table(title, "label", "driver", "entropy", "oracle", "of oracle")
    thin = (
        patch.mendable_recall_thin,
        patch.mendable_recall_entropy_thin,
        patch.mendable_recall_oracle_thin,
    )
    every = (
        patch.mendable_recall,
        patch.mendable_recall_entropy,
        patch.mendable_recall_oracle,
    )
    for name, (driver, entropy, oracle) in (("all", every), ("thin", thin)):
        share = driver / oracle if oracle else math.nan
        table.add_row(name, *(_cell(v, 3) for v in (driver, entropy, oracle, share)))
    table.caption = (
        f"label changes at patch borders / beside them: {_cell(patch.seam_ratio, 2)}; "
        f"in the labels: {_cell(patch.seam_ratio_labels, 2)}"
    )
    return table


def _table(title: str, first: str, *columns: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cell(value: float, decimals: int, sign: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:{sign}.{decimals}f}"
