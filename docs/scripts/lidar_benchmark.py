"""Speed of the LiDAR's projection against the straightforward version."""

import os
import statistics
import time
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.bags.reader import Bag
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.lidar import project_scan
from pdn_ros.replay.drive import BASE, Drive
from pdn_ros.replay.settings import Settings

Floats = NDArray[np.floating[Any]]
NEAREST_M: Final = 0.5


class Clock:
    """Collects the milliseconds of `with` blocks: by the wall, and of the processor alone."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self._start = (0.0, 0.0)

    def __enter__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall.append(1e3 * (time.perf_counter() - self._start[0]))
        self.cpu.append(1e3 * (time.process_time() - self._start[1]))

    def figures(self) -> dict[str, float]:
        """Medians, the first run left out: it warms up."""
        return {
            "median": round(statistics.median(self.wall[1:]), 2),
            "median_cpu": round(statistics.median(self.cpu[1:]), 2),
            "fastest": round(min(self.wall), 2),
        }


def benchmark(bag_path: Path, repeats: int = 40) -> dict[str, Any]:
    """Time `project_scan` against the straightforward version, in turn, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    with Bag(bag_path) as bag:
        drive = Drive.open(bag, Settings(bag=bag_path, out=bag_path.parent))
        image = next(m for m in drive.images(5) if m.scan is not None)
        scan, camera = image.scan, drive.camera
        if scan is None or camera is None:
            raise RuntimeError("no scan to measure on")
        lookup = drive.transforms.lookup
        t_camera_lidar = lookup(image.header.frame_id, scan.header.frame_id, image.header.stamp_ns)
        t_base_lidar = lookup(BASE, scan.header.frame_id, image.header.stamp_ns)
    ours, theirs = Clock(), Clock()
    for i in range(repeats):
        with ours:
            view = project_scan(
                scan.points,
                camera=camera,
                T_camera_lidar=t_camera_lidar,
                T_base_lidar=t_base_lidar,
                patch_size=128,
            )
        if i % 4 == 0:
            with theirs:
                depth = straightforward(scan.points, camera, t_camera_lidar)
            # Both round to the nearest pixel, in float32 and float64: a few differ.
            if np.mean((depth > 0) != (view.depth > 0)) > 1e-3:
                raise RuntimeError("the two versions differ")
    a, b = ours.figures(), theirs.figures()
    return {
        "points": len(scan.points),
        "project_scan_ms": a,
        "straightforward_ms": b,
        "ratio": round(b["median"] / a["median"], 1),
        "ratio_cpu": round(b["median_cpu"] / a["median_cpu"], 1),
        "load_average": round(os.getloadavg()[0], 1),
    }


def straightforward(points: Floats, camera: Camera, t_camera_lidar: Floats) -> Floats:
    """Depth image alone: no ground, no weights."""
    turn, _ = cv2.Rodrigues(t_camera_lidar[:3, :3])
    shift = t_camera_lidar[:3, 3]
    z = points @ t_camera_lidar[2, :3] + shift[2]
    ahead = points[z > NEAREST_M].astype(np.float64)
    pixels, _ = cv2.projectPoints(ahead, turn, shift, camera.k, camera.d if camera.d.size else None)
    depth = np.zeros((camera.height, camera.width), dtype=np.float32)
    for (u, v), distance in zip(pixels[:, 0], z[z > NEAREST_M], strict=True):
        column, row = round(u), round(v)
        if 0 <= column < camera.width and 0 <= row < camera.height:
            known = depth[row, column]
            if known == 0 or distance < known:
                depth[row, column] = distance
    return depth
