"""A scan's path: projected into the cameras, then matched to the images that it belongs to."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.lidar import LidarView, project_scans
from pdn_ros.geometry.transform_buffer import Transforms, wait_for_transform
from pdn_ros.geometry.transforms import Matrix, invert
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.patches import PatchPrior
from pdn_ros.perception.camera_tracker import CameraTracker
from pdn_ros.perception.config import LidarConfig, LidarProjectionConfig
from pdn_ros.perception.reports import Report

Floats = NDArray[np.float32]
PAIR_NS: Final = 100_000_000
"""Scan and image this close in time belong together; the scan is moved to the image's time."""


class Place(NamedTuple):
    """A camera and where it is in the LiDAR's eyes.

    Attributes:
        camera: The camera.
        frame_id: Its optical frame.
        T_camera_lidar: From the LiDAR at the scan's stamp to the optical frame at the image's.
    """

    camera: Camera
    frame_id: str
    T_camera_lidar: Matrix


class ScanProjector:
    """Projects scans into images: a prior for the patches and a depth image for each camera.

    Args:
        config: Of the LiDAR projection.
        transforms: Where LiDAR, cameras and robot are.
    """

    def __init__(self, config: LidarProjectionConfig, transforms: Transforms) -> None:
        self.config = config
        self._transforms = transforms

    def place(self, infos: CameraTracker, header: Header) -> Place:
        """Return where a camera is when it takes the image that is nearest to a scan.

        A scan that comes before its image stays at its own time: the motion until then is not yet
        known.

        Args:
            infos: What is known of the camera.
            header: Of the scan.

        Raises:
            InputError: The camera is not known.
            LookupError: TF lacks its pose.
        """
        camera, optical = infos.camera(), infos.frame_id
        stamp, lidar, fixed = header.stamp_ns, header.frame_id, self.config.fixed_frame
        offset_ns = round(1e6 * self.config.camera_time_offset_ms)
        image_ns = infos.stamp_ns + offset_ns
        near = 0 < abs(image_ns - stamp) < PAIR_NS
        if near and infos.newest_is_nearest(stamp - offset_ns):
            try:
                T_fixed_lidar = self._lookup(fixed, lidar, stamp)  # noqa: N806
                T_fixed_camera = self._lookup(fixed, optical, image_ns)  # noqa: N806
            except LookupError:
                pass  # no odometry: assume no motion between scan and image
            else:
                return Place(camera, optical, invert(T_fixed_camera) @ T_fixed_lidar)
        return Place(camera, optical, self._lookup(optical, lidar, stamp))

    def project(
        self, points: NDArray[np.floating], header: Header, places: Sequence[Place]
    ) -> list[tuple[PatchPrior, LidarView]]:
        """Project a scan into cameras.

        Args:
            points: (N, 3) meters in the LiDAR's frame; NaN and infinities are ignored (REP 117).
            header: Of the scan.
            places: One or more cameras.

        Returns:
            For each camera the prior, whose header has the scan's stamp and the camera's frame, and
            the scan as the camera sees it.

        Raises:
            LookupError: TF lacks the LiDAR's pose.
        """
        config, stamp_ns = self.config, header.stamp_ns
        views = project_scans(
            points,
            cameras=[(place.camera, place.T_camera_lidar) for place in places],
            T_base_lidar=self._lookup(config.base_frame, header.frame_id, stamp_ns),
            patch_size=config.patch_size,
        )
        found = []
        for place, view in zip(places, views, strict=True):
            size = (place.camera.width, place.camera.height)
            out = Header(stamp_ns, place.frame_id)
            prior = PatchPrior(out, size, config.patch_size, view.weights, view.returns)
            found.append((prior, view))
        return found

    def _lookup(self, target: str, source: str, stamp_ns: int) -> Matrix:
        tolerance_s = self.config.transform_tolerance
        return wait_for_transform(self._transforms, target, source, stamp_ns, tolerance_s)


