"""The files of a KITTI raw drive (Geiger et al., IJRR 2013), parsed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.compressed import read_image_file

_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})?")
_EARTH_RADIUS: Final = 6378137.0  # meters, as in KITTI's development kit

LABELLED_STATES: Final = (1, 2)  # interpolated, labeled; 0 is unset
HIDDEN: Final = 2  # occlusion: 0 visible, 1 partly, 2 fully; 255 or -1 unset
OUT_OF_IMAGE: Final = (2, 99)  # truncation: 0 in the image, 1 truncated, 2 outside, 99 behind


@dataclass(frozen=True, slots=True)
class Tracklet:
    """One object in one frame: its box in the Velodyne's frame.

    Attributes:
        frame: Number of the scan and the image.
        id: Number of the object in the file.
        kind: KITTI's name, such as "Car".
        size: Length, width, height, meters.
        bottom: Middle of the box's lower face, meters.
        yaw: About the Velodyne's z axis, radians.
        state: 0 unset, 1 interpolated, 2 labeled.
        occlusion: 0 visible, 1 partly, 2 fully.
        truncation: 0 in the image, 1 truncated, 2 outside, 99 behind.
    """

    frame: int
    id: int
    kind: str
    size: tuple[float, float, float]
    bottom: tuple[float, float, float]
    yaw: float
    state: int
    occlusion: int
    truncation: int

    @property
    def visible(self) -> bool:
        """Whether this box was labeled and the camera sees it."""
        return (
            self.state in LABELLED_STATES
            and self.occlusion != HIDDEN
            and self.truncation not in OUT_OF_IMAGE
        )


class SensorFile(NamedTuple):
    """One file of a sensor and its stamp, nanoseconds."""

    stamp_ns: int
    path: Path


class Calibration:
    """The numbers of one calibration file, by name."""

    def __init__(self, path: Path) -> None:
        """Read `key: numbers` lines; other lines, such as the date, are left out.

        Raises:
            InputError: The file is absent or unreadable.
        """
        self._path = path
        self._values: dict[str, list[float]] = {}
        for line in _text(path).splitlines():
            key, colon, rest = line.partition(":")
            try:
                numbers = [float(word) for word in rest.split()]
            except ValueError:
                continue
            if colon and numbers:
                self._values[key.strip()] = numbers

    def matrix(self, key: str, rows: int, cols: int) -> NDArray[np.float64]:
        """Return one entry, (rows, cols).

        Raises:
            InputError: It is absent, has another size, or a number is not finite.
        """
        values = self._values.get(key, [])
        if len(values) != rows * cols or not np.isfinite(values).all():
            raise InputError(
                f"{self._path}: {key} should have {rows * cols} numbers: download it again"
            )
        return np.array(values).reshape(rows, cols)

    def transform(self) -> NDArray[np.float64]:
        """Return the rigid transform of a file with R and T, (4, 4)."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.matrix("R", 3, 3)
        matrix[:3, 3] = self.matrix("T", 3, 1)[:, 0]
        return matrix


def records(folder: Path, suffixes: tuple[str, ...], notes: list[str]) -> dict[int, SensorFile]:
    """Return a sensor's files by frame number; anything missing is noted.

    Args:
        folder: Such as `image_02`, with `data/NNNNNNNNNN.png` and `timestamps.txt`.
        suffixes: Of the files to take, lower case.
        notes: Lines for the user are added here.

    Raises:
        InputError: The timestamps are absent or damaged.
    """
    data = folder / "data"
    found = {
        int(path.stem): path
        for path in (sorted(data.iterdir()) if data.is_dir() else ())
        if path.suffix.lower() in suffixes and path.stem.isdecimal()
    }
    if not found:
        notes.append(f"{folder.name}: nothing there")
        return {}
    stamps = read_stamps(folder / "timestamps.txt")
    if unknown := found.keys() - stamps.keys():
        notes.append(f"left out: {len(unknown)} files of {folder.name} without a timestamp")
    return {n: SensorFile(stamps[n], found[n]) for n in sorted(found) if n in stamps}


