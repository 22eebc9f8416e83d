"""KITTI raw drives (Geiger et al., IJRR 2013) -> rosbag2.

Frames: `base_link` lies on the road below the IMU, with the IMU's axes (x forward, y left, z up);
KITTI gives the IMU's height above the road, which agrees with the Velodyne's 1.73 m and the
cameras' 1.65 m. `camera_optical` is rectified camera 02: the offset in P_rect_02's last column
goes into its pose, so that CameraInfo holds a plain camera matrix. `odom` starts below the first
pose written, heading along x, z along gravity.

Stamps are those of each sensor's own file. Tracklets are boxes in the scan's frame; the scan and
image of one number were taken when the scanner faced the way of the camera, so the boxes carry the
image's stamp.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pytransform3d.transformations import (
    exponential_coordinates_from_transform,
    transform_from_exponential_coordinates,
)

from pdn_ros.bags import kitti_files as files
from pdn_ros.bags import layout
from pdn_ros.bags.conversion import Conversion, Progress, attempt, box_at, leveled, read_scan
from pdn_ros.bags.writer import DriveWriter
from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.transforms import invert
from pdn_ros.messages.boxes import Box

_IMU_HEIGHT: Final = 0.93  # meters above the road, from KITTI's sensor setup
_REACH_NS: Final = 200_000_000  # two oxts periods
_STREET: Final = {
    "Car": "vehicle",
    "Van": "vehicle",
    "Truck": "vehicle",
    "Tram": "vehicle",
    "Pedestrian": "pedestrian",
    "Person (sitting)": "pedestrian",
    "Person": "pedestrian",
    "Cyclist": "cyclist",
}  # Misc has no street class
_CAMERA_OPTICAL: Final = np.array(  # maps optical into body axes, REP 103
    [[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]]
)


@dataclass(frozen=True, slots=True)
class _Rig:
    """The calibrated sensors: T_a_b maps points of b into a."""

    camera: Camera
    base_lidar: NDArray[np.float64]
    base_optical: NDArray[np.float64]
    imu_base: NDArray[np.float64]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the images."""
        return self.camera.width, self.camera.height


def convert_kitti(drive: Path, out: Path, progress: Progress | None = None) -> Conversion:
    """Convert one drive, complete or partial, to a bag.

    Args:
        drive: A folder such as `2011_09_26/2011_09_26_drive_0005_sync`, in KITTI's own layout,
            with `image_02` as PNG or JPEG, and `velodyne_points`, `oxts` and
            `tracklet_labels.xml` where there are any. The calibration lies in it or beside it.
        out: The bag's folder.
        progress: Called with the sensor records done and their total.

    Raises:
        InputError: `drive` is not a KITTI drive, its calibration is absent or damaged, or the bag
            cannot be written. A damaged image or scan is left out and noted.
    """
    drive = Path(drive)
    notes: list[str] = []
    images = files.records(drive / "image_02", (".png", ".jpg", ".jpeg"), notes)
    if not images:
        raise InputError(
            f"{drive}: no KITTI drive (no images in image_02/data): "
            "give a folder such as 2011_09_26/2011_09_26_drive_0005_sync"
        )
    scans = files.records(drive / "velodyne_points", (".bin",), notes)
    rig = _rig(drive)
    boxes = _boxes(drive / "tracklet_labels.xml", rig, notes)
    stamps = [record.stamp_ns for record in (*images.values(), *scans.values())]
    poses = _odometry(drive / "oxts", rig, min(stamps), max(stamps), notes)

    events = sorted(
        [(stamp, "pose", i) for i, (stamp, _) in enumerate(poses)]
        + [(record.stamp_ns, "scan", n) for n, record in scans.items()]
        + [(record.stamp_ns, "image", n) for n, record in images.items()]
    )
    labelled = 0
    with DriveWriter(out) as bag:
        bag.static_transforms(
            [
                (layout.BASE, layout.LIDAR, rig.base_lidar),
                (layout.BASE, layout.CAMERA, rig.base_optical @ invert(_CAMERA_OPTICAL)),
                (layout.CAMERA, layout.OPTICAL, _CAMERA_OPTICAL),
            ]
        )
        for i, (stamp, kind, number) in enumerate(events, start=1):
            if kind == "pose":
                bag.transform(stamp, layout.ODOM, layout.BASE, poses[number][1])
            elif kind == "scan":
                points = attempt(notes, read_scan, scans[number].path, 4)
                if points is not None:
                    bag.points(stamp, points)
            else:
                image = attempt(notes, files.read_image, images[number].path, rig.size)
                if image is not None:
                    bag.camera_info(stamp, rig.camera)
                    bag.image(stamp, image)
                    if boxes is not None:
                        bag.boxes(stamp, boxes.get(number, []))
                        labelled += len(boxes.get(number, []))
            if progress is not None:
                progress(i, len(events))
        if not bag.counts[layout.IMAGE_TOPIC]:
            raise InputError(f"{drive}: no image can be used ({notes[-1]})")
    return Conversion(
        images=bag.counts[layout.IMAGE_TOPIC],
        scans=bag.counts[layout.POINTS_TOPIC],
        poses=bag.counts[layout.TF_TOPIC],
        boxes=labelled,
        notes=tuple(notes),
    )


