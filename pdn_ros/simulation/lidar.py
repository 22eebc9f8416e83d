"""A spinning LiDAR."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.rays import Caster, Floats, Surfaces, dot, interpolated
from pdn_ros.simulation.scene import StreetScene
from pdn_ros.simulation.textures import GROUND_LABEL

RINGS, STEPS = 64, 1600
ELEVATION = (np.deg2rad(-24.8), np.deg2rad(2.0))
REACH = 120.0
NEAR = 0.9
RANGE_NOISE = 0.02


@dataclass(frozen=True, slots=True)
class LidarScan:
    """Returns of one turn, all at the same instant.

    Attributes:
        points: (N, 4) float32: x, y, z in the LiDAR's frame in meters, intensity 0..1.
        label: (N,) uint8 class ids of what was hit.
        instance: (N,) int32 object ids, 0 for none.
    """

    points: Floats
    label: NDArray[np.uint8]
    instance: NDArray[np.int32]


class Lidar:
    """Scans one scene."""

    def __init__(self, scene: StreetScene, caster: Caster, surfaces: Surfaces) -> None:
        self._scene, self._caster, self._surfaces = scene, caster, surfaces
        up = np.linspace(*ELEVATION, RINGS)[:, None]
        turn = np.linspace(-np.pi, np.pi, STEPS, endpoint=False)[None]
        beams = np.stack(
            np.broadcast_arrays(np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)),
            -1,
        )
        self._beams = np.ascontiguousarray(beams.reshape(-1, 3), np.float32)
        # Reflectance as the laser sees it; signs and plates send it straight back.
        labels, glass = scene.labels, scene.atlas.names.index("glass")
        self._glass = glass
        self._gain = np.full(256, 0.7, np.float32)
        self._gain[[labels.sign, labels.lane_marking]] = (2.5, 2.0)

    def scan(self, pose: NDArray[np.float64], rng: np.random.Generator) -> LidarScan:
        """Scan from T_world_lidar; a beam returns by range, incidence and reflectance, or not."""
        rays = self._beams @ pose[:3, :3].astype(np.float32).T
        origin = pose[:3, 3].astype(np.float32)
        hits = self._caster.first(np.broadcast_to(origin, rays.shape).copy(), rays)
        hit = np.flatnonzero((hits.triangle >= 0) & (hits.t < REACH) & (hits.t > NEAR))
        triangle, distance = hits.triangle[hit], hits.t[hit]
        table = self._surfaces
        inner = interpolated(table.shape[triangle], hits.u[hit], hits.v[hit])
        normals = inner[2:]
        cosine = np.abs(dot(normals, rays[hit].T)) / np.sqrt(dot(normals, normals))
        material = table.material[triangle]
        label = table.label[triangle]
        strip = np.flatnonzero(material == self._scene.ground)
        label[strip] = table.texel(inner[:2, strip], material[strip])[:, GROUND_LABEL]
        reflectance = np.minimum(table.tint[triangle].mean(axis=1) * self._gain[label] + 0.04, 1.2)
        signal = reflectance * (0.15 + 0.85 * cosine) * (45.0 / np.maximum(distance, 3.0)) ** 2
        certain = 1 - np.exp(-6.0 * signal)
        certain[material == self._glass] *= 0.3
        certain *= 0.985
        back = np.flatnonzero(rng.random(len(hit), np.float32) < certain)
        measured = distance[back] + RANGE_NOISE * rng.standard_normal(len(back), np.float32)
        points = np.empty((len(back), 4), np.float32)
        points[:, :3] = self._beams[hit[back]] * measured[:, None]
        points[:, 3] = np.clip(0.8 * reflectance[back] * (0.3 + 0.7 * cosine[back]), 0, 1)
        return LidarScan(points, label[back], table.instance[triangle[back]])
