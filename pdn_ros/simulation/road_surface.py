"""The surface of a street: its mesh, its texture and the markings on it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.mesh import Mesh, Paint, box, join, surface
from pdn_ros.simulation.street import CURB, PERIOD, Labels, Layout, Path, Plan
from pdn_ros.simulation.textures import AtlasBuilder, noise

ROWS, COLUMNS = 8192, 1024
CLEAR = 4.5
"""From the side road's edge to where the lines of the main road end, in meters."""


class Canvas:
    """A gray plane and a label plane over one period; s downward, t to the right."""

    def __init__(self, layout: Layout) -> None:
        self.half = layout.paved_half
        self.gray = np.zeros((ROWS, COLUMNS), np.uint8)
        self.label = np.zeros((ROWS, COLUMNS), np.uint8)

    def row(self, s: float) -> int:
        """Return the row at s."""
        return round(s / PERIOD * ROWS)

    def column(self, t: float) -> int:
        """Return the column at t."""
        return round((t + self.half) / (2 * self.half) * COLUMNS)

    def area(self, s0: float, s1: float, t0: float, t1: float) -> tuple[slice, slice]:
        """Return the rows and columns between s0, s1 and t0, t1."""
        return (
            slice(max(self.row(s0), 0), min(self.row(s1), ROWS)),
            slice(max(self.column(t0), 0), min(self.column(t1), COLUMNS)),
        )

    def points(self, st: list[tuple[float, float]]) -> NDArray[np.int32]:
        """Return places (s, t) as OpenCV's points."""
        return np.array([(self.column(t), self.row(s)) for s, t in st], np.int32)


def paint_markings(
    canvas: Canvas, layout: Layout, plan: Plan, rng: np.random.Generator, lm: int
) -> None:
    """Paint the lane markings, as id `lm`, into the label plane."""
    _lines(canvas, layout, lm)
    _crossings(canvas, layout, plan, lm)
    _arrows(canvas, layout, plan, lm)
    _limits(canvas, layout, rng, lm)


def _lines(canvas: Canvas, layout: Layout, lm: int) -> None:
    """Paint center, lane and edge lines, and parking bays."""
    mark, road = canvas.label, layout.road_half
    inner, edge = layout.median / 2, road - layout.parking

    def line(s0: float, s1: float, t: float, width: float = 0.12) -> None:
        mark[canvas.area(s0, s1, t - width / 2, t + width / 2)] = lm

    dash, gap = (3.0, 3.4) if layout.lanes == 1 else (3.0, 5.53)
    if inner > 0:
        for t in (-inner - 0.18, inner + 0.18):
            line(0, PERIOD, t)
    else:
        for s in np.arange(0, PERIOD, dash + gap):
            line(s, s + dash, 0.0)
    for lane in range(1, layout.lanes):
        for s in np.arange(0, PERIOD, dash + gap):
            for side in (-1, 1):
                line(s, s + dash, side * (inner + lane * layout.lane_width))
    for side in (-1, 1):
        if layout.parking:
            for s in np.arange(0, PERIOD, 6.4):
                mark[canvas.area(s, s + 0.1, *sorted((side * edge, side * road)))] = lm
                line(s - 0.6, s + 0.7, side * edge, 0.1)
        else:
            line(0, PERIOD, side * (edge - 0.2))


def _crossings(canvas: Canvas, layout: Layout, plan: Plan, lm: int) -> None:
    """Clear crossings of lines; paint zebra stripes and stop lines."""
    mark, road = canvas.label, layout.road_half
    inner, edge = layout.median / 2, road - layout.parking
    keep = plan.side_half + CLEAR
    for center, reach in ((plan.zebra, 3.2), (plan.crossroads, keep)):
        mark[canvas.area(center - reach, center + reach, -road, road)] = 0
    for center in (plan.zebra, plan.crossroads - keep - 2.2):
        for t in np.arange(-edge + 0.25, edge - 0.5, 1.0):
            if abs(t + 0.25) > inner:
                mark[canvas.area(center - 1.9, center + 1.9, t, t + 0.5)] = lm
    # Stop lines: traffic keeps right, so the vehicles that come along s stand at negative t.
    for side, s in ((-1, plan.crossroads - keep - 5.2), (1, plan.crossroads + keep + 0.8)):
        mark[canvas.area(s, s + 0.45, *sorted((side * (inner + 0.1), side * (edge - 0.1))))] = lm


