"""Scores of an occupancy grid: against the true grid, against boxes, against LiDAR returns."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.messages.occupancy import Grid


class GridScore:
    """Scores of grids against the truth, accumulated over frames.

    Only cells that the truth knows count. The IoU are taken over the cells that both know, so that
    what a grid leaves unknown lowers no IoU but shows in `unknown_share`.

    Args:
        free_threshold: Values up to this are free.
        occupied_threshold: Values from this on are occupied; between the two is neither.
    """

    def __init__(self, free_threshold: int = 25, occupied_threshold: int = 65):
        self.free_threshold = free_threshold
        self.occupied_threshold = occupied_threshold
        self.free = np.zeros(2, dtype=np.int64)  # intersection, union
        self.occupied = np.zeros(2, dtype=np.int64)
        self.obstacles = np.zeros(2, dtype=np.int64)  # of the truth: said to be free, all
        self.cells = np.zeros(2, dtype=np.int64)  # known to the truth: unknown to the grid, all
        self._errors: list[NDArray[np.float32]] = []

    def update(self, grid: Grid, truth: Grid, where: NDArray[np.bool_] | None = None) -> None:
        """Add one frame.

        Args:
            grid: The grid to score.
            truth: The true grid, same frame and resolution; only where the two overlap counts.
            where: Cells of the truth that count, for example within a range; None for all.

        Raises:
            ValueError: The resolutions differ or the grids do not share cells.
        """
        mine, theirs = overlap(grid, truth)
        said, true = grid.data[mine], truth.data[theirs]
        seen = true >= 0
        if where is not None:
            seen = seen & where[theirs]
        known = seen & (said >= 0)
        free, occupied = self._split(said)
        true_free, true_occupied = self._split(true)
        self.free += _overlap_and_union(free, true_free, known)
        self.occupied += _overlap_and_union(occupied, true_occupied, known)
        obstacle = seen & true_occupied
        self.obstacles += (np.sum(obstacle & free), np.sum(obstacle))
        self.cells += (np.sum(seen & (said < 0)), np.sum(seen))
        self._errors.extend(_distances(occupied, true_occupied, known))

    def _split(self, data: NDArray[np.int8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        return (data >= 0) & (data <= self.free_threshold), data >= self.occupied_threshold

    @property
    def free_iou(self) -> float:
        """IoU of the free cells."""
        return _share(self.free)

    @property
    def occupied_iou(self) -> float:
        """IoU of the occupied cells."""
        return _share(self.occupied)

    @property
    def false_free(self) -> float:
        """Share of the true obstacle cells that the grid calls free: the dangerous ones."""
        return _share(self.obstacles)

    @property
    def unknown_share(self) -> float:
        """Share of the cells known to the truth that the grid leaves unknown."""
        return _share(self.cells)

    def distance_error(self, percentile: float) -> float:
        """Percentile of the distance between obstacles of grid and truth, in cells.

        Taken from each occupied cell of either to the nearest of the other, over cells that both
        know.
        """
        if not self._errors:
            return float("nan")
        return float(np.percentile(np.concatenate(self._errors), percentile))


def overlap(grid: Grid, truth: Grid) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the slices of two grids that cover the same cells.

    Raises:
        ValueError: Their resolutions differ, or their cells do not lie upon each other.
    """
    if not np.isclose(grid.resolution, truth.resolution):
        raise ValueError(
            f"grids of {grid.resolution} m and {truth.resolution} m cannot be compared"
        )
    shift = (np.subtract(truth.origin_xy, grid.origin_xy) / grid.resolution)[::-1]  # rows, cols
    cells = np.round(shift).astype(int)
    if np.abs(shift - cells).max() > 0.01:
        raise ValueError(
            f"grids are shifted by {shift.tolist()} cells; snap their origins to cells"
        )
    mine, theirs = [], []
    for offset, size, true_size in zip(cells, grid.data.shape, truth.data.shape, strict=True):
        start, stop = max(0, offset), min(size, offset + true_size)
        if stop <= start:
            raise ValueError("grids do not overlap")
        mine.append(slice(start, stop))
        theirs.append(slice(start - offset, stop - offset))
    return (mine[0], mine[1]), (theirs[0], theirs[1])


def boxes_occupied(
    grid: Grid, footprints: NDArray[np.float64], occupied_threshold: int = 65
) -> NDArray[np.bool_]:
    """Tell which boxes have an occupied cell in their footprint.

    Args:
        grid: The grid.
        footprints: (N, 4, 2) corners in the grid's frame, meters, in order around the box.
        occupied_threshold: Values from this on are occupied.

    Returns:
        (N,) bool; False for boxes outside the grid.
    """
    occupied = grid.data >= occupied_threshold
    result = np.zeros(len(footprints), dtype=bool)
    # Pixel centers of OpenCV are at integers, cell [0, 0] is centered half a cell from the origin.
    corners = (footprints - np.asarray(grid.origin_xy)) / grid.resolution - 0.5
    for i, corner in enumerate(corners):
        inside = np.zeros(occupied.shape, dtype=np.uint8)
        cv2.fillConvexPoly(inside, np.round(corner * 16).astype(np.int32), 1, shift=4)
        result[i] = bool((occupied & (inside > 0)).any())
    return result


def free_share(grid: Grid, points: NDArray[np.floating], free_threshold: int = 25) -> float:
    """Share of points (N, 2) or (N, 3), in the grid's frame, that fall into free cells.

    Points outside the grid do not count; nan when there is none inside.
    """
    xy = np.floor((points[:, :2] - np.asarray(grid.origin_xy)) / grid.resolution).astype(int)
    rows, cols = grid.data.shape
    x, y = xy[((xy >= 0) & (xy < (cols, rows))).all(axis=1)].T
    values = grid.data[y, x]
    if not values.size:
        return float("nan")
    return float(np.mean((values >= 0) & (values <= free_threshold)))


def _distances(
    a: NDArray[np.bool_], b: NDArray[np.bool_], known: NDArray[np.bool_]
) -> list[NDArray[np.float32]]:
    """Distances in cells from each cell of one to the nearest of the other, both ways."""
    if not (a & known).any() or not (b & known).any():
        return []
    return [
        np.asarray(
            cv2.distanceTransform((~there).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        )[here & known].astype(np.float32)
        for here, there in ((a, b), (b, a))
    ]


def _overlap_and_union(
    a: NDArray[np.bool_], b: NDArray[np.bool_], known: NDArray[np.bool_]
) -> tuple[int, int]:
    return int(np.sum(a & b & known)), int(np.sum((a | b) & known))


def _share(counts: NDArray[np.int64]) -> float:
    return float(counts[0] / counts[1]) if counts[1] else float("nan")
