"""Triangle soups with what a renderer needs of each triangle, and the shapes built from them.

Lengths in metres, x forward, y left, z up (REP 103). Colours are linear reflectances in BGR
order, as the images are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    """What a surface is made of: texture, class id and colour (linear BGR)."""

    material: int
    label: int
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    uv_scale: float = 1.0
    """Texture repeats per metre of the surface's own coordinates."""


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
    """Return the quads between neighbouring points of a grid as triangles.

    Args:
        points: (R, C, 3).
        uv: (R, C, 2).
        paint: Of all triangles, or of those whose entry in `which` is 0.
        others: Paints of the entries 1, 2, ... of `which`.
        which: (R - 1, C - 1) int.
        smooth: Interpolate normals over the grid (its seam stays visible).
        up: Normals look up; otherwise they look away from the grid's centre.
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
    normals = split(vertex) if smooth else np.repeat((area / size.clip(1e-12)[:, None])[:, None], 3, 1)
    reference = normals[..., 2] if up else np.einsum(
        "fij,fij->fi", normals, corners - p.reshape(-1, 3).mean(axis=0)
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


def box(low: ArrayLike, high: ArrayLike, paint: Paint, *, bottom: bool = False) -> Mesh:
    """Return an axis-aligned box; texture coordinates are metres along each face."""
    (x0, y0, z0), (x1, y1, z1) = np.asarray(low, float), np.asarray(high, float)
    dx, dy, dz = x1 - x0, y1 - y0, z1 - z0
    quads = [
        ([(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)], dx, dz),
        ([(x1, y1, z0), (x0, y1, z0), (x0, y1, z1), (x1, y1, z1)], dx, dz),
        ([(x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)], dy, dz),
        ([(x0, y1, z0), (x0, y0, z0), (x0, y0, z1), (x0, y1, z1)], dy, dz),
        ([(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)], dx, dy),
    ]
    if bottom:
        quads.append(([(x0, y1, z0), (x1, y1, z0), (x1, y0, z0), (x0, y0, z0)], dx, dy))
    return join([quad(c, paint, size=(w, h)) for c, w, h in quads])


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
    axis = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
    helper = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    e1 = np.cross(helper, axis)
    e1 /= np.linalg.norm(e1)
    angle = np.linspace(0.0, 2 * np.pi, sides + 1)
    ring = np.cos(angle)[:, None] * e1 + np.sin(angle)[:, None] * np.cross(axis, e1)
    points = np.stack([a + radius[0] * ring, b + radius[1] * ring])
    length = float(np.linalg.norm(b - a))
    around = angle * max(radius)
    uv = np.stack([np.stack([around, np.full_like(around, v)], -1) for v in (0.0, -length)])
    triangles, normals, coordinates = [], [], []
    for i in range(sides):
        corners = points[[0, 0, 1, 1], [i, i + 1, i + 1, i]]
        n = ring[[i, i + 1, i + 1, i]]
        t = uv[[0, 0, 1, 1], [i, i + 1, i + 1, i]]
        for index in ([0, 1, 2], [0, 2, 3]):
            triangles.append(corners[index])
            normals.append(n[index])
            coordinates.append(t[index])
        for centre, side, normal in ((a, 0, -axis), (b, 1, axis)):
            triangles.append(np.stack([centre, points[side, i], points[side, i + 1]]))
            normals.append(np.tile(normal, (3, 1)))
            coordinates.append(np.zeros((3, 2)))
    return soup(np.stack(triangles), np.stack(normals), np.stack(coordinates), paint)


def ball(centre: ArrayLike, radii: ArrayLike, paint: Paint, rings: int = 6, sides: int = 10) -> Mesh:
    """Return an ellipsoid with smooth normals."""
    theta = np.linspace(0.0, np.pi, rings + 1)[:, None]
    phi = np.linspace(0.0, 2 * np.pi, sides + 1)[None, :]
    unit = np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi], -1
    )
    r = np.asarray(radii, float) * np.ones(3)
    uv = np.stack(np.broadcast_arrays(phi * float(r[0]), theta * float(r[2])), -1)
    mesh = surface(np.asarray(centre, float) + unit * r, uv, paint)
    normals = (mesh.corners - np.asarray(centre, np.float32)) / (r.astype(np.float32) ** 2)
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
    return replace(mesh, normals=normals.astype(np.float32))


def footprint(mesh: Mesh, low: float, high: float) -> NDArray[np.float32] | None:
    """Return the convex outline (K, 2) of what the mesh has between two heights, None for nothing."""
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
    hull: NDArray[np.float32] = cv2.convexHull(np.ascontiguousarray(inside, np.float32))[:, 0]
    return hull
