"""Occupancy grids against the truth.

Only cells that a camera saw according to the truth count, within its horizontal field of view and
30 m: ground (0) and obstacles (100). Hidden obstacles (75) do not count, whether the grid remembers
them or leaves them unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.occupancy import Grid
from pdn_ros.metrics import GridScore
from pdn_ros.replay.results import GridMetrics

HIDDEN: Final = 75
MAX_RANGE_M: Final = 30.0


def planar(transform: NDArray[np.float64], xy: NDArray[np.floating]) -> NDArray[np.float64]:
    """Map points (..., 2) on the ground by a rigid transform (4, 4), seen from above."""
    moved: NDArray[np.float64] = xy @ transform[:2, :2].T + transform[:2, 3]
    return moved


@dataclass(frozen=True, slots=True)
class Sector:
    """The part of the ground plane that a camera looks at: apex, bearings and range."""

    apex: NDArray[np.float64]
    start: float
    width: float
    max_range: float

    @classmethod
    def of(
        cls,
        camera: Camera,
        t_grid_camera: NDArray[np.float64],
        max_range: float = MAX_RANGE_M,
    ) -> Self:
        """Return the sector of a camera, from the rays of its middle row."""
        rays = camera.rays()[camera.height // 2]
        rays = rays[np.isfinite(rays).all(axis=-1)]
        directions = rays.astype(np.float64) @ t_grid_camera[:3, :3].T
        left, right = (np.arctan2(d[1], d[0]) for d in (directions[0], directions[-1]))
        # Bearings grow to the left; a camera sees less than a full turn.
        return cls(t_grid_camera[:2, 3], right, float((left - right) % (2 * np.pi)), max_range)

    def contains(self, xy: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether points (..., 2) lie in the sector."""
        offset = xy - self.apex
        angle = (np.arctan2(offset[..., 1], offset[..., 0]) - self.start) % (2 * np.pi)
        near = np.hypot(offset[..., 0], offset[..., 1]) <= self.max_range
        inside: NDArray[np.bool_] = near & (angle < self.width)
        return inside


@dataclass(slots=True)
class GridTally:
    """The score of one kind of grid over the frames."""

    scores: GridScore = field(default_factory=GridScore)
    frames: int = 0

    def add(
        self,
        grid: Grid,
        truth: Grid,
        t_grid_truth: NDArray[np.float64],
        sectors: Sequence[Sector],
    ) -> None:
        """Count one frame.

        Args:
            grid: The grid under test.
            truth: The exact grid.
            t_grid_truth: Maps points of the truth's frame into the grid's, (4, 4).
            sectors: What each camera sees, in the truth's frame.
        """
        cells = truth.centers()
        there = planar(t_grid_truth, cells)
        aligned = Grid(grid.at(there), truth.origin_xy, truth.resolution, truth.frame)
        in_view = np.logical_or.reduce([sector.contains(cells) for sector in sectors])
        counted = in_view & grid.covers(there) & (truth.data != HIDDEN)
        self.scores.update(aligned, truth, where=counted)
        self.frames += 1

    def metrics(self) -> GridMetrics:
        """Return the figures over all frames."""
        if not self.frames:
            return GridMetrics()
        return GridMetrics(
            free_iou=self.scores.free_iou,
            occupied_iou=self.scores.occupied_iou,
            false_free=self.scores.false_free,
            distance_error_cells_p50=self.scores.distance_error(50),
            distance_error_cells_p95=self.scores.distance_error(95),
            unknown_share=self.scores.unknown_share,
        )
