"""nuScenes scenes (Caesar et al., CVPR 2020) -> rosbag2.

Frames: `map` is nuScenes' global frame. `odom` stands still in it: it starts at the first ego pose,
heading along x, z up. `base_link` is the ego frame: on the ground below the middle of the rear
axle, x forward, y left. `lidar`, `cam_front_optical` and so on are the calibrated sensors.

Stamps are each sensor's own, and each stamp has its own ego pose in `/tf`. A scan's stamp is its
end, about 40 ms after the cameras saw what it swept. So that a scan is there for the images of its
keyframe, images are logged later than their stamps by that time, all by the same.

Boxes go with the keyframes' images, each time in `base_link` at the image's stamp, as nuScenes'
development kit shows them. Left out is what neither LiDAR nor radar touched, as in nuScenes'
detection benchmark, and what is visible to less than 40 %: what KITTI's conversion leaves out as
hidden. Radar is not converted.
"""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdn_ros.bags import layout
from pdn_ros.bags import nuscenes_tables as tables
from pdn_ros.bags.conversion import Conversion, Progress, attempt, box_at, leveled, read_scan
from pdn_ros.bags.writer import DriveWriter
from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.transforms import invert
from pdn_ros.messages.boxes import Box
from pdn_ros.messages.compressed import decode_compressed

_STREET: Final = {
    "human.pedestrian": "pedestrian",
    "vehicle.bicycle": "cyclist",
    "vehicle.motorcycle": "cyclist",
    "vehicle": "vehicle",
}  # by the start of the name, the first that fits; barriers, cones and animals have no street class
_HIDDEN: Final = "1"  # visible to 0 to 40 %
_SCAN_COLUMNS: Final = 5  # x, y, z, intensity, ring
_MOST_LATE_NS: Final = 100_000_000


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """One file of a sensor, and where the vehicle was at its time.

    `present`: the file is there; `name`: of the camera, empty for a scan.
    """

    record: tables.SampleDataRow
    path: Path
    present: bool
    name: str
    mount: tables.CalibratedSensorRow
    map_base: NDArray[np.float64]

    @property
    def stamp_ns(self) -> int:
        return 1000 * self.record.timestamp

    def camera(self) -> Camera:
        """Return the camera of the image; it has no distortion."""
        k = np.array(self.mount.camera_intrinsic, dtype=np.float64)
        return Camera(self.record.width, self.record.height, k, np.zeros(0))


class _Labeled(NamedTuple):
    """An annotated object: its pose in `map`, and what a box needs else."""

    map_box: NDArray[np.float64]
    size: tuple[float, float, float]
    label: str
    number: int


def convert_nuscenes(
    root: Path, out: Path, scene: str = "", progress: Progress | None = None
) -> Conversion:
    """Convert one scene, complete or partial, to a bag.

    Args:
        root: The folder that holds `v1.0-mini` (or another version) and `samples`.
        out: The bag's folder.
        scene: Name, such as "scene-0061"; may be empty where there is only one.
        progress: Called with the sensor records done and their total.

    Raises:
        InputError: `root` holds no nuScenes data or no such scene, a table other than those of the
            annotations is absent or damaged, no image can be used, or the bag cannot be written.
            Images and scans that are absent or damaged are left out and noted.
    """
    notes: list[str] = []
    folder, token = _find(Path(root), scene)
    samples = tables.read(folder, tables.SampleRow, "scene_token", {token})
    readings = _readings(Path(root), folder, samples, notes)
    if not any(reading.name for reading in readings):
        raise InputError(
            f"{folder}: no camera in sample_data.json for this scene: download it whole"
        )
    labeled = _annotations(folder, samples, notes)
    _note_absent(Path(root), readings, notes)
    late_ns = _lateness(readings)
    map_odom = leveled(readings[0].map_base)
    mounts = {reading.name: reading.mount.matrix for reading in readings}
    counts: Counter[str] = Counter()
    shown: set[str] = set()
    with DriveWriter(out) as bag:
        frames = {n: layout.optical_frame(n) if n else layout.LIDAR for n in mounts}
        bag.static_transforms(
            [
                (layout.MAP, layout.ODOM, map_odom),
                *((layout.BASE, frames[n], matrix) for n, matrix in mounts.items()),
            ]
        )
        for i, reading in enumerate(readings, start=1):
            stamp, record = reading.stamp_ns, reading.record
            bag.transform(stamp, layout.ODOM, layout.BASE, invert(map_odom) @ reading.map_base)
            if reading.present and not reading.name:
                points = attempt(notes, read_scan, reading.path, _SCAN_COLUMNS)
                if points is not None:
                    bag.points(stamp, points)
            elif reading.present:
                camera = _camera(folder, reading)
                jpeg = attempt(notes, _read_jpeg, reading.path, camera)
                if jpeg is not None:
                    bag.camera_info(stamp, camera, reading.name)
                    bag.jpeg(stamp, reading.name, jpeg, late_ns=late_ns)
                    counts["images"] += 1
                    if labeled is not None and record.is_key_frame:
                        boxes = _boxes(labeled[record.sample_token], reading.map_base)
                        bag.boxes(stamp, boxes, late_ns=late_ns)
                        shown.add(record.sample_token)
            if progress is not None:
                progress(i, len(readings))
        if not counts["images"]:
            raise InputError(f"{root}: no image can be used ({notes[-1]})")
    return Conversion(
        images=counts["images"],
        scans=bag.counts[layout.POINTS_TOPIC],
        poses=bag.counts[layout.TF_TOPIC],
        boxes=sum(len(labeled[token]) for token in shown) if labeled else 0,
        notes=tuple(notes),
    )


