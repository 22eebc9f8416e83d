"""Trees, bushes and hedges: trunks and crowns of many small leaves."""

import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.mesh import Mesh, Paint, join, soup, tube
from pdn_ros.simulation.street import Labels
from pdn_ros.simulation.textures import AtlasBuilder


def _leaves(
    rng: np.random.Generator,
    centers: NDArray[np.float64],
    outward: NDArray[np.float64],
    size: float,
    paint: Paint,
) -> Mesh:
    """Return one tuft (two triangles that cross) at each center, shaded as its crown's surface."""
    count = len(centers)
    a = rng.standard_normal((count, 2, 3, 3))
    a -= a.mean(axis=2, keepdims=True)
    a /= np.linalg.norm(a, axis=3, keepdims=True)
    scale = size * rng.uniform(0.55, 1.25, (count, 2, 1, 1))
    corners = (centers[:, None, None] + a * scale).reshape(-1, 3, 3)
    normals = outward[:, None, None] + 0.25 * rng.standard_normal((count, 2, 1, 3)) + 0 * a
    normals /= np.linalg.norm(normals, axis=3, keepdims=True)
    uv = rng.uniform(0, 1, (count * 2, 1, 2)) + 0.12 * a.reshape(-1, 3, 3)[..., :2]
    mesh = soup(corners, normals.reshape(-1, 3, 3), uv, paint)
    mesh.tint[:] *= np.repeat(rng.uniform(0.7, 1.25, (count, 1)), 2, axis=0).astype(np.float32)
    return mesh


