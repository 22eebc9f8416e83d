"""The truth of a frame: boxes, and the occupancy grid as the cameras could know it."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.grid_config import GridConfig
from pdn_ros.geometry.transforms import invert
from pdn_ros.messages.boxes import Box
from pdn_ros.messages.occupancy import Grid
from pdn_ros.simulation.lidar import LidarScan
from pdn_ros.simulation.mesh import footprint
from pdn_ros.simulation.rays import Caster
from pdn_ros.simulation.render import Rendering
from pdn_ros.simulation.rig import Rig
from pdn_ros.simulation.scene import StreetScene
from pdn_ros.simulation.street import CURB
from pdn_ros.simulation.world import Placed

LOW, HIGH = 0.25, 2.0
"""Heights above the ground, meters, at which a thing is in a vehicle's way."""
BEHIND = 10.0
SEEN, HIDDEN = 100, 75
PIXELS, RETURNS = 8, 3
"""Least number of pixels or returns for a box to count as seen."""
_SHIFT = 4


@dataclass(frozen=True, slots=True)
class _Outline:
    points: NDArray[np.float32]
    center: NDArray[np.float32]
    radius: float

    @classmethod
    def of(cls, points: NDArray[np.float32]) -> "_Outline":
        center = points.mean(axis=0)
        return cls(points, center, float(np.linalg.norm(points - center, axis=1).max()))


