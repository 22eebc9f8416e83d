"""A recording's LiDAR scans: projected as in the node, and the roles that they alone show."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.geometry import roles as role
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.ground import split_ground
from pdn_ros.geometry.lidar import LidarView
from pdn_ros.geometry.transforms import Matrix
from pdn_ros.messages.patches import PatchPrior
from pdn_ros.perception.camera_tracker import CameraTracker
from pdn_ros.perception.config import LidarProjectionConfig, PerceptionConfig
from pdn_ros.perception.lidar import Place, ScanProjector
from pdn_ros.replay.drive import Calibration, Drive, RecordedImage, Scan
from pdn_ros.replay.sets import in_sets

Roles = NDArray[np.uint8]
_RING: Final = 0.008
_STEP: Final = 0.0015
"""Radians between the rings of a 64-ring scanner, and half of those between its columns."""


Projected = tuple[PatchPrior, LidarView]
"""A scan as one camera sees it."""


class ScanReplay:
    """Projects the scans of a drive as the LiDAR node does, with its defaults.

    Args:
        drive: The recording.
        config: Of the perception that the scans are for.
        patch_size: Side of its patches, pixels.
        cameras: The cameras by name, kept up to date with the recording.
    """

    def __init__(
        self,
        drive: Drive,
        config: PerceptionConfig,
        patch_size: int,
        cameras: Mapping[str, CameraTracker],
    ) -> None:
        self._drive = drive
        lidar = LidarProjectionConfig(
            patch_size=patch_size,
            base_frame=config.base_frame,
            fixed_frame=config.grid.frame,
            transform_tolerance=0.0,  # all that TF says is known
        )
        self._cameras = cameras
        self._projector = ScanProjector(lidar, drive.transforms)

    def project(self, scan: Scan) -> dict[str, Projected]:
        """Return prior and depth by camera; what is not known of one is noted."""
        places: dict[str, Place] = {}
        for name, infos in self._cameras.items():
            try:
                places[name] = self._projector.place(infos, scan.header)
            except (InputError, LookupError) as error:
                self._drive.note(f"no LiDAR{f' in {name}' if name else ''}: {error}")
        if not places:
            return {}
        try:
            found = self._projector.project(scan.points, scan.header, list(places.values()))
        except LookupError as error:
            self._drive.note(f"no LiDAR: {error}")
            return {}
        return dict(zip(places, found, strict=True))


def sets_with_views(
    drive: Drive, config: PerceptionConfig, patch_size: int, limit: int = 0
) -> Iterator[list[tuple[RecordedImage, LidarView | None]]]:
    """Yield a drive's images in sets, each with the newest scan as its camera sees it.

    Args:
        drive: The recording.
        config: Of the perception: how near in time a scan and the images of a set must be.
        patch_size: Side of a patch, pixels.
        limit: First images of each camera only; 0: all.
    """
    cameras = {name: CameraTracker() for name in drive.cameras}
    scans = ScanReplay(drive, config, patch_size, cameras)
    newest: dict[str, Projected] = {}

    def view(image: RecordedImage) -> LidarView | None:
        if image.camera not in newest:
            return None
        prior, seen = newest[image.camera]
        away_ms = abs(image.header.stamp_ns - prior.header.stamp_ns) / 1e6
        return seen if away_ms <= config.lidar.max_age_ms else None

    for event in in_sets(drive.events(limit), len(cameras), round(1e6 * config.sync_ms)):
        if isinstance(event, Calibration):
            cameras[event.camera].put(event.info)
        elif isinstance(event, Scan):
            newest = scans.project(event)
        else:
            yield [(image, view(image)) for image in event]


def images_with_views(
    drive: Drive, config: PerceptionConfig, patch_size: int, limit: int = 0
) -> Iterator[tuple[RecordedImage, LidarView | None]]:
    """Yield the images of `sets_with_views` one by one."""
    for images in sets_with_views(drive, config, patch_size, limit):
        yield from images


def roles_of_returns(depth: NDArray[np.float32], camera: Camera, t_base_camera: Matrix) -> Roles:
    """Roles that a scan alone gives the image's pixels: ground, or an obstacle on it.

    A return counts for the pixels below it, down to the next ring of the scan; the rest is unknown.
    So the LiDAR can be judged by the same grid as the camera.

    Args:
        depth: (H, W) float32 meters along the optical axis, 0 = none.
        camera: Of that size.
        t_base_camera: From the optical frame to the base frame.

    Returns:
        (H, W) uint8 codes of `pdn_ros.geometry.roles`.
    """
    v, u = np.nonzero(depth)
    optical = camera.rays()[v, u] * depth[v, u, None]
    points = optical @ t_base_camera[:3, :3].T + t_base_camera[:3, 3]
    on_ground = split_ground(points, t_base_camera[:3, 3])
    seen = np.zeros((2, *depth.shape), dtype=np.uint8)
    seen[on_ground.astype(np.intp), v, u] = 1
    # The kernel's anchor is its lowest row: values spread downward alone, nearer to the vehicle.
    beside, below = (
        math.ceil(f * r) for f, r in ((camera.k[0, 0], _STEP), (camera.k[1, 1], _RING))
    )
    kernel = np.ones((1 + below, 1 + 2 * beside), dtype=np.uint8)
    obstacle, ground = (cv2.dilate(image, kernel, anchor=(beside, below)) for image in seen)
    return np.asarray(
        np.where(obstacle > 0, role.STATIC, np.where(ground > 0, role.GROUND, role.UNKNOWN)),
        dtype=np.uint8,
    )
