"""What the occupancy grid covers and when a cell counts. Loads nothing heavy."""

import math
from typing import Final

from pydantic import model_validator

from pdn_ros.config import Config, fixed, live

_LARGEST_SIDE: Final = 32767  # nav2 refuses more
_LARGEST_GRID: Final = 16_000_000  # cells: more than that is a mistake in the units


class GridConfig(Config):
    """What the grid covers and when a cell counts.

    In a square window the view fits at any heading.

    Raises:
        ValueError: A side is not positive, or there are too many cells.
    """

    size_m: tuple[float, float] = fixed((50.0, 50.0), "Extent in x and y, meters.")
    resolution: float = fixed(0.1, "Side of a cell, meters.", ge=0.02, le=2.0)
    max_range: float = live(40.0, "Largest range of evidence, meters.", ge=1.0, le=200.0)
    max_height: float = live(
        2.2, "Obstacles higher above the ground are ignored, meters.", ge=0.1, le=100.0
    )
    decay_s: float = live(
        5.0, "A cell not seen for this long becomes unknown, seconds.", ge=0.1, le=3600.0
    )
    dynamic_decay_s: float = live(
        1.0, "The same where something movable was seen, seconds.", ge=0.1, le=3600.0
    )
    min_confidence: int = live(96, "Pixels with less confidence are ignored.", ge=0, le=255)
    free_threshold: int = live(25, "Cells up to this probability, %, are free.", ge=0, le=49)
    occupied_threshold: int = live(65, "Cells from this one, %, are occupied.", ge=51, le=100)

    @model_validator(mode="after")
    def _fits(self) -> "GridConfig":
        if not all(0 < side < math.inf for side in self.size_m):
            raise ValueError("grid: both sides must be positive numbers")
        columns, rows = self.cells
        if not (min(columns, rows) >= 1 and max(columns, rows) <= _LARGEST_SIDE):
            raise ValueError(
                f"grid: {columns} x {rows} cells; a side has 1 to {_LARGEST_SIDE}: "
                "change size_m or resolution"
            )
        if columns * rows > _LARGEST_GRID:
            raise ValueError(
                f"grid: {columns} x {rows} cells are too many; raise resolution or lower size_m"
            )
        return self

    @property
    def cells(self) -> tuple[int, int]:
        """Number of columns (x) and rows (y)."""
        x, y = (round(side / self.resolution) for side in self.size_m)
        return x, y