def _arrows(canvas: Canvas, layout: Layout, plan: Plan, lm: int) -> None:
    """Paint an arrow ahead before the crossroads in every lane."""
    inner, keep = layout.median / 2, plan.side_half + CLEAR
    for side, s in ((-1, plan.crossroads - keep - 16), (1, plan.crossroads + keep + 14)):
        for lane in range(layout.lanes):
            t = side * (inner + (lane + 0.5) * layout.lane_width)
            d = -side
            head = [(s + d * 2.0, t - 0.4), (s + d * 3.6, t), (s + d * 2.0, t + 0.4)]
            shaft = [(s - d * 1.6, t - 0.09), (s + d * 2.1, t - 0.09)]
            shaft += [(q, t + 0.09) for q, _ in reversed(shaft)]
            for shape in (head, shaft):
                cv2.fillPoly(canvas.label, [canvas.points(shape)], lm)


def _limits(canvas: Canvas, layout: Layout, rng: np.random.Generator, lm: int) -> None:
    """Paint two speed limits onto the road."""
    for first in (5.0, 80.0):
        sign = np.zeros((90, 160), np.uint8)
        cv2.putText(sign, "30", (12, 74), cv2.FONT_HERSHEY_SIMPLEX, 2.6, 1, 11)
        s, side = first + float(rng.uniform(0, 20)), int(rng.choice([-1, 1]))
        t = side * (layout.median / 2 + layout.lane_width / 2)
        rows, columns = canvas.area(s, s + 2.6, t - 0.8, t + 0.8)
        patch = canvas.label[rows, columns]
        # Read by a driver who comes along s at negative t: rows grow away from him.
        turned = sign[::-1, ::-1] if side < 0 else sign
        size = (patch.shape[1], patch.shape[0])
        patch[cv2.resize(turned, size, interpolation=cv2.INTER_NEAREST) > 0] = lm