def read_stamps(path: Path) -> dict[int, int]:
    """Return the stamps of a timestamp file by frame number, nanoseconds; line n is frame n.

    A line is empty where the sensor missed a frame, as in drive 2011_09_26_drive_0009.

    KITTI writes local wall-clock times without a zone. They are read as UTC, so that the result
    does not depend on the machine's time zone.

    Raises:
        InputError: The file is absent or a line is not a time.
    """
    stamps = {}
    for number, line in enumerate(_text(path).splitlines()):
        text = line.strip()
        if not text:
            continue
        try:
            if not _STAMP.fullmatch(text):
                raise ValueError
            stamps[number] = int(np.datetime64(text, "ns").astype(np.int64))
        except ValueError as error:
            raise InputError(f"{path}: line {number + 1} is no time: {text[:40]!r}") from error
    return stamps


def read_image(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an image of the given width and height, (H, W, 3) uint8 BGR.

    Raises:
        InputError: It is damaged, truncated or of another size, such as an unrectified one.
    """
    image = read_image_file(path)
    height, width = image.shape[:2]
    if (width, height) != size:
        raise InputError(
            f"{path}: {width} x {height} pixels, the calibration is for "
            f"{size[0]} x {size[1]}: give the synced and rectified drive"
        )
    return image


def read_oxts(path: Path) -> NDArray[np.float64]:
    """Return latitude, longitude (degrees), altitude (m), roll, pitch, yaw (rad): (6,).

    Raises:
        InputError: The file is absent or damaged.
    """
    try:
        values = np.array([float(word) for word in _text(path).split()[:6]])
    except ValueError as error:
        raise InputError(f"{path}: no numbers where oxts data should be") from error
    if values.shape != (6,) or not np.isfinite(values).all() or abs(values[0]) >= 90:
        raise InputError(f"{path}: no oxts record (latitude, longitude, altitude, three angles)")
    return values


def imu_poses(records: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return T_world_imu, (N, 4, 4), of oxts records (N, 6): x east, y north, z up, meters.

    Mercator projection with the scale of the first latitude, as in KITTI's development kit.
    """
    latitude, longitude, altitude, roll, pitch, yaw = records.T
    scale = np.cos(np.radians(latitude[0]))
    poses = np.tile(np.eye(4), (len(records), 1, 1))
    poses[:, 0, 3] = scale * _EARTH_RADIUS * np.radians(longitude)
    poses[:, 1, 3] = scale * _EARTH_RADIUS * np.log(np.tan(np.radians(90 + latitude) / 2))
    poses[:, 2, 3] = altitude
    (cr, cp, cy), (sr, sp, sy) = np.cos([roll, pitch, yaw]), np.sin([roll, pitch, yaw])
    poses[:, :3, :3] = np.stack(  # Rz(yaw) Ry(pitch) Rx(roll)
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    ).transpose(2, 0, 1)
    return poses


def read_tracklets(path: Path) -> list[Tracklet]:
    """Return all objects of all frames of a `tracklet_labels.xml`.

    Raises:
        InputError: The file is absent or not a tracklet file.
    """
    try:
        root = ElementTree.fromstring(_text(path))
        tracklets = root.find("tracklets")
        if tracklets is None:
            raise ValueError("no <tracklets>")
        return [
            tracklet
            for number, item in enumerate(tracklets.findall("item"))
            for tracklet in _tracklet(number, item)
        ]
    except (ElementTree.ParseError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not a tracklet file ({error}): download it again") from error


def _tracklet(number: int, item: ElementTree.Element) -> Iterator[Tracklet]:
    size = (_number(item, "l"), _number(item, "w"), _number(item, "h"))
    first = int(_number(item, "first_frame"))
    kind = (item.findtext("objectType") or "").strip()
    for i, pose in enumerate(item.findall("poses/item")):
        yield Tracklet(
            frame=first + i,
            id=number,
            kind=kind,
            size=size,
            bottom=(_number(pose, "tx"), _number(pose, "ty"), _number(pose, "tz")),
            yaw=_number(pose, "rz"),
            state=int(_number(pose, "state")),
            occlusion=int(_number(pose, "occlusion")),
            truncation=int(_number(pose, "truncation")),
        )


def _number(element: ElementTree.Element, name: str) -> float:
    text = element.findtext(name)
    if text is None:
        raise ValueError(f"no <{name}>")
    value = float(text)
    if not np.isfinite(value):
        raise ValueError(f"<{name}> is {text.strip()[:20]}")
    return value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: a KITTI drive has this file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file: download it again") from error
