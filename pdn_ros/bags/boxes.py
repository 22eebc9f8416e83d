"""Labelled boxes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Box:
    """An upright cuboid around an object.

    Attributes:
        center: x, y, z of its middle, metres, in the frame of the message (`base_link`).
        yaw: Heading about z, radians, 0 along x.
        size: Length (along the heading), width, height, metres.
        label: Class name, for example "vehicle".
        id: The same object has the same id in every frame.
    """

    center: tuple[float, float, float]
    yaw: float
    size: tuple[float, float, float]
    label: str
    id: int

    def corners(self) -> NDArray[np.float64]:
        """Return the corners, (8, 3) metres: the lower four around, then the upper four."""
        length, width, height = self.size
        x = np.array([1, -1, -1, 1] * 2) * length / 2
        y = np.array([1, 1, -1, -1] * 2) * width / 2
        z = np.repeat([-1, 1], 4) * height / 2
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.stack([c * x - s * y, s * x + c * y, z], axis=1) + self.center

    def contains(self, points: NDArray[np.floating], margin: float = 0.0) -> NDArray[np.bool_]:
        """Tell which of the points (N, 3) lie inside the box, grown by `margin` metres: (N,)."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        x, y, z = (points[:, i] - self.center[i] for i in range(3))
        length, width, height = (side / 2 + margin for side in self.size)
        inside: NDArray[np.bool_] = np.abs(z) <= height
        inside &= np.abs(c * x + s * y) <= length
        inside &= np.abs(c * y - s * x) <= width
        return inside
