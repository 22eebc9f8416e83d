"""Furnishes a street: houses, gardens, trees, lamps, signs, lights, fences, parked vehicles."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation import assets_furniture as furniture
from pdn_ros.simulation import assets_plants as plants
from pdn_ros.simulation.assets_buildings import house
from pdn_ros.simulation.assets_vehicles import vehicle
from pdn_ros.simulation.mesh import Mesh
from pdn_ros.simulation.street import CURB, Labels, Layout, Path, Plan
from pdn_ros.simulation.textures import AtlasBuilder


class _Stage(Protocol):
    def put(self, mesh: Mesh, at: NDArray[np.float64], *, boxed: bool = False) -> None: ...


class _Furnisher:
    """Knows the street and puts things at (s, t)."""

    def __init__(
        self, stage: _Stage, rng: np.random.Generator, atlas: AtlasBuilder, layout: Layout,
        plan: Plan, labels: Labels, path: Path,
    ) -> None:  # fmt: skip
        self.stage, self.rng, self.atlas, self.layout = stage, rng, atlas, layout
        self.plan, self.labels, self.path = plan, labels, path
        self.start, self.end = path.start + 4, path.end - 6

    def put(
        self, mesh: Mesh, s: float, t: float, yaw: float = 0.0, *, z: float = CURB,
        boxed: bool = False, level: bool = True,
    ) -> None:  # fmt: skip
        self.stage.put(mesh, self.path.place(s, t, z, yaw, level=level), boxed=boxed)

    def along(self, side: float, s: float, length: float, t: float) -> tuple[float, float, float]:
        """Return (s, t, yaw) for a thing from x = 0 to `length` with its back to the roadside."""
        return (s, t, 0.0) if side > 0 else (s + length, t, np.pi)

    def off_crossings(self, s: float, margin: float) -> bool:
        return self.plan.to_crossroads(s) > self.plan.side_half + margin

    def every(self, density: float, minimum: float = 1.0) -> list[float]:
        """Draw places along the street, `density` per 100 m."""
        gap = 100.0 / density
        places, s = [], self.start + float(self.rng.uniform(0, gap))
        while s < self.end:
            places.append(s)
            s += max(minimum, float(self.rng.uniform(0.55, 1.45)) * gap)
        return places

    def houses(self, side: float) -> None:
        rng, layout = self.rng, self.layout
        s = self.start
        while s < self.end - 10:
            width = 3.0 * float(rng.integers(3, 7 if layout.floors[1] > 2 else 5))
            depth = float(rng.uniform(9, 13))
            middle = s + width / 2
            clear = width / 2 + 4.0
            if not self.off_crossings(middle, clear):
                s += 2.0
                continue
            back = float(rng.uniform(*layout.garden))
            t = side * (layout.paved_half + back + 0.05)
            mesh = house(rng, self.atlas, self.labels, layout, width, depth)
            self.put(mesh, *self.along(side, s, width, t), z=CURB - 0.15)
            s += width + 0.02
            if rng.random() < layout.building_gap:
                gap = float(rng.uniform(4, 14))
                self.gap(side, s, gap)
                s += gap

    def gap(self, side: float, s: float, length: float) -> None:
        """Fill a gap between houses: a fence, and greenery behind."""
        rng, layout = self.rng, self.layout
        if layout.garden[0] < 1 and self.off_crossings(s + length / 2, length / 2 + 2):
            t = side * (layout.paved_half + 0.3)
            kind = int(rng.choice([1, 2, 3]))
            self.put(
                furniture.fence(rng, self.atlas, self.labels, length, kind),
                *self.along(side, s, length, t),
            )
        for _ in range(int(rng.integers(1, 4))):
            height = float(rng.uniform(5, 10))
            mesh = plants.tree(rng, self.atlas, self.labels, height, 1100)
            self.put(
                mesh,
                s + float(rng.uniform(0.1, 0.9)) * length,
                side * (layout.paved_half + float(rng.uniform(4, 14))),
            )

    def greenery(self, side: float) -> None:
        rng, layout, road = self.rng, self.layout, self.layout.road_half
        urban = layout.garden[0] < 1
        for s in self.every(layout.trees, 4.0):
            if not self.off_crossings(s, 6) or self.plan.to_zebra(s) < 5:
                continue
            t = road + 0.8 if urban else layout.paved_half + float(rng.uniform(1.0, 2.4))
            mesh = plants.tree(rng, self.atlas, self.labels, float(rng.uniform(5.0, 10.5)), 1500)
            self.put(mesh, s, side * t, float(rng.uniform(0, 6)))
        for s in self.every(layout.hedges, 5.0):
            length = float(rng.uniform(3, 9))
            if self.off_crossings(s + length / 2, 4 + length / 2) and layout.garden[1] > 1:
                t = side * (layout.paved_half + 0.55)
                mesh = plants.hedge(
                    rng, self.atlas, self.labels, length, float(rng.uniform(0.9, 1.7))
                )
                self.put(mesh, *self.along(side, s, length, t))
        for s in self.every(layout.fences, 6.0):
            length = float(rng.uniform(4, 13))
            middle = s + length / 2
            if (
                not self.off_crossings(middle, 5 + length / 2)
                or self.plan.to_zebra(middle) < 4 + length / 2
            ):
                continue
            kind = int(rng.choice([1, 4])) if urban else int(rng.choice([0, 1, 2, 3]))
            t = side * (road + 0.28 if urban else layout.paved_half + 0.2)
            self.put(
                furniture.fence(rng, self.atlas, self.labels, length, kind),
                *self.along(side, s, length, t),
            )
        if not urban:
            for s in self.every(14.0):
                mesh = plants.bush(rng, self.atlas, self.labels, float(rng.uniform(0.4, 1.1)), 260)
                self.put(mesh, s, side * (layout.paved_half + float(rng.uniform(1, 6))))
        for s in np.arange(self.start, self.end - 30, 30.0):
            if self.off_crossings(float(s) + 15, 18):
                mesh = plants.undergrowth(rng, self.atlas, self.labels, 30.0)
                t = side * (layout.paved_half + float(rng.uniform(34, 48)))
                self.put(mesh, *self.along(side, float(s), 30.0, t), z=0.5)

    def poles(self, side: float) -> None:
        rng, road = self.rng, self.layout.road_half
        yaw = 0.0 if side < 0 else np.pi
        height, arm = float(rng.uniform(5, 8)), float(rng.choice([0.0, 1.6, 2.2]))
        if arm == 0:
            height = 4.0
        for s in np.arange(self.start + (8 if side < 0 else 22), self.end, 30.0):
            if self.off_crossings(float(s), 3):
                mesh = furniture.lamp(rng, self.atlas, self.labels, height, arm)
                self.put(mesh, float(s), side * (road + 0.42), yaw, boxed=True)
        names = [n for n in self.atlas_names() if n.startswith("sign_")]
        for s in self.every(4.5, 9.0):
            if self.off_crossings(s, 4):
                self.sign(
                    str(rng.choice(names)), s, side * (road + float(rng.uniform(0.35, 0.6))), yaw
                )
        for s in self.plan.repeats(self.plan.zebra, self.start, self.end):
            self.sign("sign_square_crossing", s - 3.0 * np.cos(yaw), side * (road + 0.4), yaw)
            for k in (-1, 1):
                post = furniture.post(self.atlas, self.labels, 1.0, 0.055)
                self.put(post, s + k * 2.6, side * (road + 0.3), boxed=True)
        for s in self.plan.repeats(self.plan.crossroads, self.start, self.end):
            self.signals(s + side * (self.plan.side_half + 4.8), side, yaw)

    def atlas_names(self) -> list[str]:
        return [self.atlas.name(i) for i in self.atlas.named("sign_")]

    def sign(self, name: str, s: float, t: float, yaw: float) -> None:
        """Put a post with one plate, sometimes two."""
        rng = self.rng
        size = float(rng.uniform(0.6, 0.85)) * (0.9 if "board" in name else 1.0)
        z = float(rng.uniform(2.15, 2.5))
        turn = yaw + float(rng.normal(0, 0.08))
        self.put(furniture.post(self.atlas, self.labels, z + 0.35), s, t, boxed=True)
        face = furniture.sign_face(self.atlas, self.labels, self.atlas[name], name, size, z)
        self.put(face, s, t, turn, boxed=True)
        if rng.random() < 0.25:
            second = "sign_square_parking"
            face = furniture.sign_face(
                self.atlas, self.labels, self.atlas[second], second, 0.5, z - 0.75
            )
            self.put(face, s, t, turn, boxed=True)

    def signals(self, s: float, side: float, yaw: float) -> None:
        """Put a traffic light for the direction that drives on this side."""
        t = side * (self.layout.road_half + 0.5)
        arm = 4.2 if self.layout.lanes > 1 else 0.0
        lit = int(self.rng.choice([0, 2, 2, 1]))
        self.put(furniture.signal_pole(self.atlas, self.labels, arm), s, t, yaw, boxed=True)
        self.put(
            furniture.signal_head(self.atlas, self.labels, lit, 0.0, 2.75), s, t, yaw, boxed=True
        )
        if arm:
            self.put(
                furniture.signal_head(self.atlas, self.labels, lit, arm, 5.1), s, t, yaw, boxed=True
            )

    def parked(self, side: float) -> None:
        rng, layout = self.rng, self.layout
        yaw = 0.0 if side < 0 else np.pi
        kinds, share = ["sedan", "hatchback", "suv", "van"], [0.34, 0.36, 0.2, 0.1]
        if not layout.parking:
            for s in self.every(layout.parked, 12.0):
                if self.off_crossings(s, 8):
                    mesh = vehicle(rng, self.atlas, self.labels, str(rng.choice(kinds, p=share)))
                    self.put(mesh, s, side * (layout.paved_half + 3.2), yaw + np.pi / 2, boxed=True)
            return
        for s in np.arange(self.start, self.end, 6.4):
            middle = float(s) + 3.2
            if self.plan.to_zebra(middle) < 7 or not self.off_crossings(middle, 12):
                continue
            if rng.random() < layout.parked * 6.4 / 100 * 1.25:
                mesh = vehicle(rng, self.atlas, self.labels, str(rng.choice(kinds, p=share)))
                t = side * (layout.road_half - layout.parking / 2 + float(rng.normal(0, 0.08)))
                turn = yaw + (np.pi if rng.random() < 0.1 else 0.0) + float(rng.normal(0, 0.02))
                self.put(
                    mesh,
                    middle + float(rng.normal(0, 0.25)),
                    t,
                    turn,
                    z=0.0,
                    boxed=True,
                    level=False,
                )

    def ends(self) -> None:
        """Close the view where the street ends."""
        rng = self.rng
        for s, yaw in ((self.end + 2, -np.pi / 2), (self.start - 2, np.pi / 2)):
            for k in range(-3, 3):
                mesh = plants.undergrowth(rng, self.atlas, self.labels, 30.0)
                # Front toward the street: the belt runs across it.
                t = 30.0 * k if yaw > 0 else 30.0 * (k + 1)
                self.put(mesh, s, t, yaw, z=0.0)


def furnish(
    stage: _Stage, rng: np.random.Generator, atlas: AtlasBuilder, layout: Layout, plan: Plan,
    labels: Labels, path: Path,
) -> None:  # fmt: skip
    """Put everything that stands still on the stage."""
    for side in (-1.0, 1.0):
        # A generator for each kind of thing: more trees do not move the lamps.
        for name, stream in zip(
            ("houses", "greenery", "poles", "parked"), rng.spawn(4), strict=True
        ):
            getattr(_Furnisher(stage, stream, atlas, layout, plan, labels, path), name)(side)
    last = _Furnisher(stage, rng.spawn(1)[0], atlas, layout, plan, labels, path)
    last.ends()
    if layout.median:
        for s in last.every(7.0, 6.0):
            if last.off_crossings(s, 11) and plan.to_zebra(s) > 6:
                last.put(
                    plants.tree(last.rng, atlas, labels, float(last.rng.uniform(5, 8)), 1200),
                    s,
                    0.0,
                )
