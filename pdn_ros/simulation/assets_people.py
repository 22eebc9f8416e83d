"""Pedestrians and cyclists: jointed figures in a cycle of poses.

All stand on z = 0 around the origin and look along +x.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.mesh import Mesh, Paint, ball, box, join, surface, tube
from pdn_ros.simulation.street import Labels
from pdn_ros.simulation.textures import AtlasBuilder

PHASES = 10
"""Poses in one cycle of steps or pedals."""

Point = NDArray[np.float64]
_SKIN = ((0.25, 0.36, 0.62), (0.18, 0.28, 0.52), (0.08, 0.14, 0.28), (0.05, 0.08, 0.15))
_HAIR = ((0.02, 0.03, 0.04), (0.03, 0.07, 0.13), (0.12, 0.25, 0.38), (0.35, 0.36, 0.38))


@dataclass(frozen=True, slots=True)
class _Clothes:
    top: Paint
    legs: Paint
    skin: Paint
    hair: Paint
    shoes: Paint
    bag: Paint | None

    @classmethod
    def draw(cls, rng: np.random.Generator, atlas: AtlasBuilder, label: int) -> "_Clothes":
        def cloth(low: float, high: float) -> Paint:
            value, spread = float(rng.uniform(low, high)), rng.uniform(0.25, 1.3, 3)
            b, g, r = (float(min(value * s, 0.8)) for s in spread)
            return Paint(atlas["fabric"], label, (b, g, r), 2.0)

        plain = atlas["plain"]
        return cls(
            top=cloth(0.03, 0.6),
            legs=cloth(0.015, 0.25),
            skin=Paint(plain, label, _SKIN[int(rng.integers(4))]),
            hair=Paint(plain, label, _HAIR[int(rng.integers(4))]),
            shoes=Paint(plain, label, (0.03,) * 3),
            bag=cloth(0.02, 0.4) if rng.random() < 0.35 else None,
        )


def _by(point: Point, x: float, y: float, z: float) -> Point:
    """Return the point moved by x, y, z."""
    return np.asarray(point + np.array([x, y, z]))


def _joint(start: Point, end: Point, first: float, second: float, forward: float) -> Point:
    """Return the knee or elbow between start and end; `forward` is +1 or -1 along x."""
    axis = end - start
    distance = min(float(np.linalg.norm(axis)), 0.999 * (first + second))
    axis = axis / max(float(np.linalg.norm(axis)), 1e-9)
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    side = np.sqrt(max(first**2 - along**2, 0.0))
    across = np.array([forward, 0.0, 0.0]) - axis * axis[0] * forward
    across /= max(float(np.linalg.norm(across)), 1e-9)
    return np.asarray(start + axis * along + across * side)


def _limb(
    a: Point, b: Point, c: Point, radii: tuple[float, float, float], upper: Paint, lower: Paint
) -> list[Mesh]:
    return [
        tube(a, b, (radii[0], radii[1]), upper, 7),
        ball(b, radii[1] * 1.02, upper, 3, 6),
        tube(b, c, (radii[1], radii[2]), lower, 7),
    ]


def pedestrian(
    rng: np.random.Generator, atlas: AtlasBuilder, labels: Labels, *, walking: bool
) -> list[Mesh]:
    """Return one walking cycle (`PHASES` meshes), or a single standing pose."""
    h = float(rng.uniform(1.52, 1.9)) * (0.68 if rng.random() < 0.1 else 1.0)
    clothes = _Clothes.draw(rng, atlas, labels.pedestrian)
    build = float(rng.uniform(0.9, 1.2))
    skirt = rng.random() < 0.2
    poses = []
    for phase in np.arange(PHASES if walking else 1) / PHASES:
        swing = 0.42 * np.sin(2 * np.pi * phase) if walking else 0.06
        poses.append(
            _figure(h, build, swing, 2 * np.pi * phase if walking else 0.0, clothes, skirt=skirt)
        )
    return poses


def _figure(
    h: float, build: float, swing: float, phase: float, clothes: _Clothes, *, skirt: bool
) -> Mesh:
    """Return a person of height h; `swing` is the left leg's angle at the hip."""
    bob = -0.012 * h * abs(np.sin(phase))
    hip = np.array([0.0, 0.0, 0.52 * h + bob])
    shoulder = np.array([0.02 * h, 0.0, 0.81 * h + bob])
    parts: list[Mesh] = [
        ball(
            (hip + shoulder) / 2,
            (0.068 * h * build, 0.105 * h * build, 0.2 * h),
            clothes.top,
            7,
            10,
        ),
        ball(
            _by(hip, 0, 0, 0.0),
            (0.068 * h * build, 0.092 * h * build, 0.09 * h),
            clothes.legs,
            5,
            8,
        ),
        ball(
            _by(shoulder, 0, 0, -0.02 * h),
            (0.055 * h, 0.118 * h * build, 0.045 * h),
            clothes.top,
            5,
            8,
        ),
        tube(shoulder, _by(shoulder, 0.01 * h, 0, 0.07 * h), (0.03 * h, 0.03 * h), clothes.skin, 6),
        ball(
            _by(shoulder, 0.015 * h, 0, 0.118 * h),
            (0.052 * h, 0.045 * h, 0.064 * h),
            clothes.skin,
            6,
            8,
        ),
        ball(
            _by(shoulder, 0.0, 0, 0.136 * h), (0.054 * h, 0.049 * h, 0.056 * h), clothes.hair, 5, 8
        ),
    ]
    lower = clothes.skin if skirt else clothes.legs
    if skirt:
        parts.append(
            tube(
                _by(hip, 0, 0, 0.03 * h),
                _by(hip, 0, 0, -0.22 * h),
                (0.085 * h, 0.13 * h),
                clothes.top,
                10,
            )
        )
    for side, sign in ((1.0, 1.0), (-1.0, -1.0)):
        a = _by(hip, 0.0, side * 0.05 * h, -0.02 * h)
        angle = swing * sign
        lift = 0.05 * h * max(0.0, float(np.cos(phase)) * sign) if phase else 0.0
        foot = _by(a, 0.49 * h * np.sin(angle), 0.0, -0.49 * h * np.cos(angle) + lift)
        foot[2] = max(foot[2], 0.035 * h)
        knee = _joint(a, foot, 0.25 * h, 0.25 * h, 1.0)
        parts += _limb(a, knee, foot, (0.05 * h * build, 0.036 * h, 0.026 * h), clothes.legs, lower)
        parts.append(
            ball(
                _by(foot, 0.035 * h, 0, -0.012 * h),
                (0.075 * h, 0.028 * h, 0.025 * h),
                clothes.shoes,
                4,
                7,
            )
        )
        b = _by(shoulder, 0.0, side * 0.118 * h * build, -0.02 * h)
        swung = 0.05 * h - 0.3 * h * float(np.sin(angle))
        hand = _by(b, swung, side * 0.03 * h, -0.3 * h * float(np.cos(angle)))
        elbow = _joint(b, hand, 0.165 * h, 0.155 * h, -1.0)
        parts += _limb(
            b, elbow, hand, (0.034 * h * build, 0.027 * h, 0.02 * h), clothes.top, clothes.top
        )
        parts.append(ball(hand, 0.026 * h, clothes.skin, 4, 6))
    if clothes.bag:
        parts.append(
            ball(
                _by(shoulder, -0.1 * h, 0, -0.12 * h),
                (0.07 * h, 0.08 * h, 0.13 * h),
                clothes.bag,
                5,
                8,
            )
        )
    return join(parts)


