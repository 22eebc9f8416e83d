"""The LiDAR prior and depth image that belong to an image."""

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Header, read_header
from pdn_ros.messages.images import read_depth
from pdn_ros.messages.patches import PatchPrior, read_prior

Trouble = Callable[[str, str], None]
Floats = NDArray[np.float32]


class LidarInputs:
    """Keeps messages serialised; the worker reads them when an image needs them.

    The prior is the newest one when an image is taken. The depth is needed after the network has
    run, when newer scans have come in: the one nearest to the image is kept for it.
    """

    def __init__(self, trouble: Trouble) -> None:
        self._trouble = trouble
        self._prior_bytes: bytes | None = None
        self._newest_depth: bytes | None = None
        self._nearest_depth: bytes | None = None
        self._image_ns = 0
        self._lock = threading.Lock()
        self._prior: tuple[bytes, PatchPrior] | None = None
        self._depth: tuple[bytes, Header, Floats] | None = None
        self.state = "none"
        """What became of the prior at the last image, for the diagnostics."""

    def put_prior(self, data: bytes) -> None:
        """Take a serialised PatchPrior."""
        self._prior_bytes = data

    def put_depth(self, data: bytes) -> None:
        """Take a serialised 32FC1 image."""
        with self._lock:
            self._newest_depth = data
            if self._distance_ns(data) < self._distance_ns(self._nearest_depth):
                self._nearest_depth = data

    def expect(self, stamp_ns: int) -> None:
        """Keep from now on the depth that is nearest to an image."""
        with self._lock:
            self._image_ns = stamp_ns
            self._nearest_depth = self._newest_depth

    def _distance_ns(self, data: bytes | None) -> float:
        if data is None:
            return float("inf")
        try:
            return abs(read_header(data).stamp_ns - self._image_ns)
        except InputError:
            return float("inf")

    def clear(self) -> None:
        """Forget both."""
        with self._lock:
            self._prior_bytes = self._newest_depth = self._nearest_depth = None
        self.state = "none"

    def prior(
        self, stamp_ns: int, size: tuple[int, int], patch_size: int, max_age_ms: float
    ) -> Floats | None:
        """Return the (rows, cols) prior for an image of `size` (width, height), if it has one."""
        data = self._prior_bytes
        if data is None:
            self.state = "none"
            return None
        try:
            if self._prior is None or self._prior[0] is not data:
                self._prior = (data, read_prior(data))
        except InputError as error:
            self.state = "damaged"
            self._trouble("lidar_prior", str(error))
            return None
        prior = self._prior[1]
        if not self._near(prior.header, stamp_ns, max_age_ms):
            self.state = f"{_age_ms(prior.header, stamp_ns):.0f} ms away from the image"
            return None
        grid = (-(-size[1] // patch_size), -(-size[0] // patch_size))
        if (prior.image_size, prior.patch_size, prior.weights.shape) != (size, patch_size, grid):
            self.state = "of another patch grid"
            width, height = prior.image_size
            self._trouble(
                "lidar_prior",
                f"lidar_prior refused: of {width}x{height} in patches of {prior.patch_size}, the "
                f"image is {size[0]}x{size[1]} in patches of {patch_size}",
            )
            return None
        self.state = "used"
        return prior.weights

    def depth(self, stamp_ns: int, size: tuple[int, int], max_age_ms: float) -> Floats | None:
        """Return the (H, W) depth for an image of `size` (width, height), if it has one."""
        data = self._nearest_depth
        if data is None:
            return None
        try:
            if self._depth is None or self._depth[0] is not data:
                self._depth = (data, *read_depth(data))
        except InputError as error:
            self._trouble("lidar_depth", str(error))
            return None
        _, header, metres = self._depth
        if not self._near(header, stamp_ns, max_age_ms):
            return None
        if metres.shape != (size[1], size[0]):
            height, width = metres.shape
            self._trouble(
                "lidar_depth",
                f"lidar_depth refused: {width}x{height}, the image is {size[0]}x{size[1]}",
            )
            return None
        return metres

    @staticmethod
    def _near(header: Header, stamp_ns: int, max_age_ms: float) -> bool:
        return _age_ms(header, stamp_ns) <= max_age_ms


def _age_ms(header: Header, stamp_ns: int) -> float:
    return abs(stamp_ns - header.stamp_ns) / 1e6
