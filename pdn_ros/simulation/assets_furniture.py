"""Lamps, signs, traffic lights and fences: the thin things."""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.mesh import Mesh, Paint, ball, box, join, quad, soup, tube
from pdn_ros.simulation.street import Labels
from pdn_ros.simulation.textures import AtlasBuilder, texels

GRAY = (0.22, 0.21, 0.2)


def _canvas(color: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.full((128, 128, 3), color, np.uint8)


def add_signs(atlas: AtlasBuilder) -> None:
    """Add faces of signs (names `sign_SHAPE_...`) and of traffic lights (`signal_...`)."""
    red, blue, white, black, yellow = (
        (30, 25, 190),
        (170, 80, 20),
        (235,) * 3,
        (25,) * 3,
        (20, 190, 240),
    )
    faces: list[tuple[str, NDArray[np.uint8]]] = []
    for text in ("30", "50"):
        face = _canvas(red)
        cv2.circle(face, (64, 64), 47, white, -1, cv2.LINE_AA)
        cv2.putText(face, text, (27, 82), cv2.FONT_HERSHEY_SIMPLEX, 1.8, black, 6, cv2.LINE_AA)
        faces.append((f"round_{text}", face))
    face = _canvas(blue)
    cv2.line(face, (20, 20), (108, 108), red, 14, cv2.LINE_AA)
    cv2.line(face, (108, 20), (20, 108), red, 14, cv2.LINE_AA)
    cv2.circle(face, (64, 64), 58, red, 12, cv2.LINE_AA)
    faces.append(("round_nostop", face))
    face = _canvas(blue)
    cv2.arrowedLine(face, (64, 105), (64, 25), white, 14, cv2.LINE_AA, 0, 0.4)
    faces.append(("round_ahead", face))
    face = _canvas(red)
    cv2.rectangle(face, (24, 54), (104, 74), white, -1)
    faces.append(("round_noentry", face))
    face = _canvas(red)
    cv2.putText(face, "STOP", (10, 79), cv2.FONT_HERSHEY_SIMPLEX, 1.35, white, 6, cv2.LINE_AA)
    faces.append(("octagon_stop", face))
    face = _canvas(red)
    cv2.fillPoly(face, [np.array([(64, 34), (24, 104), (104, 104)])], white, cv2.LINE_AA)
    cv2.line(face, (64, 58), (64, 84), black, 8)
    cv2.circle(face, (64, 95), 4, black, -1)
    faces.append(("triangle_warning", face))
    face = _canvas(white)
    cv2.fillPoly(face, [np.array([(64, 26), (102, 64), (64, 102), (26, 64)])], yellow, cv2.LINE_AA)
    faces.append(("diamond_priority", face))
    face = _canvas(blue)
    cv2.fillPoly(face, [np.array([(64, 18), (18, 108), (110, 108)])], white, cv2.LINE_AA)
    cv2.circle(face, (66, 52), 6, black, -1)
    cv2.line(face, (64, 60), (58, 84), black, 8)
    cv2.line(face, (58, 84), (46, 102), black, 6)
    cv2.line(face, (58, 84), (76, 102), black, 6)
    faces.append(("square_crossing", face))
    face = _canvas(blue)
    cv2.putText(face, "P", (36, 96), cv2.FONT_HERSHEY_SIMPLEX, 2.8, white, 11, cv2.LINE_AA)
    faces.append(("square_parking", face))
    face = _canvas(yellow)
    for row, word in enumerate(("Centre", "Station", "Harbour")):
        cv2.putText(
            face, word, (8, 36 + 38 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, black, 2, cv2.LINE_AA
        )
    faces.append(("board_places", face))
    for name, face in faces:
        atlas.add(f"sign_{name}", texels(face.astype(np.float32)))
    for lit, color in ((0, (60, 50, 250)), (1, (60, 190, 250)), (2, (150, 240, 60))):
        face = np.full((128, 64, 3), 26, np.uint8)
        for lamp in range(3):
            tone = color if lamp == lit else (34, 34, 36)
            cv2.circle(face, (32, 24 + 40 * lamp), 15, tone, -1, cv2.LINE_AA)
        atlas.add(f"signal_{lit}", texels(face.astype(np.float32)), glow=0.3)


def _outline(shape: str, size: float) -> NDArray[np.float64]:
    """Return the outline (K, 2) of a face: y to its left, z up, around its center."""
    if shape == "triangle":
        return size * np.array([(0.58, -0.45), (-0.58, -0.45), (0.0, 0.55)])
    if shape == "diamond":
        return size * np.array([(0.62, 0), (0, -0.62), (-0.62, 0), (0, 0.62)])
    if shape == "square":
        return size * np.array([(0.5, -0.5), (-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)])
    if shape == "board":
        return size * np.array([(1.0, -0.6), (-1.0, -0.6), (-1.0, 0.6), (1.0, 0.6)])
    corners, turn = (8, np.pi / 8) if shape == "octagon" else (20, 0.0)
    angle = turn + np.arange(corners) * 2 * np.pi / corners
    return 0.52 * size * np.stack([-np.cos(angle), np.sin(angle)], -1)


def sign_face(
    atlas: AtlasBuilder, labels: Labels, texture: int, name: str, size: float, z: float
) -> Mesh:
    """Return a plate at height z that is read by a viewer who looks along +x."""
    outline = _outline(name.split("_")[1], size)
    span = np.ptp(outline, axis=0)
    uv = (outline - outline.min(axis=0)) / span
    uv = np.stack([1 - uv[:, 0], 1 - uv[:, 1]], -1) * 0.98 + 0.01
    parts = []
    for x, material, tint in ((-0.06, texture, (0.85,) * 3), (-0.035, atlas["metal"], (0.3,) * 3)):
        paint = Paint(material, labels.sign, tint)
        center, middle = np.array([x, 0.0, z]), uv.mean(axis=0)
        ring = np.stack([np.full(len(outline), x), outline[:, 0], z + outline[:, 1]], -1)
        corners = np.stack([np.tile(center, (len(ring), 1)), ring, np.roll(ring, -1, axis=0)], 1)
        coordinates = np.stack([np.tile(middle, (len(ring), 1)), uv, np.roll(uv, -1, axis=0)], 1)
        normals = np.tile([-1.0 if x < -0.05 else 1.0, 0.0, 0.0], (len(ring), 3, 1))
        parts.append(soup(corners, normals, coordinates, paint))
    return join(parts)


def post(atlas: AtlasBuilder, labels: Labels, height: float, radius: float = 0.035) -> Mesh:
    """Return a plain steel post."""
    return tube(
        (0, 0, -0.05), (0, 0, height), (radius, radius), Paint(atlas["metal"], labels.pole, GRAY), 8
    )


def lamp(
    rng: np.random.Generator, atlas: AtlasBuilder, labels: Labels, height: float, arm: float
) -> Mesh:
    """Return a street lamp whose arm reaches along +y."""
    tone = float(rng.uniform(0.03, 0.3))
    paint = Paint(atlas["metal"], labels.pole, (tone, tone * 1.02, tone * 0.98))
    parts = [
        tube((0, 0, -0.05), (0, 0, 0.9), (0.1, 0.09), paint, 10),
        tube((0, 0, 0.9), (0, 0, height), (0.065, 0.042), paint, 8),
    ]
    if arm < 0.3:
        parts.append(
            ball((0, 0, height + 0.15), 0.24, Paint(atlas["lamp"], labels.pole, (0.8,) * 3))
        )
        return join(parts)
    bend = [
        (0.0, height),
        (0.12 * arm, height + 0.35),
        (0.5 * arm, height + 0.6),
        (arm, height + 0.62),
    ]
    for (y0, z0), (y1, z1) in pairwise(bend):
        parts.append(tube((0, y0, z0), (0, y1, z1), (0.04, 0.036), paint, 6))
    y, z = bend[-1]
    parts.append(box((-0.14, y - 0.1, z - 0.03), (0.14, y + 0.6, z + 0.1), paint, bottom=True))
    glass = Paint(atlas["lamp"], labels.pole, (0.8, 0.85, 0.85))
    parts.append(box((-0.1, y, z - 0.06), (0.1, y + 0.55, z - 0.03), glass, bottom=True))
    return join(parts)


def signal_pole(atlas: AtlasBuilder, labels: Labels, arm: float) -> Mesh:
    """Return the mast of a traffic light, with an arm along +y where arm > 0."""
    paint = Paint(atlas["metal"], labels.pole, (0.14, 0.15, 0.14))
    parts = [tube((0, 0, -0.05), (0, 0, 5.6 if arm else 3.5), (0.075, 0.06), paint, 10)]
    if arm:
        parts.append(tube((0, 0, 5.4), (0, arm, 5.7), (0.055, 0.04), paint, 8))
    return join(parts)


def signal_head(atlas: AtlasBuilder, labels: Labels, lit: int, y: float, z: float) -> Mesh:
    """Return a three-lamp head at height z, seen by a viewer who looks along +x."""
    black = Paint(atlas["plain"], labels.sign, (0.012,) * 3)
    parts = [box((-0.22, y - 0.15, z - 0.46), (-0.02, y + 0.15, z + 0.46), black, bottom=True)]
    x = -0.225
    corners = [
        (x, y + 0.15, z - 0.46),
        (x, y - 0.15, z - 0.46),
        (x, y - 0.15, z + 0.46),
        (x, y + 0.15, z + 0.46),
    ]
    parts.append(quad(corners, Paint(atlas[f"signal_{lit}"], labels.sign)))
    parts += [
        box((-0.36, y - 0.12, lid), (-0.22, y + 0.12, lid + 0.02), black, bottom=True)
        for lid in (z + 0.4, z + 0.11, z - 0.18)
    ]
    board = box((-0.02, y - 0.28, z - 0.6), (-0.01, y + 0.28, z + 0.6), black)
    return join([*parts, board])


def fence(
    rng: np.random.Generator, atlas: AtlasBuilder, labels: Labels, length: float, kind: int
) -> Mesh:
    """Return a fence from x = 0 to `length`.

    Kinds: 0 pickets, 1 iron rails, 2 boards, 3 low wall, 4 guard rail.
    """
    if kind == 3:
        stone = Paint(atlas["brick"], labels.fence, (0.2, 0.27, 0.42), 0.6)
        cap = Paint(atlas["concrete"], labels.fence, (0.5,) * 3)
        return join([
            box((0, -0.12, 0), (length, 0.12, 0.95), stone),
            box((-0.05, -0.17, 0.95), (length + 0.05, 0.17, 1.03), cap, bottom=True),
        ])  # fmt: skip
    if kind == 2:
        worn = float(rng.uniform(0.5, 1.0))
        board = Paint(atlas["planks"], labels.fence, (0.12 * worn, 0.19 * worn, 0.3 * worn), 0.8)
        return box((0, -0.02, 0.05), (length, 0.02, 1.6), board)
    if kind == 4:
        steel = Paint(atlas["metal"], labels.fence, (0.45, 0.44, 0.43))
        parts = [box((0, -0.04, 0.45), (length, 0.04, 0.75), steel, bottom=True)]
        parts += [
            box((x, 0.04, 0), (x + 0.1, 0.12, 0.75), steel) for x in np.arange(0.1, length, 2.0)
        ]
        return join(parts)
    tone = (0.75, 0.77, 0.78) if kind == 0 else (0.025, 0.03, 0.025)
    material = atlas["planks"] if kind == 0 else atlas["metal"]
    paint = Paint(material, labels.fence, tone)
    width, gap, top = (0.08, 0.16, 1.0) if kind == 0 else (0.022, 0.13, 1.35)
    rails = [
        box((0, 0.0, z), (length, 0.04, z + 0.06), paint, bottom=True) for z in (0.25, top - 0.25)
    ]
    pickets = [
        box((x, -0.02, 0.08), (x + width, 0.005, top + 0.06 * float(np.sin(x * 9))), paint)
        for x in np.arange(0, length - width, gap)
    ]
    posts = [
        box((x, -0.05, 0), (x + 0.09, 0.05, top + 0.1), paint)
        for x in np.arange(0, length + 0.1, 2.5)
    ]
    return join(rails + pickets + posts)
