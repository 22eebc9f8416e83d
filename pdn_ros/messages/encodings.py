"""Pixels in the encodings of `sensor_msgs/image_encodings.hpp` -> BGR."""

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError

Bytes: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
Pixels: TypeAlias = NDArray[np.uint8]

_CHANNELS: Final = {
    "bgr8": 3,
    "8UC3": 3,
    "rgb8": 3,
    "bgra8": 4,
    "8UC4": 4,
    "rgba8": 4,
    "mono8": 1,
    "8UC1": 1,
    "bgr16": 3,
    "rgb16": 3,
    "bgra16": 4,
    "rgba16": 4,
    "mono16": 1,
    "bayer_rggb8": 1,
    "bayer_bggr8": 1,
    "bayer_gbrg8": 1,
    "bayer_grbg8": 1,
    "bayer_rggb16": 1,
    "bayer_bggr16": 1,
    "bayer_gbrg16": 1,
    "bayer_grbg16": 1,
    "yuv422": 2,
    "uyvy": 2,
    "yuv422_yuy2": 2,
    "yuyv": 2,
    "nv12": 1,
    "nv21": 1,
    "nv24": 1,
}
ENCODINGS: Final = tuple(_CHANNELS)
"""What `decode_image` reads."""

# ROS names the top left corner of the mosaic, as OpenCV's four-letter names do.
_TO_BGR: Final = {
    "rgb": cv2.COLOR_RGB2BGR,
    "bgra": cv2.COLOR_BGRA2BGR,
    "8UC4": cv2.COLOR_BGRA2BGR,
    "rgba": cv2.COLOR_RGBA2BGR,
    "mono": cv2.COLOR_GRAY2BGR,
    "8UC1": cv2.COLOR_GRAY2BGR,
    "bayer_rggb": cv2.COLOR_BayerRGGB2BGR,
    "bayer_bggr": cv2.COLOR_BayerBGGR2BGR,
    "bayer_gbrg": cv2.COLOR_BayerGBRG2BGR,
    "bayer_grbg": cv2.COLOR_BayerGRBG2BGR,
    "yuv422": cv2.COLOR_YUV2BGR_UYVY,
    "uyvy": cv2.COLOR_YUV2BGR_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2BGR_YUY2,
    "yuyv": cv2.COLOR_YUV2BGR_YUY2,
    "nv12": cv2.COLOR_YUV2BGR_NV12,
    "nv21": cv2.COLOR_YUV2BGR_NV21,
}
# Rows of chroma below the luma, as a share of the image's height.
_CHROMA: Final = {"nv12": 0.5, "nv21": 0.5, "nv24": 2.0}
_PAIRED: Final = ("yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv12", "nv21")
# BT.601, video range, as OpenCV's conversions of the other YUV encodings: (Y, U, V, 1) -> (B, G, R)
_BT601: Final = np.array(
    [
        [1.164, 2.018, 0.0, -16 * 1.164 - 128 * 2.018],
        [1.164, -0.391, -0.813, -16 * 1.164 + 128 * (0.391 + 0.813)],
        [1.164, 0.0, 1.596, -16 * 1.164 - 128 * 1.596],
    ]
)


class UnknownEncodingError(InputError):
    """The encoding is not one of `ENCODINGS`; another decoder may know it."""


def decode_image(
    data: Bytes, *, width: int, height: int, encoding: str, step: int, is_bigendian: int = 0
) -> Pixels:
    """Return the pixels of a `sensor_msgs/Image`, (H, W, 3) uint8 BGR.

    `bgr8` comes as a view of `data`, whatever the step; everything else is converted. Of 16-bit
    channels the upper byte is taken: a sensor of 12 bits must fill the upper ones. YUV is BT.601.

    Args:
        data: The message's bytes.
        width: Columns.
        height: Rows.
        encoding: One of `ENCODINGS`.
        step: Bytes per row, padding included.
        is_bigendian: Byte order of 16-bit channels.

    Raises:
        UnknownEncodingError: The encoding is unknown.
        InputError: The sizes do not fit together.
    """
    channels = _CHANNELS.get(encoding)
    if channels is None:
        raise UnknownEncodingError(
            f"image: encoding {encoding!r} is not one of {', '.join(ENCODINGS)}"
        )
    depth = 2 if encoding.endswith("16") else 1
    rows = _check(
        width=width,
        height=height,
        encoding=encoding,
        step=step,
        pixel=depth * channels,
        size=_size(data),
    )
    # The upper byte of each channel, without a pass over the image.
    plane: Pixels = np.ndarray(
        (rows, width, channels),
        np.uint8,
        buffer=data,
        offset=0 if is_bigendian else depth - 1,
        strides=(step, depth * channels, depth),
    )
    if encoding in ("bgr8", "8UC3"):
        return plane
    if encoding == "bgr16":
        return np.ascontiguousarray(plane)
    if encoding == "nv24":
        return _nv24(plane[..., 0], height)
    kind = encoding.removesuffix("8").removesuffix("16")
    return _convert(plane, _TO_BGR[kind])


def _size(data: Bytes) -> int:
    return data.nbytes if isinstance(data, memoryview | np.ndarray) else len(data)


def _check(*, width: int, height: int, encoding: str, step: int, pixel: int, size: int) -> int:
    """Return the rows of the message's data, those of chroma included."""
    name = f"image: {encoding} of {width} x {height}"
    if width < 1 or height < 1:
        raise InputError(f"{name} is empty")
    chroma = _CHROMA.get(encoding, 0)
    if encoding in _PAIRED and (width % 2 or (chroma and height % 2)):
        raise InputError(f"{name}: sides must be even where pixels share a colour")
    if encoding == "nv24" and step != width:
        raise InputError(f"{name}: rows with padding are not defined for it")
    rows = height + int(height * chroma)
    if step < width * pixel:
        raise InputError(f"{name} needs rows of {width * pixel} bytes, step says {step}")
    if size != rows * step:
        state = "truncated" if size < rows * step else "of wrong size"
        raise InputError(f"{name} is {state}: {size} bytes, {rows} rows of {step} expected")
    return rows


def _convert(plane: Pixels, code: int) -> Pixels:
    # OpenCV takes rows with padding as they are, but not steps between the channels.
    if plane.strides[1:] != (plane.shape[2], 1):
        plane = np.ascontiguousarray(plane)
    return np.asarray(cv2.cvtColor(plane, code), dtype=np.uint8)


def _nv24(rows: Pixels, height: int) -> Pixels:
    luma = rows[:height]
    chroma = np.ascontiguousarray(rows[height:]).reshape(height, -1, 2)
    yuv = np.dstack((luma, chroma))
    return np.asarray(cv2.transform(yuv, _BT601), dtype=np.uint8)
