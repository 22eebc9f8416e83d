"""LiDAR scans as the camera sees them."""

from pdn_ros.evaluation.drive import BASE, Drive, Moment, Scan
from pdn_ros.evaluation.node_parameters import NodeParameters
from pdn_ros.geometry.lidar import LidarView, project_scan
from pdn_ros.geometry.transforms import Matrix, invert


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


def _moved_with_the_robot(drive: Drive, moment: Moment, scan: Scan, fixed: str) -> Matrix:
    """From the LiDAR at the scan's time to the camera at the image's, where odometry is known."""
    lookup = drive.transforms.lookup
    try:
        t_fixed_camera = lookup(fixed, moment.frame, moment.stamp_ns)
        return invert(t_fixed_camera) @ lookup(fixed, scan.frame, scan.stamp_ns)
    except LookupError:
        return lookup(moment.frame, scan.frame, scan.stamp_ns)
