"""Facade textures and houses."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.mesh import Mesh, Paint, box, join, quad, soup, surface
from pdn_ros.simulation.street import Labels, Layout
from pdn_ros.simulation.textures import AtlasBuilder, noise, texels

BAYS = 4
BAY, FLOOR, GROUND_FLOOR = 3.0, 3.1, 3.9
CELL = 128

# sRGB-like wall colors (B, G, R): plaster in warm and cool tones, brick, sandstone.
WALLS = (
    (196, 214, 222), (150, 190, 214), (176, 200, 196), (206, 206, 204), (120, 158, 198),
    (92, 112, 158), (160, 178, 186), (170, 206, 228), (196, 190, 176), (74, 92, 140),
)  # fmt: skip


def _window(
    rng: np.random.Generator,
    image: NDArray[np.float32],
    x: int,
    y: int,
    w: int,
    h: int,
    frame: float,
) -> None:
    """Paint a recessed window with panes, curtains and a sill."""
    image[y - 3 : y + h + 3, x - 3 : x + w + 3] *= 0.82
    image[y : y + h, x : x + w] = frame
    dark = rng.uniform(35, 80)
    ramp = np.linspace(1.25, 0.7, h)[:, None, None] * np.array([1.12, 1.03, 0.95])
    pane = dark * ramp * np.ones((h, w, 1))
    if rng.random() < 0.5:
        cloth = rng.uniform(120, 205) * np.array([0.92, 0.98, 1.0])
        share = int(w * rng.uniform(0.15, 0.42))
        pane[:, :share] = pane[:, :share] * 0.3 + cloth * 0.6
        if rng.random() < 0.6:
            pane[:, w - share :] = pane[:, w - share :] * 0.3 + cloth * 0.6
    if rng.random() < 0.3:
        pane[: int(h * rng.uniform(0.2, 0.8))] = rng.uniform(120, 190)
    panes = 2 if w < 60 else 3
    image[y + 3 : y + h - 3, x + 3 : x + w - 3] = pane[3 : h - 3, 3 : w - 3]
    for i in range(1, panes):
        bar = x + w * i // panes
        image[y : y + h, bar - 1 : bar + 2] = frame
    if h > 60:
        image[y + h // 3 : y + h // 3 + 3, x : x + w] = frame
    image[y : y + 5, x : x + w] *= 0.55
    image[y + h + 1 : y + h + 6, x - 5 : x + w + 5] = min(frame * 0.95, 235)
    image[y + h + 6 : y + h + 9, x - 4 : x + w + 4] *= 0.7


def _wall(stain: NDArray[np.float32], wall: NDArray[np.float64], rows: int) -> NDArray[np.float32]:
    """Return a weathered wall of 512 columns."""
    image = np.tile(wall.astype(np.float32), (rows, BAYS * CELL, 1))
    image *= np.tile(stain, (rows // 512 + 1, 1))[:rows, :, None]
    if wall[2] < 165:
        y, x = np.mgrid[:rows, : BAYS * CELL]
        joint = (y % 8 == 0) | ((x + 8 * (y // 8 % 2)) % 16 == 0)
        image[joint] *= 1.16
    return image


def add_facades(atlas: AtlasBuilder, rng: np.random.Generator, count: int) -> None:
    """Add `count` pairs of textures: upper floors (4 x 4 bays) and ground floors (4 x 1 bays)."""
    stains = 1 + 0.035 * noise(rng, 512, 1.4) + 0.02 * noise(rng, 512, 0.2)
    for i in range(count):
        stain = np.roll(stains, rng.integers(0, 512, 2), (0, 1))
        wall = np.array(WALLS[int(rng.integers(len(WALLS)))]) * rng.uniform(0.82, 1.06)
        image = _wall(stain, wall, BAYS * CELL)
        frame = float(rng.choice([228, 215, 70, 120]))
        w, h = int(rng.integers(38, 84)), int(rng.integers(58, 84))
        trim = rng.random() < 0.5
        shutters = rng.random() < 0.3
        tone = rng.uniform(40, 140, 3)
        for floor in range(4):
            if trim:
                image[floor * CELL + 118 : floor * CELL + 124] *= 1.12
                image[floor * CELL + 124 : floor * CELL + 127] *= 0.75
            for bay in range(BAYS):
                x, y = bay * CELL + (CELL - w) // 2, floor * CELL + 26
                if shutters:
                    image[y : y + h, x - 18 : x - 3] = tone
                    image[y : y + h, x + w + 3 : x + w + 18] = tone
                    image[y + 4 : y + h : 5, x - 18 : x - 3] *= 0.8
                    image[y + 4 : y + h : 5, x + w + 3 : x + w + 18] *= 0.8
                _window(rng, image, x, y, w, h, frame)
        atlas.add(f"facade{i}", texels(image))
        atlas.add(f"shop{i}", texels(_ground_floor(rng, stain, wall)))
        blank = _wall(stain, wall, 512)
        atlas.add(f"wall{i}", texels(blank))


def _ground_floor(
    rng: np.random.Generator, stain: NDArray[np.float32], wall: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the ground floor: shops with a sign band, or doors and windows."""
    image = _wall(stain, wall * rng.uniform(0.75, 1.0), CELL)
    image[112:] *= 0.8
    shops = rng.random() < 0.5
    door = int(rng.integers(BAYS))
    tone = rng.uniform(25, 210, 3)
    if shops:
        image[4:26] = tone
        word = "".join(chr(65 + int(c)) for c in rng.integers(0, 26, int(rng.integers(4, 8))))
        ink = np.zeros(image.shape[:2], np.uint8)
        at = (int(rng.integers(20, 200)), 22)
        cv2.putText(ink, word, at, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2, cv2.LINE_AA)
        share = (ink / np.float32(255))[..., None]
        image[:] = image * (1 - share) + (240 if tone.mean() < 130 else 30) * share
        image[26:30] *= 0.6
    for bay in range(BAYS):
        x = bay * CELL
        if bay == door:
            width = int(rng.integers(36, 50))
            left = x + (CELL - width) // 2
            image[34:126, left - 4 : left + width + 4] = min(wall.mean() * 1.15, 235)
            image[38:126, left : left + width] = rng.uniform(30, 110, 3)
            image[44:70, left + 6 : left + width - 6] = rng.uniform(40, 90)
            image[80:120, left + 6 : left + width - 6] *= 0.85
            image[84:88, left + width - 7 : left + width - 4] = 200
        elif shops:
            _window(rng, image, x + 10, 36, CELL - 20, 74, float(rng.choice([60, 200])))
            goods = rng.uniform(40, 200, (3, 6, 3)).astype(np.float32)
            view = image[62:106, x + 16 : x + CELL - 16]
            view *= 0.6
            view += 0.4 * cv2.resize(goods, view.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        else:
            _window(rng, image, x + 34, 40, 60, 58, float(rng.choice([225, 90])))
    return image


def house(
    rng: np.random.Generator,
    atlas: AtlasBuilder,
    labels: Labels,
    layout: Layout,
    width: float,
    depth: float,
) -> Mesh:
    """Return a house with its front on y = 0, from x = 0 to `width`, and its back at y = depth.

    The street is at negative y.
    """
    style = int(rng.choice(len(atlas.named("facade"))))
    floors = int(rng.integers(layout.floors[0], layout.floors[1] + 1))
    bays = max(1, round(width / BAY))
    top = GROUND_FLOOR + (floors - 1) * FLOOR
    blue, green, red = (float(v) for v in rng.uniform(0.8, 1.08) * rng.uniform(0.93, 1.07, 3))
    tint = (blue, green, red)
    upper = Paint(atlas[f"facade{style}"], labels.building, tint)
    lower = Paint(atlas[f"shop{style}"], labels.building, tint)
    blank = Paint(atlas[f"wall{style}"], labels.building, tint)
    shift = int(rng.integers(BAYS)) / BAYS
    parts: list[Mesh] = []
    side_bays = max(1, round(depth / BAY))
    windowed = rng.random() < 0.6
    for a, b, count, plain in (
        ((0.0, 0.0), (width, 0.0), bays, False),
        ((width, 0.0), (width, depth), side_bays, not windowed),
        ((width, depth), (0.0, depth), bays, False),
        ((0.0, depth), (0.0, 0.0), side_bays, not windowed),
    ):
        for z0, z1, paint, v in (
            (0.0, GROUND_FLOOR, lower, 1.0),
            (GROUND_FLOOR, top, upper, (floors - 1) / 4),
        ):
            if z1 <= z0:
                continue
            corners = [(*a, z0), (*b, z0), (*b, z1), (*a, z1)]
            wall = quad(corners, blank if plain else paint, size=(count / BAYS, v))
            wall.uv[..., 0] += np.float32(shift)
            parts.append(wall)
    parts.append(
        _roof(rng, atlas, labels, blank, width, depth, top, gabled=rng.random() < layout.gabled)
    )
    if floors > 2 and rng.random() < 0.55:
        parts.extend(_balconies(rng, atlas, labels, bays, floors, width))
    if rng.random() < 0.5:
        trim = Paint(atlas["plaster"], labels.building, (0.6, 0.63, 0.66))
        parts.append(
            box(
                (-0.1, -0.18, GROUND_FLOOR - 0.12),
                (width + 0.1, 0, GROUND_FLOOR + 0.1),
                trim,
                bottom=True,
            )
        )
    if rng.random() < 0.35:
        blue, green, red = (float(v) for v in rng.uniform(0.05, 0.7, 3))
        cloth = Paint(atlas["fabric"], labels.building, (blue, green, red))
        for bay in range(0, bays, 2):
            x0, x1 = bay * width / bays + 0.2, (bay + 1) * width / bays - 0.2
            corners = [(x0, -1.2, 2.5), (x1, -1.2, 2.5), (x1, -0.02, 3.2), (x0, -0.02, 3.2)]
            parts.append(quad(corners, cloth, size=(2, 1)))
    parts.append(
        box((0.3, -0.14, 0), (0.4, -0.04, top), Paint(atlas["metal"], labels.building, (0.3,) * 3))
    )
    return join(parts)


def _roof(
    rng: np.random.Generator,
    atlas: AtlasBuilder,
    labels: Labels,
    wall: Paint,
    width: float,
    depth: float,
    top: float,
    *,
    gabled: bool,
) -> Mesh:
    """Return a tiled gable roof with dormers and chimneys, or a flat roof behind a cornice."""
    if not gabled:
        stone = Paint(atlas["concrete"], labels.building, (0.5, 0.52, 0.54), 0.5)
        cornice = box(
            (-0.25, -0.35, top - 0.15), (width + 0.25, depth + 0.2, top + 0.2), stone, bottom=True
        )
        parapet = box((0, 0, top), (width, depth, top + 0.8), wall)
        hut = box((width * 0.3, depth * 0.4, top), (width * 0.5, depth * 0.7, top + 2.4), stone)
        return join([cornice, parapet, hut])
    color = ((0.05, 0.1, 0.3), (0.09, 0.12, 0.2), (0.1, 0.1, 0.11), (0.04, 0.07, 0.22))
    tiles = Paint(atlas["tiles"], labels.building, color[int(rng.integers(len(color)))], 0.25)
    pitch = float(rng.uniform(0.55, 0.95))
    ridge, over = top + pitch * depth / 2, 0.4
    low = top - pitch * over
    x = np.array([-0.3, width + 0.3])
    parts = []
    for y in (-over, depth + over):
        points = np.stack(
            [np.stack([x, np.full(2, y), np.full(2, low)], -1),
             np.stack([x, np.full(2, depth / 2), np.full(2, ridge)], -1)]
        )  # fmt: skip
        slant = float(np.hypot(depth / 2, ridge - top))
        uv = np.stack([np.stack([x, np.full(2, v)], -1) for v in (slant, 0.0)])
        parts.append(surface(points, uv, tiles, up=True))
    for end in (0.0, width):
        gable = [[(end, 0, top), (end, depth, top), (end, depth / 2, ridge)]]
        slope = [[(0, 0), (depth / 12, 0), (depth / 24, -0.3)]]
        parts.append(soup(gable, None, slope, wall))
    gutter = Paint(atlas["metal"], labels.building, (0.25, 0.26, 0.27))
    parts.append(
        box((-0.3, -over - 0.12, low - 0.08), (width + 0.3, -over, low + 0.04), gutter, bottom=True)
    )
    for _ in range(int(rng.integers(0, 3))):
        cx, cy = float(rng.uniform(0.1, 0.9)) * width, float(rng.uniform(0.3, 0.6)) * depth
        brick = Paint(atlas["brick"], labels.building, (0.14, 0.2, 0.4), 0.6)
        parts.append(box((cx, cy, top), (cx + 0.7, cy + 0.6, ridge + 0.8), brick))
    if width > 8 and rng.random() < 0.6:
        for k in range(int(width // 4)):
            cx = 1.5 + k * 4.0
            y0 = 0.9
            z0 = top + pitch * y0
            parts.append(box((cx, y0, z0 - 0.2), (cx + 1.4, y0 + 2.0, z0 + 1.3), wall))
            glass = Paint(atlas["glass"], labels.building)
            corners = [(cx + 0.2, y0 - 0.01, z0 + 0.1), (cx + 1.2, y0 - 0.01, z0 + 0.1)]
            corners += [(cx + 1.2, y0 - 0.01, z0 + 1.1), (cx + 0.2, y0 - 0.01, z0 + 1.1)]
            parts.append(quad(corners, glass))
            lid = box(
                (cx - 0.12, y0 - 0.15, z0 + 1.3),
                (cx + 1.52, y0 + 2.0, z0 + 1.42),
                tiles,
                bottom=True,
            )
            parts.append(lid)
    return join(parts)


def _balconies(
    rng: np.random.Generator,
    atlas: AtlasBuilder,
    labels: Labels,
    bays: int,
    floors: int,
    width: float,
) -> list[Mesh]:
    """Return balconies with railings on some of the upper bays."""
    slab = Paint(atlas["concrete"], labels.building, (0.55, 0.56, 0.58))
    tone = float(rng.uniform(0.02, 0.5))
    rail = Paint(atlas["metal"], labels.building, (tone, tone, tone))
    parts: list[Mesh] = []
    chosen = [b for b in range(bays) if rng.random() < 0.45]
    for floor in range(1, floors):
        z = GROUND_FLOOR + (floor - 1) * FLOOR + 0.25
        for bay in chosen:
            x0, x1 = bay * width / bays + 0.35, (bay + 1) * width / bays - 0.35
            parts.append(box((x0, -1.1, z - 0.14), (x1, 0, z), slab, bottom=True))
            parts.append(box((x0, -1.1, z + 0.95), (x1, -1.04, z + 1.0), rail, bottom=True))
            parts += [
                box((x, -1.09, z), (x + 0.03, -1.06, z + 0.95), rail)
                for x in np.arange(x0, x1, 0.28)
            ]
            parts += [
                box((x, -1.1, z + 0.95), (x + 0.04, 0, z + 1.0), rail, bottom=True)
                for x in (x0, x1 - 0.03)
            ]
    return parts
