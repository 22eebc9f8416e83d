"""Image files and the compressed images of messages -> BGR: JPEG, PNG and a few formats more.

Decoding is strict: a truncated or damaged image is refused, never filled with gray, and an image of
too many pixels is refused from its header, before memory is allocated.
"""

import io
import struct
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import MAX_PIXELS

try:
    import simplejpeg
except ImportError:  # an optional decoder, twice as fast
    simplejpeg = None

Bytes: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
Pixels: TypeAlias = NDArray[np.uint8]

_COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_JPEG, _END = b"\xff\xd8", b"\xff\xd9"
_PNG = b"\x89PNG\r\n\x1a\n"
# Formats whose size OpenCV and Pillow take from the same place; those of newer Pillows last.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "AVIF")
_STUFFING = b"\x5a" * 64
_COLOR_SPACES = ("YCbCr", "RGB", "Gray")  # those that libjpeg-turbo turns to BGR


def decode_compressed(
    data: Bytes,
    format: str = "",  # noqa: A002  # the field's name
    *,
    max_pixels: int = MAX_PIXELS,
) -> Pixels:
    """Return the pixels of an image file or a `sensor_msgs/CompressedImage`, (H, W, 3) uint8 BGR.

    Of 16-bit channels the upper byte is taken, transparency is dropped, and an orientation in the
    file is ignored: CameraInfo describes the pixels as they are.

    Args:
        data: The file's bytes.
        format: The message's field `format`, for the error.
        max_pixels: Largest width * height.

    Raises:
        InputError: The data is damaged, truncated or not an image, or the image is larger than
            `max_pixels` or a compressed depth image.
    """
    if is_compressed_depth(format):
        raise InputError(f"compressed image: {format!r} is a depth image, not a camera's")
    kind = repr(format) if format else "data"
    flat: Pixels = np.frombuffer(data, dtype=np.uint8)
    is_jpeg = flat[:2].tobytes() == _JPEG
    try:
        width, height, turbo = _measure(flat, is_jpeg)
        if width * height > max_pixels:
            raise InputError(
                f"compressed image: {width} x {height} pixels, more than max_pixels = {max_pixels}"
            )
        if turbo:
            pixels: Pixels = simplejpeg.decode_jpeg(flat, colorspace="BGR")
            return pixels
        found = cv2.imdecode(flat, _COLOR)
        if found is not None and (not is_jpeg or _is_whole(flat, np.asarray(found))):
            return np.asarray(found, dtype=np.uint8)
    except InputError:
        raise
    # Pillow and OpenCV report damage in any of these.
    except (OSError, SyntaxError, ValueError, MemoryError, EOFError, cv2.error) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"compressed image: {flat.size} bytes of {kind} are damaged ({reason})"
        ) from error
    raise InputError(f"compressed image: {flat.size} bytes of {kind} are damaged or truncated")


def read_image_file(path: Path, *, upright: bool = False, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Read an image file as (H, W, 3) uint8 BGR, as strictly as `decode_compressed`.

    Args:
        path: The file.
        upright: Whether to turn the image as its EXIF orientation says, as viewers do.
        max_pixels: Largest width * height.

    Raises:
        InputError: The file is absent, damaged or not an image, or the image is too large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        pixels = decode_compressed(data, max_pixels=max_pixels)
        return _turned(pixels, _orientation(data)) if upright else pixels
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _orientation(data: bytes) -> int:
    try:
        with _open(np.frombuffer(data, dtype=np.uint8)) as image:
            return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (OSError, SyntaxError, ValueError, TypeError, EOFError):
        return 1  # the pixels are whole: damaged metadata is no reason to refuse them


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    if orientation >= 5:  # the first row of the file is a side of the picture
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def encode_jpeg(pixels: Pixels, quality: int = 92) -> bytes:
    """Return (H, W, 3) uint8 BGR as a JPEG file."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def is_compressed_depth(format: str) -> bool:  # noqa: A002  # the field's name
    """Tell by a CompressedImage's `format` whether it holds depth instead of colors."""
    return "compresseddepth" in format.lower()


def _measure(flat: Pixels, is_jpeg: bool) -> tuple[int, int, bool]:
    """Return width and height by the file's header, and whether libjpeg-turbo is to decode it."""
    if is_jpeg and simplejpeg is not None:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(flat)
        return width, height, colors in _COLOR_SPACES
    start = flat[:24].tobytes()
    if start.startswith(_PNG) and start[12:16] == b"IHDR" and len(start) == 24:
        width, height = struct.unpack_from(">II", start, 16)
        return width, height, False
    with _open(flat) as image:
        return image.width, image.height, False


def _open(flat: Pixels) -> Image.Image:
    """Open an image file, reading only its header."""
    try:
        return Image.open(io.BytesIO(flat.data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(f"compressed image: {error}") from error
    except (UnidentifiedImageError, KeyError) as error:  # a KeyError: Pillow lacks a format
        raise InputError(
            f"compressed image: {flat.size} bytes are damaged or not of {', '.join(_FORMATS)}"
        ) from error


def _is_whole(flat: Pixels, pixels: Pixels) -> bool:
    """Tell whether a JPEG was complete: OpenCV only warns, and fills missing parts with gray.

    Bytes between the last block and the end marker change nothing in a whole JPEG. In one that is
    cut off they are taken for the blocks that are missing.
    """
    data = flat.tobytes()
    end = data.rfind(_END, len(data) - 1024 if len(data) > 1024 else 0)
    if end < 0:
        return False
    progressive = b"\xff\xc2" in data[:end]
    if not progressive and (pixels[-1, -1] != 128).any():
        return True
    longer = np.frombuffer(data[:end] + _STUFFING + data[end:], dtype=np.uint8)
    again = cv2.imdecode(longer, _COLOR)
    return again is not None and np.array_equal(again, pixels)
