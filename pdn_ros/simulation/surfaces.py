"""What the triangles of a frame look like: attributes by triangle, texels by place."""

import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.mesh import Mesh
from pdn_ros.simulation.scene import Scene
from pdn_ros.simulation.textures import LEVELS

Floats = NDArray[np.float32]
SPARE = 150_000
"""Room for moving triangles behind the static ones in the tables of attributes."""


class Surfaces:
    """Attributes of all triangles: the static ones, then those that move in this frame."""

    def __init__(self, scene: Scene) -> None:
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
        # Texels per metre, from the areas of the triangle in the texture and in the world.
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
