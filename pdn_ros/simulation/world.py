"""One frame of a scene: everything in its place at an instant, seen by the sensors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry.camera import Camera
from pdn_ros.simulation.actors import Actor
from pdn_ros.simulation.lidar import Lidar, LidarScan
from pdn_ros.simulation.mesh import Mesh, join
from pdn_ros.simulation.rays import Caster, Surfaces
from pdn_ros.simulation.render import Renderer, Rendering
from pdn_ros.simulation.rig import Rig
from pdn_ros.simulation.scene import StreetScene


@dataclass(frozen=True, slots=True)
class Placed:
    """A moving thing at an instant."""

    actor: Actor
    pose: NDArray[np.float64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    mesh: Mesh

    def corners(self) -> NDArray[np.float64]:
        """Return its box's corners in the world, (8, 3)."""
        pick = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, 8).T
        local = np.where(pick == 0, self.low, self.high)
        return np.asarray(local @ self.pose[:3, :3].T + self.pose[:3, 3])


BEHIND, AHEAD = 45.0, 130.0
"""Moving things beyond this are left out, in meters."""


class World:
    """Renders and scans a scene; keep one for many frames."""

    def __init__(self, scene: StreetScene, rig: Rig) -> None:
        self.scene, self.rig = scene, rig
        self.caster = Caster(scene.static)
        self._surfaces = Surfaces(scene)
        self._renderers = [
            Renderer(scene, mounted.camera, self.caster, self._surfaces) for mounted in rig.cameras
        ]
        self._lidar = Lidar(scene, self.caster, self._surfaces)

    def move(self, time: float) -> tuple[NDArray[np.float64], list[Placed]]:
        """Put everything where it is at `time`; return T_odom_base and what moves nearby."""
        scene = self.scene
        base = scene.ego.pose(scene.path, time)
        placed: list[Placed] = []
        for actor in scene.actors:
            s = actor.station(time)[0]
            if not scene.path.start + 3 < s < scene.path.end - 3:
                continue
            at, mesh = actor.place(scene.path, time)
            ahead = float((at[:2, 3] - base[:2, 3]) @ base[:2, 0])
            if not -BEHIND < ahead < AHEAD:
                continue
            low, high = mesh.bounds()
            placed.append(Placed(actor, at, low, high, mesh.moved(at).of(actor.instance)))
        moving = join([p.mesh for p in placed]) if placed else None
        self.caster.move(moving)
        self._surfaces.move(moving)
        return base, placed

    def photograph(
        self, base: NDArray[np.float64], placed: list[Placed], rng: np.random.Generator
    ) -> list[Rendering]:
        """Take a picture with every camera from T_odom_base."""
        shots = []
        for mounted, renderer in zip(self.rig.cameras, self._renderers, strict=True):
            pose = base @ mounted.base_optical
            shots.append(renderer.render(pose, _where(mounted.camera, pose, placed), rng))
        return shots

    def scan(self, base: NDArray[np.float64], rng: np.random.Generator) -> LidarScan:
        """Take a scan from T_odom_base."""
        return self._lidar.scan(base @ self.rig.base_lidar, rng)


def _where(camera: Camera, pose: NDArray[np.float64], placed: list[Placed]) -> NDArray[np.intp]:
    """Return the pixels inside the image boxes of moving things, row-major."""
    region = np.zeros((camera.height, camera.width), bool)
    for thing in placed:
        p = (thing.corners() - pose[:3, 3]) @ pose[:3, :3]
        if (p[:, 2] < 0.3).all():
            continue
        if (p[:, 2] < 0.3).any():
            region[:] = True
            break
        u = camera.k[0, 0] * p[:, 0] / p[:, 2] + camera.k[0, 2]
        v = camera.k[1, 1] * p[:, 1] / p[:, 2] + camera.k[1, 2]
        u0, u1 = (int(np.clip(a, 0, camera.width)) for a in (u.min() - 1, u.max() + 3))
        v0, v1 = (int(np.clip(a, 0, camera.height)) for a in (v.min() - 1, v.max() + 3))
        region[v0:v1, u0:u1] = True
    return np.flatnonzero(region)
