"""Small exact worlds: boxes on a plane, ray cast for a camera or a LiDAR, with the true grid."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry import roles
from pdn_ros.geometry.camera import Camera


@dataclass(frozen=True)
class Box:
    """Upright on the ground, sheared with its slope: x and y ranges, height, role code."""

    x: tuple[float, float]
    y: tuple[float, float]
    height: float = 1.5
    role: int = roles.STATIC
    bottom: float = 0.0


@dataclass(frozen=True)
class World:
    """Boxes on a ground that rises by `slope` meters per meter of x; world z is up."""

    boxes: tuple[Box, ...] = ()
    slope: float = 0.0
    ground: tuple[float, float] = field(default=(-1e3, 1e3))  # y range that is ground

    def cast(
        self, origin: NDArray[np.float64], rays: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Distances along rays (..., 3) from a point, infinite if none, and the roles hit."""
        shear = np.eye(3)
        shear[0, 2] = -self.slope  # heights above the slope: there the ground is flat
        origin, rays = origin @ shear, rays @ shear
        with np.errstate(divide="ignore", invalid="ignore"):
            t = -origin[2] / rays[..., 2]
        t = np.where(t > 0, t, np.inf)
        y = origin[1] + np.where(np.isfinite(t), t, 0) * rays[..., 1]
        t[~((y > self.ground[0]) & (y < self.ground[1]))] = np.inf
        role = np.where(np.isfinite(t), roles.GROUND, roles.SKY).astype(np.uint8)
        for box in self.boxes:
            low = np.array([box.x[0], box.y[0], box.bottom])
            high = np.array([box.x[1], box.y[1], box.bottom + box.height])
            with np.errstate(divide="ignore", invalid="ignore"):
                a, b = (low - origin) / rays, (high - origin) / rays
            enter = np.minimum(a, b).max(axis=-1)
            leave = np.maximum(a, b).min(axis=-1)
            hit = (enter > 0) & (enter <= leave) & (enter < t)
            t[hit], role[hit] = enter[hit], box.role
        return t, role

    def image(
        self, camera: Camera, T_world_camera: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Role codes and exact depth along the optical axis (0 = none), (H, W) each."""
        rays = camera.rays().astype(np.float64)
        seen = np.isfinite(rays[..., 0])
        directions = np.where(seen[..., None], rays, [0, 0, 1]) @ T_world_camera[:3, :3].T
        t, role = self.cast(T_world_camera[:3, 3], directions)
        role[~seen] = roles.UNKNOWN
        depth = np.where(seen & np.isfinite(t), t, 0).astype(np.float32)
        return role, depth

    def scan(
        self, T_world_lidar: NDArray[np.float64], rings: int = 64, columns: int = 1800
    ) -> NDArray[np.float32]:
        """Returns of a spinning LiDAR in its own frame, (N, 3); no return is left out."""
        up = np.radians(np.linspace(2, -24.8, rings))[:, None]
        turn = np.linspace(-np.pi, np.pi, columns, endpoint=False)[None]
        rays = np.stack(
            np.broadcast_arrays(np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)),
            axis=-1,
        ).reshape(-1, 3)
        t, _ = self.cast(T_world_lidar[:3, 3], rays @ T_world_lidar[:3, :3].T)
        hit = t < 120
        return (rays[hit] * t[hit, None]).astype(np.float32)

    def occupied(
        self, origin_xy: tuple[float, float], shape: tuple[int, int], resolution: float
    ) -> NDArray[np.bool_]:
        """Cells (rows, columns) that a box overlaps."""
        grid = np.zeros(shape, dtype=bool)
        for box in self.boxes:
            if box.bottom > 2.2:
                continue
            x0, x1 = (np.array(box.x) - origin_xy[0]) / resolution
            y0, y1 = (np.array(box.y) - origin_xy[1]) / resolution
            rows = slice(max(0, int(np.floor(y0 + 1e-9))), max(0, int(np.ceil(y1 - 1e-9))))
            cols = slice(max(0, int(np.floor(x0 + 1e-9))), max(0, int(np.ceil(x1 - 1e-9))))
            grid[rows, cols] = True
        return grid


OPTICAL = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
"""From an optical frame to a body frame at the same place."""


def pose(
    x: float = 0, y: float = 0, z: float = 0, yaw: float = 0, pitch: float = 0, roll: float = 0
):
    """Transform from a body at this place and attitude (radians, ZYX) to its parent."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    T = np.eye(4)
    T[:3, :3] = (
        np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        @ np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    )
    T[:3, 3] = x, y, z
    return T
