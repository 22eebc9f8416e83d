"""The occupancy grid, and nav_msgs/OccupancyGrid."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Buffer, Header, Reader, Writer, split_stamp

UNKNOWN: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Occupancy of the ground, aligned with the axes of a frame.

    Attributes:
        data: (rows = y, cols = x) int8: -1 unknown, 0 free to 100 occupied.
        origin_xy: Outer corner of cell [0, 0] in `frame`, meters.
        resolution: Side of a cell, meters.
        frame: TF frame of the axes.
    """

    data: NDArray[np.int8]
    origin_xy: tuple[float, float]
    resolution: float
    frame: str = ""

    def at(self, xy: NDArray[np.floating]) -> NDArray[np.int8]:
        """Values at points (..., 2) of the grid's frame, meters; unknown outside."""
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
        """Centers of the cells, (rows, cols, 2) meters."""
        rows, cols = self.data.shape
        x = self.origin_xy[0] + (np.arange(cols) + 0.5) * self.resolution
        y = self.origin_xy[1] + (np.arange(rows) + 0.5) * self.resolution
        return np.stack(np.meshgrid(x, y), axis=-1)


def read_grid(data: Buffer) -> tuple[Header, Grid]:
    """Read a serialized nav_msgs/OccupancyGrid; its cells are a view of the message.

    Raises:
        InputError: The message is truncated or damaged, the size of the data is wrong, the
            resolution is not positive, or the grid is rotated.
    """
    reader = Reader(data)
    header = Header.read(reader)
    _, _, resolution, width, height = reader.scalars("iIfII")
    x, y, _, *rotation = reader.scalars("ddddddd")
    cells = reader.array("i1")
    if cells.size != width * height:
        raise InputError(f"occupancy: {cells.size} cells for {width} x {height}: damaged")
    if not (0 < resolution < np.inf and np.isfinite((x, y)).all()):
        raise InputError(f"occupancy: cells of {resolution} m from ({x}, {y}) on: damaged")
    if not np.abs(rotation[:3]).max() <= 1e-6:
        raise InputError("occupancy: the grid's origin is rotated; only aligned grids are read")
    shaped = cells.reshape(height, width)
    return header, Grid(shaped, (x, y), resolution, header.frame_id.lstrip("/"))


def write_grid(stamp_ns: int, grid: Grid) -> bytes:
    """Serialize a grid as nav_msgs/OccupancyGrid.

    The orientation of its origin is the identity: nav2's StaticLayer ignores any other.
    """
    rows, cols = grid.data.shape
    writer = Header(stamp_ns, grid.frame).write(Writer())
    writer.scalars("iIfII", *split_stamp(stamp_ns), grid.resolution, cols, rows)
    writer.scalars("ddddddd", *grid.origin_xy, 0.0, 0.0, 0.0, 0.0, 1.0)
    return writer.array(grid.data).finish()
