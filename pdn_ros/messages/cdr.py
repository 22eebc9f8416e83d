"""Reading and writing serialised messages without copying their payload.

ROS 2 serialises messages in CDR (OMG DDS-XTypes 1.3, section 7.4.1, "plain CDR" of version 1):
four bytes that name the byte order, then the fields in order of definition, each aligned to its own
size counted from the end of those four bytes. Strings carry a length that includes a closing NUL.

The generated classes copy `uint8[]` fields several times and check them element by element; for an
image that costs more than the network does.
"""

import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError

Buffer = bytes | bytearray | memoryview
Bytes = NDArray[np.uint8]

_LITTLE_ENDIAN = b"\x00\x01\x00\x00"
_MAX_STRING = 4096  # frame names and encodings: more is a damaged message


class Reader:
    """Reads the fields of one serialised message in order."""

    def __init__(self, data: Buffer) -> None:
        self._data = memoryview(data).cast("B")
        if len(self._data) < 4 or self._data[0] != 0 or self._data[1] not in (0, 1):
            raise InputError("message: no CDR encapsulation; it was not written by ROS 2")
        self._order = "<" if self._data[1] else ">"
        self._body = self._data[4:]
        self._at = 0

    def scalar(self, code: str) -> Any:
        """Read one number; `code` is that of `struct` (i, I, B, f, d, ...)."""
        size = struct.calcsize(f"={code}")
        self._at += -self._at % size
        self._require(size)
        (value,) = struct.unpack_from(f"{self._order}{code}", self._body, self._at)
        self._at += size
        return value

    def string(self) -> str:
        """Read a string."""
        length = self.scalar("I")
        if length > _MAX_STRING:
            raise InputError(f"message: a string of {length} bytes; the message is damaged")
        self._require(length)
        text = bytes(self._body[self._at : self._at + length])
        self._at += length
        return text.rstrip(b"\x00").decode("utf-8", errors="replace")

    def array(self, dtype: str) -> NDArray[Any]:
        """Read a sequence of numbers as a read-only view of the message's own bytes."""
        kind = np.dtype(f"{self._order}{dtype}")
        count = self.scalar("I")
        if count == 0:
            return np.empty(0, dtype=kind)
        self._at += -self._at % kind.itemsize
        self._require(count * kind.itemsize)
        view = np.frombuffer(self._body, dtype=kind, count=count, offset=self._at)
        self._at += count * kind.itemsize
        return view

    def _require(self, size: int) -> None:
        if self._at + size > len(self._body):
            raise InputError(
                f"message: truncated, {size} bytes wanted at byte {self._at} of {len(self._body)}"
            )


class Writer:
    """Builds one serialised message; payloads are copied once, when it is finished."""

    def __init__(self) -> None:
        self._parts: list[Buffer] = [_LITTLE_ENDIAN]
        self._at = 0

    def scalars(self, codes: str, *values: float) -> "Writer":
        """Write numbers, one `struct` code each."""
        for code, value in zip(codes, values, strict=True):
            self._align(struct.calcsize(f"={code}"))
            self._append(struct.pack(f"<{code}", value))
        return self

    def string(self, text: str) -> "Writer":
        """Write a string."""
        encoded = text.encode("utf-8") + b"\x00"
        self.scalars("I", len(encoded))
        return self._append(encoded)

    def array(self, values: NDArray[Any]) -> "Writer":
        """Write a sequence of numbers of any shape, in C order."""
        self.scalars("I", values.size)
        if values.size:
            self._align(values.dtype.itemsize)
            flat = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
            self._append(flat.reshape(-1).view(np.uint8).data)
        return self

    def raw(self, body: Buffer, *, align: int) -> "Writer":
        """Append bytes that are serialised already and start at this alignment."""
        self._align(align)
        return self._append(body)

    def finish(self) -> bytes:
        """Return the serialised message."""
        return b"".join(self._parts)

    def _append(self, part: Buffer) -> "Writer":
        self._parts.append(part)
        self._at += len(part)
        return self

    def _align(self, size: int) -> None:
        if gap := -self._at % size:
            self._append(bytes(gap))


@dataclass(frozen=True, slots=True)
class Header:
    """std_msgs/Header: the sensor's stamp in nanoseconds and the frame."""

    stamp_ns: int
    frame_id: str

    @classmethod
    def read(cls, reader: Reader) -> "Header":
        """Read a header; InputError when its stamp is none."""
        sec, nanosec = reader.scalar("i"), reader.scalar("I")
        if nanosec >= 1_000_000_000:
            raise InputError(f"message: {nanosec} nanoseconds in a stamp; the message is damaged")
        return cls(sec * 1_000_000_000 + nanosec, reader.string())

    def write(self, writer: Writer) -> Writer:
        """Append the header to a message."""
        sec, nanosec = divmod(self.stamp_ns, 1_000_000_000)
        return writer.scalars("iI", sec, nanosec).string(self.frame_id)


@dataclass(frozen=True, slots=True)
class RawImage:
    """sensor_msgs/Image; `data` is a view of the message."""

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: bool
    step: int
    data: Bytes


@dataclass(frozen=True, slots=True)
class RawCompressedImage:
    """sensor_msgs/CompressedImage; `data` is a view of the message."""

    header: Header
    format: str
    data: Bytes


@dataclass(frozen=True, slots=True)
class RawField:
    """sensor_msgs/PointField."""

    name: str
    offset: int
    datatype: int
    count: int


