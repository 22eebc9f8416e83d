"""Triangle soups with what a renderer needs of each triangle, and the shapes built from them.

Lengths in meters, x forward, y left, z up (REP 103). Colors are linear reflectances in BGR
order, as the images are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles without shared corners.

    Attributes:
        corners: (F, 3, 3) float32.
        normals: (F, 3, 3) float32, unit shading normals at the corners.
        uv: (F, 3, 2) float32, texture coordinates; a texture repeats with period 1.
        tint: (F, 3) float32, multiplies the texture.
        material: (F,) int32, index of the texture in the atlas.
        label: (F,) uint8, class id.
        instance: (F,) int32, id of the object, 0 for none.
    """

    corners: Floats
    normals: Floats
    uv: Floats
    tint: Floats
    material: NDArray[np.int32]
    label: NDArray[np.uint8]
    instance: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.corners)

    def moved(self, pose: NDArray[np.float64]) -> "Mesh":
        """Return the mesh under a rigid 4x4 transform."""
        rotation = pose[:3, :3].astype(np.float32).T
        shift = pose[:3, 3].astype(np.float32)
        return replace(
            self, corners=self.corners @ rotation + shift, normals=self.normals @ rotation
        )

    def of(self, instance: int) -> "Mesh":
        """Return the mesh as the object with this id."""
        return replace(self, instance=np.full(len(self), instance, np.int32))

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the smallest and the largest x, y, z."""
        points = self.corners.reshape(-1, 3)
        return points.min(axis=0), points.max(axis=0)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Return all triangles of the meshes, in order."""
    return Mesh(
        *(
            np.concatenate([getattr(mesh, name) for mesh in meshes])
            for name in ("corners", "normals", "uv", "tint", "material", "label", "instance")
        )
    )


def pose(
    x: float, y: float, z: float, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0
) -> NDArray[np.float64]:
    """Return the 4x4 transform of a frame that stands at x, y, z; angles in radians, Rz Ry Rx."""
    cz, sz, cy, sy = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cx, sx = np.cos(roll), np.sin(roll)
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx, x],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx, y],
            [-sy, cy * sx, cy * cx, z],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


@dataclass(frozen=True, slots=True)
class Paint:
    """What a surface is made of: texture, class id and color (linear BGR)."""

    material: int
    label: int
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    uv_scale: float = 1.0
    """Texture repeats per meter of the surface's own coordinates."""


def soup(corners: ArrayLike, normals: ArrayLike | None, uv: ArrayLike, paint: Paint) -> Mesh:
    """Return triangles (F, 3, 3) in one paint; flat normals where none are given."""
    c = np.ascontiguousarray(corners, dtype=np.float32)
    if normals is None:
        flat = np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0])
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
        normals = np.repeat(flat[:, None], 3, axis=1)
    count = len(c)
    return Mesh(
        corners=c,
        normals=np.asarray(normals, dtype=np.float32),
        uv=np.asarray(uv, dtype=np.float32) * np.float32(paint.uv_scale),
        tint=np.tile(np.asarray(paint.tint, dtype=np.float32), (count, 1)),
        material=np.full(count, paint.material, np.int32),
        label=np.full(count, paint.label, np.uint8),
        instance=np.zeros(count, np.int32),
    )


