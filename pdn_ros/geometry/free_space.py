"""One image's evidence for the grid: free space in each direction, obstacles where it ends."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from pdn_ros.geometry import roles
from pdn_ros.geometry.grid import FREE, HIDDEN, MOVING, NOTHING, STANDING
from pdn_ros.geometry.grid_config import GridConfig
from pdn_ros.geometry.ground_view import GroundView

_BEAM: Final = 3  # pixels to either side within which a return counts for a direction
_AGREEMENT: Final = (0.5, 0.2)  # meters, share of the distance: camera and LiDAR agree
_CLEARANCE: Final = 0.35  # meters below a vehicle's body
_CURB: Final = 0.15  # meters by which the ground may be higher than its plane
_LEAST: Final = 0.6  # of the distance: without it, low cameras would accept any jump
_SAME: Final = 0.05  # difference of log distance between neighboring pixels of one body
_NARROW: Final = 6  # pixels: anything narrower has no body to look below


@dataclass(frozen=True, slots=True, eq=False)
class CellObservation:
    """What one image says about the window's cells.

    Attributes:
        corner: Cell indices (x, y) of the window's origin.
        resolution: Side of a cell, meters.
        cells: Codes of `grid`, (rows, columns) uint8: rows along y, columns along x.
    """

    corner: tuple[int, int]
    resolution: float
    cells: NDArray[np.uint8]

    @classmethod
    def of(cls, corner: tuple[int, int], config: GridConfig) -> Self:
        """Make an empty observation of the window whose first cell is `corner`."""
        return cls(corner, config.resolution, np.zeros(config.cells[::-1], dtype=np.uint8))

    def project(self, view: GroundView, pixels: NDArray[np.uint8]) -> None:
        """Give each cell the code that the leveled image has at the cell's center."""
        step, (x, y) = self.resolution, self.corner
        centers = np.array([[step, 0, (x + 0.5) * step], [0, step, (y + 0.5) * step], [0, 0, 1]])
        pixels[0, 0] = NOTHING  # where OpenCV puts cells beside the camera
        rows, columns = self.cells.shape
        cv2.warpPerspective(
            pixels,
            view.from_frame @ centers,
            (columns, rows),
            dst=self.cells,
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        )

    def occupy(self, xy: NDArray[np.floating], moving: NDArray[np.bool_]) -> None:
        """Mark the cells of points (N, 2), in the grid's frame, as occupied."""
        rows, columns = self.cells.shape
        cells = np.floor(xy / self.resolution).astype(np.int64) - self.corner
        inside = ((cells >= 0) & (cells < (columns, rows))).all(axis=1)
        index = cells[inside, 1] * columns + cells[inside, 0]
        self.cells.ravel()[index] = np.where(moving[inside], np.uint8(MOVING), np.uint8(STANDING))


@dataclass(frozen=True, slots=True, eq=False)
class GroundBoundary:
    """Where the ground ends in each row of a leveled image.

    Attributes:
        edge: Column at which the ground ends, (rows,) float; infinite where it does not.
        kind: Role code of what ends it, (rows,) uint8: UNKNOWN where nothing does, SKY where it
            ends without an obstacle.
        touches: Whether ground was seen in front of an obstacle, (rows,) bool.
    """

    edge: NDArray[np.float64]
    kind: NDArray[np.uint8]
    touches: NDArray[np.bool_]


def find_boundary(view: GroundView, leveled: NDArray[np.uint8]) -> GroundBoundary:
    """Find where the ground ends, row by row from the camera outward.

    Unlabeled pixels in front of an obstacle may belong to it: the ground ends where last seen.
    """
    rows, columns = leveled.shape
    every = np.arange(rows)
    first = (leveled >= roles.SKY).argmax(axis=1)
    kind = leveled[every, first]
    ended = kind >= roles.SKY
    kind[~ended] = roles.UNKNOWN
    first[~ended] = columns
    ground = leveled == roles.GROUND
    ground &= _columns(columns) < first.astype(np.int16)[:, None]
    last = columns - 1 - ground[:, ::-1].argmax(axis=1)
    seen = ground[every, last]
    edge = np.where(ended, np.where(seen, last, first - 1) + 0.5, np.inf)
    touches = seen & (kind >= roles.STATIC)
    _lower(view, edge, np.flatnonzero(touches & (kind == roles.DYNAMIC)))
    return GroundBoundary(edge, kind, touches)


