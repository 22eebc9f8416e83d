"""Messages (of a bag, or any objects with the same fields) -> arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pdn_ros.bags.boxes import Box
from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.points import Field, read_xyz
from pdn_ros.geometry.transforms import from_quaternion


@dataclass(frozen=True, slots=True)
class Transform:
    """`matrix` is T_parent_child, (4, 4) float64, at `stamp_ns`."""

    parent: str
    child: str
    stamp_ns: int
    matrix: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Occupancy:
    """A grid: (rows = y, cols = x) int8, -1 unknown, 0 free to 100 occupied.

    `origin_xy` is the corner of cell [0, 0] in `frame`, metres; `resolution` metres a cell.
    """

    stamp_ns: int
    frame: str
    data: NDArray[np.int8]
    origin_xy: tuple[float, float]
    resolution: float


def stamp_ns(message: Any) -> int:
    """Return the header's stamp, nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def camera(message: Any, *, rectified: bool = False) -> Camera:
    """Return the camera of the raw image, or of the rectified one (P in place of K and D).

    Raises:
        InputError: The camera is not calibrated or its model is unknown.
    """
    roi = message.roi
    try:
        return Camera.from_info(
            width=message.width,
            height=message.height,
            k=np.reshape(message.p, (3, 4))[:, :3] if rectified else message.k,
            d=() if rectified else message.d,
            distortion_model="" if rectified else message.distortion_model,
            binning_x=message.binning_x,
            binning_y=message.binning_y,
            roi=(roi.x_offset, roi.y_offset, roi.width, roi.height),
        )
    except ValueError as error:
        raise InputError(f"camera_info: {error}") from error


def cloud_xyz(message: Any) -> NDArray[np.float32]:
    """Return a PointCloud2's points, (N, 3) float32 metres, NaN ones included.

    Raises:
        InputError: The message is truncated or has no x, y, z.
    """
    fields = [Field(f.name, f.offset, f.datatype, f.count) for f in message.fields]
    try:
        return read_xyz(
            message.data,
            width=message.width,
            height=message.height,
            point_step=message.point_step,
            row_step=message.row_step,
            fields=fields,
            is_bigendian=message.is_bigendian,
        )
    except ValueError as error:
        raise InputError(f"points: {error}") from error


def transforms(message: Any) -> list[Transform]:
    """Return the transforms of a TFMessage.

    Raises:
        InputError: A quaternion is no unit quaternion or a number is not finite.
    """
    try:
        return [
            Transform(
                parent=t.header.frame_id.lstrip("/"),
                child=t.child_frame_id.lstrip("/"),
                stamp_ns=stamp_ns(t),
                matrix=from_quaternion(
                    (v.x, v.y, v.z),
                    (q.x, q.y, q.z, q.w),
                ),
            )
            for t in message.transforms
            for v, q in [(t.transform.translation, t.transform.rotation)]
        ]
    except ValueError as error:
        raise InputError(f"tf: {error}") from error


def mask(message: Any) -> NDArray[np.uint8]:
    """Return the class ids of a mono8 Image, (H, W) uint8, a view of the message."""
    if message.encoding not in ("mono8", "8UC1"):
        raise InputError(f"mask: encoding {message.encoding!r}, expected mono8")
    return _plane(message, np.uint8)


def depth(message: Any) -> NDArray[np.float32]:
    """Return a depth Image in metres, (H, W) float32; 0 is none (REP 118 has NaN and 0).

    Raises:
        InputError: The image is neither 32FC1 (metres) nor 16UC1 (millimetres), or truncated.
    """
    order = ">" if message.is_bigendian else "<"
    if message.encoding == "32FC1":
        metres = _plane(message, order + "f4").astype(np.float32, copy=False)
        finite = np.isfinite(metres)
        return metres if finite.all() else np.where(finite, metres, np.float32(0))
    if message.encoding in ("16UC1", "mono16"):
        return _plane(message, order + "u2").astype(np.float32) / np.float32(1000)
    raise InputError(f"depth: encoding {message.encoding!r}, expected 32FC1 or 16UC1")


def occupancy(message: Any) -> Occupancy:
    """Return an OccupancyGrid whose origin is not rotated.

    Raises:
        InputError: The size of the data is wrong or the grid is rotated.
    """
    info = message.info
    if len(message.data) != info.width * info.height:
        raise InputError(
            f"occupancy: {len(message.data)} cells for {info.width} x {info.height}: damaged"
        )
    origin = info.origin
    if abs(origin.orientation.z) > 1e-6:
        raise InputError("occupancy: the grid's origin is rotated; only aligned grids are read")
    return Occupancy(
        stamp_ns=stamp_ns(message),
        frame=message.header.frame_id,
        data=np.asarray(message.data, dtype=np.int8).reshape(info.height, info.width),
        origin_xy=(origin.position.x, origin.position.y),
        resolution=float(info.resolution),
    )


def boxes(message: Any) -> list[Box]:
    """Return the cubes of a MarkerArray."""
    return [
        Box(
            center=(m.pose.position.x, m.pose.position.y, m.pose.position.z),
            yaw=2 * float(np.arctan2(m.pose.orientation.z, m.pose.orientation.w)),
            size=(m.scale.x, m.scale.y, m.scale.z),
            label=m.ns,
            id=m.id,
        )
        for m in message.markers
        if m.type == 1 and m.action == 0  # an added cube
    ]


def _plane(message: Any, dtype: DTypeLike) -> NDArray[Any]:
    kind = np.dtype(dtype)
    height, width, step = message.height, message.width, message.step
    if step < width * kind.itemsize or len(message.data) < step * height:
        raise InputError(
            f"{message.encoding} image: {len(message.data)} bytes in rows of {step} do not hold "
            f"{width} x {height} pixels: truncated"
        )
    data = np.asarray(message.data)[: step * height]
    return data.reshape(height, step)[:, : width * kind.itemsize].view(kind)
