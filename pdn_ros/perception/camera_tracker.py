"""The camera of the images, kept up to date from CameraInfo messages."""

from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.camera_info import CameraInfo


class CameraTracker:
    """The camera of an image from the newest CameraInfo; rebuilt only when it changed."""

    def __init__(self) -> None:
        self._info: CameraInfo | None = None
        self._before_ns = 0
        self._key: tuple[object, ...] = ()
        self._camera: Camera | None = None

    @property
    def stamp_ns(self) -> int:
        """Stamp of the newest CameraInfo; 0 before the first."""
        return self._info.header.stamp_ns if self._info else 0

    @property
    def frame_id(self) -> str:
        """Optical frame of the newest CameraInfo; empty before the first."""
        return self._info.header.frame_id if self._info else ""

    def put(self, info: CameraInfo) -> None:
        """Take a CameraInfo."""
        self._before_ns, self._info = self.stamp_ns, info

    def newest_is_nearest(self, stamp_ns: int) -> bool:
        """Say whether the newest image is nearer to a time than the next one.

        The next one is expected one period after the newest.
        """
        period = self.stamp_ns - self._before_ns if self._before_ns else 0
        return period <= 0 or stamp_ns - self.stamp_ns <= period / 2

    def camera(self, size: tuple[int, int] | None = None) -> Camera:
        """Return the camera of an image of `size` (width, height), or of the CameraInfo's own.

        Raises:
            InputError: No CameraInfo came yet, it is uncalibrated, or its shape is not the image's.
        """
        info = self._info
        if info is None:
            raise InputError("no camera_info yet: the grid and the LiDAR need it")
        key = (
            size, info.width, info.height, info.k, info.d,
            info.distortion_model, info.binning_x, info.binning_y, info.roi,
        )  # fmt: skip
        if self._camera is None or key != self._key:
            try:
                self._camera = _fit(Camera.from_info(info), size)
            except ValueError as error:
                raise InputError(f"camera_info: {error}") from error
            self._key = key
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