def _lower(view: GroundView, edge: NDArray[np.float64], rows: NDArray[np.intp]) -> None:
    """Move the edges of vehicles from beneath their body to where their wheels stand, in place.

    Between the wheels the ground is seen below the body and seems to end too far away. Vehicles are
    convex from above: the edge is taken from the convex hull of the contacts, as far as a body's
    clearance can have moved them.
    """
    narrow = max(3, _NARROW // view.pooled)
    same = min(_SAME * view.pooled, 0.15)
    if len(rows) < narrow:
        return
    nearer = _if_higher(view, edge[rows], _CLEARANCE)
    jump = np.abs(np.diff(np.log(view.ahead(edge[rows]))))
    apart = (np.diff(rows) > 1) | (jump > same - np.log(max(1 - _CLEARANCE / view.height, _LEAST)))
    for run in np.split(np.arange(len(rows)), np.flatnonzero(apart) + 1):
        if len(run) < narrow:
            continue
        a, j = rows[run].astype(np.float32), edge[rows[run]].astype(np.float32)
        away = np.float32(j.max() + 1)  # closes the hull on the far side
        closed = np.array([[a[0], away], [a[-1], away]], dtype=np.float32)
        hull = cv2.convexHull(np.concatenate((np.column_stack((a, j)), closed)))[:, 0]
        hull = hull[hull[:, 1] < away]
        hull = hull[np.argsort(hull[:, 0])]
        edge[rows[run]] = np.maximum(np.interp(a, hull[:, 0], hull[:, 1]), nearer[run])


def nearest_returns(view: GroundView, points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Meters ahead of the nearest obstacle return in each row of the view; infinite if none."""
    nearest = np.full(view.shape[0], np.inf, dtype=np.float32)
    right, _, ahead = ((points - view.center) @ view.axes).T
    seen = ahead > 0.3
    row = np.rint((right[seen] / ahead[seen] - view.left) * view.across)
    inside = (row >= 0) & (row < len(nearest))
    np.minimum.at(nearest, row[inside].astype(np.int64), ahead[seen][inside].astype(np.float32))
    return nearest


def visible_pixels(
    view: GroundView,
    leveled: NDArray[np.uint8],
    boundary: GroundBoundary,
    nearest: NDArray[np.float32],
    config: GridConfig,
) -> NDArray[np.uint8]:
    """Which pixels of a leveled image show free ground, and which are hidden by obstacles.

    Ground counts up to one pixel before its certain end in its own row or a neighboring one (the
    pixel between may show both), before the nearest return, and within the range.
    """
    rows, columns = leveled.shape
    side = view.side(np.arange(rows))
    # An obstacle on a curb seems farther away than it is: only a return makes the edge certain.
    confirmed = _confirmed(view, view.ahead(boundary.edge), nearest)[1]
    sure = np.where(confirmed, boundary.edge, _if_higher(view, boundary.edge, _CURB))
    limit = _widened(sure.astype(np.float32), 1) - 0.5
    returned = view.column(np.maximum(_widened(nearest, 1) - config.resolution, 1e-3))
    stop = np.minimum(limit, returned)
    reach = view.column(config.max_range / np.sqrt(1 + side * side))
    # A pixel counts when its far edge does, half a column beyond its center.
    stop, reach = (np.clip(np.floor(x - 0.5), -1, columns) for x in (stop, reach))
    column = _columns(columns)
    hidden = column > stop.astype(np.int16)[:, None]
    free = leveled == roles.GROUND
    free &= column <= np.minimum(stop, reach).astype(np.int16)[:, None]
    return np.asarray(free * np.uint8(FREE) + hidden * np.uint8(HIDDEN), dtype=np.uint8)


def obstacle_contacts(
    view: GroundView,
    boundary: GroundBoundary,
    nearest: NDArray[np.float32],
    config: GridConfig,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Points where the ground ends at an obstacle.

    A contact lies somewhere between the centers of the last ground pixel and the next one; it is
    spread over that distance, unless a nearby LiDAR return locates it.

    Returns:
        (N, 2) x and y in the view's frame, meters, and (N,) whether the obstacle can move.
    """
    row = np.flatnonzero(boundary.touches)
    edge, kind = boundary.edge[row], boundary.kind[row]
    near, middle, far = (view.ahead(edge + shift) for shift in (-0.5, 0.0, 0.5))
    beam, agree = _confirmed(view, middle, nearest, row)
    near, far = np.where(agree, beam, near), np.where(agree, beam, far)

    within = far * np.sqrt(1 + view.side(row) ** 2) < config.max_range
    row, near, far, kind = row[within], near[within], far[within], kind[within]
    if not len(row):
        return np.empty((0, 2)), np.empty(0, dtype=np.bool_)
    along = min(64, int(np.max(far - near) / config.resolution) + 2)
    across = min(8, int(far.max() / view.across / config.resolution) + 1)
    ahead = near[:, None] + (far - near)[:, None] * np.linspace(0, 1, along)
    shift = (np.arange(across) + 0.5) / across - 0.5
    side = view.side(row[:, None] + shift)
    xy = view.in_frame(side[:, None, :], ahead[:, :, None]).reshape(-1, 2)
    return xy, np.repeat(kind == roles.DYNAMIC, along * across)


def _if_higher(view: GroundView, edge: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    """Columns of edges, nearer, if what was seen there lies `height` meters above the plane."""
    drop = view.bottom - edge / view.focal
    share = max(1 - height / view.height, _LEAST)
    return np.asarray((view.bottom - drop / share) * view.focal)


def _confirmed(
    view: GroundView,
    ahead: NDArray[np.float64],
    nearest: NDArray[np.float32],
    row: NDArray[np.intp] | slice = slice(None),
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Returns near rows, and whether they agree with what the camera saw at `ahead` meters."""
    beam = _widened(nearest, -(-_BEAM // view.pooled))[row]
    with np.errstate(invalid="ignore"):  # nothing seen and no return: no agreement
        near = np.abs(beam - ahead) < np.maximum(_AGREEMENT[0], _AGREEMENT[1] * ahead)
    return beam, near


def _widened(nearest: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Smallest value within `by` rows to either side."""
    kernel = np.ones((2 * by + 1, 1), dtype=np.uint8)
    return np.asarray(cv2.erode(nearest[:, None], kernel), dtype=np.float32).ravel()


def _columns(count: int) -> NDArray[np.int16]:
    """Column numbers as int16, because comparing them with whole images takes time."""
    return np.arange(count, dtype=np.int16)
