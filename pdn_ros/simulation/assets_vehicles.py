"""Cars, vans, trucks and buses: lofted bodies with windows, wheels, lights and plates.

All stand on z = 0 around the origin and look along +x.
"""

from dataclasses import dataclass

import numpy as np

from pdn_ros.simulation.mesh import Mesh, Paint, ball, box, join, quad, soup, surface, tube
from pdn_ros.simulation.street import Labels
from pdn_ros.simulation.textures import AtlasBuilder

# Stations from the rear to the front: x / half length, sill, belt and top / height, half widths
# at the belt and at the roof / half width.
_SEDAN = (
    (-1.00, 0.32, 0.52, 0.54, 0.84, 0.78), (-0.97, 0.20, 0.61, 0.66, 0.95, 0.84),
    (-0.66, 0.15, 0.65, 0.70, 1.00, 0.80), (-0.36, 0.15, 0.66, 0.96, 1.00, 0.66),
    (-0.04, 0.15, 0.65, 1.00, 1.00, 0.69), (0.18, 0.15, 0.64, 0.96, 1.00, 0.66),
    (0.50, 0.15, 0.62, 0.67, 1.00, 0.82), (0.88, 0.17, 0.53, 0.58, 0.97, 0.80),
    (0.975, 0.20, 0.46, 0.50, 0.91, 0.76), (1.00, 0.27, 0.41, 0.43, 0.84, 0.70),
)  # fmt: skip
_HATCH = (
    (-1.00, 0.30, 0.52, 0.55, 0.86, 0.78), (-0.96, 0.20, 0.60, 0.64, 0.95, 0.84),
    (-0.93, 0.15, 0.64, 0.70, 0.98, 0.80), (-0.74, 0.15, 0.65, 0.95, 1.00, 0.67),
    (-0.15, 0.15, 0.63, 1.00, 1.00, 0.70), (0.16, 0.15, 0.62, 0.97, 1.00, 0.68),
    (0.55, 0.15, 0.61, 0.66, 1.00, 0.82), (0.88, 0.17, 0.54, 0.58, 0.97, 0.80),
    (0.975, 0.20, 0.46, 0.50, 0.91, 0.76), (1.00, 0.27, 0.41, 0.43, 0.84, 0.70),
)  # fmt: skip
_VAN = (
    (-1.00, 0.20, 0.48, 0.55, 0.95, 0.92), (-0.99, 0.13, 0.52, 0.93, 0.99, 0.88),
    (-0.96, 0.13, 0.54, 0.99, 1.00, 0.86), (-0.60, 0.13, 0.54, 1.00, 1.00, 0.86),
    (0.00, 0.13, 0.54, 1.00, 1.00, 0.86), (0.38, 0.13, 0.53, 0.98, 1.00, 0.84),
    (0.74, 0.13, 0.50, 0.56, 1.00, 0.84), (0.93, 0.14, 0.42, 0.46, 0.97, 0.82),
    (0.985, 0.16, 0.36, 0.39, 0.92, 0.78), (1.00, 0.20, 0.31, 0.33, 0.86, 0.72),
)  # fmt: skip
_BUS = (
    (-1.00, 0.14, 0.44, 0.50, 0.96, 0.95), (-0.995, 0.10, 0.46, 0.95, 0.99, 0.95),
    (-0.98, 0.10, 0.46, 0.99, 1.00, 0.93), (-0.60, 0.10, 0.46, 1.00, 1.00, 0.93),
    (-0.2, 0.10, 0.46, 1.00, 1.00, 0.93), (0.2, 0.10, 0.46, 1.00, 1.00, 0.93),
    (0.6, 0.10, 0.46, 1.00, 1.00, 0.93), (0.965, 0.10, 0.42, 0.99, 1.00, 0.93),
    (0.99, 0.11, 0.36, 0.45, 0.99, 0.94), (1.00, 0.14, 0.30, 0.33, 0.95, 0.90),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Body:
    stations: tuple[tuple[float, ...], ...]
    size: tuple[float, float, float]
    side: tuple[int, int]
    """First and last station of the side windows."""
    front: int
    """Station at the windscreen's top; it ends at the next."""
    rear: int | None
    """Station at the rear window's foot; it ends at the next."""


BODIES = {
    "sedan": _Body(_SEDAN, (4.6, 1.82, 1.45), (3, 5), 5, 2),
    "hatchback": _Body(_HATCH, (4.0, 1.76, 1.48), (3, 5), 5, 2),
    "suv": _Body(_HATCH, (4.6, 1.9, 1.72), (3, 5), 5, 2),
    "van": _Body(_VAN, (5.3, 2.0, 2.2), (4, 5), 5, None),
    "bus": _Body(_BUS, (10.8, 2.5, 3.0), (2, 6), 7, 1),
}

_PAINTS = (
    (0.72, 0.72, 0.72), (0.03, 0.03, 0.03), (0.33, 0.33, 0.32), (0.14, 0.14, 0.14),
    (0.35, 0.12, 0.04), (0.05, 0.04, 0.42), (0.5, 0.5, 0.48), (0.2, 0.07, 0.03),
    (0.06, 0.16, 0.05), (0.08, 0.42, 0.6), (0.55, 0.62, 0.66), (0.03, 0.03, 0.2),
)  # fmt: skip


def _wheels(
    atlas: AtlasBuilder, labels: Labels, xs: tuple[float, ...], width: float, radius: float
) -> list[Mesh]:
    """Return a wheel on both sides at each x, the arch around it as a dark disc."""
    tire = Paint(atlas["plain"], labels.vehicle, (0.012,) * 3)
    rim = Paint(atlas["wheel"], labels.vehicle, (0.7,) * 3)
    angle = np.linspace(0, 2 * np.pi, 17)
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    parts: list[Mesh] = []
    for x in xs:
        for side in (-1.0, 1.0):
            outer = side * (width / 2 + 0.012)
            parts.append(
                tube(
                    (x, outer - side * 0.22, radius), (x, outer, radius), (radius, radius), tire, 14
                )
            )
            for r, offset, paint in ((radius * 1.17, -0.006, tire), (radius, 0.006, rim)):
                y = outer + side * offset
                ring = np.stack(
                    [x + r * circle[:, 0], np.full(17, y), radius + r * circle[:, 1]], -1
                )
                hub = np.tile([x, y, radius], (16, 1))
                corners = np.stack([hub, ring[:-1], ring[1:]], 1)
                coordinate = 0.5 + 0.49 * circle
                uv = np.stack([np.full((16, 2), 0.5), coordinate[:-1], coordinate[1:]], 1)
                parts.append(soup(corners, np.tile([0.0, side, 0.0], (16, 3, 1)), uv, paint))
    return parts


def _lights(
    atlas: AtlasBuilder, labels: Labels, size: tuple[float, float, float], height: float
) -> list[Mesh]:
    """Return head lamps, tail lamps, plates, grille and mirrors."""
    length, width, _ = size
    white = Paint(atlas["lamp"], labels.vehicle, (0.75, 0.78, 0.8))
    red = Paint(atlas["lamp"], labels.vehicle, (0.02, 0.02, 0.5))
    dark = Paint(atlas["plain"], labels.vehicle, (0.015,) * 3)
    plate = Paint(atlas["plate"], labels.vehicle)
    front, rear = length / 2, -length / 2
    parts = [
        box(
            (front - 0.1, -width * 0.27, height * 0.5),
            (front + 0.015, width * 0.27, height * 0.86),
            dark,
            bottom=True,
        )
    ]
    for side in (-1.0, 1.0):
        parts.append(
            ball((front - 0.13, side * width * 0.36, height), (0.13, 0.17, 0.09), white, 5, 8)
        )
        parts.append(
            ball((rear + 0.09, side * width * 0.4, height * 1.25), (0.11, 0.11, 0.14), red, 5, 8)
        )
    for x, d in ((front + 0.02, 1.0), (rear - 0.02, -1.0)):
        z0, z1 = height * 0.55, height * 0.55 + 0.12
        corners = [(x, -0.26 * d, z0), (x, 0.26 * d, z0), (x, 0.26 * d, z1), (x, -0.26 * d, z1)]
        parts.append(quad(corners, plate))
    return parts


def _body(atlas: AtlasBuilder, labels: Labels, body: _Body, paint: Paint) -> Mesh:
    """Return the lofted body with its windows."""
    length, width, height = body.size
    rows = []
    for x, sill, belt, top, w_belt, w_roof in body.stations:
        half = width / 2
        edge = max(belt + 0.01, top - 0.05)
        profile = [
            (0.70 * w_belt, sill), (0.93 * w_belt, sill + 0.03), (w_belt, (sill + 2 * belt) / 3),
            (0.975 * w_belt, belt), (w_roof, edge), (0.62 * w_roof, top),
        ]  # fmt: skip
        points = [(x * length / 2, y * half, z * height) for y, z in profile]
        rows.append(points + [(a, -b, c) for a, b, c in reversed(points)])
    grid = np.array(rows)
    which = np.zeros((grid.shape[0] - 1, grid.shape[1] - 1), int)
    for i in range(*body.side):
        which[i, [3, 7]] = 1
    which[body.front, 4:7] = 1
    if body.rear is not None:
        which[body.rear, 4:7] = 1
    uv = np.stack([grid[..., 0], grid[..., 2]], -1) * 0.5
    glass = Paint(atlas["glass"], labels.vehicle, (0.9, 0.95, 0.9))
    shell = surface(grid, uv, paint, smooth=True, others=[glass], which=which)
    dark = Paint(atlas["plain"], labels.vehicle, (0.012,) * 3)
    low = body.stations[4][1] * height
    belly = box(
        (-length * 0.47, -width * 0.42, low - 0.03),
        (length * 0.47, width * 0.42, low + 0.1),
        dark,
        bottom=True,
    )
    parts = [shell, belly]
    for end in (0, -1):
        ring = grid[end]
        middle = ring.mean(axis=0)
        corners = np.stack([np.tile(middle, (len(ring), 1)), ring, np.roll(ring, -1, axis=0)], 1)
        normal = np.tile([-1.0 if end == 0 else 1.0, 0, 0], (len(ring), 3, 1))
        parts.append(soup(corners, normal, np.zeros((len(ring), 3, 2)), paint))
    # Pillars cut the long pane of the side into windows.
    first, last = body.stations[body.side[0]][0], body.stations[body.side[1]][0]
    count = max(2, round((last - first) * length / 2 / 1.3))
    for k in range(1, count):
        x = (first + (last - first) * k / count) * length / 2
        belt, top = body.stations[4][2] * height, body.stations[4][3] * height - 0.05
        y0, y1 = 0.98 * width / 2, body.stations[4][5] * width / 2
        for side in (-1.0, 1.0):
            foot, head = (x, side * y0, belt), (x, side * y1, top - 0.02)
            parts += [tube(foot, head, (0.045, 0.045), paint, 4)]
    return join(parts)


def vehicle(rng: np.random.Generator, atlas: AtlasBuilder, labels: Labels, kind: str) -> Mesh:
    """Return a vehicle: sedan, hatchback, suv, van, bus or truck."""
    color = _PAINTS[int(rng.integers(len(_PAINTS)))]
    paint = Paint(atlas["paint"], labels.vehicle, color)
    if kind == "truck":
        return _truck(rng, atlas, labels, paint)
    body = BODIES[kind]
    length, width, height = body.size
    radius = {"van": 0.36, "bus": 0.48, "suv": 0.37}.get(kind, 0.315)
    axles = (-0.62, 0.55) if kind == "bus" else (-0.6, 0.64)
    parts = [_body(atlas, labels, body, paint)]
    parts += _wheels(atlas, labels, tuple(a * length / 2 for a in axles), width, radius)
    parts += _lights(
        atlas, labels, body.size, {"van": 0.8, "bus": 0.85, "suv": 0.82}.get(kind, 0.64)
    )
    x = body.stations[body.front + 1][0] * length / 2 - 0.25
    if kind != "bus":
        z = body.stations[body.front + 1][2] * height + 0.06
        for side in (-1.0, 1.0):
            parts.append(ball((x, side * (width / 2 + 0.08), z), (0.07, 0.11, 0.08), paint, 4, 6))
    return join(parts)


def _truck(rng: np.random.Generator, atlas: AtlasBuilder, labels: Labels, paint: Paint) -> Mesh:
    """Return a box truck: cab, load box, chassis, six wheels."""
    tone = float(rng.uniform(0.35, 0.8))
    load = Paint(atlas["metal"], labels.vehicle, (tone, tone * 0.99, tone * 0.96), 0.4)
    dark = Paint(atlas["plain"], labels.vehicle, (0.015,) * 3)
    glass = Paint(atlas["glass"], labels.vehicle)
    band = Paint(atlas["paint"], labels.vehicle, _PAINTS[int(rng.integers(len(_PAINTS)))])
    length, width = 7.6, 2.35
    front = length / 2
    parts = [
        box((-front, -width / 2, 1.0), (front - 2.0, width / 2, 3.35), load, bottom=True),
        box((-front + 0.6, -width / 2 - 0.008, 1.7), (front - 2.6, width / 2 + 0.008, 2.4), band),
        box((-front, -0.5, 0.65), (front - 0.3, 0.5, 1.0), dark, bottom=True),
        box(
            (front - 1.85, -width / 2 + 0.05, 0.45),
            (front, width / 2 - 0.05, 1.5),
            paint,
            bottom=True,
        ),
    ]
    a, b = front - 1.85, front - 0.18
    y = width / 2 - 0.05
    grid = np.array([
        [(a, -y, 1.5), (front, -y, 1.5), (front, y, 1.5), (a, y, 1.5)],
        [(a, -y, 2.35), (b, -y + 0.05, 2.35), (b, y - 0.05, 2.35), (a, y, 2.35)],
        [(a, -y, 2.7), (b - 0.1, -y + 0.1, 2.7), (b - 0.1, y - 0.1, 2.7), (a, y, 2.7)],
        [(a, 0, 2.72)] * 4,
    ])  # fmt: skip
    which = np.array([[1, 1, 1], [0, 0, 0], [0, 0, 0]])
    parts.append(surface(grid, grid[..., :2], paint, others=[glass], which=which))
    parts += _wheels(atlas, labels, (-2.6, 2.7), width - 0.05, 0.48)
    parts += _lights(atlas, labels, (length, width, 3.3), 0.75)
    return join(parts)
