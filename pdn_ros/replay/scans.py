"""LiDAR scans as the camera sees them."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry import roles as role
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.ground import split_ground
from pdn_ros.geometry.lidar import LidarView, project_scan
from pdn_ros.geometry.transforms import Matrix, invert
from pdn_ros.replay.drive import BASE, Drive, Moment, Scan
from pdn_ros.replay.node_parameters import NodeParameters

Roles = NDArray[np.uint8]
_RING: Final = 0.008
_STEP: Final = 0.0015
"""Radians between the rings of a scanner of 64, and half of those between its columns."""


def scan_view(
    drive: Drive, moment: Moment, parameters: NodeParameters, patch_size: int
) -> LidarView | None:
    """Project the newest scan before an image as the LiDAR node does.

    Returns:
        The view; None when there is no scan, it is too far in time from the image, or the camera or
        a transform is not known, which is noted.
    """
    scan, camera = moment.scan, drive.camera_of(moment)
    if scan is None or camera is None:
        return None
    if abs(moment.stamp_ns - scan.stamp_ns) > 1e6 * parameters.lidar_max_age_ms:
        return None
    try:
        return project_scan(
            scan.points,
            camera=camera,
            T_camera_lidar=_moved_with_the_robot(drive, moment, scan, parameters.grid_frame),
            T_base_lidar=drive.transforms.lookup(BASE, scan.frame, scan.stamp_ns),
            patch_size=patch_size,
        )
    except LookupError as error:
        drive.note(f"no LiDAR: {error}")
        return None


def roles_of(depth: NDArray[np.float32], camera: Camera, t_base_camera: Matrix) -> Roles:
    """What a scan alone says of the image's pixels: ground, or something that stands on it.

    A return speaks for the pixels below it, down to the next ring of the scan; elsewhere nothing is
    known. So the LiDAR can be judged by the same grid as the camera.

    Args:
        depth: (H, W) float32 metres along the optical axis, 0 = none.
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


def _moved_with_the_robot(drive: Drive, moment: Moment, scan: Scan, fixed: str) -> Matrix:
    """From the LiDAR at the scan's time to the camera at the image's, where odometry is known."""
    lookup = drive.transforms.lookup
    try:
        t_fixed_camera = lookup(fixed, moment.frame, moment.stamp_ns)
        return invert(t_fixed_camera) @ lookup(fixed, scan.frame, scan.stamp_ns)
    except LookupError:
        return lookup(moment.frame, scan.frame, scan.stamp_ns)