def surface(
    points: ArrayLike,
    uv: ArrayLike,
    paint: Paint,
    *,
    smooth: bool = False,
    up: bool = False,
    others: Sequence[Paint] = (),
    which: NDArray[np.int64] | None = None,
) -> Mesh:
    """Return the quads between neighboring points of a grid as triangles.

    Args:
        points: (R, C, 3).
        uv: (R, C, 2).
        paint: Of all triangles, or of those whose entry in `which` is 0.
        others: Paints of the entries 1, 2, ... of `which`.
        which: (R - 1, C - 1) int.
        smooth: Interpolate normals over the grid (its seam stays visible).
        up: Normals look up; otherwise they look away from the grid's center.
    """
    p = np.asarray(points, dtype=np.float32)
    t = np.asarray(uv, dtype=np.float32)
    along, across = np.gradient(p, axis=0), np.gradient(p, axis=1)
    vertex = np.cross(along, across)
    vertex /= np.maximum(np.linalg.norm(vertex, axis=2, keepdims=True), 1e-9)

    def split(a: Floats) -> Floats:
        q = np.stack([a[:-1, :-1], a[1:, :-1], a[1:, 1:], a[:-1, 1:]], axis=2)
        q = q.reshape(-1, 4, a.shape[2])
        return np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]])

    corners = split(p)
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size = np.linalg.norm(area, axis=1)
    keep = size > 1e-9
    normals = (
        split(vertex) if smooth else np.repeat((area / size.clip(1e-12)[:, None])[:, None], 3, 1)
    )
    reference = (
        normals[..., 2]
        if up
        else np.einsum("fij,fij->fi", normals, corners - p.reshape(-1, 3).mean(axis=0))
    )
    if float((reference.mean(axis=1) * size).sum()) < 0:
        normals = -normals
    mesh = soup(corners[keep], normals[keep], split(t)[keep], paint)
    if which is not None:
        entry = np.tile(which.reshape(-1), 2)[keep]
        for k, other in enumerate(others, 1):
            mesh.material[entry == k] = other.material
            mesh.tint[entry == k] = other.tint
    return mesh


_BOX = np.array(
    [
        [(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)], [(1, 1, 0), (0, 1, 0), (0, 1, 1), (1, 1, 1)],
        [(1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1)], [(0, 1, 0), (0, 0, 0), (0, 0, 1), (0, 1, 1)],
        [(0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)], [(0, 1, 0), (1, 1, 0), (1, 0, 0), (0, 0, 0)],
    ],
    np.float32,
)  # fmt: skip
_BOX_UV = np.array([(0, 0), (1, 0), (1, -1), (0, -1)], np.float32)
_BOX_SIDES = np.array([(0, 2), (0, 2), (1, 2), (1, 2), (0, 1), (0, 1)])
_BOX_NORMALS = np.array(
    [(0, -1, 0), (0, 1, 0), (1, 0, 0), (-1, 0, 0), (0, 0, 1), (0, 0, -1)], np.float32
)
_HALVES = np.array([[0, 1, 2], [0, 2, 3]])


def box(low: ArrayLike, high: ArrayLike, paint: Paint, *, bottom: bool = False) -> Mesh:
    """Return an axis-aligned box; texture coordinates are meters along each face."""
    a, b = np.asarray(low, np.float32), np.asarray(high, np.float32)
    sides = 6 if bottom else 5
    size = b - a
    corners = (a + _BOX[:sides] * size)[:, _HALVES].reshape(-1, 3, 3)
    uv = (_BOX_UV * size[_BOX_SIDES[:sides]][:, None])[:, _HALVES].reshape(-1, 3, 2)
    normals = np.broadcast_to(_BOX_NORMALS[:sides, None, None], (sides, 2, 3, 3))
    return soup(corners, normals.reshape(-1, 3, 3), uv, paint)


def quad(corners: ArrayLike, paint: Paint, *, size: tuple[float, float] = (1.0, 1.0)) -> Mesh:
    """Return a quad of four corners, counter-clockwise seen from its front, origin of uv first.

    The texture's rows run downward: uv v grows with -height, so images stand upright.
    """
    c = np.asarray(corners, dtype=np.float32)
    w, h = size
    t = np.array([(0, 0), (w, 0), (w, -h), (0, -h)], dtype=np.float32)
    index = [[0, 1, 2], [0, 2, 3]]
    return soup(c[index], None, t[index], paint)