@dataclass(frozen=True, slots=True)
class RawCloud:
    """sensor_msgs/PointCloud2; `data` is a view of the message."""

    header: Header
    height: int
    width: int
    fields: tuple[RawField, ...]
    is_bigendian: bool
    point_step: int
    row_step: int
    data: Bytes


def read_image(data: Buffer) -> RawImage:
    """Read a sensor_msgs/Image; InputError when it is truncated."""
    reader = Reader(data)
    header = Header.read(reader)
    height, width, encoding = reader.scalar("I"), reader.scalar("I"), reader.string()
    is_bigendian, step = bool(reader.scalar("B")), reader.scalar("I")
    return RawImage(header, height, width, encoding, is_bigendian, step, reader.array("u1"))


def read_compressed_image(data: Buffer) -> RawCompressedImage:
    """Read a sensor_msgs/CompressedImage; InputError when it is truncated."""
    reader = Reader(data)
    header = Header.read(reader)
    return RawCompressedImage(header, reader.string(), reader.array("u1"))


def read_cloud(data: Buffer) -> RawCloud:
    """Read a sensor_msgs/PointCloud2; InputError when it is truncated."""
    reader = Reader(data)
    header = Header.read(reader)
    height, width, count = reader.scalar("I"), reader.scalar("I"), reader.scalar("I")
    if count > 256:
        raise InputError(f"message: a cloud of {count} fields; the message is damaged")
    fields = tuple(
        RawField(reader.string(), reader.scalar("I"), reader.scalar("B"), reader.scalar("I"))
        for _ in range(count)
    )
    is_bigendian = bool(reader.scalar("B"))
    point_step, row_step = reader.scalar("I"), reader.scalar("I")
    return RawCloud(
        header, height, width, fields, is_bigendian, point_step, row_step, reader.array("u1")
    )


def _image(header: Header, encoding: str, pixels: NDArray[Any]) -> bytes:
    height, width = pixels.shape[:2]
    step = width * pixels.itemsize * (pixels.shape[2] if pixels.ndim == 3 else 1)
    writer = header.write(Writer()).scalars("II", height, width).string(encoding)
    return writer.scalars("BI", 0, step).array(pixels.reshape(-1).view(np.uint8)).finish()


def write_mono8(header: Header, pixels: Bytes) -> bytes:
    """Serialise (H, W) uint8 as sensor_msgs/Image mono8."""
    return _image(header, "mono8", np.ascontiguousarray(pixels))


def write_bgr8(header: Header, pixels: Bytes) -> bytes:
    """Serialise (H, W, 3) uint8 as sensor_msgs/Image bgr8."""
    return _image(header, "bgr8", np.ascontiguousarray(pixels))


def write_32fc1(header: Header, metres: NDArray[np.float32]) -> bytes:
    """Serialise (H, W) float32 as sensor_msgs/Image 32FC1."""
    return _image(header, "32FC1", np.ascontiguousarray(metres, dtype="<f4"))


def write_rle(header: Header, height: int, width: int, runs: bytes) -> bytes:
    """Serialise a run-length-encoded mask (`rle.encode`) in an Image as Autoware's nodes do.

    Encoding, size and step are those of the mask; only `data` holds the runs instead of pixels.
    """
    writer = header.write(Writer()).scalars("II", height, width).string("mono8")
    return writer.scalars("BI", 0, width).array(np.frombuffer(runs, np.uint8)).finish()


def write_grid(
    header: Header, data: NDArray[np.int8], *, resolution: float, origin_xy: tuple[float, float]
) -> bytes:
    """Serialise (rows = y, cols = x) int8 cells, -1 or 0..100, as nav_msgs/OccupancyGrid.

    The origin is the outer corner of cell (0, 0) and its orientation is the identity: nav2's
    StaticLayer ignores any other.
    """
    rows, cols = data.shape
    sec, nanosec = divmod(header.stamp_ns, 1_000_000_000)
    writer = header.write(Writer()).scalars("iIfII", sec, nanosec, resolution, cols, rows)
    writer.scalars("ddddddd", origin_xy[0], origin_xy[1], 0.0, 0.0, 0.0, 0.0, 1.0)
    return writer.array(data).finish()


def write_organised_cloud(
    header: Header, points: NDArray[np.float32], rgb: NDArray[np.uint32] | None = None
) -> bytes:
    """Serialise (H, W, 3) float32 x, y, z as an organised sensor_msgs/PointCloud2.

    NaN marks the pixels without a point, so `is_dense` is false unless there is none of them.
    With `rgb`, (H, W) uint32 0xRRGGBB, there is a field of that name as RViz and PCL read it.
    """
    height, width = points.shape[:2]
    names = "x", "y", "z", "rgb"
    data = np.ascontiguousarray(points, dtype="<f4").view("<i4")
    if rgb is not None:
        data = cv2.merge((data, rgb.astype("<u4", copy=False).view("<i4")))
    count = data.shape[2]
    writer = header.write(Writer()).scalars("III", height, width, count)
    for i, name in enumerate(names[:count]):
        writer.string(name).scalars("IBI", 4 * i, 7, 1)  # 7: FLOAT32
    writer.scalars("BII", 0, 4 * count, 4 * count * width).array(data.reshape(-1).view(np.uint8))
    return writer.scalars("B", bool(np.isfinite(points).all())).finish()
