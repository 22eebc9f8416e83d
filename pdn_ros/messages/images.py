"""sensor_msgs/Image and CompressedImage: camera images, masks and depth."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages import rle
from pdn_ros.messages.cdr import MAX_PIXELS, Buffer, Header, Reader, Writer
from pdn_ros.messages.compressed import decode_compressed, encode_jpeg
from pdn_ros.messages.encodings import decode_image

Pixels = NDArray[np.uint8]
MaskEncoding = Literal["raw", "rle"]

DEPTH_ENCODINGS: Final = ("16UC1", "32FC1", "64FC1")
"""Encodings that are never a camera image's."""
_MILLIMETERS: Final = ("16UC1", "mono16")


@dataclass(frozen=True, slots=True)
class RawImage:
    """sensor_msgs/Image; `data` is a view of the message."""

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: bool
    step: int
    data: Pixels

    @classmethod
    def read(cls, data: Buffer, max_pixels: int = MAX_PIXELS) -> "RawImage":
        """Read the fields; InputError when they are truncated or claim too many pixels."""
        reader = Reader(data)
        header = Header.read(reader)
        height, width, encoding = reader.scalar("I"), reader.scalar("I"), reader.string()
        is_bigendian, step = bool(reader.scalar("B")), reader.scalar("I")
        if width * height > max_pixels:
            raise InputError(
                f"image: {width} x {height} pixels, more than max_pixels = {max_pixels}"
            )
        return cls(header, height, width, encoding, is_bigendian, step, reader.array("u1"))

    def plane(self, kind: str, name: str) -> NDArray[Any]:
        """View the data as (H, W) numbers of one `numpy` kind (u1, u2, f4)."""
        dtype = np.dtype(f"{'>' if self.is_bigendian else '<'}{kind}")
        height, width, step = self.height, self.width, self.step
        if step < width * dtype.itemsize or len(self.data) < height * step:
            raise InputError(
                f"{name}: {len(self.data)} bytes in rows of {step} do not hold "
                f"{width} x {height} pixels of {self.encoding}: truncated"
            )
        return np.ndarray((height, width), dtype, self.data.data, strides=(step, dtype.itemsize))


def read_image(
    data: Buffer, *, compressed: bool = False, max_pixels: int = MAX_PIXELS
) -> tuple[Header, Pixels]:
    """Read a serialized sensor_msgs/Image, or CompressedImage if `compressed`.

    Returns:
        The header, and (H, W, 3) uint8 BGR: a view of the message where its encoding allows.

    Raises:
        UnknownEncodingError: It may be one that cv_bridge knows.
        InputError: The message is truncated or damaged, its sizes disagree, or the image is larger
            than `max_pixels`.
    """
    if compressed:
        reader = Reader(data)
        header, encoding = Header.read(reader), reader.string()
        return header, decode_compressed(reader.array("u1"), encoding, max_pixels=max_pixels)
    raw = RawImage.read(data, max_pixels)
    return raw.header, decode_image(
        raw.data,
        width=raw.width,
        height=raw.height,
        encoding=raw.encoding,
        step=raw.step,
        is_bigendian=raw.is_bigendian,
    )


def read_encoding(data: Buffer, *, compressed: bool = False) -> str:
    """Return the field `encoding` of an Image, or `format` of a CompressedImage."""
    if not compressed:
        return RawImage.read(data).encoding
    reader = Reader(data)
    Header.read(reader)
    return reader.string()


def read_mask(
    data: Buffer, *, encoding: MaskEncoding | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[Header, Pixels]:
    """Read the class ids of a mono8 Image, raw pixels or the runs that Autoware's nodes write.

    Args:
        data: The message.
        encoding: What the data holds; None: runs if its length is not that of raw pixels.
        max_pixels: Largest width * height.

    Returns:
        The header, and (H, W) uint8: a view of the message where it holds pixels.

    Raises:
        InputError: The message is truncated or damaged, or not a mask.
    """
    raw = RawImage.read(data, max_pixels)
    if raw.encoding not in ("mono8", "8UC1"):
        raise InputError(f"mask: encoding {raw.encoding!r}, expected mono8")
    runs = len(raw.data) != raw.height * raw.step if encoding is None else encoding == "rle"
    if runs:
        return raw.header, rle.decode(raw.data.tobytes(), raw.height, raw.width)
    return raw.header, raw.plane("u1", "mask")


def read_depth(data: Buffer, *, max_pixels: int = MAX_PIXELS) -> tuple[Header, NDArray[np.float32]]:
    """Read a depth Image: 32FC1 in meters or 16UC1 in millimeters (REP 118).

    Returns:
        The header, and (H, W) float32 meters; 0 = none, also for NaN and infinite values.

    Raises:
        InputError: The message is truncated or damaged, or not a depth image.
    """
    raw = RawImage.read(data, max_pixels)
    if raw.encoding == "32FC1":
        meters = raw.plane("f4", "depth image").astype(np.float32, copy=False)
        finite = np.isfinite(meters)
        return raw.header, meters if finite.all() else np.where(finite, meters, np.float32(0))
    if raw.encoding in _MILLIMETERS:
        return raw.header, raw.plane("u2", "depth image").astype(np.float32) / np.float32(1000)
    raise InputError(f"depth image: encoding {raw.encoding!r}, expected 32FC1 or 16UC1")


def write_image(header: Header, pixels: NDArray[Any], encoding: str) -> bytes:
    """Serialize (H, W) or (H, W, channels) pixels as a sensor_msgs/Image.

    `encoding` must be that of the pixels: bgr8, mono8, 32FC1 (meters), ...
    """
    height, width = pixels.shape[:2]
    step = width * pixels.itemsize * (pixels.shape[2] if pixels.ndim == 3 else 1)
    little = pixels.astype(pixels.dtype.newbyteorder("<"), order="C", copy=False)
    writer = header.write(Writer()).scalars("II", height, width).string(encoding)
    return writer.scalars("BI", 0, step).array(little.reshape(-1).view(np.uint8)).finish()


def write_mask(header: Header, mask: Pixels, encoding: MaskEncoding = "raw") -> bytes:
    """Serialize (H, W) uint8 class ids as a mono8 Image.

    With the encoding `rle` the data holds runs instead of pixels, as Autoware's nodes write them;
    size and step are still those of the mask.
    """
    if encoding == "raw":
        return write_image(header, mask, "mono8")
    height, width = mask.shape
    writer = header.write(Writer()).scalars("II", height, width).string("mono8")
    return writer.scalars("BI", 0, width).array(np.frombuffer(rle.encode(mask), np.uint8)).finish()


def write_jpeg(header: Header, pixels: Pixels, quality: int = 80) -> bytes:
    """Serialize (H, W, 3) uint8 BGR as a sensor_msgs/CompressedImage."""
    return write_jpeg_file(header, encode_jpeg(pixels, quality))


def write_jpeg_file(header: Header, file: bytes) -> bytes:
    """Serialize the bytes of a JPEG file, as they are, as a sensor_msgs/CompressedImage."""
    data = np.frombuffer(file, dtype=np.uint8)
    return header.write(Writer()).string("jpeg").array(data).finish()
