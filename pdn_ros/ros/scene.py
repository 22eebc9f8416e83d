"""Where the image stands in the world: camera, transforms, occupancy grid and costmap cloud."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import ClassSet
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.costmap import aligned_cloud, shrink_depth
from pdn_ros.geometry.occupancy import OccupancyGrid
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.occupancy import Grid
from pdn_ros.perception import Result
from pdn_ros.ros.camera_infos import CameraInfos
from pdn_ros.ros.parameters import PerceptionConfig
from pdn_ros.ros.transforms import Transforms, lookup_soon

Array = NDArray[np.float64]
Trouble = Callable[[str, str], None]

GRACE_S = 2.0
"""How long the grid waits for its frame to appear in TF before it stands in the robot's own."""


@dataclass(frozen=True, slots=True)
class View:
    """The camera of an image and where it was on the robot."""

    camera: Camera
    T_base_camera: Array


class Scene:
    """Makes the occupancy grid and the costmap cloud of frames; for one thread, save `forgotten`.

    Args:
        config: Of the node.
        classes: Of the mask.
        transforms: From TF.
        infos: The camera.
        trouble: Called with the kind and one line when a frame can't be placed.
        note: Called with one line when the grid changes its frame.
    """

    def __init__(
        self,
        config: PerceptionConfig,
        classes: ClassSet,
        transforms: Transforms,
        infos: CameraInfos,
        *,
        trouble: Trouble,
        note: Callable[[str], None],
    ) -> None:
        self.config = config
        self._roles = classes.role_table()
        self._transforms = transforms
        self._infos = infos
        self._trouble = trouble
        self._note = note
        self._grid: OccupancyGrid | None = None
        self._frame = ""
        self._scaled: tuple[Camera, Camera] | None = None
        self._published_ns: int | None = None
        self._waiting_since: float | None = None
        self._lock = threading.Lock()
        self._seen_at = 0.0
        self._shown: tuple[Header, Grid] | None = None

    def reset(self) -> None:
        """Forget the evidence."""
        if self._grid is not None:
            self._grid.reset()
        self._published_ns = None

    def reconfigure(self, config: PerceptionConfig) -> None:
        """Take over changed parameters; those of the grid start it afresh."""
        if config.grid != self.config.grid:
            self._grid = None
        self.config = config

    def view(self, header: Header, size: tuple[int, int]) -> View | None:
        """Return the image's camera and place; None, and trouble reported, when unknown."""
        try:
            camera = self._infos.camera(size)
        except ValueError as error:
            self._trouble("camera_info", str(error))
            return None
        try:
            return View(
                camera,
                lookup_soon(
                    self._transforms, self.config.base_frame, header.frame_id, header.stamp_ns
                ),
            )
        except LookupError as error:
            self._trouble("tf", str(error))
            return None

    def grid(
        self, header: Header, result: Result, view: View, depth: NDArray[np.float32] | None
    ) -> tuple[Header, Grid] | None:
        """Add a frame's evidence; return the grid with its header when one is due."""
        placed = self._place(header)
        if placed is None:
            return None
        frame, T_grid_base = placed  # noqa: N806
        if self._grid is None or frame != self._frame:
            self._grid, self._frame = OccupancyGrid(self.config.grid.geometry(), self._roles), frame
            self._note(f"the grid stands in {frame}")
        if frame == self.config.base_frame:
            self._grid.reset()  # without odometry only the frame's own evidence holds
        self._grid.update(
            roles=result.mask,
            camera=view.camera,
            T_base_camera=view.T_base_camera,
            T_grid_base=T_grid_base,
            stamp_ns=header.stamp_ns,
            depth=depth,
            confidence=result.confidence,
        )
        stamp_ns, shown = header.stamp_ns, None
        if self._due(stamp_ns):
            shown = (Header(stamp_ns, frame), self._grid.snapshot(stamp_ns, frame))
        with self._lock:
            self._seen_at = time.monotonic()
            self._shown = shown or self._shown
        return shown

    def forgotten(self) -> tuple[Header, Grid] | None:
        """Return the grid of a camera that is dead, once: unknown, `decay_s` after its last image.

        For any thread. What was published would else stay as it is: it is latched.
        """
        with self._lock:
            unseen_s = time.monotonic() - self._seen_at
            if self._shown is None or unseen_s < self.config.grid.decay_s:
                return None
            (header, grid), self._shown = self._shown, None
        stamp_ns = header.stamp_ns + round(1e9 * unseen_s)
        return Header(stamp_ns, header.frame_id), replace(grid, data=np.full_like(grid.data, -1))

    def cloud(
        self, mask: NDArray[np.uint8], view: View, depth: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """Return the (h, w, 3) cloud in the optical frame that is aligned with a small mask."""
        height, width = mask.shape
        return aligned_cloud(
            cv2.LUT(mask, self._roles).astype(np.uint8, copy=False),
            camera=self._small(view.camera, width, height),
            T_base_camera=view.T_base_camera,
            depth=None if depth is None else shrink_depth(depth, width, height),
        )

    def _small(self, camera: Camera, width: int, height: int) -> Camera:
        """Return the scaled camera, the same object for every frame: it keeps its rays."""
        if (
            self._scaled is None
            or self._scaled[0] is not camera
            or (self._scaled[1].width, self._scaled[1].height) != (width, height)
        ):
            self._scaled = (camera, camera.resized(width, height))
        return self._scaled[1]

    def _place(self, header: Header) -> tuple[str, Array] | None:
        """Return the grid's frame and `T_grid_base`; None while TF has yet to say."""
        wish, base = self.config.grid.frame, self.config.base_frame
        if self._transforms.connected(wish, base):
            try:
                return wish, lookup_soon(self._transforms, wish, base, header.stamp_ns)
            except LookupError as error:
                self._trouble("tf", str(error))
                return None
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        if now - self._waiting_since < GRACE_S:
            return None
        if self._frame != base:
            self._note(f"TF has no {wish}: the grid shows the evidence of single frames")
        return base, np.eye(4)

    def _due(self, stamp_ns: int) -> bool:
        rate, last = self.config.grid.rate, self._published_ns
        # A tenth of slack: stamps jitter, and half the rate would come out.
        if rate and last is not None and 0 <= stamp_ns - last < 0.9e9 / rate:
            return False
        self._published_ns = stamp_ns
        return True
