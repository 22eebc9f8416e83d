"""sensor_msgs/PointCloud2: the x, y, z of a cloud, whatever its layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Buffer, Header, Reader, Writer

UINT16: Final = 4
FLOAT32: Final = 7
FLOAT64: Final = 8
_LEAST_FIELD: Final = 14  # bytes of a PointField
_SIZES: Final = {FLOAT32: 4, FLOAT64: 8}


@dataclass(frozen=True, slots=True)
class Field:
    """One `sensor_msgs/PointField`: name, offset in bytes, datatype code, count."""

    name: str
    offset: int
    datatype: int
    count: int = 1


def read_points(data: Buffer) -> tuple[Header, NDArray[np.float32]]:
    """Read the coordinates of a serialized sensor_msgs/PointCloud2.

    Returns:
        The header, and (N, 3) float32 meters, row by row, as `read_xyz` returns them.

    Raises:
        InputError: The message is truncated or damaged, or has no x, y, z.
    """
    reader = Reader(data)
    header = Header.read(reader)
    height, width = reader.scalars("II")
    fields = [
        Field(reader.string(), reader.scalar("I"), reader.scalar("B"), reader.scalar("I"))
        for _ in range(reader.count(_LEAST_FIELD))
    ]
    is_bigendian, point_step, row_step = reader.scalars("BII")
    return header, read_xyz(
        reader.array("u1"),
        width=width,
        height=height,
        point_step=point_step,
        row_step=row_step,
        fields=fields,
        is_bigendian=bool(is_bigendian),
    )


def write_points(header: Header, points: NDArray[np.float32]) -> bytes:
    """Serialize a scan as a sensor_msgs/PointCloud2.

    `points`: (N, 4) float32 x, y, z in meters and intensity; a fifth column is the ring, uint16 in
    the message, as LiDAR drivers have it.
    """
    dense = bool(np.isfinite(points).all())
    names = ("x", "y", "z", "intensity")
    if points.shape[1] == len(names):
        return _write(header, points[np.newaxis], names, dense)
    # The upper half of the ring's 32 bits is padding: points stay aligned.
    ring = points[:, 4].astype("<u4").view("<f4")
    cloud = np.column_stack((points[:, :4], ring)).astype("<f4", copy=False)
    return _write(header, cloud[np.newaxis], (*names, "ring"), dense)


def write_organized_cloud(
    header: Header, points: NDArray[np.float32], rgb: NDArray[np.uint32] | None = None
) -> bytes:
    """Serialize (H, W, 3) float32 x, y, z as an organized sensor_msgs/PointCloud2.

    NaN marks pixels without a point; `is_dense` is true only if there are none.
    With `rgb`, (H, W) uint32 0xRRGGBB, there is a field of that name as RViz and PCL read it.
    """
    dense = bool(np.isfinite(points).all())
    if rgb is None:
        return _write(header, points, ("x", "y", "z"), dense)
    bits = np.ascontiguousarray(points, dtype="<f4").view("<i4")
    merged = cv2.merge((bits, rgb.astype("<u4", copy=False).view("<i4")))
    return _write(header, merged.view("<f4"), ("x", "y", "z", "rgb"), dense)


def _write(header: Header, cloud: NDArray[Any], names: tuple[str, ...], dense: bool) -> bytes:
    height, width, count = cloud.shape
    writer = header.write(Writer()).scalars("III", height, width, count)
    for i, name in enumerate(names):
        writer.string(name).scalars("IBI", 4 * i, UINT16 if name == "ring" else FLOAT32, 1)
    data = np.ascontiguousarray(cloud, dtype="<f4").reshape(-1).view(np.uint8)
    writer.scalars("BII", 0, 4 * count, 4 * count * width).array(data)
    return writer.scalars("B", dense).finish()


def read_xyz(
    data: bytes | bytearray | memoryview | NDArray[np.uint8],
    *,
    width: int,
    height: int,
    point_step: int,
    row_step: int,
    fields: Sequence[Field],
    is_bigendian: bool,
) -> NDArray[np.float32]:
    """Read the coordinates of a cloud.

    Little-endian float32 coordinates at even spacing, without padding between rows, come as a view
    of `data`; all other layouts are copied. Points without a return stay NaN (REP 117).

    Returns:
        (N, 3) float32, N = width * height, row by row.

    Raises:
        InputError: A coordinate is missing or of another type, a step is impossible, or the data is
            shorter than the layout says.
    """
    buffer = np.frombuffer(data, dtype=np.uint8)
    if width < 0 or height < 0 or point_step < 0 or row_step < 0:
        raise InputError("cloud: a size or step is negative")
    if width * height == 0:
        return np.empty((0, 3), dtype=np.float32)
    x, y, z = (_find(fields, name, point_step) for name in "xyz")
    if height == 1:
        row_step = width * point_step  # some drivers leave it 0
    if row_step < width * point_step:
        raise InputError(
            f"cloud: rows of {row_step} bytes do not hold {width} points of {point_step} bytes"
        )
    needed = (height - 1) * row_step + width * point_step
    if len(buffer) < needed:
        raise InputError(f"cloud: truncated, {len(buffer)} bytes in place of {needed}")

    order = ">" if is_bigendian else "<"
    same = x.datatype == y.datatype == z.datatype
    if same and y.offset - x.offset == z.offset - y.offset:
        grid = np.ndarray(
            (height, width, 3),
            f"{order}f{_SIZES[x.datatype]}",
            buffer.data,
            x.offset,
            (row_step, point_step, y.offset - x.offset),
        )
        return grid.reshape(-1, 3).astype(np.float32, copy=False)
    points = np.empty((height, width, 3), dtype=np.float32)
    for i, field in enumerate((x, y, z)):
        points[..., i] = np.ndarray(
            (height, width),
            f"{order}f{_SIZES[field.datatype]}",
            buffer.data,
            field.offset,
            (row_step, point_step),
        )
    return points.reshape(-1, 3)


def _find(fields: Sequence[Field], name: str, point_step: int) -> Field:
    """Return the field of a coordinate, checked."""
    found = [field for field in fields if field.name == name]
    if not found:
        raise InputError(
            f"cloud: no field {name!r} among {[field.name for field in fields]}; needs x, y, z"
        )
    field = found[0]
    if field.datatype not in _SIZES or field.count not in (0, 1):
        raise InputError(f"cloud: field {name!r} is neither float32 nor float64")
    if field.offset < 0 or field.offset + _SIZES[field.datatype] > point_step:
        raise InputError(
            f"cloud: field {name!r} at byte {field.offset} lies outside the {point_step} of a point"
        )
    return field
