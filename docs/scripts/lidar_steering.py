"""Does the LiDAR prior pay? Curves over K, mask quality and a benchmark; see lidar-steering.md.

python docs/scripts/lidar_steering.py KITTI_DRIVE [--benchmark]
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import cv2
import matplotlib.pyplot as plt
import numpy as np
from lidar_benchmark import benchmark
from numpy.typing import NDArray
from rich.console import Console

from pdn_ros.bags.boxes import Box
from pdn_ros.bags.kitti import convert_kitti
from pdn_ros.bags.reader import Bag
from pdn_ros.classes import load_classes
from pdn_ros.evaluation.boxes import SMALL_PX
from pdn_ros.evaluation.drive import BASE, Drive
from pdn_ros.evaluation.node_parameters import NodeParameters
from pdn_ros.evaluation.scans import scan_view
from pdn_ros.evaluation.settings import Settings
from pdn_ros.files import atomic
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.lidar import project_scan
from pdn_ros.geometry.transforms import invert
from pdn_ros.inference import Frame, Pipeline, PipelineConfig
from pdn_ros.metrics import Confusion
from pdn_ros.metrics.patches import patch_ids
from pdn_ros.network.selector import select
from pdn_ros.simulation import SCENES, DriveConfig, render_drive

DOCS: Final = Path(__file__).resolve().parents[1]
FIRST_SEED: Final = 3000
FRAMES: Final = 12
SHARES: Final = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.40, 0.50)
WEIGHTS: Final = (0.3, 0.5, 0.7)
RARE: Final = ("pole", "sign", "pedestrian", "cyclist")
FAR_M: Final = 30.0
SHIPPED: Final = PipelineConfig().lidar_weight
NEAREST_M: Final = 0.5
LEAST_PX: Final = 12
"""Connected pixels that make an object."""
RANDOM_ORDERS: Final = 20
DARK: Final = 0.06
NOISE: Final = 2.5
"""Exposure and the deviation of the noise, grey levels, of the dark images."""

Floats = NDArray[np.floating[Any]]
Score = Callable[["Sample", Floats], Floats]
Masks = dict[tuple[float, bool], Confusion]
"""By share of the patches and whether the prior takes part."""


@dataclass(slots=True)
class Sample:
    """What the selectors know of an image, and what is true; N patches, row-major.

    Attributes:
        weights: (rows, cols) the driver's.
        prior: (rows, cols) the LiDAR's.
        objects: (M, N) pixels of each object in each patch.
        dark: The driver's weights on the image in the dark.
    """

    weights: Floats
    prior: Floats
    objects: Floats
    dark: Floats | None = None

    def found(self, scores: Floats, count: int) -> tuple[Floats, Floats]:
        """Return each object's pixels in the best patches, and all its pixels."""
        picked = select(np.asarray(scores, np.float32), count).patches
        return self.objects[:, picked].sum(axis=1), self.objects.sum(axis=1)


def blend(weight: float, *, dark: bool = False) -> Score:
    """Score as the pipeline does."""

    def score(sample: Sample, _: Floats) -> Floats:
        driver = sample.dark if dark and sample.dark is not None else sample.weights
        return select(np.asarray(driver, np.float32), 0, prior=np.asarray(sample.prior, np.float32),
                      prior_weight=weight).scores  # fmt: skip

    return score


SELECTORS: Final[dict[str, Score]] = {
    "random": lambda _, noise: noise,
    "driver": blend(0.0),
    **{f"blend {weight}": blend(weight) for weight in WEIGHTS},
    "prior": blend(1.0),
    "oracle": lambda sample, _: sample.objects.sum(axis=0).reshape(sample.weights.shape),
}
IN_THE_DARK: Final[dict[str, Score]] = {
    "driver": blend(0.0, dark=True),
    **{f"blend {weight}": blend(weight, dark=True) for weight in WEIGHTS},
}


def curves(samples: Sequence[Sample], selectors: dict[str, Score]) -> dict[str, Any]:
    """Shares of pixels and of objects (at least half of each) in the selected patches."""
    rng = np.random.default_rng(0)
    table: dict[str, Any] = {}
    for name, score in selectors.items():
        rows: dict[str, list[float]] = {"pixels": [], "objects": []}
        for share in SHARES:
            inside, whole = [], []
            for sample in samples:
                for _ in range(RANDOM_ORDERS if name == "random" else 1):
                    scores = score(sample, rng.random(sample.weights.shape))
                    got, size = sample.found(scores, budget(share, sample.weights.size))
                    inside.append(got)
                    whole.append(size)
            got, size = np.concatenate(inside), np.concatenate(whole)
            rows["pixels"].append(percent(got.sum() / size.sum()))
            rows["objects"].append(percent(np.mean(got >= 0.5 * size)))
        table[name] = rows
    return table


