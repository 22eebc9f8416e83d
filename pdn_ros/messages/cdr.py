"""Reading and writing serialized messages without copying their payload.

ROS 2 serializes messages in CDR (OMG DDS-XTypes 1.3, section 7.4.1, "plain CDR" of version 1):
four bytes that name the byte order, then the fields in order of definition, each aligned to its own
size counted from the end of those four bytes. Strings carry a length that includes a closing NUL.

The generated classes copy `uint8[]` fields several times and check them element by element; for an
image that costs more than the network does.
"""

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError

Buffer = bytes | bytearray | memoryview

MAX_PIXELS: Final = 50_000_000
"""Default limit on an image's pixels: larger ones are refused."""

_LITTLE_ENDIAN = b"\x00\x01\x00\x00"
_MAX_STRING = 4096  # frame names and encodings: more is a damaged message
_SECOND = 1_000_000_000


def join_stamp(sec: int, nanosec: int) -> int:
    """Return the nanoseconds of a builtin_interfaces/Time or Duration."""
    return sec * _SECOND + nanosec


def split_stamp(stamp_ns: int) -> tuple[int, int]:
    """Return the fields `sec` and `nanosec` of a builtin_interfaces/Time or Duration."""
    return divmod(stamp_ns, _SECOND)


class Reader:
    """Reads the fields of one serialized message in order.

    Raises:
        InputError: In every method: the message ends before its fields do, or it is damaged.
    """

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
        self._align(size)
        self._require(size)
        (value,) = struct.unpack_from(f"{self._order}{code}", self._body, self._at)
        self._at += size
        return value

    def scalars(self, codes: str) -> tuple[Any, ...]:
        """Read numbers, one `struct` code each."""
        return tuple(self.scalar(code) for code in codes)

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
        return self.numbers(dtype, self.scalar("I"))

    def numbers(self, dtype: str, count: int) -> NDArray[Any]:
        """Read `count` numbers, a fixed-length array in the definition, as `array` does."""
        kind = np.dtype(f"{self._order}{dtype}")
        if count == 0:
            return np.empty(0, dtype=kind)
        self._align(kind.itemsize)
        self._require(count * kind.itemsize)
        view = np.frombuffer(self._body, dtype=kind, count=count, offset=self._at)
        self._at += count * kind.itemsize
        return view

    def count(self, least: int) -> int:
        """Read the length of a sequence whose elements take at least `least` bytes each."""
        count = int(self.scalar("I"))
        self._require(count * least)
        return count

    def records(self, dtype: np.dtype[Any]) -> NDArray[np.void]:
        """Read a sequence of structures; a copy.

        Args:
            dtype: Little-endian fields, aligned as in CDR from a multiple of four bytes. In the
                message, the last structure lacks the padding after its last field.
        """
        count = int(self.scalar("I"))
        size = count * dtype.itemsize - (_padding(dtype) if count else 0)
        self._require(size)
        table = np.zeros(count, dtype=dtype if self._order == "<" else dtype.newbyteorder(">"))
        table.view(np.uint8)[:size] = np.frombuffer(self._body, np.uint8, size, self._at)
        self._at += size
        return table.astype(dtype, copy=False)

    def _align(self, size: int) -> None:
        self._at += -self._at % size

    def _require(self, size: int) -> None:
        if self._at + size > len(self._body):
            raise InputError(
                f"message: truncated, {size} bytes wanted at byte {self._at} of {len(self._body)}"
            )


class Writer:
    """Builds one serialized message; payloads are copied once, when it is finished."""

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

    def records(self, table: NDArray[np.void]) -> "Writer":
        """Write a sequence of structures, as `Reader.records` reads them."""
        self.scalars("I", len(table))
        if len(table):
            body = table.tobytes()
            self._append(body[: len(body) - _padding(table.dtype)])
        return self

    def finish(self) -> bytes:
        """Return the serialized message."""
        return b"".join(self._parts)

    def _append(self, part: Buffer) -> "Writer":
        self._parts.append(part)
        self._at += len(part)
        return self

    def _align(self, size: int) -> None:
        if gap := -self._at % size:
            self._append(bytes(gap))


def _padding(dtype: np.dtype[Any]) -> int:
    """Padding bytes of a structure after its last field."""
    ends = (offset + kind.itemsize for kind, offset, *_ in (dtype.fields or {}).values())
    return dtype.itemsize - max(ends, default=0)


@dataclass(frozen=True, slots=True)
class Header:
    """std_msgs/Header: the sensor's stamp in nanoseconds and the frame."""

    stamp_ns: int
    frame_id: str

    @classmethod
    def read(cls, reader: Reader) -> "Header":
        """Read a header; InputError when its stamp is impossible."""
        sec, nanosec = reader.scalars("iI")
        if nanosec >= _SECOND:
            raise InputError(f"message: {nanosec} nanoseconds in a stamp; the message is damaged")
        return cls(join_stamp(sec, nanosec), reader.string())

    def write(self, writer: Writer) -> Writer:
        """Append the header to a message."""
        return writer.scalars("iI", *split_stamp(self.stamp_ns)).string(self.frame_id)


NO_HEADER: Final = Header(0, "")
"""Header of a message without a stamp."""


def read_header(data: Buffer) -> Header:
    """Read the header of any message that starts with one, and nothing behind it."""
    return Header.read(Reader(data))
