"""Occupancy grid from segmented images, with LiDAR ranges where there are any.

A cell is free if ground was seen there, up to the first obstacle in each direction; occupied if the
ground was seen to end there or it has a LiDAR return; and unknown otherwise.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry import roles as role
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.free_space import (
    CellObservation,
    find_boundary,
    nearest_returns,
    obstacle_contacts,
    visible_pixels,
)
from pdn_ros.geometry.grid import EvidenceGrid
from pdn_ros.geometry.grid_config import GridConfig
from pdn_ros.geometry.ground import GroundPlane, fit_plane
from pdn_ros.geometry.ground_view import GroundView
from pdn_ros.geometry.roles import confident_roles
from pdn_ros.geometry.transforms import Matrix, move_points
from pdn_ros.messages.occupancy import Grid

__all__ = ["GridConfig", "OccupancyGrid"]

_BEHIND: Final = 10.0  # meters of the window kept behind the vehicle
_STANDS: Final = 0.3  # meters above the ground from which a return is an obstacle's
_TILT: Final = 0.015  # meters per meter: possible error of the plane
_SAME: Final = np.full(256, role.UNKNOWN, dtype=np.uint8)  # role codes as labels
_SAME[: role.DYNAMIC + 1] = range(role.DYNAMIC + 1)


class OccupancyGrid:
    """Evidence of what is free and what is occupied around the vehicle.

    The window is axis-aligned with the grid's frame, reaches ahead of the camera at any heading or
    all around the vehicle, and moves by whole cells. Not thread-safe.

    Args:
        config: What it covers.
        roles: (256,) uint8, the code of `pdn_ros.geometry.roles` for each label in the images;
            None if the images already hold codes.
        centered: Whether the vehicle is in the middle, for cameras that look all around.
    """

    def __init__(
        self,
        config: GridConfig | None = None,
        roles: NDArray[np.uint8] | None = None,
        *,
        centered: bool = False,
    ) -> None:
        self.config = config or GridConfig()
        self._roles = _SAME if roles is None else roles
        self._centered = centered
        self._grid = EvidenceGrid(self.config)

    def reset(self) -> None:
        """Forget everything."""
        self._grid.reset()

    def snapshot(self, stamp_ns: int, frame: str = "") -> Grid:
        """Return the grid at a time; all is unknown `decay_s` after the last image.

        `frame` names the grid's frame, that of the poses given to `update`.
        """
        return self._grid.snapshot(stamp_ns, frame)

    def update(
        self,
        roles: NDArray[np.uint8],
        camera: Camera,
        T_base_camera: Matrix,  # noqa: N803
        T_grid_base: Matrix,  # noqa: N803
        stamp_ns: int,
        *,
        depth: NDArray[np.float32] | None = None,
        plane: GroundPlane | None = None,
        confidence: NDArray[np.uint8] | None = None,
    ) -> None:
        """Add an image.

        Args:
            roles: (H, W) uint8 labels or role codes, as the constructor's `roles` says.
            camera: Camera of that size.
            T_base_camera: From the optical frame to the base frame.
            T_grid_base: From the base frame to the grid's, at the image's stamp.
            stamp_ns: Stamp of the image; a jump back in time resets the grid.
            depth: (H, W) float32 LiDAR ranges along the optical axis, meters, 0 = none.
            plane: The ground in the base frame; where not given, fitted to the LiDAR's ranges on
                ground pixels, else z = 0.
            confidence: (H, W) uint8; pixels below the configured minimum are ignored.

        Raises:
            ValueError: The arrays' sizes differ from the camera's.
        """
        size = (camera.height, camera.width)
        for name, image in (("roles", roles), ("depth", depth), ("confidence", confidence)):
            if image is not None and image.shape != size:
                raise ValueError(
                    f"grid: {name} of size {image.shape} for a camera of rows, columns {size}"
                )
        points, kinds = self._returns(roles, camera, T_base_camera, depth, confidence)
        if plane is None:
            plane = fit_plane(points[kinds == role.GROUND]) or GroundPlane.flat()
        standing = self._standing(points, plane)
        points, kinds = move_points(points[standing], T_grid_base), kinds[standing]

        pose = T_grid_base @ T_base_camera
        observation = self._begin(stamp_ns, T_grid_base[:2, 3], pose[:2, 2])
        view = GroundView.of(
            camera.straight,
            pose,
            plane.moved(T_grid_base),
            max_range=self.config.max_range,
            resolution=self.config.resolution,
        )
        if view is not None:
            leveled = view.warp(self._straightened(roles, camera, confidence, view.source))
            nearest = nearest_returns(view, points)
            boundary = find_boundary(view, leveled)
            visible = visible_pixels(view, leveled, boundary, nearest, self.config)
            observation.project(view, visible)
            observation.occupy(*obstacle_contacts(view, boundary, nearest, self.config))
        observation.occupy(points[:, :2], kinds == role.DYNAMIC)
        self._grid.add(observation.cells)

    def _begin(
        self, stamp_ns: int, position: NDArray[np.float64], heading: NDArray[np.float64]
    ) -> CellObservation:
        """Let the evidence decay and move the window with the vehicle."""
        self._grid.advance(stamp_ns)
        size = np.array(self.config.size_m)
        length = np.linalg.norm(heading)
        ahead = heading / length if length > 0.1 and not self._centered else np.zeros(2)
        center = position + ahead * np.maximum(size / 2 - _BEHIND, size / 4)
        corner = np.rint((center - size / 2) / self.config.resolution).astype(int)
        self._grid.move((int(corner[0]), int(corner[1])))
        return CellObservation.of((int(corner[0]), int(corner[1])), self.config)

    def _straightened(
        self,
        labels: NDArray[np.uint8],
        camera: Camera,
        confidence: NDArray[np.uint8] | None,
        rows: slice,
    ) -> NDArray[np.uint8]:
        """Rows of the undistorted image, as role codes."""
        straight = camera.pinhole
        if straight:
            labels = labels[rows]
            confidence = None if confidence is None else confidence[rows]
        codes = confident_roles(labels, self._roles, confidence, self.config.min_confidence)
        return codes if straight else camera.undistort(codes, role.UNKNOWN, rows)

    def _returns(
        self,
        labels: NDArray[np.uint8],
        camera: Camera,
        pose: Matrix,
        depth: NDArray[np.float32] | None,
        confidence: NDArray[np.uint8] | None,
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Points of a depth image in the base frame, (N, 3), and the roles of their pixels."""
        if depth is None:
            return np.empty((0, 3), dtype=np.float32), np.empty(0, dtype=np.uint8)
        # Positive numbers, infinity and NaN are positive as integers too: one pass, not three.
        index = np.flatnonzero(np.ascontiguousarray(depth).view(np.int32).ravel() > 0)
        ranges = depth.ravel()[index]
        optical = camera.rays_of(index) * ranges[:, None]
        seen = np.isfinite(optical[:, 0]) & np.isfinite(ranges)
        if not seen.all():
            index, optical = index[seen], optical[seen]
        kinds = self._roles[labels.ravel()[index]]
        if confidence is not None:
            kinds[confidence.ravel()[index] < self.config.min_confidence] = role.UNKNOWN
        return move_points(optical, pose), kinds

    def _standing(self, points: NDArray[np.floating], plane: GroundPlane) -> NDArray[np.bool_]:
        """Which points (N, 3), in the base frame, are obstacles in a vehicle's way, (N,)."""
        heights = plane.heights(points)
        slack = _STANDS + _TILT * np.hypot(points[:, 0], points[:, 1])
        standing: NDArray[np.bool_] = (heights > slack) & (heights < self.config.max_height)
        return standing
