"""Labeled boxes, as the cubes of a visualization_msgs/MarkerArray."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import NO_HEADER, Buffer, Header, Reader, Writer, split_stamp

_CUBE, _ADD = 1, 0  # constants of visualization_msgs/Marker
_LEAST: Final = 150  # bytes of a marker with nothing in it
_COLOR: Final = (1.0, 0.6, 0.1, 0.4)
_LIFETIME_NS: Final = 300_000_000  # a viewer drops the boxes of old frames


@dataclass(frozen=True, slots=True)
class Box:
    """An upright cuboid around an object.

    Attributes:
        center: x, y, z of its middle, meters, in the frame of the message (`base_link`).
        yaw: Heading about z, radians, 0 along x.
        size: Length (along the heading), width, height, meters.
        label: Class name, for example "vehicle".
        id: The same object has the same id in every frame.
    """

    center: tuple[float, float, float]
    yaw: float
    size: tuple[float, float, float]
    label: str
    id: int

    def corners(self) -> NDArray[np.float64]:
        """Return the corners, (8, 3) meters: the lower four around, then the upper four."""
        length, width, height = self.size
        x = np.array([1, -1, -1, 1] * 2) * length / 2
        y = np.array([1, 1, -1, -1] * 2) * width / 2
        z = np.repeat([-1, 1], 4) * height / 2
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return np.stack([c * x - s * y, s * x + c * y, z], axis=1) + self.center

    def contains(self, points: NDArray[np.floating], margin: float = 0.0) -> NDArray[np.bool_]:
        """Tell which of the points (N, 3) lie inside the box, grown by `margin` meters: (N,)."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        x, y, z = (points[:, i] - self.center[i] for i in range(3))
        length, width, height = (side / 2 + margin for side in self.size)
        inside: NDArray[np.bool_] = np.abs(z) <= height
        inside &= np.abs(c * x + s * y) <= length
        inside &= np.abs(c * y - s * x) <= width
        return inside


def read_boxes(data: Buffer) -> tuple[Header, list[Box]]:
    """Read the cubes of a serialized visualization_msgs/MarkerArray.

    Returns:
        The header of the first marker (stamp 0 if there is none), and the cubes.

    Raises:
        InputError: The message is truncated or damaged, or a cube's number is not finite.
    """
    reader = Reader(data)
    header: Header | None = None
    boxes = []
    for _ in range(reader.count(_LEAST)):
        own, label = Header.read(reader), reader.string()
        header = header or own
        number, kind, action = reader.scalars("iii")
        values = reader.scalars("d" * 10)
        _skip_appearance(reader)
        if kind == _CUBE and action == _ADD:
            if not np.isfinite(values).all():
                raise InputError(f"boxes: a cube of {label!r} with numbers that are not finite")
            yaw = 2 * float(np.arctan2(values[5], values[6]))
            boxes.append(Box(values[:3], yaw, values[7:], label, number))
    return header or NO_HEADER, boxes


def write_boxes(header: Header, boxes: Sequence[Box]) -> bytes:
    """Serialize boxes as a visualization_msgs/MarkerArray of cubes; the namespace is the class."""
    writer = Writer().scalars("I", len(boxes))
    for box in boxes:
        header.write(writer).string(box.label).scalars("iii", box.id, _CUBE, _ADD)
        turn = (0.0, 0.0, np.sin(box.yaw / 2), np.cos(box.yaw / 2))
        writer.scalars("d" * 10, *box.center, *turn, *box.size)
        writer.scalars("ffffiIB", *_COLOR, *split_stamp(_LIFETIME_NS), 0)
        writer.scalars("II", 0, 0).string("")  # no points and colors, no texture
        header.write(writer).string("").scalars("II", 0, 0)
        writer.string("").string("").string("").scalars("IB", 0, 0)  # no text, no mesh
    return writer.finish()


def _skip_appearance(reader: Reader) -> None:
    """Read past a marker's color, lifetime, points, texture, text and mesh."""
    reader.scalars("ffffiIB")
    for dtype, numbers in (("f8", 3), ("f4", 4)):  # points, colors
        reader.numbers(dtype, numbers * reader.count(numbers))
    reader.string()
    Header.read(reader)
    reader.string()
    reader.array("u1")
    reader.numbers("f4", 2 * reader.count(8))
    for _ in range(3):  # text, mesh and its file's name
        reader.string()
    reader.array("u1")
    reader.scalar("B")
