"""How good is the grid? Simulated drives and KITTI; writes all figures of docs/occupancy.md.

python experiments/occupancy.py KITTI_DRIVE [--seconds 4] [--only drives|kitti|tables] [--keep DIR]
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import cv2
import numpy as np
from evidence import DOCS, read, replace_block, say, table, write
from numpy.typing import NDArray

from pdn_ros.bags.kitti import convert_kitti
from pdn_ros.bags.layout import DEPTH_TOPIC
from pdn_ros.bags.reader import Bag
from pdn_ros.classes import load_classes
from pdn_ros.geometry import roles as role
from pdn_ros.geometry.costmap import aligned_cloud, shrink_depth
from pdn_ros.geometry.grid_config import GridConfig
from pdn_ros.geometry.lidar import LidarView
from pdn_ros.geometry.occupancy import OccupancyGrid
from pdn_ros.messages.images import read_depth
from pdn_ros.perception import Pipeline
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.replay.drive import BASE, Drive, RecordedImage
from pdn_ros.replay.results import KINDS
from pdn_ros.replay.run import run
from pdn_ros.replay.scans import images_with_views
from pdn_ros.replay.settings import ReplaySettings
from pdn_ros.simulation import SCENES, DriveConfig, simulate

NAME: Final = "occupancy"
FIRST_SEED: Final = 5000
MASKS: Final = ("true", "predicted")


def quiet(*_: int) -> None:
    """Report no progress."""


def evaluated(bag: Path, *, true_masks: bool) -> dict[str, Any]:
    """Return metrics.json of `pdn evaluate`; the report stays beside the bag."""
    out = bag.with_name(f"{bag.name}-{'true' if true_masks else 'predicted'}")
    run(ReplaySettings(bag=bag, out=out, true_masks=true_masks), quiet)
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text("utf-8"))
    return metrics


def drives(folder: Path, seconds: float) -> dict[str, Any]:
    """Simulate a drive through each scene and evaluate it with true and with predicted masks."""
    found: dict[str, Any] = {"seconds": seconds, "seed": FIRST_SEED}
    clouds = []
    for seed, scene in enumerate(SCENES, start=FIRST_SEED):
        say(f"{scene} ...")
        bag = folder / scene
        if not bag.exists():
            config = DriveConfig(seconds=seconds, seed=seed, scene=scene)
            simulate(config, bag, quiet)
        found[scene] = {m: evaluated(bag, true_masks=m == "true")["grid"] for m in MASKS}
        clouds.append(cloud(bag))
    ground, obstacles, shares = (np.concatenate(parts) for parts in zip(*clouds, strict=True))
    found["cloud"] = {
        "ground_relative": [round(float(v), 4) for v in np.percentile(ground, (50, 95))],
        "obstacles_m": [round(float(v), 3) for v in np.percentile(obstacles, (50, 90, 95))],
        "obstacles_share": round(float(shares.mean()), 3),
    }
    return found


def kitti(drive: Path, folder: Path) -> dict[str, Any]:
    """Evaluate the recording and time the grid on it."""
    say("KITTI ...")
    bag = folder / "kitti"
    if not bag.exists():
        convert_kitti(drive, bag)
    metrics = evaluated(bag, true_masks=False)
    pipeline = Pipeline()
    return {
        "boxes": metrics["boxes"],
        "returns_in_free_share": metrics["returns_in_free_share"],
        "cost": cost(bag, lambda image: pipeline.segment(image).mask),
    }


def grids(found: dict[str, Any]) -> str:
    """Each figure of each kind of grid, the scenes side by side."""
    columns = (
        ("free_iou", 100, 1),
        ("occupied_iou", 100, 1),
        ("false_free", 100, 2),
        ("distance_error_cells_p50", 1, 1),
        ("distance_error_cells_p95", 1, 1),
        ("unknown_share", 100, 1),
    )
    header = ["Masks, grid", "free IoU, %", "occupied IoU, %", "false free, %"]
    header += ["distance p50, cells", "p95, cells", "unknown, %"]
    rows = []
    for masks in MASKS:
        for kind in reversed(KINDS):
            row = [f"{masks}, {'**fused**' if kind == 'fused' else kind}"]
            for key, factor, digits in columns:
                values = (found[scene][masks][kind][key] for scene in SCENES)
                row.append(
                    " / ".join("-" if v is None else f"{factor * v:.{digits}f}" for v in values)
                )
            rows.append(row)
    return table(header, rows)


def recording(found: dict[str, Any]) -> str:
    """KITTI's boxes and returns, and what the grid costs."""
    boxes, times = found["boxes"], found["cost"]
    size = "x".join(str(side) for side in times["image"])
    rows = [
        [f"labeled boxes within 30 m and in view ({boxes['boxes']}) with an occupied cell",
         f"{100 * boxes['occupied_share']:.1f} %", ">= 95 %"],
        ["above-ground LiDAR returns in free cells",
         f"{100 * found['returns_in_free_share']:.2f} %", "<= 1 %"],
        [f"update at {size}, 500 x 300 cells, camera alone / with LiDAR",
         f"{times['camera']:.1f} / {times['fused']:.1f} ms", "<= 8 ms"],
        ["reading the grid; aligned cloud of 400 columns",
         f"{times['snapshot']:.1f}; {times['cloud']:.1f} ms", ""],
    ]  # fmt: skip
    load = f"Times on one core; load average of the machine meanwhile: {times['load_average']:.1f}."
    return table(["KITTI", "measured", "floor"], rows) + f"\n\n{load}"


def ranges(found: dict[str, Any]) -> str:
    """The aligned cloud's errors."""
    errors = found["cloud"]
    ground = " / ".join(f"{100 * v:.1f}" for v in errors["ground_relative"])
    obstacles = " / ".join(f"{v:.2f}" for v in errors["obstacles_m"])
    rows = [
        ["ground within 20 m, % of the range, p50 / p95", ground, "p50 <= 3"],
        ["obstacles that have a range, meters, p50 / p90 / p95", obstacles, "p50 <= 0.3"],
        ["obstacles' pixels within 40 m that have one", f"{errors['obstacles_share']:.0%}", ""],
    ]
    return table(["Aligned cloud", "error", "floor"], rows)


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
        yield bag, Drive.open(bag, ReplaySettings(bag=bag_path, out=bag_path.parent))


def cloud(bag_path: Path) -> tuple[Floats, Floats, Floats]:
    """Compare the clouds of true masks with the true depth.

    Returns:
        Relative errors of ground within 20 m, errors of obstacles in meters, and the share of the
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


def main() -> None:
    """Measure, write results/occupancy.json and fill in the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kitti", type=Path, help="a KITTI raw drive with tracklets")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each simulated drive")
    parser.add_argument("--only", choices=("drives", "kitti", "tables"), help="leave out the rest")
    parser.add_argument("--keep", type=Path, help="where bags and reports stay, and are reused")
    options = parser.parse_args()
    result = read(NAME)
    with TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.only in (None, "drives"):
            result["drives"] = drives(folder, options.seconds)
        if options.only in (None, "kitti"):
            result["kitti"] = kitti(options.kitti, folder)
    write(NAME, result)
    document = DOCS / f"{NAME}.md"
    if "drives" in result:
        replace_block(document, "grids", grids(result["drives"]))
        replace_block(document, "ranges", ranges(result["drives"]))
    if "kitti" in result:
        replace_block(document, "recording", recording(result["kitti"]))


if __name__ == "__main__":
    main()
