"""The aligned cloud against the true depth, and what a grid and a cloud cost."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.bags.layout import DEPTH_TOPIC
from pdn_ros.bags.reader import Bag
from pdn_ros.classes import load_classes
from pdn_ros.geometry import roles as role
from pdn_ros.geometry.costmap import aligned_cloud, shrink_depth
from pdn_ros.geometry.grid_config import GridConfig
from pdn_ros.geometry.lidar import LidarView
from pdn_ros.geometry.occupancy import OccupancyGrid
from pdn_ros.messages.images import read_depth
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.replay.drive import BASE, Drive, RecordedImage
from pdn_ros.replay.scans import images_with_views
from pdn_ros.replay.settings import Settings

Floats = NDArray[np.floating[Any]]
WIDTH: Final = 400  # `costmap.width`
NEAR_M: Final = 20.0
FAR_M: Final = 40.0
EVERY: Final = 5
PATCH_SIZE: Final = 128
REPEATS: Final = 40
STREET: Final = load_classes("street")


@contextmanager
def opened(bag_path: Path) -> Iterator[tuple[Bag, Drive]]:
    """Open a bag as the evaluation does."""
    with Bag(bag_path) as bag:
        yield bag, Drive.open(bag, Settings(bag=bag_path, out=bag_path.parent))


def cloud(bag_path: Path) -> tuple[Floats, Floats, Floats]:
    """Compare the clouds of true masks with the true depth.

    Returns:
        Relative errors of ground within 20 m, errors of obstacles in metres, and the share of the
        obstacles' pixels within 40 m that have a range, one for each image.
    """
    ground, obstacles, shares = [], [], []
    with opened(bag_path) as (bag, drive):
        depths = {
            header.stamp_ns: depth
            for header, depth in (read_depth(m.data) for m in bag.messages([DEPTH_TOPIC]))
        }
        for recorded, view in images_with_views(drive, PerceptionConfig(), PATCH_SIZE):
            if recorded.index % EVERY or recorded.mask is None:
                continue
            roles, camera, t_base_camera, depth = seen(drive, recorded, view, recorded.mask, WIDTH)
            z = aligned_cloud(roles, camera, t_base_camera, depth)[..., 2]
            size = (camera.width, camera.height)
            true = cv2.resize(
                depths[recorded.header.stamp_ns], size, interpolation=cv2.INTER_NEAREST
            )
            away = np.linalg.norm(camera.rays(), axis=2) * true
            given = np.isfinite(z) & (true > 0)
            plain = given & (roles == role.GROUND) & (away < NEAR_M)
            ground.append((np.abs(z - true) / np.maximum(true, 1e-3))[plain])
            solid = np.isin(roles, (role.STATIC, role.DYNAMIC))
            obstacles.append(np.abs(z - true)[given & solid])
            shares.append(np.mean(given[solid & (away < FAR_M)]))
    return np.concatenate(ground), np.concatenate(obstacles), np.array(shares)


def seen(
    drive: Drive,
    recorded: RecordedImage,
    view: LidarView | None,
    mask: NDArray[np.uint8],
    width: int,
) -> tuple[Any, ...]:
    """Role codes, camera, `T_base_camera` and LiDAR depth of an image scaled to a width."""
    camera = drive.camera_of(recorded)
    if camera is None or view is None:
        raise RuntimeError("no camera or no scan to measure on")
    camera = camera.resized(width, round(camera.height * width / camera.width))
    size = (camera.width, camera.height)
    small = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    roles = np.asarray(cv2.LUT(small, STREET.role_table()), dtype=np.uint8)
    depth = view.depth
    if depth.shape != roles.shape:
        depth = shrink_depth(depth, *size)
    t_base_camera = drive.transforms.lookup(
        BASE, recorded.header.frame_id, recorded.header.stamp_ns
    )
    return roles, camera, t_base_camera, depth


def cost(bag_path: Path, segment: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Any:
    """Median milliseconds on one core of a grid of 500 x 300 cells and of a cloud."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    grid = OccupancyGrid(GridConfig(size_m=(50.0, 30.0)))
    times: dict[str, list[float]] = {"camera": [], "fused": [], "snapshot": [], "cloud": []}
    with opened(bag_path) as (_, drive):
        views = images_with_views(drive, PerceptionConfig(), PATCH_SIZE, 5)
        recorded, view = next((m, v) for m, v in views if v is not None and m.image is not None)
        if recorded.image is None:
            raise RuntimeError("no image to measure on")
        mask = segment(recorded.image)
        at_full = seen(drive, recorded, view, mask, mask.shape[1])
        at_costmap = seen(drive, recorded, view, mask, WIDTH)
        t_grid_base = drive.transforms.lookup("odom", BASE, recorded.header.stamp_ns)
    for i in range(REPEATS):
        roles, camera, pose, depth = at_full
        stamp = recorded.header.stamp_ns + i * 100_000_000
        for name, ranges in (("camera", None), ("fused", depth)):
            with clock(times[name]):
                grid.update(roles, camera, pose, t_grid_base, stamp, depth=ranges)
        with clock(times["snapshot"]):
            grid.snapshot(stamp)
        with clock(times["cloud"]):
            aligned_cloud(at_costmap[0], *at_costmap[1:])
    found = {name: round(statistics.median(values[2:]), 2) for name, values in times.items()}
    return found | {"image": list(mask.shape[::-1]), "load_average": round(os.getloadavg()[0], 1)}


@contextmanager
def clock(times: list[float]) -> Iterator[None]:
    """Add the milliseconds that a block takes."""
    start = time.perf_counter()
    yield
    times.append(1e3 * (time.perf_counter() - start))
