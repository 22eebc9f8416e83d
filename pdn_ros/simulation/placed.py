"""Moving things at an instant."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.actors import Actor
from pdn_ros.simulation.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Placed:
    """A moving thing at an instant."""

    actor: Actor
    pose: NDArray[np.float64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    mesh: Mesh

    def corners(self) -> NDArray[np.float64]:
        """Return its box's corners in the world, (8, 3)."""
        pick = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, 8).T
        local = np.where(pick == 0, self.low, self.high)
        return np.asarray(local @ self.pose[:3, :3].T + self.pose[:3, 3])
