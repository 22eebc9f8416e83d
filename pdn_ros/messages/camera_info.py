"""sensor_msgs/CameraInfo."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import MAX_PIXELS, NO_HEADER, Buffer, Header, Reader, Writer

_MOST_COEFFICIENTS = 64
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class RegionOfInterest(NamedTuple):
    """sensor_msgs/RegionOfInterest, pixels of the full sensor; sides of 0 mean all of it."""

    x_offset: int = 0
    y_offset: int = 0
    width: int = 0
    height: int = 0
    do_rectify: bool = False


_WHOLE = RegionOfInterest()


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraInfo:
    """The calibration of a camera as its driver sends it; compared by content.

    Attributes:
        header: Stamp of the image and optical frame.
        width: Columns of the full sensor.
        height: Rows of the full sensor.
        distortion_model: `plumb_bob`, `rational_polynomial`, `equidistant`, ...
        d: Distortion coefficients.
        k: Camera matrix of the raw image, (3, 3) row-major.
        r: Rectification, (3, 3) row-major.
        p: Projection of the rectified image, (3, 4) row-major.
        binning_x: Columns binned into one; 0 means 1.
        binning_y: Rows binned into one; 0 means 1.
        roi: Part of the sensor that the image shows.
    """

    header: Header = NO_HEADER
    width: int
    height: int
    distortion_model: str = ""
    d: tuple[float, ...] = ()
    k: tuple[float, ...]
    r: tuple[float, ...] = _IDENTITY
    p: tuple[float, ...] = (0.0,) * 12
    binning_x: int = 0
    binning_y: int = 0
    roi: RegionOfInterest = _WHOLE


def read_camera_info(data: Buffer, *, max_pixels: int = MAX_PIXELS) -> CameraInfo:
    """Read a serialized sensor_msgs/CameraInfo.

    Raises:
        InputError: The message is truncated or damaged, or its image larger than `max_pixels`.
    """
    reader = Reader(data)
    header = Header.read(reader)
    height, width, model = reader.scalar("I"), reader.scalar("I"), reader.string()
    if width * height > max_pixels:
        raise InputError(
            f"camera_info: {width} x {height} pixels, more than max_pixels = {max_pixels}"
        )
    d = reader.array("f8")
    if d.size > _MOST_COEFFICIENTS:
        raise InputError(f"camera_info: {d.size} distortion coefficients; the message is damaged")
    k, r, p = (tuple(reader.numbers("f8", count).tolist()) for count in (9, 9, 12))
    binning_x, binning_y, x, y, roi_height, roi_width, do_rectify = reader.scalars("IIIIIIB")
    return CameraInfo(
        header=header,
        width=width,
        height=height,
        distortion_model=model,
        d=tuple(d.tolist()),
        k=k,
        r=r,
        p=p,
        binning_x=binning_x,
        binning_y=binning_y,
        roi=RegionOfInterest(x, y, roi_width, roi_height, bool(do_rectify)),
    )


def write_camera_info(info: CameraInfo) -> bytes:
    """Serialize a sensor_msgs/CameraInfo."""
    writer = info.header.write(Writer()).scalars("II", info.height, info.width)
    writer.string(info.distortion_model).array(np.array(info.d, dtype=np.float64))
    writer.scalars("d" * 30, *info.k, *info.r, *info.p)
    writer.scalars("II", info.binning_x, info.binning_y)
    x, y, width, height, do_rectify = info.roi
    return writer.scalars("IIIIB", x, y, height, width, do_rectify).finish()
