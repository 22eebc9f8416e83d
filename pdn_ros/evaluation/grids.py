"""Occupancy grids against the truth.

What counts is the part of the truth that the camera could see from where it stood: within its
horizontal field of view and range, up to the first obstacle of each bearing and not behind it. A
grid that remembers more than that is neither praised nor blamed for it.
"""

from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pdn_ros.evaluation.results import GridFigures
from pdn_ros.geometry.camera import Camera
from pdn_ros.metrics import GridScore

UNKNOWN: Final = -1
OCCUPIED_FROM: Final = 65
MAX_RANGE_M: Final = 30.0
_BEARING_STEP: Final = np.deg2rad(0.25)


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells as in nav_msgs/OccupancyGrid.

    Attributes:
        data: (rows = y, cols = x) int8: -1 unknown, 0 free to 100 occupied.
        origin_xy: Corner of cell [0, 0] in `frame`, metres.
        resolution: Side of a cell, metres.
        frame: TF frame of the axes.
    """

    data: NDArray[np.int8]
    origin_xy: tuple[float, float]
    resolution: float
    frame: str

    def at(self, xy: NDArray[np.floating]) -> NDArray[np.int8]:
        """Values at points (..., 2) of the grid's frame, metres; unknown outside."""
        cells = np.floor((xy - np.asarray(self.origin_xy)) / self.resolution)
        rows, cols = self.data.shape
        x, y = cells[..., 0], cells[..., 1]
        inside = (x >= 0) & (x < cols) & (y >= 0) & (y < rows)
        index = np.where(inside, y * cols + x, 0).astype(np.intp)
        return np.where(inside, self.data.reshape(-1)[index], np.int8(UNKNOWN))

    def covers(self, xy: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether points (..., 2) lie inside the grid's window."""
        rows, cols = self.data.shape
        local = xy - np.asarray(self.origin_xy)
        inside: NDArray[np.bool_] = np.all(
            (local >= 0) & (local < np.array([cols, rows]) * self.resolution), axis=-1
        )
        return inside

    def centers(self) -> NDArray[np.float64]:
        """Centres of the cells, (rows, cols, 2) metres."""
        rows, cols = self.data.shape
        x = self.origin_xy[0] + (np.arange(cols) + 0.5) * self.resolution
        y = self.origin_xy[1] + (np.arange(rows) + 0.5) * self.resolution
        return np.stack(np.meshgrid(x, y), axis=-1)


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

    def bearings(self) -> NDArray[np.float64]:
        """Bearings to look along, radians."""
        count = max(2, round(self.width / _BEARING_STEP))
        bearings: NDArray[np.float64] = self.start + (np.arange(count) + 0.5) * self.width / count
        return bearings

    def locate(
        self, xy: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
        """Range, index of the nearest bearing, and whether the points lie in the sector."""
        offset = xy - self.apex
        ranges = np.hypot(offset[..., 0], offset[..., 1])
        angle = (np.arctan2(offset[..., 1], offset[..., 0]) - self.start) % (2 * np.pi)
        count = len(self.bearings())
        index = np.floor(angle / self.width * count).astype(np.intp)
        inside = (angle < self.width) & (ranges <= self.max_range)
        return ranges, np.minimum(index, count - 1), inside


def first_obstacles(grid: Grid, sector: Sector) -> NDArray[np.float64]:
    """Range of the first occupied cell along every bearing; infinity where there is none."""
    step = grid.resolution / 2
    ranges = np.arange(step, sector.max_range, step)
    bearings = sector.bearings()
    directions = np.stack([np.cos(bearings), np.sin(bearings)], axis=-1)
    points = sector.apex + directions[:, None, :] * ranges[None, :, None]
    hit = grid.at(points) >= OCCUPIED_FROM
    return np.where(hit.any(axis=1), ranges[hit.argmax(axis=1)], np.inf)


def in_sight(truth: Grid, sector: Sector) -> NDArray[np.bool_]:
    """Which cells of a true grid a camera can see, (rows, cols)."""
    ranges, bearing, inside = sector.locate(truth.centers())
    # The cell that is hit counts, with a diagonal's tolerance; what is behind does not.
    reach = first_obstacles(truth, sector)[bearing] + 1.5 * truth.resolution
    seen: NDArray[np.bool_] = inside & (ranges <= reach)
    return seen


@dataclass(slots=True)
class GridTally:
    """The score of one kind of grid over the frames."""

    scores: GridScore = field(default_factory=GridScore)
    frames: int = 0

    def add(
        self, grid: Grid, truth: Grid, t_grid_truth: NDArray[np.float64], sector: Sector
    ) -> None:
        """Count one frame.

        Args:
            grid: The grid under test.
            truth: The exact grid.
            t_grid_truth: Maps points of the truth's frame into the grid's, (4, 4).
            sector: What the camera sees, in the truth's frame.
        """
        there = planar(t_grid_truth, truth.centers())
        aligned = Grid(grid.at(there), truth.origin_xy, truth.resolution, truth.frame)
        self.scores.update(aligned, truth, where=in_sight(truth, sector) & grid.covers(there))
        self.frames += 1

    def figures(self) -> GridFigures:
        """Return the figures over all frames."""
        if not self.frames:
            return GridFigures()
        return GridFigures(
            free_iou=self.scores.free_iou,
            occupied_iou=self.scores.occupied_iou,
            false_free=self.scores.false_free,
            distance_error_cells_p50=self.scores.distance_error(50),
            distance_error_cells_p95=self.scores.distance_error(95),
            unknown_share=self.scores.unknown_share,
        )
