"""How good is the grid? Simulated drives and KITTI; writes all figures of occupancy.md.

python docs/scripts/grid_figures.py KITTI_DRIVE [--seconds 4] [--only drives|kitti|tables]
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from evidence import DOCS, read, replace_block, say, table, write
from grid_geometry import cloud, cost

from pdn_ros.bags.kitti import convert_kitti
from pdn_ros.perception import Pipeline
from pdn_ros.replay.results import KINDS
from pdn_ros.replay.run import run
from pdn_ros.replay.settings import Settings
from pdn_ros.simulation import SCENES, DriveConfig, simulate

NAME: Final = "occupancy"
FIRST_SEED: Final = 5000
MASKS: Final = ("true", "predicted")


def quiet(*_: int) -> None:
    """Report no progress."""


def evaluated(bag: Path, *, true_masks: bool) -> dict[str, Any]:
    """Return metrics.json of `pdn evaluate`; the report stays beside the bag."""
    out = bag.with_name(f"{bag.name}-{'true' if true_masks else 'predicted'}")
    run(Settings(bag=bag, out=out, true_masks=true_masks), quiet)
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
        [f"labelled boxes within 30 m and in view ({boxes['boxes']}) with an occupied cell",
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
        ["obstacles that have a range, metres, p50 / p90 / p95", obstacles, "p50 <= 0.3"],
        ["obstacles' pixels within 40 m that have one", f"{errors['obstacles_share']:.0%}", ""],
    ]
    return table(["Aligned cloud", "error", "floor"], rows)


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