def tube(
    start: ArrayLike, end: ArrayLike, radius: tuple[float, float], paint: Paint, sides: int = 8
) -> Mesh:
    """Return a closed truncated cone from start to end with smooth sides."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    length = max(float(np.sqrt(((b - a) ** 2).sum())), 1e-9)
    axis = (b - a) / length
    x, y, z = axis
    e1 = np.array([-y, x, 0.0] if abs(z) < 0.9 else [0.0, -z, y])
    e1 /= np.sqrt((e1 * e1).sum())
    e2 = np.array([y * e1[2] - z * e1[1], z * e1[0] - x * e1[2], x * e1[1] - y * e1[0]])
    angle = np.arange(sides + 1) * (2 * np.pi / sides)
    ring = np.cos(angle)[:, None] * e1 + np.sin(angle)[:, None] * e2
    points = np.stack([a + radius[0] * ring, b + radius[1] * ring])
    around = angle * max(radius)
    uv = np.zeros((2, sides + 1, 2))
    uv[..., 0] = around
    uv[1, :, 1] = -length
    near = np.arange(sides)
    end = np.array([[0, 0, 1], [0, 1, 1]])
    step = np.array([[0, 1, 1], [0, 1, 0]])
    row = np.repeat(end, sides, axis=0)
    column = (step[:, None] + near[:, None]).reshape(-1, 3)
    caps = np.empty((2, sides, 3, 3))
    caps[0, :, 0], caps[1, :, 0] = a, b
    caps[:, :, 1], caps[:, :, 2] = points[:, :-1], points[:, 1:]
    cap_normals = np.broadcast_to(np.stack([-axis, axis])[:, None, None], caps.shape)
    return soup(
        np.concatenate([points[row, column], caps.reshape(-1, 3, 3)]),
        np.concatenate([ring[column], cap_normals.reshape(-1, 3, 3)]),
        np.concatenate([uv[row, column], np.zeros((2 * sides, 3, 2))]),
        paint,
    )


def ball(
    center: ArrayLike, radii: ArrayLike, paint: Paint, rings: int = 6, sides: int = 10
) -> Mesh:
    """Return an ellipsoid with smooth normals."""
    unit, angles = _unit_ball(rings, sides)
    r = (np.asarray(radii, np.float32) * np.ones(3, np.float32)).astype(np.float32)
    normals = unit / r
    normals /= np.sqrt((normals * normals).sum(axis=2, keepdims=True))
    corners = np.asarray(center, np.float32) + unit * r
    return soup(corners, normals, angles * r[[0, 2]], paint)


@lru_cache
def _unit_ball(rings: int, sides: int) -> tuple[Floats, Floats]:
    """Return a sphere's triangles (F, 3, 3) and its longitudes and latitudes (F, 3, 2)."""
    theta = np.linspace(0.0, np.pi, rings + 1)[:, None]
    phi = np.linspace(0.0, 2 * np.pi, sides + 1)[None, :]
    unit = np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi], -1
    )
    angles = np.stack(np.broadcast_arrays(phi, theta), -1)
    mesh = surface(unit, angles, Paint(0, 0))
    return mesh.corners, mesh.uv


def footprint(mesh: Mesh, low: float, high: float) -> NDArray[np.float32] | None:
    """Return the convex outline (K, 2) of what lies between two heights; None for nothing."""
    a = mesh.corners.reshape(-1, 3)
    b = mesh.corners[:, [1, 2, 0]].reshape(-1, 3)
    dz = b[:, 2] - a[:, 2]
    safe = np.where(np.abs(dz) < 1e-9, 1.0, dz)
    points = [a[(a[:, 2] >= low) & (a[:, 2] <= high)]]
    for height in (low, high):
        share = (height - a[:, 2]) / safe
        cut = (share > 0) & (share < 1) & (np.abs(dz) >= 1e-9)
        points.append(a[cut] + share[cut, None] * (b[cut] - a[cut]))
    inside = np.concatenate(points)[:, :2]
    if len(inside) == 0:
        return None
    return np.asarray(cv2.convexHull(np.ascontiguousarray(inside, np.float32))[:, 0], np.float32)