def _asphalt(canvas: Canvas, layout: Layout, rng: np.random.Generator) -> None:
    """Paint asphalt with wheel tracks, mended patches, cracks, manholes and stains."""
    base = float(rng.uniform(74, 104))
    fine = 5.0 * noise(rng, 512, 0.15) + 3.0 * noise(rng, 512, 1.2)
    coarse = cv2.resize(7.0 * noise(rng, 256, 1.5), (COLUMNS, 1024), interpolation=cv2.INTER_CUBIC)
    tile = base + np.tile(fine, (2, COLUMNS // 512)) + coarse
    t = (np.arange(COLUMNS) + 0.5) / COLUMNS * 2 * canvas.half - canvas.half
    lane = (np.abs(t) - layout.median / 2) % layout.lane_width - layout.lane_width / 2
    on_lane = np.abs(t) < layout.road_half - layout.parking
    track = -7.0 * np.exp(-((np.abs(lane) - 0.8) ** 2) / 0.08) - 6.0 * np.exp(-(lane**2) / 0.1)
    tile = tile + (track * on_lane)[None]
    canvas.gray[:] = np.tile(np.clip(tile, 20, 235).astype(np.uint8), (ROWS // 1024, 1))
    road = layout.road_half
    for _ in range(26):
        s, length = float(rng.uniform(0, PERIOD)), float(rng.uniform(0.8, 9.0))
        t0, width = float(rng.uniform(-road, road)), float(rng.uniform(0.5, 1.8))
        rows, columns = canvas.area(s, s + length, t0, min(t0 + width, road))
        patch = canvas.gray[rows, columns].astype(np.int16) + int(rng.integers(-26, 14))
        canvas.gray[rows, columns] = np.clip(patch, 25, 230)
        seam = canvas.points([(s, t0), (s + length, t0), (s + length, t0 + width), (s, t0 + width)])
        cv2.polylines(canvas.gray, [seam], True, int(base * 0.62), 2)
    for _ in range(60):
        s, t0 = float(rng.uniform(0, PERIOD)), float(rng.uniform(-road, road))
        steps = np.cumsum(rng.normal(0, 0.12, (18, 2)) + rng.normal(0, 0.1, 2), axis=0)
        crack = canvas.points([(s + a, t0 + b) for a, b in steps])
        cv2.polylines(canvas.gray, [crack], False, int(base * 0.6), int(rng.integers(1, 3)))
    for _ in range(9):
        center = canvas.points(
            [(float(rng.uniform(3, PERIOD - 3)), float(rng.uniform(-0.8, 0.8) * road))]
        )
        axes = (round(0.33 / (2 * canvas.half) * COLUMNS), round(0.33 / PERIOD * ROWS))
        at = (int(center[0, 0]), int(center[0, 1]))
        cv2.ellipse(canvas.gray, at, axes, 0, 0, 360, int(base * 0.55), -1)
        cv2.ellipse(canvas.gray, at, axes, 0, 0, 360, int(base * 1.15), 2)


def _sidewalk(
    canvas: Canvas, layout: Layout, plan: Plan, labels: Labels, rng: np.random.Generator
) -> None:
    """Paint slabs and curb stones beside the road; the crossroads stay asphalt."""
    base, slab = float(rng.uniform(112, 150)), int(rng.choice([16, 24, 32]))
    tone = 8 * rng.standard_normal((512 // slab + 1, 512 // slab + 1))
    y, x = np.mgrid[:512, :512]
    tile = base + tone[y // slab, x // slab] + 6 * noise(rng, 512, 0.9) + 4 * noise(rng, 512, 0.2)
    tile -= 26.0 * ((y % slab < 1) | (x % slab < 2))
    tile = np.clip(tile, 0, 255).astype(np.uint8)
    road, wide = layout.road_half, layout.paved_half
    openings = plan.side_half
    spans = ((0.0, plan.crossroads - openings), (plan.crossroads + openings, PERIOD))
    for t0, t1 in ((-wide, -road), (road, wide)):
        for s0, s1 in spans:
            area = canvas.area(s0, s1, t0, t1)
            shape = canvas.gray[area].shape
            repeats = (shape[0] // 512 + 1, shape[1] // 512 + 1)
            canvas.gray[area] = np.tile(tile, repeats)[: shape[0], : shape[1]]
            canvas.label[area] = labels.sidewalk
            inner = min(t0, t1, key=abs)
            curb = canvas.area(s0, s1, *sorted((inner, inner + 0.16 * np.sign(inner))))
            stone = canvas.gray[curb]
            stone[:] = np.clip(base + 14 + 5 * rng.standard_normal(stone.shape), 0, 255)
            stone[:: round(ROWS / PERIOD)] = int(base * 0.7)
    if layout.median:
        area = canvas.area(0, PERIOD, -layout.median / 2, layout.median / 2)
        canvas.gray[area] = np.clip(base + 6 * rng.standard_normal(canvas.gray[area].shape), 0, 255)
        canvas.label[area] = labels.sidewalk
        side = plan.side_half + 1
        area = canvas.area(
            plan.crossroads - side, plan.crossroads + side, -layout.median, layout.median
        )
        canvas.gray[area] = 100
        canvas.label[area] = 0


def paint_ground(
    atlas: AtlasBuilder, layout: Layout, plan: Plan, labels: Labels, rng: np.random.Generator
) -> int:
    """Add the strip's texture (one period, both sides to the sidewalk's edge) and return its id."""
    canvas = Canvas(layout)
    paint_markings(canvas, layout, plan, rng, labels.lane_marking)
    marked = canvas.label == labels.lane_marking
    _asphalt(canvas, layout, rng)
    worn = np.clip(0.9 + 0.22 * noise(rng, 512, 0.8), 0.25, 1.0)
    rows, columns = np.nonzero(marked)
    share = worn[rows % 512, columns % 512]
    white = canvas.gray[rows, columns] * (1 - share) + float(rng.uniform(185, 225)) * share
    canvas.gray[rows, columns] = white.astype(np.uint8)
    canvas.label[:] = 0
    _sidewalk(canvas, layout, plan, labels, rng)
    canvas.label[canvas.label == 0] = labels.road
    canvas.label[marked] = labels.lane_marking
    tint = np.array([1.0, 1.0, 1.0]) + rng.uniform(-0.03, 0.03, 3)
    image = np.empty((ROWS, COLUMNS, 4), np.uint8)
    for c in range(3):
        cv2.convertScaleAbs(canvas.gray, image_c := np.empty_like(canvas.gray), float(tint[c]))
        image[..., c] = image_c
    image[..., 3] = canvas.label
    return atlas.add("ground", image)


def curb_height(s: NDArray[np.float64], plan: Plan) -> NDArray[np.float64]:
    """Return the curb's height along the street: none across the mouth of a side road."""
    return np.asarray(CURB * np.clip((plan.away(s) - plan.side_half) / 0.8, 0.0, 1.0))


def ground_mesh(
    path: Path, layout: Layout, plan: Plan, labels: Labels, atlas: AtlasBuilder, ground: int
) -> Mesh:
    """Return road, curbs, sidewalks, side roads and the land around."""
    s = np.arange(path.start + 1, path.end - 1, 0.8)
    k = curb_height(s, plan)
    road, wide = layout.road_half, layout.paved_half
    paint = Paint(ground, labels.road)

    def strip(t: list[float], z: list[NDArray[np.float64] | float], u: list[float]) -> Mesh:
        height = np.stack(np.broadcast_arrays(*(np.asarray(h) + 0 * s for h in z)), axis=1)
        points = path.world(s[:, None], np.array(t)[None], height)
        column = (np.array(u)[None] + wide) / (2 * wide) + 0 * s[:, None]
        uv = np.stack([column, s[:, None] / PERIOD + 0 * column], axis=-1)
        return surface(points, uv, paint, up=True, smooth=True)

    parts = [strip([-road, 0.0, road], [0.0, 0.0, 0.0], [-road, 0.0, road])]
    for side in (-1.0, 1.0):
        inner = side * (road + 0.03)
        curb = strip([side * road, side * (road + 0.02)], [0.0, k], [inner, inner])
        walk = strip([side * (road + 0.02), side * wide], [k, k], [inner, side * (wide - 0.02)])
        parts += [curb, walk]
        land = Paint(atlas["grass"], labels.vegetation, (0.06, 0.15, 0.1), uv_scale=1 / 6.0)
        yard = Paint(atlas["gravel"], labels.sidewalk, (0.36, 0.4, 0.43), uv_scale=1 / 3.0)
        reach = layout.garden[1] + 0.3
        urban = layout.garden[0] < 1
        for t0, t1, rise, material in (
            (wide, wide + reach, 0.0, yard if urban else land),
            (wide + reach, wide + 160.0, 3.0, land),
        ):
            coarse = s[::5]
            t = side * np.array([t0, t1])
            # The mouth of a side road lies level with the road, its strip just above the land.
            z = (
                np.array([-0.03, rise - 0.03])[None]
                + np.clip(curb_height(coarse, plan), 0, None)[:, None]
            )
            points = path.world(coarse[:, None], t[None], z)
            uv = np.stack(np.broadcast_arrays(t[None], coarse[:, None]), axis=-1)
            parts.append(surface(points, uv, material, up=True))
    for center in plan.repeats(plan.crossroads, path.start + 20, path.end - 20):
        for side in (-1.0, 1.0):
            parts.append(_side_road(path, layout, plan, labels, atlas, center, side))
    return join(parts)


def _side_road(
    path: Path,
    layout: Layout,
    plan: Plan,
    labels: Labels,
    atlas: AtlasBuilder,
    center: float,
    side: float,
) -> Mesh:
    """Return a side road of 80 m with its sidewalks and center dashes."""
    wide, half = layout.paved_half, plan.side_half
    t = side * np.linspace(wide - 0.01, wide + 80.0, 41)
    asphalt = Paint(atlas["asphalt"], labels.road, (0.6, 0.6, 0.6), uv_scale=1 / 4.0)
    slabs = Paint(atlas["concrete"], labels.sidewalk, (0.42, 0.44, 0.46), uv_scale=1 / 4.0)
    white = Paint(atlas["plain"], labels.lane_marking, (0.7, 0.7, 0.7))
    lift = np.maximum(3.2 * (np.abs(t) - wide - layout.garden[1]) / 160.0, 0.0) + 0.1

    def band(a: float, b: float, z: float, paint: Paint, part: slice = slice(None)) -> Mesh:
        q, h = t[part], lift[part]
        h = np.where(np.abs(q) < wide + 0.5, 0.0, h)
        points = path.world(np.array([center + a, center + b])[None], q[:, None], h[:, None] + z)
        uv = np.stack(np.broadcast_arrays(q[:, None], np.array([a, b])[None]), axis=-1)
        return surface(points, uv, paint, up=True)

    parts = [band(-half - 0.8, half + 0.8, 0.0, asphalt)]
    parts += [band(-half - 3.0, -half, CURB, slabs), band(half, half + 3.0, CURB, slabs)]
    parts += [band(-0.07, 0.07, 0.012, white, slice(i, i + 2)) for i in range(3, 36, 3)]
    return join(parts)


def median_mesh(
    path: Path, layout: Layout, plan: Plan, labels: Labels, atlas: AtlasBuilder
) -> list[Mesh]:
    """Return the raised grass islands between the two directions of a boulevard."""
    meshes: list[Mesh] = []
    half = layout.median / 2 - 0.15
    stone = Paint(atlas["concrete"], labels.sidewalk, (0.5, 0.5, 0.5), uv_scale=0.5)
    lawn = Paint(atlas["grass"], labels.vegetation, (0.06, 0.15, 0.09), uv_scale=1 / 5.0)
    for s in np.arange(path.start + 2, path.end - 3, 2.0):
        gap = min(plan.to_crossroads(s + 1) - plan.side_half - 8.0, plan.to_zebra(s + 1) - 3.5)
        if gap < 0:
            continue
        at = path.place(s, 0.0)
        for paint, inset, top in ((stone, 0.0, CURB), (lawn, 0.2, CURB + 0.02)):
            h = half - inset
            meshes.append(box((0, -h, 0), (2.05, h, top), paint).moved(at))
    return meshes
