"""Where the sensors are mounted and what the camera's lens is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry.camera import Camera
from pdn_ros.simulation.mesh import pose

CAMERA_OPTICAL = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
"""T_camera_optical: REP 103's body frame (x forward) against the optical one (z forward)."""


@dataclass(frozen=True, slots=True)
class Rig:
    """The sensors on the vehicle; transforms map points of the second frame into the first.

    Attributes:
        camera: Pinhole camera without distortion.
        base_camera: T_base_camera, camera's body frame.
        base_lidar: T_base_lidar.
    """

    camera: Camera
    base_camera: NDArray[np.float64]
    base_lidar: NDArray[np.float64]

    @property
    def base_optical(self) -> NDArray[np.float64]:
        """T_base_optical."""
        return np.asarray(self.base_camera @ CAMERA_OPTICAL)

    @classmethod
    def draw(cls, width: int, height: int, seed: int) -> "Rig":
        """Return a rig whose lens and mounting vary with the seed."""
        rng = np.random.default_rng([seed, 77])
        focal = width * float(rng.uniform(0.62, 0.85))
        k = np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1.0]])
        camera = Camera(width=width, height=height, k=k, d=np.zeros(0), model="")
        z, pitch = float(rng.uniform(1.3, 1.75)), float(rng.uniform(0.0, 0.05))
        return cls(
            camera=camera,
            base_camera=pose(0.9, 0.0, z, 0.0, pitch),
            base_lidar=pose(0.4, 0.0, 1.9),
        )
