"""The camera of an image, kept up to date from CameraInfo messages."""

from dataclasses import replace

from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.camera_info import CameraInfo, read_camera_info
from pdn_ros.messages.cdr import NO_HEADER, Header


class CameraInfos:
    """The camera of an image from the newest CameraInfo; rebuilt only when it changed."""

    def __init__(self) -> None:
        self._info: CameraInfo | InputError | None = None
        self._key: tuple[tuple[int, int] | None, CameraInfo] | None = None
        self._camera: Camera | None = None

    @property
    def stamp_ns(self) -> int:
        """Stamp of the newest CameraInfo; 0 before the first."""
        return self._header.stamp_ns

    @property
    def frame_id(self) -> str:
        """Frame of the newest CameraInfo; empty before the first."""
        return self._header.frame_id

    @property
    def _header(self) -> Header:
        return self._info.header if isinstance(self._info, CameraInfo) else NO_HEADER

    def put(self, data: bytes) -> None:
        """Take a serialized sensor_msgs/CameraInfo; `camera` says what is wrong with it."""
        try:
            self._info = read_camera_info(data)
        except InputError as error:
            self._info = error

    def camera(self, size: tuple[int, int] | None = None) -> Camera:
        """Return the camera of an image of `size` (width, height), or of the CameraInfo's own.

        Raises:
            InputError: No CameraInfo came yet, it is damaged or uncalibrated, or its shape is not
                the image's.
        """
        info = self._info
        if info is None:
            raise InputError("no camera_info yet: the grid and the LiDAR need it")
        if isinstance(info, InputError):
            raise info
        # Without what no camera depends on: it may change, or hold NaN, with every message.
        key = (size, replace(info, header=NO_HEADER, r=(), p=()))
        if self._camera is None or key != self._key:
            self._camera, self._key = _fit(Camera.from_info(info), size), key
        return self._camera


def _fit(camera: Camera, size: tuple[int, int] | None) -> Camera:
    if size is None or size == (camera.width, camera.height):
        return camera
    width, height = size
    if width * camera.height != height * camera.width:
        raise InputError(
            f"camera_info is of {camera.width}x{camera.height}, the image is {width}x{height}"
        )
    return camera.resized(width, height)
