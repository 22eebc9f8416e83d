"""From a mask to the world: evidence for the occupancy grid, and the costmap's cloud."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.costmap import aligned_cloud, shrink_depth
from pdn_ros.geometry.occupancy import OccupancyGrid
from pdn_ros.geometry.transform_buffer import Transforms
from pdn_ros.geometry.transforms import Matrix
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.occupancy import UNKNOWN, Grid
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.perception.lidar import Report

Mask = NDArray[np.uint8]
StampedGrid = tuple[int, Grid]
"""Stamp of the image whose evidence is the newest, nanoseconds, and the grid."""
Floats = NDArray[np.float32]

GRACE_S: Final = 2.0
"""Seconds that the grid waits for its frame to appear in TF before it uses the robot's."""
WAITING: Final = 8
"""Largest number of masks that wait for their transforms."""


@dataclass(frozen=True, slots=True)
class View:
    """The camera of an image and its pose on the robot."""

    camera: Camera
    T_base_camera: Matrix


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one image says about the world.

    Attributes:
        header: Of the image.
        view: Its camera.
        mask: (H, W) uint8 class ids.
        confidence: (H, W) uint8, 255 = certain; None counts every pixel.
        depth: (H, W) float32 LiDAR ranges, meters, 0 = none; None without LiDAR.
    """

    header: Header
    view: View
    mask: Mask
    confidence: Mask | None = None
    depth: Floats | None = None


class Mapper:
    """Makes the occupancy grid and the costmap cloud; for one thread, except `expired`.

    A mask whose transform is late waits for it, at most `transform_tolerance` seconds, and is added
    when it comes; nothing else waits.

    Args:
        config: Of perception.
        roles: (256,) uint8 role of each class id, codes of `pdn_ros.geometry.roles`.
        transforms: Where camera, robot and grid are.
        report: Called with the kind and one line when an image can't be placed.
        note: Called with one line when the grid changes its frame.
        grace_s: How long `grid.frame` may be missing in TF; 0 where all transforms are known.
    """

    def __init__(
        self,
        config: PerceptionConfig,
        roles: NDArray[np.uint8],
        transforms: Transforms,
        *,
        report: Report,
        note: Callable[[str], None],
        grace_s: float = GRACE_S,
    ) -> None:
        self.config = config
        self._roles = roles
        self._transforms = transforms
        self._report = report
        self._note = note
        self._grace_s = grace_s
        self._grid: OccupancyGrid | None = None
        self._waiting: deque[tuple[Evidence, float]] = deque(maxlen=WAITING)
        self._missing_since: float | None = None
        self._published_ns: int | None = None
        self._scaled: tuple[Camera, Camera] | None = None
        self.frame = ""
        """Frame of the grid; empty before the first grid."""
        self._lock = threading.Lock()
        self._seen_at = 0.0
        self._shown: StampedGrid | None = None

    @property
    def waits(self) -> bool:
        """Whether masks wait for their transforms."""
        return bool(self._waiting)

    def reset(self) -> None:
        """Forget the evidence."""
        if self._grid is not None:
            self._grid.reset()
        self._waiting.clear()
        self._published_ns = None

    def reconfigure(self, config: PerceptionConfig) -> None:
        """Take over changed parameters; a change to the grid's own resets it."""
        if config.grid != self.config.grid:
            self._grid = None
        self.config = config

    def view(self, header: Header, camera: Camera) -> View | None:
        """Return the image's camera and its pose; if unknown, report it and return None."""
        try:
            place = self._transforms.lookup(
                self.config.base_frame, header.frame_id, header.stamp_ns
            )
        except LookupError as error:
            self._report("tf", str(error))
            return None
        return View(camera, place)

    def add(self, evidence: Evidence) -> StampedGrid | None:
        """Add an image's evidence; return the grid when one is due."""
        self._waiting.append((evidence, time.monotonic()))
        return self.update()

    def update(self) -> StampedGrid | None:
        """Add masks whose transforms have arrived; return the grid when one is due."""
        due = None
        for evidence, since in list(self._waiting):
            try:
                placed = self._place(evidence.header)
            except LookupError as error:
                if time.monotonic() - since >= self.config.transform_tolerance:
                    self._report("tf", str(error))
                    self._forget(evidence)
                continue
            # Older masks that still wait are dropped: evidence is added in order.
            self._forget(evidence)
            if placed is not None:
                due = self._add(evidence, *placed) or due
        return due

    def expired(self) -> StampedGrid | None:
        """Return, once, an all-unknown grid `decay_s` after the camera's last image.

        Thread-safe. Without it the last grid would stay valid, since the topic is latched.
        """
        with self._lock:
            unseen_s = time.monotonic() - self._seen_at
            if self._shown is None or unseen_s < self.config.grid.decay_s:
                return None
            (stamp_ns, grid), self._shown = self._shown, None
        unknown = np.full_like(grid.data, UNKNOWN)
        return stamp_ns + round(1e9 * unseen_s), replace(grid, data=unknown)

    def cloud(self, mask: Mask, view: View, depth: Floats | None) -> Floats:
        """Return the (h, w, 3) cloud in the optical frame that is aligned with a small mask."""
        height, width = mask.shape
        return aligned_cloud(
            cv2.LUT(mask, self._roles).astype(np.uint8, copy=False),
            camera=self._small(view.camera, width, height),
            T_base_camera=view.T_base_camera,
            depth=None if depth is None else shrink_depth(depth, width, height),
            max_height=self.config.costmap.max_height,
        )

    def _add(self, evidence: Evidence, frame: str, T_grid_base: Matrix) -> StampedGrid | None:  # noqa: N803
        if self._grid is None or frame != self.frame:
            self._grid, self.frame = OccupancyGrid(self.config.grid, self._roles), frame
            self._note(f"the grid stands in {frame}")
        if frame == self.config.base_frame:
            self._grid.reset()  # without odometry only the image's own evidence holds
        stamp_ns = evidence.header.stamp_ns
        self._grid.update(
            roles=evidence.mask,
            camera=evidence.view.camera,
            T_base_camera=evidence.view.T_base_camera,
            T_grid_base=T_grid_base,
            stamp_ns=stamp_ns,
            depth=evidence.depth,
            confidence=evidence.confidence,
        )
        with self._lock:
            self._seen_at = time.monotonic()
            if not self._due(stamp_ns):
                return None
            self._shown = (stamp_ns, self._grid.snapshot(stamp_ns, frame))
            return self._shown

    def _forget(self, evidence: Evidence) -> None:
        """Drop a waiting image and all before it."""
        while self._waiting and self._waiting[0][0].header.stamp_ns <= evidence.header.stamp_ns:
            self._waiting.popleft()

    def _place(self, header: Header) -> tuple[str, Matrix] | None:
        """Return the grid's frame and `T_grid_base`; None while TF has yet to name that frame.

        Raises:
            LookupError: TF knows the frame, but not at this time.
        """
        wanted, base = self.config.grid.frame, self.config.base_frame
        if self._transforms.connected(wanted, base):
            self._missing_since = None
            return wanted, self._transforms.lookup(wanted, base, header.stamp_ns)
        now = time.monotonic()
        self._missing_since = self._missing_since or now
        if now - self._missing_since < self._grace_s:
            return None
        if self.frame != base:
            line = f"TF has no {wanted}: the grid shows the evidence of single images"
            self._report("grid", line)
        return base, np.eye(4)

    def _small(self, camera: Camera, width: int, height: int) -> Camera:
        """Return the scaled camera, the same object for every image: it keeps its rays."""
        if (
            self._scaled is None
            or self._scaled[0] is not camera
            or (self._scaled[1].width, self._scaled[1].height) != (width, height)
        ):
            self._scaled = (camera, camera.resized(width, height))
        return self._scaled[1]

    def _due(self, stamp_ns: int) -> bool:
        rate, last = self.config.grid.rate, self._published_ns
        # A tenth of slack, as stamps jitter: without it the rate would be halved.
        if rate and last is not None and 0 <= stamp_ns - last < 0.9e9 / rate:
            return False
        self._published_ns = stamp_ns
        return True
