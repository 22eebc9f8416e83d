"""Exact ray casting with embree, and the look of the triangles that are hit."""

from dataclasses import dataclass

import numpy as np
from embreex import rtcore
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from pdn_ros.simulation.mesh import Mesh
from pdn_ros.simulation.scene import StreetScene
from pdn_ros.simulation.textures import LEVELS

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


SPARE = 150_000
"""Room for moving triangles behind the static ones in the tables of attributes."""


class Surfaces:
    """Attributes of all triangles: the static ones, then those that move in this frame."""

    def __init__(self, scene: StreetScene) -> None:
        self._atlas = scene.atlas
        self._count = len(scene.static)
        total = self._count + SPARE
        self.shape = np.empty((total, 3, 5), np.float32)
        self.tint = np.empty((total, 3), np.float32)
        self.density = np.empty(total, np.float32)
        self.material = np.empty(total, np.int32)
        self.label = np.empty(total, np.uint8)
        self.instance = np.empty(total, np.int32)
        self._write(scene.static, 0)

    def _write(self, mesh: Mesh, first: int) -> None:
        part = slice(first, first + len(mesh))
        self.shape[part, :, :2] = mesh.uv
        self.shape[part, :, 2:] = mesh.normals
        self.tint[part] = mesh.tint
        self.material[part] = mesh.material
        self.label[part] = mesh.label
        self.instance[part] = mesh.instance
        # Texels per meter, from the areas of the triangle in the texture and in the world.
        edge, turn = mesh.corners[:, 1:] - mesh.corners[:, :1], mesh.uv[:, 1:] - mesh.uv[:, :1]
        area = np.linalg.norm(np.cross(edge[:, 0], edge[:, 1]), axis=1)
        texture = np.abs(turn[:, 0, 0] * turn[:, 1, 1] - turn[:, 0, 1] * turn[:, 1, 0])
        bits = self._atlas.width_bits[:, 0] + self._atlas.height_bits[:, 0]
        texels = texture * np.exp2(bits[mesh.material].astype(np.float32))
        self.density[part] = np.sqrt(texels / np.maximum(area, 1e-9)) + 1e-3

    def texel(
        self,
        uv: Floats,
        material: NDArray[np.int32],
        level: NDArray[np.int32] | int = 0,
        jitter: Floats | float = 0.0,
    ) -> NDArray[np.uint8]:
        """Return the texels (N, 4) that hold the places uv (2, N), shifted by `jitter` texels."""
        atlas = self._atlas
        row = material * LEVELS + level
        bits_w, bits_h = atlas.width_bits.reshape(-1)[row], atlas.height_bits.reshape(-1)[row]
        width, height = np.left_shift(1, bits_w), np.left_shift(1, bits_h)
        place = uv * np.stack([width, height]).astype(np.float32) + np.float32(jitter)
        cell = np.floor(place).astype(np.int32)
        index = atlas.offset.reshape(-1)[row] + (cell[0] & (width - 1))
        index += np.left_shift(cell[1] & (height - 1), bits_w)
        return np.asarray(atlas.data[index].view(np.uint8).reshape(-1, 4))

    def move(self, moving: Mesh | None) -> None:
        """Replace what moves."""
        if moving is not None:
            if len(moving) > SPARE:
                raise ValueError(f"{len(moving)} moving triangles, room for {SPARE}")
            self._write(moving, self._count)


def dot(a: Floats, b: Floats) -> Floats:
    """Return the scalar products (N,) of vectors (3, N) and (3, N) or (3,)."""
    out: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return out


def interpolated(corners: Floats, u: Floats, v: Floats) -> Floats:
    """Return values (C, N) inside triangles from those at their corners (N, 3, C)."""
    planes = np.ascontiguousarray(corners.reshape(len(corners), -1).T)
    count = corners.shape[2]
    inner: Floats = planes[:count] * (1 - u - v)
    inner += planes[count : 2 * count] * u
    inner += planes[2 * count :] * v
    return inner