class LidarBuffer:
    """The prior and the depth image that belong to an image. Thread-safe.

    The prior is the newest when an image is taken. The depth is needed only after the network has
    run, when newer scans may have arrived: the one nearest to the image is kept.

    Args:
        config: How close in time they must be.
        report: Called when one is refused.
    """

    def __init__(self, config: LidarConfig, report: Report) -> None:
        self.config = config
        self.state = "none"
        """State of the prior at the last image, for the diagnostics."""
        self.awaited = False
        """Whether priors have a publisher, so that even the first is worth waiting for."""
        self._report = report
        self._arrived = threading.Condition()
        self._prior: PatchPrior | None = None
        self._newest: DepthImage | None = None
        self._nearest: DepthImage | None = None
        self._image_ns = 0

    def put_prior(self, prior: PatchPrior) -> None:
        """Take a prior."""
        with self._arrived:
            self._prior = prior
            self._arrived.notify_all()

    def put_depth(self, depth: "DepthImage") -> None:
        """Take a depth image."""
        with self._arrived:
            self._newest = depth
            if self._nearest is None or self._distance(depth) < self._distance(self._nearest):
                self._nearest = depth

    def clear(self) -> None:
        """Forget both."""
        with self._arrived:
            self._prior = self._newest = self._nearest = None
        self.state = "none"

    def expect(self, stamp_ns: int) -> None:
        """From now on keep the depth that is nearest to an image."""
        with self._arrived:
            self._image_ns = stamp_ns
            self._nearest = self._newest

    def prior(self, stamp_ns: int, size: tuple[int, int], patch_size: int) -> Floats | None:
        """Return the (rows, cols) prior for an image of `size` (width, height), or None."""
        prior = self._own_prior(stamp_ns)
        if prior is None:
            self.state = "none"
            return None
        away_ms = abs(stamp_ns - prior.header.stamp_ns) / 1e6
        if away_ms > self.config.max_age_ms:
            self.state = f"{away_ms:.0f} ms away from the image"
            return None
        grid = (-(-size[1] // patch_size), -(-size[0] // patch_size))
        if (prior.image_size, prior.patch_size, prior.weights.shape) != (size, patch_size, grid):
            self.state = "of another patch grid"
            width, height = prior.image_size
            self._report(
                "lidar_prior",
                f"lidar_prior refused: of {width}x{height} in patches of {prior.patch_size}, the "
                f"image is {size[0]}x{size[1]} in patches of {patch_size}",
            )
            return None
        self.state = "used"
        return prior.weights

    def depth(self, stamp_ns: int, size: tuple[int, int]) -> Floats | None:
        """Return the (H, W) depth in meters for an image of `size` (width, height), or None."""
        nearest = self._nearest
        if nearest is None or abs(stamp_ns - nearest.stamp_ns) / 1e6 > self.config.max_age_ms:
            return None
        try:
            meters = nearest.meters
        except InputError as error:
            self._report("lidar_depth", str(error))
            return None
        if meters.shape != (size[1], size[0]):
            height, width = meters.shape
            self._report(
                "lidar_depth",
                f"lidar_depth refused: {width}x{height}, the image is {size[0]}x{size[1]}",
            )
            return None
        return meters

    def _own_prior(self, stamp_ns: int) -> PatchPrior | None:
        """Return the newest prior, after waiting for one that is not older than the image."""

        def is_there() -> bool:
            prior = self._prior
            return not self.awaited if prior is None else prior.header.stamp_ns >= stamp_ns

        with self._arrived:
            self._arrived.wait_for(is_there, self.config.wait_ms / 1000)
            return self._prior

    def _distance(self, depth: "DepthImage") -> int:
        return abs(depth.stamp_ns - self._image_ns)


@dataclass
class DepthImage:
    """A depth image that is read only when needed.

    Attributes:
        stamp_ns: Of the scan.
        read: Returns (H, W) float32 meters along the optical axis, 0 = none; may raise InputError.
    """

    stamp_ns: int
    read: Callable[[], Floats]

    @classmethod
    def of(cls, stamp_ns: int, meters: Floats) -> "DepthImage":
        """Return one that has already been read."""
        return cls(stamp_ns, lambda: meters)

    @cached_property
    def meters(self) -> Floats:
        """The ranges, read once."""
        return self.read()