def _rig(drive: Path) -> _Rig:
    """Read the calibration of the day."""
    inside = (drive / "calib_cam_to_cam.txt").is_file()
    folder = drive if inside else drive.absolute().parent
    cameras = files.Calibration(folder / "calib_cam_to_cam.txt")
    velo_imu = files.Calibration(folder / "calib_imu_to_velo.txt").transform()
    cam_velo = files.Calibration(folder / "calib_velo_to_cam.txt").transform()
    projection = cameras.matrix("P_rect_02", 3, 4)
    width, height = cameras.matrix("S_rect_02", 1, 2)[0].astype(int)
    k = projection[:, :3]
    try:
        camera = Camera(int(width), int(height), k.copy(), np.zeros(0))
    except ValueError as error:
        raise InputError(f"{folder / 'calib_cam_to_cam.txt'}: P_rect_02: {error}") from error
    # x = K (R_rect_00 T_velo_to_cam X + t) with K t the last column: t moves camera 0 to camera 2.
    rectified = np.eye(4)
    rectified[:3, :3] = cameras.matrix("R_rect_00", 3, 3)
    rectified[:3, 3] = np.linalg.solve(k, projection[:, 3])
    base_imu = np.eye(4)
    base_imu[2, 3] = _IMU_HEIGHT
    base_lidar = base_imu @ _rigid_inverse(velo_imu)
    return _Rig(
        camera=camera,
        base_lidar=base_lidar,
        base_optical=base_lidar @ _rigid_inverse(rectified @ cam_velo),
        imu_base=_rigid_inverse(base_imu),
    )


def _rigid_inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert a transform whose printed rotation is exact to seven digits: made orthogonal first."""
    u, _, vt = np.linalg.svd(matrix[:3, :3])
    exact = matrix.copy()
    exact[:3, :3] = u @ vt
    return invert(exact)


def _odometry(
    folder: Path, rig: _Rig, first_ns: int, last_ns: int, notes: list[str]
) -> list[tuple[int, NDArray[np.float64]]]:
    """Return (stamp in ns, T_odom_base) for the time in which the sensors ran.

    Where the first or last oxts record lies inside that time (in KITTI by a few milliseconds), an
    extra pose continues the motion to its end, since readers never extrapolate transforms.
    """
    found = files.records(folder, (".txt",), notes)
    order = sorted({record.stamp_ns: record for record in found.values()}.items())
    stamps: list[int] = []
    values: list[NDArray[np.float64]] = []
    for i, (stamp, record) in enumerate(order):
        before = i + 1 < len(order) and order[i + 1][0] < first_ns
        after = i > 0 and order[i - 1][0] > last_ns
        if before or after:
            continue
        try:
            values.append(files.read_oxts(record.path))
        except InputError as error:
            notes.append(f"left out: {error}")
        else:
            stamps.append(stamp)
    if len(stamps) < 2:
        if found:
            notes.append("oxts: no two records in the time of the sensors: no odometry")
        return []
    poses = files.imu_poses(np.array(values)) @ rig.imu_base
    track = list(zip(stamps, invert(leveled(poses[0])) @ poses, strict=True))
    if stamps[0] - _REACH_NS < first_ns < stamps[0]:
        track.insert(0, (first_ns, _continue(track[1], track[0], first_ns)))
    if stamps[-1] < last_ns < stamps[-1] + _REACH_NS:
        track.append((last_ns, _continue(track[-2], track[-1], last_ns)))
    return track


def _continue(
    a: tuple[int, NDArray[np.float64]], b: tuple[int, NDArray[np.float64]], stamp_ns: int
) -> NDArray[np.float64]:
    """Return the pose at a time beyond b, at the constant twist from a to b."""
    twist = exponential_coordinates_from_transform(invert(a[1]) @ b[1])
    share = (stamp_ns - b[0]) / (b[0] - a[0])
    pose: NDArray[np.float64] = b[1] @ transform_from_exponential_coordinates(share * twist)
    return pose


def _boxes(path: Path, rig: _Rig, notes: list[str]) -> dict[int, list[Box]] | None:
    """Return the visible objects by frame number; None when the drive is not labeled."""
    if not path.is_file():
        notes.append(f"{path.name}: absent: no box truth")
        return None
    try:
        tracklets = files.read_tracklets(path)
    except InputError as error:
        notes.append(f"{error}: no box truth")
        return None
    boxes: dict[int, list[Box]] = {}
    for t in tracklets:
        if not t.visible or t.kind not in _STREET:
            continue
        pose = np.eye(4)
        pose[:2, :2] = [[np.cos(t.yaw), -np.sin(t.yaw)], [np.sin(t.yaw), np.cos(t.yaw)]]
        pose[:3, 3] = t.bottom
        pose[2, 3] += t.size[2] / 2
        box = box_at(rig.base_lidar @ pose, t.size, _STREET[t.kind], t.id)
        boxes.setdefault(t.frame, []).append(box)
    return boxes
