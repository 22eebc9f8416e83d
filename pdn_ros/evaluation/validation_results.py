"""What a validation finds: the record behind validate.json, and tables of it."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS: Final = {
    "miou": ("mIoU", 3),
    "miou_11": ("mIoU 11", 3),
    "thin_miou": ("thin", 3),
    "boundary_iou": ("boundary", 3),
    "gmac": ("GMAC", 2),
    "refined_share": ("refined", 2),
    "wasted_share": ("wasted", 3),
    "ms_p50": ("ms", 1),
}
"""What the table shows: title and decimals."""


@dataclass(frozen=True, slots=True)
class ModeFigures:
    """Figures of one mode over the whole set; nan where there is none.

    Attributes:
        miou: Mean IoU at the labels' own size.
        miou_11: The same with lane markings counted as road.
        thin_miou: Mean over the thin classes.
        boundary_iou: Mean boundary IoU.
        per_class_iou: IoU of each class.
        gmac: Multiply-accumulates of an image in units of 1e9, mean over the images.
        refined_share: Refined patches of all patches.
        wasted_share: Refined patches wholly on sky or plain road, of the refined ones.
        ms_p50: Median time from image to mask.
        seam_ratio: Label disagreement across the refined patches' borders over that beside them.
        mendable_recall: Share of the errors that all patches mend which the selected ones hold.
        mendable_recall_thin: The same on the thin classes.
        mendable_recall_oracle_thin: What the best choice of as many patches holds.
    """

    miou: float
    miou_11: float
    thin_miou: float
    boundary_iou: float
    per_class_iou: dict[str, float]
    gmac: float
    refined_share: float
    wasted_share: float
    ms_p50: float
    seam_ratio: float
    mendable_recall: float
    mendable_recall_thin: float
    mendable_recall_oracle_thin: float


@dataclass(frozen=True, slots=True)
class Validation:
    """Figures of all modes, and what they were taken with."""

    dataset: str
    split: str
    images: int
    classes: tuple[str, ...]
    hidden: dict[str, str]
    weights: str
    backend: str
    gmac_counter: str
    modes: dict[str, ModeFigures]

    def tables(self) -> "list[Table]":
        """Return tables for the terminal: the modes' figures, and the IoU of each class."""
        from rich import box
        from rich.table import Table

        title = f"{self.dataset}, {self.split}: {self.images} images, {self.backend}"
        figures = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        figures.add_column("mode", no_wrap=True)
        for name, _ in COLUMNS.values():
            figures.add_column(name, justify="right", no_wrap=True)
        for mode, found in self.modes.items():
            values = (_cell(getattr(found, key), n) for key, (_, n) in COLUMNS.items())
            figures.add_row(mode, *values)

        classes = Table(title="IoU of the classes", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        classes.add_column("class", no_wrap=True)
        for mode in self.modes:
            classes.add_column(mode, justify="right", no_wrap=True)
        for name in self.classes:
            row = (_cell(found.per_class_iou[name], 3) for found in self.modes.values())
            classes.add_row(name, *row)
        return [figures, classes]


def _cell(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"
