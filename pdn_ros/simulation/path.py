"""The centre line of the street: where (s, t) lies in the world."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdn_ros.simulation.mesh import pose

STEP = 0.5


@dataclass(frozen=True, slots=True)
class Path:
    """A smooth curve sampled every `STEP` metres; s along it, t to its left, z up."""

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
        """Return points (..., 3) of the world; s, t, z (over the centre line) broadcast."""
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