class Truth:
    """Knows the obstacles of one scene."""

    def __init__(
        self, scene: StreetScene, rig: Rig, caster: Caster, names: tuple[str, ...]
    ) -> None:
        self._scene, self._rig, self._caster, self._names = scene, rig, caster, names
        self._config = GridConfig()
        outlines = (footprint(mesh, z + LOW, z + HIGH) for mesh, z in scene.obstacles)
        self._static = [_Outline.of(points) for points in outlines if points is not None]

    def boxes(
        self,
        base: NDArray[np.float64],
        placed: list[Placed],
        shots: Sequence[Rendering],
        scan: LidarScan | None,
    ) -> tuple[Box, ...]:
        """Return the boxes, in `base_link`, of what a camera or the LiDAR sees."""
        things = [(o.instance, o.label, o.pose, o.low, o.high) for o in self._scene.objects]
        things += [(p.actor.instance, p.actor.label, p.pose, p.low, p.high) for p in placed]
        count = 1 + max((t[0] for t in things), default=0)
        pixels = np.array([np.bincount(s.instance.ravel(), minlength=count) for s in shots])
        returns = np.bincount(
            np.zeros(0, np.int32) if scan is None else scan.instance, minlength=count
        )
        seen = (pixels >= PIXELS).any(axis=0) | (returns >= RETURNS)
        to_base = invert(base)
        boxes = []
        for number, label, at, low, high in things:
            if seen[number]:
                local = to_base @ at
                middle = local[:3, :3] @ ((low + high) / 2) + local[:3, 3]
                length, width, height = (float(v) for v in high - low)
                yaw = float(np.arctan2(local[1, 0], local[0, 0]))
                center = (float(middle[0]), float(middle[1]), float(middle[2]))
                boxes.append(Box(center, yaw, (length, width, height), self._names[label], number))
        return tuple(boxes)

    def occupancy(
        self, base: NDArray[np.float64], placed: list[Placed], shots: Sequence[Rendering]
    ) -> Grid:
        """Return the grid in `odom`, in the window of `geometry.occupancy`.

        100: an obstacle that a camera sees; 75: an obstacle that none sees from here;
        0: paved ground that one sees; -1: the rest, lawns among it (flat, yet no way to drive).
        """
        config = self._config
        columns, rows = config.cells
        size = np.array(config.size_m)
        poses = [base @ mounted.base_optical for mounted in self._rig.cameras]
        center = base[:2, 3]
        if len(poses) == 1:
            ahead = poses[0][:2, 2] / np.linalg.norm(poses[0][:2, 2])
            center = center + ahead * (size / 2 - BEHIND)
        corner = np.rint((center - size / 2) / config.resolution)
        origin = corner * config.resolution
        free, touched = (np.zeros((rows, columns), bool) for _ in range(2))
        for mounted, pose, shot in zip(self._rig.cameras, poses, shots, strict=True):
            free |= self._free(mounted.camera, pose, origin, (rows, columns))
            touched |= self._touched(mounted.camera, pose, shot, origin, (rows, columns))
        data = np.full((rows, columns), -1, np.int8)
        data[free] = 0

        blocked = np.zeros((rows, columns), np.uint8)
        near = (p for p in placed if np.hypot(*(p.pose[:2, 3] - center)) < size.max())
        moving = (footprint(p.mesh, p.pose[2, 3] + LOW, p.pose[2, 3] + HIGH) for p in near)
        outlines = self._static + [_Outline.of(points) for points in moving if points is not None]
        reach = float(np.hypot(*size)) / 2
        for outline in outlines:
            if np.hypot(*(outline.center - center)) < reach + outline.radius:
                cells = (outline.points - origin) / config.resolution - 0.5
                fixed = np.rint(cells * (1 << _SHIFT)).astype(np.int32)
                cv2.fillConvexPoly(blocked, fixed, 1, shift=_SHIFT)
        data[blocked > 0] = HIDDEN
        data[(blocked > 0) & touched] = SEEN
        return Grid(data, (float(origin[0]), float(origin[1])), config.resolution, "odom")

    def _free(
        self,
        camera: Camera,
        pose: NDArray[np.float64],
        origin: NDArray[np.float64],
        shape: tuple[int, int],
    ) -> NDArray[np.bool_]:
        """Return which cells' paved ground the camera sees."""
        config = self._config
        rows, columns = shape
        # One ray for 2 x 2 cells.
        side = 2 * config.resolution
        x = origin[0] + (np.arange(columns // 2) + 0.5) * side
        y = origin[1] + (np.arange(rows // 2) + 0.5) * side
        z, paved = self._ground(x, y)
        # Aimed at the curb's height, so that curbs don't hide the sidewalk behind them.
        target = np.stack(np.broadcast_arrays(x[None], y[:, None], z + CURB + 0.02), -1)
        offset = (target - pose[:3, 3]).reshape(-1, 3)
        optical = offset @ pose[:3, :3]
        depth = np.maximum(optical[:, 2], 1e-3)
        u = camera.k[0, 0] * optical[:, 0] / depth + camera.k[0, 2]
        v = camera.k[1, 1] * optical[:, 1] / depth + camera.k[1, 2]
        view = (
            (optical[:, 2] > 0.1) & (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
        )
        view &= (offset[:, :2] ** 2).sum(axis=1) < config.max_range**2
        view &= paved.reshape(-1)
        index = np.flatnonzero(view)
        rays = np.ascontiguousarray(offset[index], np.float32)
        starts = np.broadcast_to(pose[:3, 3].astype(np.float32), rays.shape).copy()
        free = np.zeros((rows // 2, columns // 2), bool)
        free.reshape(-1)[index] = ~self._caster.blocked(
            starts, rays, np.ones(len(rays), np.float32)
        )
        return free.repeat(2, axis=0).repeat(2, axis=1)

    def _ground(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the road's height and whether the ground is paved, at all cells (y, x)."""
        path, layout, plan = self._scene.path, self._scene.layout, self._scene.plan
        px, py = path.xyz[:, 0], path.xyz[:, 1]
        coarse = [np.linspace(a[0], a[-1], 26) for a in (x, y)]
        gx, gy = np.meshgrid(*coarse)
        nearest = ((gx[..., None] - px) ** 2 + (gy[..., None] - py) ** 2).argmin(axis=-1)
        heading = path.heading[nearest]
        dx, dy = gx - px[nearest], gy - py[nearest]
        along = dx * np.cos(heading) + dy * np.sin(heading)
        across = dy * np.cos(heading) - dx * np.sin(heading)
        station = path.start + 0.5 * nearest + along
        z = np.interp(station, path.start + 0.5 * np.arange(len(px)), path.xyz[:, 2])
        # The coarse grid's corners are the first and last cell: resize by hand, not by cv2's rule.
        u, v = np.meshgrid(np.linspace(0, 25, len(x)), np.linspace(0, 25, len(y)))
        maps = (u.astype(np.float32), v.astype(np.float32))
        fields = (
            np.asarray(cv2.remap(f.astype(np.float32), *maps, cv2.INTER_LINEAR), np.float32)
            for f in (z, station, across)
        )
        height, s, t = fields
        aside = np.abs(t)
        paved = (aside > layout.median / 2 - 0.1) & (aside < layout.paved_half - 0.05)
        paved |= (aside < layout.paved_half) & (plan.away(s) < plan.side_half + 4)
        paved |= plan.away(s) < plan.side_half
        return height, paved

    def _touched(
        self,
        camera: Camera,
        pose: NDArray[np.float64],
        shot: Rendering,
        origin: NDArray[np.float64],
        shape: tuple[int, int],
    ) -> NDArray[np.bool_]:
        """Return the cells at or beside which the camera sees something."""
        config = self._config
        step = max(1, camera.width // 400)
        depth = shot.depth[::step, ::step]
        rays = camera.rays()[::step, ::step]
        chosen = (depth > 0) & (depth < config.max_range)
        points = (rays[chosen] * depth[chosen][:, None]) @ pose[:3, :3].T.astype(np.float32)
        cells = np.floor((points[:, :2] + (pose[:2, 3] - origin)) / config.resolution).astype(int)
        inside = ((cells >= 0) & (cells < (shape[1], shape[0]))).all(axis=1)
        seen = np.zeros(shape, np.uint8)
        seen[cells[inside, 1], cells[inside, 0]] = 1
        return np.asarray(cv2.dilate(seen, np.ones((3, 3), np.uint8)) > 0)
