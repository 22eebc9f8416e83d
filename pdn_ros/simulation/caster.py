"""Exact ray casting on what stands still and what moves, with embree."""

from dataclasses import dataclass

import numpy as np
from embreex import rtcore
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from pdn_ros.simulation.mesh import Mesh

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hits:
    """First hits of N rays.

    Attributes:
        triangle: (N,) int32, index into static triangles followed by moving ones; -1 for none.
        t: (N,) float32, distance in lengths of the ray's direction.
        u: (N,) float32, barycentric weight of the second corner.
        v: (N,) float32, barycentric weight of the third corner.
    """

    triangle: NDArray[np.int32]
    t: Floats
    u: Floats
    v: Floats


class Caster:
    """Casts rays; the moving part is replaced for every frame."""

    def __init__(self, static: Mesh) -> None:
        self._device = rtcore.EmbreeDevice()
        self._static = EmbreeScene(self._device)
        TriangleMesh(self._static, static.corners)
        self._count = len(static)
        self._moving: EmbreeScene | None = None

    def move(self, moving: Mesh | None) -> None:
        """Replace what moves."""
        self._moving = None
        if moving is not None and len(moving):
            self._moving = EmbreeScene(self._device)
            TriangleMesh(self._moving, moving.corners)

    def first(
        self, origins: Floats, directions: Floats, where: NDArray[np.intp] | None = None
    ) -> Hits:
        """Return the first hits of rays (N, 3) and (N, 3), directions of any length.

        Args:
            origins: Starts.
            directions: Directions.
            where: Rays that can meet something that moves; all by default.
        """
        hit = self._static.run(origins, directions, query="INTERSECT", output=True)
        triangle, t, u, v = hit["primID"], hit["tfar"], hit["u"], hit["v"]
        if self._moving is not None and (where is None or len(where)):
            some = slice(None) if where is None else where
            near = self._moving.run(
                np.ascontiguousarray(origins[some]), np.ascontiguousarray(directions[some]),
                query="INTERSECT", output=True,
            )  # fmt: skip
            closer = np.flatnonzero(
                (near["primID"] >= 0) & ((triangle[some] < 0) | (near["tfar"] < t[some]))
            )
            at = closer if where is None else where[closer]
            triangle[at] = near["primID"][closer] + self._count
            t[at], u[at], v[at] = near["tfar"][closer], near["u"][closer], near["v"][closer]
        return Hits(triangle, t, u, v)

    def blocked(
        self, origins: Floats, directions: Floats, reach: Floats | None = None
    ) -> NDArray[np.bool_]:
        """Return whether anything lies along the rays, (N,) bool, within `reach` (N,) lengths."""
        far = np.full(len(origins), 1e30, np.float32) if reach is None else reach
        out = self._static.run(origins, directions, far, query="OCCLUDED") == 0
        if self._moving is not None:
            far = np.full(len(origins), 1e30, np.float32) if reach is None else reach
            out |= self._moving.run(origins, directions, far, query="OCCLUDED") == 0
        return np.asarray(out)
