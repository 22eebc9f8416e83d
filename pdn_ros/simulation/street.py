"""The plan of a street: its center line, its kinds, and the class ids of its things."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdn_ros.classes import load_classes
from pdn_ros.simulation.mesh import pose

STEP = 0.5


@dataclass(frozen=True, slots=True)
class Path:
    """A smooth curve sampled every `STEP` meters; s along it, t to its left, z up."""

    xyz: NDArray[np.float64]
    """(N, 3) points."""
    heading: NDArray[np.float64]
    """(N,) radians."""
    start: float
    """s of the first point."""

    @classmethod
    def winding(
        cls, rng: np.random.Generator, start: float, end: float, *, bend: float, slope: float
    ) -> "Path":
        """Return a gently winding path whose s = 0 lies at the origin, heading along x.

        Args:
            rng: Draws the phases.
            start: First s, negative.
            end: Last s.
            bend: Largest change of heading in radians.
            slope: Largest slope.
        """
        s = np.arange(start, end + STEP, STEP)
        turn, lift = np.zeros_like(s), np.zeros_like(s)
        for wavelength in (330.0, 170.0, 97.0):
            a, b = rng.uniform(0, 2 * np.pi, 2)
            share = wavelength / 597.0
            turn += bend * share * np.sin(2 * np.pi * s / wavelength + a)
            lift += slope * share * np.sin(2 * np.pi * s / (1.7 * wavelength) + b)
        zero = round(-start / STEP)
        turn -= turn[zero]
        lift -= lift[zero]
        steps = np.stack([np.cos(turn), np.sin(turn), lift], axis=1) * STEP
        xyz = np.concatenate([np.zeros((1, 3)), np.cumsum((steps[1:] + steps[:-1]) / 2, axis=0)])
        return cls(xyz - xyz[zero], turn, float(start))

    @property
    def end(self) -> float:
        """Last s."""
        return self.start + STEP * (len(self.heading) - 1)

    def _at(self, s: ArrayLike, values: NDArray[np.float64]) -> NDArray[np.float64]:
        grid = self.start + STEP * np.arange(len(values))
        return np.asarray(np.interp(np.asarray(s, float), grid, values))

    def angle(self, s: ArrayLike) -> NDArray[np.float64]:
        """Return the heading at s in radians."""
        return self._at(s, self.heading)

    def world(self, s: ArrayLike, t: ArrayLike, z: ArrayLike = 0.0) -> NDArray[np.float64]:
        """Return points (..., 3) of the world; s, t, z (over the center line) broadcast."""
        s, t, z = np.broadcast_arrays(*(np.asarray(a, float) for a in (s, t, z)))
        angle = self.angle(s)
        return np.stack(
            [
                self._at(s, self.xyz[:, 0]) - t * np.sin(angle),
                self._at(s, self.xyz[:, 1]) + t * np.cos(angle),
                self._at(s, self.xyz[:, 2]) + z,
            ],
            axis=-1,
        )

    def slope(self, s: float) -> float:
        """Return dz/ds at s."""
        return float(self._at(s + 0.5, self.xyz[:, 2]) - self._at(s - 0.5, self.xyz[:, 2]))

    def place(
        self, s: float, t: float, z: float = 0.0, yaw: float = 0.0, *, level: bool = True
    ) -> NDArray[np.float64]:
        """Return the pose of a thing at (s, t, z), turned by `yaw` from the path's heading.

        Vehicles follow the slope (`level=False`), all else stands upright.
        """
        x, y, height = self.world(s, t, z)
        pitch = 0.0 if level else -float(np.arctan(self.slope(s))) * np.cos(yaw)
        return pose(x, y, height, float(self.angle(s)) + yaw, pitch)


PERIOD = 204.8
"""Every so many meters the street's plan repeats: one zebra crossing, one crossroads."""

CURB = 0.12
"""Height of the curb in meters."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Class ids by name."""

    building: int
    pole: int
    road: int
    sidewalk: int
    vegetation: int
    sign: int
    fence: int
    vehicle: int
    pedestrian: int
    cyclist: int
    lane_marking: int
    sky: int

    @classmethod
    def street(cls) -> "Labels":
        """Return the ids of the class set `street`."""
        names = load_classes("street").names
        return cls(**{name: names.index(name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of street; lengths in meters, densities per 100 m and side."""

    lanes: int
    lane_width: float
    parking: float
    median: float
    sidewalk: float
    garden: tuple[float, float]
    floors: tuple[int, int]
    gabled: float
    building_gap: float
    trees: float
    hedges: float
    fences: float
    parked: float
    pedestrians: float
    traffic: float
    bend: float
    slope: float

    @property
    def road_half(self) -> float:
        """From the center line to the curb."""
        return self.median / 2 + self.lanes * self.lane_width + self.parking

    @property
    def paved_half(self) -> float:
        """From the center line to the outer edge of the sidewalk."""
        return self.road_half + self.sidewalk

    @property
    def ego_t(self) -> float:
        """Where the recording vehicle drives: the innermost right lane."""
        return -(self.median / 2 + self.lane_width / 2)


LAYOUTS = {
    "street": Layout(
        lanes=1, lane_width=3.4, parking=2.1, median=0.0, sidewalk=3.0, garden=(0.0, 2.0),
        floors=(3, 5), gabled=0.55, building_gap=0.12, trees=5.0, hedges=2.0, fences=2.5,
        parked=8.0, pedestrians=7.0, traffic=3.0, bend=0.16, slope=0.012,
    ),
    "boulevard": Layout(
        lanes=2, lane_width=3.3, parking=2.1, median=3.6, sidewalk=4.2, garden=(0.0, 0.5),
        floors=(4, 7), gabled=0.2, building_gap=0.06, trees=8.0, hedges=1.5, fences=1.0,
        parked=7.0, pedestrians=11.0, traffic=6.0, bend=0.08, slope=0.006,
    ),
    "village": Layout(
        lanes=1, lane_width=3.1, parking=0.0, median=0.0, sidewalk=1.9, garden=(3.0, 7.0),
        floors=(1, 2), gabled=0.95, building_gap=0.6, trees=7.0, hedges=7.0, fences=6.0,
        parked=2.0, pedestrians=4.0, traffic=2.0, bend=0.3, slope=0.03,
    ),
}  # fmt: skip
"""The scenes by name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the street's plan puts its crossings, the same in every period."""

    zebra: float
    crossroads: float
    side_half: float = 3.2

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Plan":
        """Draw a plan."""
        return cls(zebra=float(rng.uniform(35, 75)), crossroads=float(rng.uniform(125, 165)))

    def away(self, s: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the distances along the street to the nearest crossroads."""
        return np.asarray(np.abs((s - self.crossroads + PERIOD / 2) % PERIOD - PERIOD / 2))

    def to_crossroads(self, s: float) -> float:
        """Return the distance along the street to the nearest crossroads."""
        return float(self.away(np.array(s)))

    def to_zebra(self, s: float) -> float:
        """Return the distance along the street to the nearest zebra crossing."""
        return abs((s - self.zebra + PERIOD / 2) % PERIOD - PERIOD / 2)

    def repeats(self, at: float, start: float, end: float) -> list[float]:
        """Return every s between start and end that corresponds to `at` in the plan."""
        first = int(np.ceil((start - at) / PERIOD))
        last = int(np.floor((end - at) / PERIOD))
        return [at + PERIOD * k for k in range(first, last + 1)]