def budget(share: float, count: int) -> int:
    """K of N patches."""
    return max(1, round(share * count))


def percent(share: float | np.floating[Any]) -> float:
    """With one decimal."""
    return round(100 * float(share), 1)


def simulated(pipeline: Pipeline, masks: Masks) -> list[Sample]:
    """Drive through every scene, on seeds that nothing was trained on."""
    samples = []
    rng = np.random.default_rng(1)
    for seed, scene in enumerate(SCENES, start=FIRST_SEED):
        drive = DriveConfig(seconds=FRAMES, rate=1, seed=seed, scene=scene, workers=1)
        rig = drive.rig
        for frame in render_drive(drive):
            if frame.scan is None:
                raise RuntimeError("the simulated LiDAR gave no scan")
            prior = project_scan(
                frame.scan[:, :3],
                camera=rig.camera,
                T_camera_lidar=invert(rig.base_optical) @ rig.base_lidar,
                T_base_lidar=rig.base_lidar,
                patch_size=pipeline.patch_size,
            ).weights
            for (share, with_prior), confusion in masks.items():
                update = {"mode": "patch", "budget": budget(share, prior.size)}
                pipeline.reconfigure(pipeline.config.model_copy(update=update))
                asked = Frame(frame.image, prior=prior if with_prior else None)
                confusion.update(pipeline.process(asked, confidence=False).mask, frame.mask)
            samples.append(
                Sample(
                    driver_weights(pipeline, frame.image),
                    prior,
                    far_objects(frame.mask, frame.depth, pipeline.patch_size),
                    driver_weights(pipeline, in_the_dark(frame.image, rng)),
                )
            )
    return samples


def driver_weights(pipeline: Pipeline, image: NDArray[np.uint8]) -> Floats:
    """Run the context alone; an image is seen at the size that patch mode sees it at."""
    pipeline.reconfigure(pipeline.config.model_copy(update={"mode": "patch", "budget": 1}))
    return pipeline.process(Frame(image), confidence=False).weights


