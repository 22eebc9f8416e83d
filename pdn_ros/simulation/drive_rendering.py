"""Simulated drives: frames of cameras and LiDAR with their truth."""

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pdn_ros.classes import load_classes
from pdn_ros.messages.boxes import Box
from pdn_ros.messages.occupancy import Grid
from pdn_ros.simulation.rig import ONE, Rig
from pdn_ros.simulation.scene import build_scene
from pdn_ros.simulation.truth import Truth
from pdn_ros.simulation.world import World


class DriveConfig(BaseModel):
    """What to simulate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: Annotated[float, Field(gt=0, le=600)] = 20.0
    rate: Annotated[float, Field(gt=0, le=100)] = 10.0
    width: Annotated[int, Field(ge=32, le=8192)] = 1280
    height: Annotated[int, Field(ge=32, le=8192)] = 720
    seed: Annotated[int, Field(ge=0)] = 0
    scene: str = "street"
    rig: str = ONE
    workers: Annotated[int, Field(ge=1, le=64)] = 2

    @property
    def frames(self) -> int:
        """Number of frames."""
        return max(1, round(self.seconds * self.rate))

    @property
    def sensors(self) -> Rig:
        """The sensors on the vehicle.

        Raises:
            InputError: No rig has this name.
        """
        return Rig.named(self.rig, self.width, self.height, self.seed)


@dataclass(frozen=True, slots=True)
class CameraView:
    """One camera's picture and what is true of its pixels.

    Attributes:
        name: Of the camera.
        image: (H, W, 3) uint8 BGR.
        mask: (H, W) uint8 ids of the class set `street`.
        depth: (H, W) float32 meters along the optical axis, 0 for the sky.
    """

    name: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    depth: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DriveFrame:
    """One instant: the cameras' pictures, the LiDAR's scan, and what is true.

    Attributes:
        index: Number of the frame in the drive.
        stamp_ns: Nanoseconds since the drive's epoch; the same for cameras and LiDAR.
        views: One for each camera, in the rig's order.
        T_odom_base: (4, 4) float64.
        scan: (N, 4) float32 x, y, z (meters, LiDAR's frame), intensity (0..1); or None.
        scan_mask: (N,) uint8 class ids of the scan's points.
        boxes: What a camera or the LiDAR sees of vehicles, people, poles and signs.
        occupancy: Grid in `odom`; see `truth.Truth.occupancy`.
    """

    index: int
    stamp_ns: int
    views: tuple[CameraView, ...]
    T_odom_base: NDArray[np.float64]
    scan: NDArray[np.float32] | None = None
    scan_mask: NDArray[np.uint8] | None = None
    boxes: tuple[Box, ...] = ()
    occupancy: Grid | None = None

    @property
    def image(self) -> NDArray[np.uint8]:
        """The first camera's picture."""
        return self.views[0].image

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The first camera's class ids."""
        return self.views[0].mask

    @property
    def depth(self) -> NDArray[np.float32]:
        """The first camera's depth."""
        return self.views[0].depth


EPOCH_NS = 1_700_000_000_000_000_000
"""Stamp of frame 0."""


class _Simulator:
    """Makes the frames of one drive, each by itself from the configuration and its number."""

    def __init__(self, config: DriveConfig, *, camera_only: bool) -> None:
        cv2.setNumThreads(1)
        self._config = config
        scene = build_scene(config.scene, config.seed, config.seconds)
        self._world = World(scene, config.sensors)
        names = load_classes("street").names
        self._truth = (
            None if camera_only else Truth(scene, self._world.rig, self._world.caster, names)
        )

    def frame(self, index: int) -> DriveFrame:
        time = index / self._config.rate
        rng = np.random.default_rng([self._config.seed, index])
        base, placed = self._world.move(time)
        shots = self._world.photograph(base, placed, rng)
        stamp = EPOCH_NS + round(time * 1e9)
        views = tuple(
            CameraView(mounted.name, shot.image, shot.mask, shot.depth)
            for mounted, shot in zip(self._world.rig.cameras, shots, strict=True)
        )
        seen = (index, stamp, views, base)
        if self._truth is None:
            return DriveFrame(*seen)
        scan = self._world.scan(base, rng)
        return DriveFrame(
            *seen,
            scan=scan.points,
            scan_mask=scan.label,
            boxes=self._truth.boxes(base, placed, shots, scan),
            occupancy=self._truth.occupancy(base, placed, shots),
        )


_simulator: _Simulator | None = None
"""The one of a worker process."""


def _start(config: DriveConfig, camera_only: bool) -> None:
    global _simulator  # noqa: PLW0603 (a worker's state has no other home)
    _simulator = _Simulator(config, camera_only=camera_only)


def _frame(index: int) -> DriveFrame:
    if _simulator is None:
        raise RuntimeError("the worker was not started")
    return _simulator.frame(index)


def render_drive(
    config: DriveConfig, frames: Sequence[int] | None = None, *, camera_only: bool = False
) -> Iterator[DriveFrame]:
    """Yield the drive's frames in order.

    The same configuration gives the same bytes, whatever the number of workers and whichever
    frames are asked for. More than one worker needs an importable main module (`spawn`).

    Args:
        config: The drive.
        frames: Numbers of the wanted frames; all by default.
        camera_only: Leave out the scan and what is derived from it.

    Raises:
        InputError: No scene or no rig has the configuration's name.
    """
    wanted = range(config.frames) if frames is None else frames
    if config.workers == 1 or len(wanted) < 2:
        simulator = _Simulator(config, camera_only=camera_only)
        yield from map(simulator.frame, wanted)
        return
    pool = ProcessPoolExecutor(
        min(config.workers, len(wanted)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(config, camera_only),
    )
    with pool:
        waiting: deque[Future[DriveFrame]] = deque()
        try:
            for index in wanted:
                waiting.append(pool.submit(_frame, index))
                # A slow reader holds the workers back, so memory stays bounded.
                if len(waiting) > 2 * config.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
