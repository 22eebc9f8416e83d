"""Does the LiDAR prior pay? Curves over K, masks, speed; all figures of docs/lidar-steering.md.

python experiments/lidar_steering.py KITTI_DRIVE [--only steering|speed|tables]
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import cv2
import numpy as np
from evidence import DOCS, read, replace_block, say, table, write
from numpy.typing import NDArray
from steering_curves import IDEAS, IN_THE_DARK, SELECTORS, SHARES, SHIPPED, curves, percent, plot
from steering_samples import Masks, recorded, simulated

from pdn_ros.bags.kitti import convert_kitti
from pdn_ros.bags.reader import Bag
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.lidar import project_scan
from pdn_ros.metrics import Confusion
from pdn_ros.perception import Pipeline
from pdn_ros.replay.drive import BASE, Drive
from pdn_ros.replay.settings import ReplaySettings

NAME: Final = "lidar-steering"
SHOWN: Final = (0.05, 0.10, 0.15, 0.25)
MASK_SHARES: Final = (0.10, 0.25)
OURS: Final = f"blend {SHIPPED}"
ROWS: Final = (
    ("simulated", "pixels", "Simulated, day: thin and distant, pixels"),
    ("simulated", "objects", "Simulated, day: thin and distant, objects"),
    ("dark", "pixels", "Simulated, dark: thin and distant, pixels"),
    ("kitti", "objects", "KITTI: labeled boxes under 40 px"),
)


def study(bag: Path) -> dict[str, Any]:
    """Compute all but the speed."""
    pipeline = Pipeline()
    classes = len(pipeline.classes.classes)
    masks: Masks = {(s, p): Confusion(classes) for s in MASK_SHARES for p in (False, True)}
    say("simulated drives ...")
    street = simulated(pipeline, masks)
    say("KITTI ...")
    kitti = recorded(pipeline, bag)
    selectors = SELECTORS | IDEAS
    thin = pipeline.classes.thin
    return {
        "shares": SHARES,
        "simulated": curves(street, selectors),
        "dark": curves(street, IN_THE_DARK),
        "kitti": curves(kitti, selectors),
        "counts": {
            "simulated images": len(street),
            "simulated objects": sum(len(s.objects) for s in street),
            "kitti images": len(kitti),
            "kitti boxes": sum(len(s.objects) for s in kitti),
        },
        "masks": [
            {
                "share": share,
                "prior": with_prior,
                "miou": percent(confusion.miou()),
                "thin_miou": percent(confusion.miou(thin)),
            }
            for (share, with_prior), confusion in masks.items()
        ],
    }


def gains(result: dict[str, Any]) -> str:
    """What the prior adds, by share of the patches."""
    at = [SHARES.index(share) for share in SHOWN]
    header = ["Share of what lies in refined patches, %", *(f"{100 * s:.0f} %" for s in SHOWN)]
    rows = []
    for data, count, title in ROWS:
        alone, ours = (result[data][name][count] for name in ("driver", OURS))
        rows.append([f"{title}: driver alone", *(f"{alone[i]:.1f}" for i in at)])
        rows.append(["with the prior", *(f"{ours[i]:.1f}" for i in at)])
        rows.append(["**gain, points**", *(f"**{ours[i] - alone[i]:+.1f}**" for i in at)])
    return table(header, rows)


def ideas(result: dict[str, Any]) -> str:
    """Ways to join driver and prior, and other selectors beside them."""
    at = [SHARES.index(share) for share in MASK_SHARES]
    columns = (("simulated", "pixels"), ("simulated", "near and far"), ("kitti", "objects"))
    titles = ("thin and distant", "thin, near and far", "KITTI's boxes")
    header = ["Selector", *(f"{title}, 10 % / 25 %" for title in titles)]
    rows = []
    for name in result["simulated"]:
        found = [[result[data][name][count][i] for i in at] for data, count in columns]
        title = f"**{name} (ships)**" if name == OURS else name
        rows.append([title, *(" / ".join(f"{value:.1f}" for value in pair) for pair in found)])
    return table(header, rows)


def masks(result: dict[str, Any]) -> str:
    """Mean IoU with and without the prior."""
    header = ["Patches", "mIoU without", "mIoU with", "thin mIoU without", "thin mIoU with"]
    rows = []
    for share in MASK_SHARES:
        pair = sorted((m for m in result["masks"] if m["share"] == share), key=lambda m: m["prior"])
        figures = (f"{m[key]:.1f}" for key in ("miou", "thin_miou") for m in pair)
        rows.append([f"{100 * share:.0f} %", *figures])
    return table(header, rows)


def speed(found: dict[str, Any]) -> str:
    """What the projection costs."""
    ours, theirs = found["project_scan_ms"], found["straightforward_ms"]
    rows = [
        [title, *(f"{clock[key]:.1f}" for key in ("median", "median_cpu", "fastest"))]
        for title, clock in (
            ("`project_scan`: ground, depth image and weights", ours),
            ("`cv2.projectPoints` and a Python loop, depth image alone", theirs),
            ("ratio", {key: theirs[key] / ours[key] for key in ours}),
        )
    ]
    load = f"Load average of the machine meanwhile: {found['load_average']:.1f}."
    return table(["ms", "median", "processor's own, median", "fastest"], rows) + f"\n\n{load}"


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
        drive = Drive.open(bag, ReplaySettings(bag=bag_path, out=bag_path.parent))
        image = next(m for m in drive.images(5) if m.scan is not None)
        scan, camera = image.scan, drive.first.camera
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


def main() -> None:
    """Measure, write results/lidar-steering.json, draw the plot and fill in the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kitti", type=Path, help="a KITTI raw drive with tracklets")
    parser.add_argument(
        "--only", choices=("steering", "speed", "tables"), help="leave out the rest"
    )
    options = parser.parse_args()
    result = read(NAME)
    if options.only != "tables":
        with TemporaryDirectory() as folder:
            bag = Path(folder) / "kitti"
            convert_kitti(options.kitti, bag)
            if options.only != "speed":
                result |= study(bag)
            if options.only != "steering":
                say("speed ...")
                result["benchmark"] = benchmark(bag)
        write(NAME, result)
    document = DOCS / f"{NAME}.md"
    makers = {"gains": gains, "ideas": ideas, "masks": masks}
    if "simulated" in result:
        plot(result, DOCS / "images" / f"{NAME}.png")
        for name, make in makers.items():
            replace_block(document, name, make(result))
    if "benchmark" in result:
        replace_block(document, "speed", speed(result["benchmark"]))


if __name__ == "__main__":
    main()
