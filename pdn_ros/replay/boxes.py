"""Labeled boxes and LiDAR returns against grid and selection."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.boxes import Box
from pdn_ros.messages.occupancy import Grid
from pdn_ros.messages.patches import PatchArray
from pdn_ros.metrics import boxes_occupied, free_share
from pdn_ros.replay.grids import planar
from pdn_ros.replay.results import NAN, BoxMetrics

NEAR_M: Final = 30.0
SMALL_PX: Final = 40.0
MIN_RETURNS: Final = 5
HIGHEST_RETURN_M: Final = 2.5
"""Anything higher, such as branches and signs over the road, is not an obstacle."""
_NEAREST_M: Final = 0.5


@dataclass(slots=True)
class BoxTally:
    """Counts over frames, which `metrics` turns into shares."""

    occupied: list[bool] = field(default_factory=list)
    touched: list[bool] = field(default_factory=list)
    small: list[bool] = field(default_factory=list)
    small_without: list[bool] = field(default_factory=list)

    def add(
        self,
        boxes: Sequence[Box],
        *,
        camera: Camera,
        t_camera_base: NDArray[np.float64],
        grid: Grid | None,
        t_grid_base: NDArray[np.float64] | None,
        patches: PatchArray | None,
        points_base: NDArray[np.floating] | None,
    ) -> None:
        """Count the boxes of one frame; those whose middle is outside the image do not count."""
        if not boxes:
            return
        middles = np.array([box.center for box in boxes])
        _, in_view = camera.project(_moved(t_camera_base, middles))
        shown = [box for box, seen in zip(boxes, in_view, strict=True) if seen]
        if grid is not None and t_grid_base is not None:
            near = [box for box in shown if np.hypot(*box.center[:2]) <= NEAR_M]
            feet = [planar(t_grid_base, box.corners()[:4, :2]) for box in near]
            hits = boxes_occupied(grid, np.reshape(feet, (-1, 4, 2))).tolist()
            self.occupied += hits
            if points_base is not None:
                self.touched += [
                    hit
                    for box, hit in zip(near, hits, strict=True)
                    if box.contains(points_base).sum() >= MIN_RETURNS
                ]
        # Without refinement no patch can contain the box.
        picked = patches if patches is not None and patches.selected.size else None
        for box in shown:
            area = _image_area(box, camera, t_camera_base)
            if picked is not None and area is not None and area[3] - area[1] < SMALL_PX:
                self.small.append(
                    _refined(area, _marked(picked, picked.selected), picked.patch_size)
                )
                alone = _marked(picked, selected_by_driver(picked))
                self.small_without.append(_refined(area, alone, picked.patch_size))

    @classmethod
    def of(cls, tallies: Iterable["BoxTally"]) -> "BoxTally":
        """Return the counts of several cameras together."""
        total = cls()
        for one in tallies:
            total.occupied += one.occupied
            total.touched += one.touched
            total.small += one.small
            total.small_without += one.small_without
        return total

    def metrics(self) -> BoxMetrics:
        """Return the shares over all frames."""
        return BoxMetrics(
            occupied_share=_mean(self.occupied),
            occupied_share_touched=_mean(self.touched),
            small_refined_share=_mean(self.small),
            small_refined_share_without_prior=_mean(self.small_without),
            boxes=len(self.occupied),
            small_boxes=len(self.small),
        )


def returns_in_free(
    obstacles_base: NDArray[np.floating],
    *,
    camera: Camera,
    t_camera_base: NDArray[np.float64],
    grid: Grid,
    t_grid_base: NDArray[np.float64],
) -> tuple[int, int]:
    """Count the LiDAR returns on obstacles in the camera's view: those in free cells, and all.

    Args:
        obstacles_base: (N, 3) returns above the ground, base frame.
        camera: The camera.
        t_camera_base: Base frame to the camera's optical frame.
        grid: The grid.
        t_grid_base: Base frame to the grid's.
    """
    low = obstacles_base[obstacles_base[:, 2] < HIGHEST_RETURN_M]
    if not len(low):
        return 0, 0
    _, in_view = camera.project(_moved(t_camera_base, low))
    xy = planar(t_grid_base, low[in_view, :2])
    inside = xy[grid.covers(xy)]
    return (round(free_share(grid, inside) * len(inside)), len(inside)) if len(inside) else (0, 0)


def selected_by_driver(patches: PatchArray) -> NDArray[np.intp]:
    """Return the ids of as many patches, selected by the driver's weights alone."""
    order: NDArray[np.intp] = np.argsort(-patches.weights.reshape(-1), kind="stable")
    return order[: len(patches.selected)]


def _moved(transform: NDArray[np.float64], points: NDArray[np.floating]) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = points @ transform[:3, :3].T + transform[:3, 3]
    return moved


def _image_area(
    box: Box, camera: Camera, t_camera_base: NDArray[np.float64]
) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of the box in the image; None when it reaches the camera."""
    corners = _moved(t_camera_base, box.corners())
    if corners[:, 2].min() < _NEAREST_M:
        return None
    pixels, _ = camera.project(corners)
    left, top = (float(v) for v in pixels.min(axis=0))
    right, bottom = (float(v) for v in pixels.max(axis=0))
    return left, top, right, bottom


def _refined(area: tuple[float, float, float, float], chosen: NDArray[np.bool_], size: int) -> bool:
    """Whether at least half of an area lies in chosen patches."""
    left, top, right, bottom = area
    rows, cols = chosen.shape
    across = _overlap(left, right, cols, size)
    down = _overlap(top, bottom, rows, size)
    whole = across.sum() * down.sum()
    return bool(whole > 0 and down @ chosen @ across >= 0.5 * whole)


def _overlap(start: float, end: float, count: int, size: int) -> NDArray[np.float64]:
    """Length of an interval within each of `count` neighboring ones of `size`."""
    edges = np.arange(count + 1) * size
    length: NDArray[np.float64] = np.minimum(end, edges[1:]) - np.maximum(start, edges[:-1])
    return length.clip(min=0.0)


def _marked(patches: PatchArray, ids: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mark some of the patches, (rows, cols)."""
    marks = np.zeros(patches.weights.size, dtype=bool)
    marks[ids] = True
    return marks.reshape(patches.weights.shape)


def _mean(values: list[bool]) -> float:
    return float(np.mean(values)) if values else NAN