def _green(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw a leaf color (linear BGR): mostly greens, some yellow or dark ones."""
    g = float(rng.uniform(0.16, 0.34))
    return (g * float(rng.uniform(0.18, 0.42)), g, g * float(rng.uniform(0.45, 0.95)))


def tree(
    rng: np.random.Generator, atlas: AtlasBuilder, labels: Labels, height: float, tufts: int
) -> Mesh:
    """Return a tree at the origin; the crown is several blobs on branches, or a narrow cone."""
    bark = Paint(atlas["bark"], labels.vegetation, (0.09, 0.12, 0.16), 0.7)
    radius = 0.018 * height + 0.04
    bare = height * float(rng.uniform(0.28, 0.38))
    lean = rng.normal(0, 0.012 * height, 2)
    fork = np.array([lean[0], lean[1], bare])
    parts = [tube((0, 0, -0.2), fork, (radius * 1.25, radius * 0.85), bark, 9)]
    conifer = rng.random() < 0.2
    color = _green(rng)
    leaf = Paint(atlas["leaf"], labels.vegetation, color)
    if conifer:
        tufts = int(tufts * 1.7)
        parts.append(tube(fork, (*lean, height), (radius * 0.8, 0.02), bark, 6))
        share = np.sqrt(rng.uniform(0, 1, tufts))
        z = height - share * (height - bare * 0.6)
        around = rng.uniform(0, 2 * np.pi, tufts)
        r = (0.16 * height) * share * rng.uniform(0.55, 1.05, tufts) * (0.8 + 0.2 * np.sin(z * 6))
        cos, sin = np.cos(around), np.sin(around)
        outward = np.stack([cos, sin, np.full(tufts, 0.5)], -1)
        centers = np.stack([r * cos + lean[0], r * sin + lean[1], z], -1)
        parts.append(_leaves(rng, centers, outward, 0.17, leaf))
        return join(parts)
    blobs = int(rng.integers(5, 9))
    spread = height * float(rng.uniform(0.15, 0.24))
    angle = np.arange(blobs) * 2.4 + rng.uniform(0, 6)
    level = rng.uniform(0.5, 0.86, blobs) * height
    level[0] = 0.8 * height
    reach = spread * np.sqrt(rng.uniform(0.2, 1, blobs))
    reach[0] = 0.0
    middles = np.stack(
        [reach * np.cos(angle) + lean[0], reach * np.sin(angle) + lean[1], level], -1
    )
    radii = spread * rng.uniform(0.62, 1.0, (blobs, 1)) * np.array([1.0, 1.0, 0.8])
    parts += [tube(fork, middle, (radius * 0.55, 0.03), bark, 5) for middle in middles]
    tufts = int(tufts * 1.25)
    which = rng.integers(0, blobs, tufts)
    direction = rng.standard_normal((tufts, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    depth = rng.uniform(0.35, 1.0, (tufts, 1)) ** 0.4
    bump = 1 + 0.16 * np.sin(5 * direction[:, :1] + 3 * direction[:, 1:2] + which[:, None])
    centers = middles[which] + direction * radii[which] * depth * bump
    outward = direction + 0.6 * (centers - [lean[0], lean[1], 0.6 * height]) / (spread + 1)
    parts.append(_leaves(rng, centers, outward, 0.03 * height**0.5 + 0.07, leaf))
    # Leaves inside the crown get less light; the tint stands for that.
    inner = np.repeat(0.45 + 0.55 * depth[:, 0] ** 3, 2).astype(np.float32)
    parts[-1].tint[:] *= inner[:, None]
    return join(parts)


def bush(
    rng: np.random.Generator, atlas: AtlasBuilder, labels: Labels, radius: float, tufts: int
) -> Mesh:
    """Return a round bush at the origin."""
    direction = rng.standard_normal((tufts, 3))
    direction[:, 2] = np.abs(direction[:, 2])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    depth = rng.uniform(0.5, 1.0, (tufts, 1))
    centers = direction * radius * depth * np.array([1.0, 1.0, rng.uniform(0.8, 1.3)])
    mesh = _leaves(
        rng, centers, direction, 0.16, Paint(atlas["leaf"], labels.vegetation, _green(rng))
    )
    mesh.tint[:] *= np.repeat(0.4 + 0.6 * depth, 2, axis=0).astype(np.float32)
    return mesh


def hedge(
    rng: np.random.Generator, atlas: AtlasBuilder, labels: Labels, length: float, height: float
) -> Mesh:
    """Return a trimmed hedge from x = 0 to `length`, 0.7 m deep around y = 0."""
    tufts = int(length * height * 90)
    half = np.array([length / 2, 0.33, height / 2])
    p = rng.uniform(-1, 1, (tufts, 3))
    face = rng.choice(3, tufts, p=[0.06, 0.64, 0.3])
    rows = np.arange(tufts)
    p[rows, face] = np.where(p[rows, face] > 0, 1, -1) * rng.uniform(0.85, 1.03, tufts)
    outward = np.zeros((tufts, 3))
    outward[rows, face] = np.sign(p[rows, face])
    outward[:, 2] = np.maximum(outward[:, 2], 0.25)
    centers = p * half + [length / 2, 0, height / 2 + 0.05]
    mesh = _leaves(
        rng, centers, outward, 0.13, Paint(atlas["leaf"], labels.vegetation, _green(rng))
    )
    mesh.tint[:] *= (0.55 + 0.45 * mesh.corners[..., 2].mean(axis=1) / height)[:, None]
    return mesh


def undergrowth(
    rng: np.random.Generator, atlas: AtlasBuilder, labels: Labels, width: float
) -> Mesh:
    """Return a far belt of greenery, `width` wide along x, up to about 9 m high."""
    tufts = int(width * 30)
    x = rng.uniform(0, width, tufts)
    top = 6.5 + 2.2 * np.sin(x / 3.1) + 1.2 * np.sin(x / 1.3 + 1)
    z = top * rng.uniform(0, 1, tufts) ** 0.7
    centers = np.stack([x, rng.uniform(-1.5, 1.5, tufts), z], -1)
    outward = np.tile([0.0, -1.0, 0.6], (tufts, 1))
    mesh = _leaves(
        rng, centers, outward, 0.62, Paint(atlas["leaf"], labels.vegetation, _green(rng))
    )
    mesh.tint[:] *= (0.5 + 0.5 * z / top).repeat(2)[:, None].astype(np.float32)
    return mesh