def _hoop(center: tuple[float, float, float], radius: float, paint: Paint) -> Mesh:
    """Return a thin tire in the x-z plane."""
    turn = np.linspace(0, 2 * np.pi, 21)[:, None]
    roll = np.linspace(0, 2 * np.pi, 5)[None]
    r = radius + 0.022 * np.cos(roll)
    points = np.stack(
        np.broadcast_arrays(r * np.cos(turn), 0.022 * np.sin(roll), r * np.sin(turn)), -1
    )
    uv = np.stack(np.broadcast_arrays(turn, roll), -1)
    return surface(points + center, uv, paint)


def cyclist(rng: np.random.Generator, atlas: AtlasBuilder, labels: Labels) -> list[Mesh]:
    """Return one turn of the pedals (`PHASES` meshes) of a rider on a bicycle."""
    label = labels.cyclist
    clothes = _Clothes.draw(rng, atlas, label)
    b, g, r = (float(v) for v in rng.uniform(0.02, 0.6, 3))
    steel = Paint(atlas["paint"], label, (b, g, r))
    black = Paint(atlas["plain"], label, (0.015,) * 3)
    crank, seat = np.array([-0.05, 0, 0.3]), np.array([-0.25, 0, 0.93])
    head, bar = np.array([0.38, 0, 0.86]), np.array([0.42, 0, 1.02])
    rear, front = np.array([-0.5, 0, 0.34]), np.array([0.55, 0, 0.34])
    lean = float(rng.uniform(0.25, 0.45))
    frame = [
        _hoop((-0.5, 0, 0.34), 0.32, black), _hoop((0.55, 0, 0.34), 0.32, black),
        tube(crank, seat, (0.018, 0.015), steel, 5), tube(crank, head, (0.02, 0.02), steel, 5),
        tube(seat * [1, 1, 0.93], head, (0.016, 0.016), steel, 5),
        tube(rear, crank, (0.012, 0.012), steel, 4), tube(front, bar, (0.016, 0.016), steel, 5),
        tube(rear, seat * [1, 1, 0.9], (0.012, 0.012), steel, 4),
        tube(_by(bar, 0, -0.28, 0), _by(bar, 0, 0.28, 0), (0.014, 0.014), black, 5),
        box((-0.36, -0.07, 0.92), (-0.14, 0.07, 0.97), black, bottom=True),
    ]  # fmt: skip
    for hub in (rear, front):
        for k in range(4):
            d = 0.32 * np.array([np.cos(k * np.pi / 4), 0, np.sin(k * np.pi / 4)])
            frame.append(tube(hub - d, hub + d, (0.004, 0.004), black, 3))
    hip = _by(seat, 0, 0, 0.08)
    shoulder = hip + 0.5 * np.array([np.sin(lean), 0, np.cos(lean)])
    helmet = Paint(atlas["paint"], label, (g, r, b))
    body = [
        ball((hip + shoulder) / 2, (0.13, 0.17, 0.31), clothes.top, 7, 10),
        ball(hip, (0.13, 0.16, 0.12), clothes.legs, 5, 8),
        tube(shoulder, _by(shoulder, 0.05, 0, 0.13), (0.05, 0.05), clothes.skin, 6),
        ball(_by(shoulder, 0.07, 0, 0.2), (0.09, 0.075, 0.11), clothes.skin, 6, 8),
        ball(_by(shoulder, 0.05, 0, 0.255), (0.12, 0.095, 0.09), helmet, 5, 8),
    ]
    for side in (-1.0, 1.0):
        a, hand = _by(shoulder, 0, side * 0.18, -0.03), _by(bar, 0.0, side * 0.25, 0.02)
        elbow = _joint(a, hand, 0.3, 0.3, -1.0)
        body += _limb(a, elbow, hand, (0.055, 0.045, 0.035), clothes.top, clothes.skin)
    poses = []
    for phase in 2 * np.pi * np.arange(PHASES) / PHASES:
        legs: list[Mesh] = []
        for side in (-1.0, 1.0):
            angle = -phase + (np.pi if side > 0 else 0.0)
            pedal = crank + 0.17 * np.array([np.cos(angle), 0, np.sin(angle)]) + [0, side * 0.13, 0]
            a = _by(hip, 0, side * 0.1, -0.03)
            knee = _joint(a, _by(pedal, 0, 0, 0.06), 0.43, 0.44, 1.0)
            legs += _limb(
                a, knee, _by(pedal, 0, 0, 0.06), (0.08, 0.06, 0.045), clothes.legs, clothes.legs
            )
            legs.append(ball(_by(pedal, 0.05, 0, 0.04), (0.13, 0.045, 0.04), clothes.shoes, 4, 7))
        poses.append(join(frame + body + legs))
    return poses