def in_the_dark(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Underexpose an image."""
    noisy = DARK * image + rng.normal(0, NOISE, image.shape)
    return np.asarray(np.clip(noisy, 0, 255), dtype=np.uint8)


def far_objects(mask: NDArray[np.uint8], depth: Floats, side: int) -> Floats:
    """Pixels in each patch (M, N) of the connected far pixels of each rare class."""
    ids = patch_ids(mask.shape, mask.shape, side)
    count = int(ids[-1, -1]) + 1
    street = load_classes("street")
    found = []
    for name in RARE:
        shown = (mask == street.id_of(name)) & (depth > FAR_M)
        labels, image = cv2.connectedComponents(shown.astype(np.uint8), connectivity=8)
        table = np.bincount((image * count + ids).ravel(), minlength=labels * count)
        table = table.reshape(labels, count)[1:]
        found.append(table[table.sum(axis=1) >= LEAST_PX])
    return np.concatenate(found)


def recorded(pipeline: Pipeline, bag_path: Path) -> list[Sample]:
    """Take the labelled boxes under 40 px of a recording as objects: their area by patch."""
    samples = []
    parameters = NodeParameters.shipped()
    with Bag(bag_path) as bag:
        drive = Drive.open(bag, Settings(bag=bag_path, out=bag_path.parent))
        for moment in drive.moments():
            view = scan_view(drive, moment, parameters, pipeline.patch_size)
            camera = drive.camera_of(moment)
            if view is None or camera is None or moment.image is None:
                continue
            weights = driver_weights(pipeline, moment.image)
            t_camera_base = drive.transforms.lookup(moment.frame, BASE, moment.stamp_ns)
            areas = small_areas(moment.boxes or [], camera, t_camera_base, weights.shape,
                                pipeline.patch_size)  # fmt: skip
            samples.append(Sample(weights, view.weights, areas))
    return samples


def small_areas(
    boxes: Sequence[Box], camera: Camera, t_camera_base: Floats, grid: tuple[int, ...], side: int
) -> Floats:
    """Area in each patch (M, N) of the boxes under 40 px whose middle is in the image."""
    found = [np.zeros((0, grid[0] * grid[1]))]
    for box in boxes:
        points = np.vstack([box.corners(), box.center]) @ t_camera_base[:3, :3].T
        points += t_camera_base[:3, 3]
        pixels, valid = camera.project(points)
        low, high = pixels[:8].min(axis=0), pixels[:8].max(axis=0)
        if not valid[8] or points[:, 2].min() < NEAREST_M or high[1] - low[1] >= SMALL_PX:
            continue
        inside = []
        for start, end, count in zip(low, high, grid[::-1], strict=True):
            edges = np.arange(count + 1) * side
            length = np.minimum(end, edges[1:]) - np.maximum(start, edges[:-1])
            inside.append(length.clip(min=0))
        across, down = inside
        found.append(np.outer(down, across).reshape(1, -1))
    return np.concatenate(found)


def quality(masks: Masks) -> list[dict[str, Any]]:
    """Mean IoU with and without the prior."""
    thin = load_classes("street").thin
    return [
        {
            "share": share,
            "prior": with_prior,
            "miou": percent(confusion.miou()),
            "thin_miou": percent(confusion.miou(thin)),
        }
        for (share, with_prior), confusion in masks.items()
    ]


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw the curves."""
    panels = (
        ("simulated", "pixels", "Simulated, day: pixels of thin\nobjects beyond 30 m"),
        ("simulated", "objects", "Simulated, day: thin objects\nbeyond 30 m"),
        ("dark", "pixels", "Simulated, dark: pixels of thin\nobjects beyond 30 m"),
        ("kitti", "objects", "KITTI: labelled boxes\nunder 40 px"),
    )
    styles = {
        "random": ("0.6", ":", "random"),
        "driver": ("tab:blue", "-", "driver alone"),
        "prior": ("tab:green", "--", "LiDAR prior alone"),
        f"blend {SHIPPED}": ("tab:red", "-", f"driver and prior (lidar.weight {SHIPPED})"),
        "oracle": ("black", ":", "oracle"),
    }
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.9), sharey=True, layout="constrained")
    for axis, (data, count, title) in zip(axes, panels, strict=True):
        for name, (colour, line, label) in styles.items():
            # By day and in the dark, these three see the same.
            table = result[data] if name in result[data] else result["simulated"]
            axis.plot([100 * s for s in SHARES], table[name][count], line, color=colour,
                      label=label, marker=".", lw=2 if line == "-" else 1.3)  # fmt: skip
        axis.axvline(25, color="0.85", lw=5, zorder=0)
        axis.set(title=title, xlabel="patches refined, %", ylim=(0, 102), xlim=(3, 52))
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        axis.title.set_fontsize(10.5)
    axes[0].set_ylabel("in refined patches, %")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5,
                  frameon=False)  # fmt: skip
    with atomic(path) as part:
        figure.savefig(part, dpi=110, format="png")


def main() -> None:
    """Write `lidar-steering.json` and the plot, or the benchmark's figures into the former."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kitti", type=Path, help="a KITTI raw drive with tracklets")
    parser.add_argument("--benchmark", action="store_true", help="time the projection alone")
    options = parser.parse_args()
    out = DOCS / "lidar-steering.json"
    result: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    with TemporaryDirectory() as folder:
        bag = Path(folder) / "kitti"
        convert_kitti(options.kitti, bag)
        if options.benchmark:
            result["benchmark"] = benchmark(bag)
        else:
            result |= study(bag)
            plot(result, DOCS / "images" / "lidar-steering.png")
    with atomic(out) as part:
        part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    Console().print_json(data=result["benchmark"] if options.benchmark else result)


def study(bag: Path) -> dict[str, Any]:
    """Compute all but the benchmark."""
    pipeline = Pipeline()
    confusions = len(pipeline.classes.classes)
    masks = {(s, p): Confusion(confusions) for s in (0.10, 0.25) for p in (False, True)}
    street, kitti = simulated(pipeline, masks), recorded(pipeline, bag)
    return {
        "shares": SHARES,
        "simulated": curves(street, SELECTORS),
        "dark": curves(street, IN_THE_DARK),
        "kitti": curves(kitti, SELECTORS),
        "counts": {
            "simulated images": len(street),
            "simulated objects": sum(len(s.objects) for s in street),
            "kitti images": len(kitti),
            "kitti boxes": sum(len(s.objects) for s in kitti),
        },
        "masks": quality(masks),
    }


if __name__ == "__main__":
    main()
