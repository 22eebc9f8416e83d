"""What a validation finds: `validate.json` and the table."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pdn_ros.files import atomic

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS: Final = (
    "miou",
    "miou_11",
    "thin_miou",
    "boundary_iou",
    "gmac",
    "refined_share",
    "wasted_share",
    "ms_p50",
)


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

    def write(self, path: Path) -> None:
        """Write `validate.json`; nan becomes null."""
        with atomic(path) as part:
            part.write_text(json.dumps(_plain(asdict(self)), indent=2) + "\n", encoding="utf-8")

    def table(self) -> "Table":
        """Return the figures as a table for the terminal, one mode a row."""
        from rich.table import Table

        table = Table(title=f"{self.dataset}, {self.split}: {self.images} images")
        table.add_column("mode")
        for name in COLUMNS:
            table.add_column(name.replace("_", " "), justify="right")
        for mode, figures in self.modes.items():
            values = (getattr(figures, name) for name in COLUMNS)
            table.add_row(mode, *("-" if math.isnan(v) else f"{v:.3f}" for v in values))
        return table


def _plain(value: Any) -> Any:
    """Replace nan, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value
