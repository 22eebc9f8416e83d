"""The x, y, z of a `sensor_msgs/PointCloud2`, whatever its layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FLOAT32: Final = 7
FLOAT64: Final = 8
_SIZES: Final = {FLOAT32: 4, FLOAT64: 8}


@dataclass(frozen=True, slots=True)
class Field:
    """One `sensor_msgs/PointField`: name, offset in bytes, datatype code, count."""

    name: str
    offset: int
    datatype: int
    count: int = 1


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
        ValueError: A coordinate is missing or of another type, a step is impossible, or the data is
            shorter than the layout says.
    """
    buffer = np.frombuffer(data, dtype=np.uint8)
    if width < 0 or height < 0 or point_step < 0 or row_step < 0:
        raise ValueError("cloud: a size or step is negative")
    if width * height == 0:
        return np.empty((0, 3), dtype=np.float32)
    x, y, z = (_find(fields, name, point_step) for name in "xyz")
    if height == 1:
        row_step = width * point_step  # some drivers leave it 0
    if row_step < width * point_step:
        raise ValueError(
            f"cloud: rows of {row_step} bytes can't hold {width} points of {point_step} bytes"
        )
    needed = (height - 1) * row_step + width * point_step
    if len(buffer) < needed:
        raise ValueError(f"cloud: truncated, {len(buffer)} bytes in place of {needed}")

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
        raise ValueError(
            f"cloud: no field {name!r} among {[field.name for field in fields]}; needs x, y, z"
        )
    field = found[0]
    if field.datatype not in _SIZES or field.count not in (0, 1):
        raise ValueError(f"cloud: field {name!r} is neither float32 nor float64")
    if field.offset < 0 or field.offset + _SIZES[field.datatype] > point_step:
        raise ValueError(
            f"cloud: field {name!r} at byte {field.offset} lies outside the {point_step} of a point"
        )
    return field
