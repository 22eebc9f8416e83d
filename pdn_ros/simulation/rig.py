"""The sensors' mounting: where cameras and LiDAR stand on the vehicle, and the cameras' lenses."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.bags import layout
from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.simulation.mesh import pose

CAMERA_OPTICAL = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
"""T_camera_optical: REP 103's body frame (x forward) against the optical one (z forward)."""


@dataclass(frozen=True, slots=True)
class Mount:
    """How one camera of a rig is mounted.

    Attributes:
        name: Of the camera, its topics and its frame.
        yaw: Direction that it looks in, degrees to the left.
        position: x, y, z in `base_link`, meters.
        view: Horizontal field of view, degrees.
        scale: Share of the drive's image size that it has.
    """

    name: str
    yaw: float
    position: tuple[float, float, float]
    view: float
    scale: float = 1.0


RIGS: Final = {
    "two": (
        Mount("front", 0, (1.0, 0.0, 1.5), 70),
        Mount("back", 180, (-1.6, 0.0, 1.1), 100, scale=0.5),
    ),
    "three": (
        Mount("front", 0, (1.0, 0.0, 1.5), 70),
        Mount("left", 60, (0.8, 0.5, 1.5), 80),
        Mount("right", -60, (0.8, -0.5, 1.5), 80),
    ),
    "six": (
        Mount("front", 0, (1.0, 0.0, 1.5), 70),
        Mount("front_left", 55, (0.9, 0.5, 1.5), 70),
        Mount("front_right", -55, (0.9, -0.5, 1.5), 70),
        Mount("back_left", 110, (0.4, 0.5, 1.5), 70),
        Mount("back_right", -110, (0.4, -0.5, 1.5), 70),
        Mount("back", 180, (-0.6, 0.0, 1.5), 110),
    ),
}
"""Rigs of several cameras by name; `six` see all around."""

ONE: Final = "one"
"""The single camera, whose lens and mounting vary with the seed."""
_PITCH: Final = 0.03  # radians, down


@dataclass(frozen=True, slots=True, eq=False)
class MountedCamera:
    """A camera on the vehicle.

    Attributes:
        name: Of its topics and frame.
        camera: Pinhole camera without distortion.
        base_camera: T_base_camera, camera's body frame.
    """

    name: str
    camera: Camera
    base_camera: NDArray[np.float64]

    @property
    def base_optical(self) -> NDArray[np.float64]:
        """T_base_optical."""
        return np.asarray(self.base_camera @ CAMERA_OPTICAL)

    @classmethod
    def of(cls, mount: Mount, width: int, height: int) -> "MountedCamera":
        """Return the camera of a mount in a drive with images of this size."""
        width, height = (max(32, 2 * round(side * mount.scale / 2)) for side in (width, height))
        focal = width / 2 / np.tan(np.deg2rad(mount.view) / 2)
        at = pose(*mount.position, np.deg2rad(mount.yaw), _PITCH)
        return cls(mount.name, _pinhole(width, height, float(focal)), at)


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """The sensors on the vehicle; transforms map points of the second frame into the first.

    Attributes:
        cameras: At least one; a single one is named `camera`.
        base_lidar: T_base_lidar.
    """

    cameras: tuple[MountedCamera, ...]
    base_lidar: NDArray[np.float64]

    @classmethod
    def named(cls, name: str, width: int, height: int, seed: int) -> "Rig":
        """Return a rig of `RIGS`, or `one` camera whose lens and mounting vary with the seed.

        Args:
            name: Of the rig.
            width: Of the images, pixels.
            height: Of the images, pixels.
            seed: Of the drive.

        Raises:
            InputError: No rig has this name.
        """
        if name == ONE:
            cameras: tuple[MountedCamera, ...] = (_draw(width, height, seed),)
        elif name in RIGS:
            cameras = tuple(MountedCamera.of(mount, width, height) for mount in RIGS[name])
        else:
            raise InputError(f"rig {name!r}: unknown; use one of {', '.join((ONE, *RIGS))}")
        return cls(cameras, base_lidar=pose(0.4, 0.0, 1.9))


def _draw(width: int, height: int, seed: int) -> MountedCamera:
    rng = np.random.default_rng([seed, 77])
    focal = width * float(rng.uniform(0.62, 0.85))
    z, pitch = float(rng.uniform(1.3, 1.75)), float(rng.uniform(0.0, 0.05))
    camera = _pinhole(width, height, focal)
    return MountedCamera(layout.CAMERA, camera, pose(0.9, 0.0, z, 0.0, pitch))


def _pinhole(width: int, height: int, focal: float) -> Camera:
    k = np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1.0]])
    return Camera(width=width, height=height, k=k, d=np.zeros(0), model="")
