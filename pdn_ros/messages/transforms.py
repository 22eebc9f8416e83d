"""tf2_msgs/TFMessage, and transforms: rotation and translation between two frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Buffer, Header, Reader, Writer

Matrix = NDArray[np.float64]

_LEAST = 72  # bytes of a transform: stamp, two strings, seven numbers


@dataclass(frozen=True, slots=True, eq=False)
class Transform:
    """`matrix` is T_parent_child, (4, 4) float64, at `stamp_ns`: it maps points into the parent."""

    parent: str
    child: str
    stamp_ns: int
    matrix: Matrix


def read_poses(data: Buffer) -> Iterator[tuple[int, str, str, tuple[float, ...]]]:
    """Yield stamp, parent, child and pose of each transform of a serialized tf2_msgs/TFMessage.

    A pose is x, y, z in meters and the quaternion x, y, z, w, as they were sent. Leading slashes of
    frames are dropped, as tf2 does.

    Raises:
        InputError: The message is damaged.
    """
    reader = Reader(data)
    for _ in range(reader.count(_LEAST)):
        header, child = Header.read(reader), reader.string()
        pose = reader.scalars("ddddddd")
        yield header.stamp_ns, header.frame_id.lstrip("/"), child.lstrip("/"), pose


def read_transforms(data: Buffer) -> list[Transform]:
    """Read a serialized tf2_msgs/TFMessage.

    Raises:
        InputError: The message is damaged, a quaternion is not a unit one or a number not finite.
    """
    transforms = []
    for stamp_ns, parent, child, pose in read_poses(data):
        try:
            matrix = from_quaternion(pose[:3], pose[3:])
        except ValueError as error:
            raise InputError(f"tf: {parent!r} to {child!r}: {error}") from error
        transforms.append(Transform(parent, child, stamp_ns, matrix))
    return transforms


def write_transforms(transforms: Sequence[Transform]) -> bytes:
    """Serialize a tf2_msgs/TFMessage."""
    writer = Writer().scalars("I", len(transforms))
    for one in transforms:
        Header(one.stamp_ns, one.parent).write(writer).string(one.child)
        writer.scalars("ddddddd", *one.matrix[:3, 3], *to_quaternion(one.matrix[:3, :3]))
    return writer.finish()


def from_quaternion(translation: ArrayLike, quaternion: ArrayLike) -> Matrix:
    """Make a transform, (4, 4), from a position (x, y, z) and a quaternion (x, y, z, w).

    Raises:
        ValueError: Not finite, or the quaternion's length is not 1 within 1e-3.
    """
    position = np.asarray(translation, dtype=np.float64)
    q = np.asarray(quaternion, dtype=np.float64)
    if position.shape != (3,) or q.shape != (4,):
        raise ValueError("transform: needs three numbers of position and four of rotation")
    with np.errstate(over="ignore"):
        norm = np.linalg.norm(q)
    if not np.isfinite(position).all() or not np.isfinite(norm):
        raise ValueError("transform: position or rotation is not finite")
    if abs(norm - 1) > 1e-3:
        raise ValueError(f"transform: a quaternion of length {norm:.4g} is not a rotation")
    x, y, z, w = q / norm
    matrix = np.eye(4)
    matrix[:3, 3] = position
    matrix[:3, :3] = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return matrix


def to_quaternion(rotation: Matrix) -> Matrix:
    """Return the unit quaternion (x, y, z, w), w >= 0, of a rotation matrix (3, 3)."""
    # Of the four products 4 q q_i the one with the largest q_i loses the fewest digits.
    (a, b, c), (d, e, f), (g, h, i) = rotation
    products = np.array(
        (
            (1 + a - e - i, b + d, c + g, h - f),
            (b + d, 1 - a + e - i, f + h, c - g),
            (c + g, f + h, 1 - a - e + i, d - b),
            (h - f, c - g, d - b, 1 + a + e + i),
        )
    )
    row = products[np.argmax(np.diag(products))]
    quaternion: Matrix = row / np.linalg.norm(row)
    return -quaternion if quaternion[3] < 0 else quaternion
