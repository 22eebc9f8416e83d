"""The camera of an image, kept up to date from CameraInfo messages."""

from typing import Any

import numpy as np

from pdn_ros.geometry.camera import Camera


class CameraInfos:
    """The camera of an image from the newest CameraInfo; rebuilt only when it changed."""

    def __init__(self) -> None:
        self._message: Any = None
        self._key: tuple[Any, ...] = ()
        self._camera: Camera | None = None

    @property
    def stamp_ns(self) -> int:
        """Stamp of the newest CameraInfo; 0 before the first."""
        stamp = self._message.header.stamp if self._message is not None else None
        return stamp.sec * 1_000_000_000 + stamp.nanosec if stamp else 0

    @property
    def frame_id(self) -> str:
        """Frame of the newest CameraInfo; empty before the first."""
        return self._message.header.frame_id if self._message is not None else ""

    def put(self, message: Any) -> None:
        """Take a sensor_msgs/CameraInfo."""
        self._message = message

    def camera(self, size: tuple[int, int] | None = None) -> Camera:
        """Return the camera of an image of `size` (width, height), or of the CameraInfo's own.

        Raises:
            ValueError: No CameraInfo came yet, it is uncalibrated, or its shape is not the image's.
        """
        info = self._message
        if info is None:
            raise ValueError("no camera_info yet: the grid and the LiDAR need it")
        roi = (info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height)
        key = (
            size, info.width, info.height, tuple(info.k), tuple(info.d), info.distortion_model,
            info.binning_x, info.binning_y, roi,
        )  # fmt: skip
        if self._camera is None or key != self._key:
            camera = Camera.from_info(
                width=info.width,
                height=info.height,
                k=np.asarray(info.k, dtype=np.float64).reshape(3, 3),
                d=np.asarray(info.d, dtype=np.float64),
                distortion_model=info.distortion_model,
                binning_x=info.binning_x,
                binning_y=info.binning_y,
                roi=roi,
            )
            self._camera, self._key = _fit(camera, size), key
        return self._camera


def _fit(camera: Camera, size: tuple[int, int] | None) -> Camera:
    if size is None or size == (camera.width, camera.height):
        return camera
    width, height = size
    if width * camera.height != height * camera.width:
        raise ValueError(
            f"camera_info is of {camera.width}x{camera.height}, the image is {width}x{height}"
        )
    return camera.resized(width, height)
