"""From a mask to the world: evidence for the occupancy grid, and the costmap's cloud."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

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
from pdn_ros.perception.reports import Report, for_camera

Mask = NDArray[np.uint8]
StampedGrid = tuple[int, Grid]
"""Stamp of the image whose evidence is the newest, nanoseconds, and the grid."""
Floats = NDArray[np.float32]

GRACE_S: Final = 2.0
"""Seconds that the grid waits for its frame to appear in TF before it uses the robot's."""
WAITING: Final = 8
"""Largest number of masks of a camera that wait for their transforms."""


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
        camera: Name of the camera in its rig; empty for a single camera.
    """

    header: Header
    view: View
    mask: Mask
    confidence: Mask | None = None
    depth: Floats | None = None
    camera: str = ""


class _Waiting(NamedTuple):
    """Evidence that waits for its transform, since when, and the number of its set."""

    evidence: Evidence
    since: float
    number: int


class Mapper:
    """Makes the occupancy grid and the costmap cloud; for one thread, except `expired`.

    A mask whose transform is late waits for it, at most `transform_tolerance` seconds, and is added
    when it comes; nothing else waits.

    Args:
        config: Of perception.
        roles: (256,) uint8 role of each class id, codes of `pdn_ros.geometry.roles`.
        transforms: Where camera, robot and grid are.
        report: Called with the kind and one line when evidence can't be placed.
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
        self._waiting: list[_Waiting] = []
        self._sets = self._added_set = 0
        self._newest_ns: dict[str, int] = {}
        self._missing_since: float | None = None
        self._published_ns: int | None = None
        self._scaled: WeakKeyDictionary[Camera, Camera] = WeakKeyDictionary()
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
        self._newest_ns.clear()
        self._published_ns = None

    def reconfigure(self, config: PerceptionConfig) -> None:
        """Take over changed parameters; a change to the grid's own resets it."""
        if config.grid != self.config.grid:
            self._grid = None
        self.config = config

    def view(self, header: Header, camera: Camera) -> View:
        """Return an image's camera and its pose; raises LookupError if TF lacks it."""
        base = self.config.base_frame
        return View(camera, self._transforms.lookup(base, header.frame_id, header.stamp_ns))

    def add(self, evidence: Sequence[Evidence]) -> StampedGrid | None:
        """Add what the images of a set say, at most one of each camera; return the grid if due."""
        self._sets += 1
        now = time.monotonic()
        self._waiting += [_Waiting(one, now, self._sets) for one in evidence]
        return self.update()

    def update(self) -> StampedGrid | None:
        """Add masks whose transforms have arrived; return the grid when one is due."""
        stamp_ns = None
        for waiting in self._waiting.copy():
            evidence = waiting.evidence
            try:
                placed = self._place(evidence.header)
            except LookupError as error:
                waited_s = time.monotonic() - waiting.since
                if waited_s >= self.config.transform_tolerance or self._crowded(evidence.camera):
                    for_camera(self._report, evidence.camera)("tf", str(error))
                    self._forget(evidence)
                continue
            # A camera's older masks that still wait are dropped: evidence is added in order.
            self._forget(evidence)
            if placed is not None:
                stamp_ns = self._add(waiting, *placed)
        return None if stamp_ns is None else self._show(stamp_ns)

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

    def _add(self, waiting: _Waiting, frame: str, T_grid_base: Matrix) -> int:  # noqa: N803
        """Add evidence that has a place; return the grid's stamp."""
        evidence = waiting.evidence
        if self._grid is None or frame != self.frame:
            self._grid = OccupancyGrid(
                self.config.grid, self._roles, centered=len(self.config.cameras) > 1
            )
            self.frame = frame
            self._note(f"the grid stands in {frame}")
        if frame == self.config.base_frame and waiting.number != self._added_set:
            self._grid.reset()  # without odometry only the set's own evidence holds
        self._added_set = waiting.number
        stamp_ns = self._time(evidence)
        self._grid.update(
            roles=evidence.mask,
            camera=evidence.view.camera,
            T_base_camera=evidence.view.T_base_camera,
            T_grid_base=T_grid_base,
            stamp_ns=stamp_ns,
            depth=evidence.depth,
            confidence=evidence.confidence,
        )
        return stamp_ns

    def _time(self, evidence: Evidence) -> int:
        """Return the time at which the grid takes evidence: it does not go back between cameras.

        Only an image that is older than its own camera's last one is a jump back in time.
        """
        camera, stamp_ns = evidence.camera, evidence.header.stamp_ns
        if stamp_ns < self._newest_ns.get(camera, stamp_ns):
            self._newest_ns.clear()
        self._newest_ns[camera] = stamp_ns
        return max(self._newest_ns.values())

    def _show(self, stamp_ns: int) -> StampedGrid | None:
        """Return the grid if one is due."""
        assert self._grid is not None
        with self._lock:
            self._seen_at = time.monotonic()
            if not self._due(stamp_ns):
                return None
            self._shown = (stamp_ns, self._grid.snapshot(stamp_ns, self.frame))
            return self._shown

    def _forget(self, evidence: Evidence) -> None:
        """Drop a waiting image and all before it of its camera."""
        camera, stamp_ns = evidence.camera, evidence.header.stamp_ns
        self._waiting = [
            one
            for one in self._waiting
            if one.evidence.camera != camera or one.evidence.header.stamp_ns > stamp_ns
        ]

    def _crowded(self, camera: str) -> bool:
        """Say whether more masks of a camera wait than may."""
        return sum(one.evidence.camera == camera for one in self._waiting) > WAITING

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
        small = self._scaled.get(camera)
        if small is None or (small.width, small.height) != (width, height):
            small = self._scaled[camera] = camera.resized(width, height)
        return small

    def _due(self, stamp_ns: int) -> bool:
        rate, last = self.config.grid.rate, self._published_ns
        # A tenth of slack, as stamps jitter: without it the rate would be halved.
        if rate and last is not None and 0 <= stamp_ns - last < 0.9e9 / rate:
            return False
        self._published_ns = stamp_ns
        return True