def _find(root: Path, name: str) -> tuple[Path, str]:
    """Return the version's folder that has the scene, and the scene's token."""
    folders = sorted(folder for folder in root.glob("v1.0-*") if folder.is_dir())
    if not folders:
        raise InputError(
            f"{root}: no nuScenes data (no folder v1.0-*): "
            "give the folder that holds v1.0-mini and samples"
        )
    scenes: dict[str, tuple[Path, str]] = {}
    for folder in folders:
        for scene in tables.read(folder, tables.SceneRow).values():
            scenes.setdefault(scene.name, (folder, scene.token))
    if not name and len(scenes) == 1:
        return next(iter(scenes.values()))
    if name not in scenes:
        known = ", ".join(sorted(scenes)) or "none"
        asked = f"no scene {name}" if name else "which scene? Name one with --scene"
        raise InputError(f"{root}: {asked}; there are: {known}")
    return scenes[name]


def _readings(
    root: Path, folder: Path, samples: Collection[str], notes: list[str]
) -> list[_Reading]:
    """Return what cameras and LiDAR recorded of a scene, in the order of the stamps."""
    data = tables.read(folder, tables.SampleDataRow, "sample_token", samples)
    poses = tables.read(
        folder, tables.EgoPoseRow, "token", {d.ego_pose_token for d in data.values()}
    )
    mounts = tables.read(
        folder,
        tables.CalibratedSensorRow,
        "token",
        {d.calibrated_sensor_token for d in data.values()},
    )
    sensors = tables.read(folder, tables.SensorRow)
    readings = []
    unknown = 0
    for record in data.values():
        mount = mounts.get(record.calibrated_sensor_token)
        sensor = sensors.get(mount.sensor_token) if mount else None
        pose = poses.get(record.ego_pose_token)
        if mount is None or sensor is None or pose is None:
            unknown += 1
        elif sensor.modality in ("camera", "lidar"):
            name = sensor.channel.lower() if sensor.modality == "camera" else ""
            path = root / record.filename
            readings.append(_Reading(record, path, path.is_file(), name, mount, pose.matrix))
    if unknown:
        notes.append(f"left out: {unknown} records of sample_data without calibration or ego pose")
    return sorted(readings, key=lambda reading: reading.stamp_ns)


def _note_absent(root: Path, readings: list[_Reading], notes: list[str]) -> None:
    """Note the files that are absent, folder by folder."""
    absent: defaultdict[Path, list[Path]] = defaultdict(list)
    for reading in readings:
        if not reading.present:
            absent[reading.path.parent].append(reading.path)
    for folder, paths in absent.items():
        where = folder.relative_to(root) if folder.is_relative_to(root) else folder
        notes.append(f"left out: {len(paths)} absent files in {where}, first {paths[0].name}")


def _lateness(readings: list[_Reading]) -> int:
    """Return by how much a keyframe's scan is stamped after its images, at most; nanoseconds."""
    keys = [r for r in readings if r.present and r.record.is_key_frame]
    scans = {r.record.sample_token: r.stamp_ns for r in keys if not r.name}
    late = [
        scans[r.record.sample_token] - r.stamp_ns
        for r in keys
        if r.name and r.record.sample_token in scans
    ]
    return min(max([0, *late]), _MOST_LATE_NS)


def _camera(folder: Path, reading: _Reading) -> Camera:
    try:
        return reading.camera()
    except ValueError as error:
        path = folder / "calibrated_sensor.json"
        raise InputError(f"{path}: {reading.name}: {error}") from error


def _read_jpeg(path: Path, camera: Camera) -> bytes:
    """Return an image's file after a look whether it is whole and the calibration's size."""
    try:
        file = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        height, width = decode_compressed(file).shape[:2]
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if (width, height) != (camera.width, camera.height):
        size = f"{camera.width} x {camera.height}"
        raise InputError(f"{path}: {width} x {height} pixels, sample_data.json says {size}")
    return file


def _annotations(
    folder: Path, samples: Collection[str], notes: list[str]
) -> dict[str, list[_Labeled]] | None:
    """Return the visible objects of street classes by sample; None where there are no labels."""
    try:
        found = tables.read(folder, tables.SampleAnnotationRow, "sample_token", samples).values()
        instances = tables.read(
            folder, tables.InstanceRow, "token", {a.instance_token for a in found}
        )
        categories = tables.read(folder, tables.CategoryRow)
    except InputError as error:
        notes.append(f"{error}: no box truth")
        return None
    numbers = {token: number for number, token in enumerate(instances)}
    labeled: dict[str, list[_Labeled]] = {token: [] for token in samples}
    unknown = 0
    for a in found:
        instance = instances.get(a.instance_token)
        category = categories.get(instance.category_token) if instance else None
        if category is None:
            unknown += 1
            continue
        label = next((s for start, s in _STREET.items() if category.name.startswith(start)), "")
        if label and a.visibility_token != _HIDDEN and a.num_lidar_pts + a.num_radar_pts:
            width, length, height = a.size
            number = numbers[a.instance_token]
            box = _Labeled(a.matrix, (length, width, height), label, number)
            labeled[a.sample_token].append(box)
    if unknown:
        notes.append(f"left out: {unknown} boxes without instance or category")
    return labeled


def _boxes(labeled: list[_Labeled], map_base: NDArray[np.float64]) -> list[Box]:
    base_map = invert(map_base)
    return [box_at(base_map @ one.map_box, one.size, one.label, one.number) for one in labeled]
