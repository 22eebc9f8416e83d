"""Does the LiDAR prior pay? Curves over K, mask quality and a benchmark; see lidar-steering.md.

python docs/scripts/lidar_steering.py KITTI_DRIVE [--benchmark]
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import cv2
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pdn_ros.bags.kitti import convert_kitti
from pdn_ros.bags.reader import Bag
from pdn_ros.classes import load_classes
from pdn_ros.evaluation.boxes import SMALL_PX, BoxTally, Patches
from pdn_ros.evaluation.drive import BASE, Drive
from pdn_ros.evaluation.node_parameters import NodeParameters
from pdn_ros.evaluation.scans import scan_view
from pdn_ros.evaluation.settings import Settings
from pdn_ros.files import atomic
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
LEAST_PX: Final = 12
"""Connected pixels that make an object."""
RANDOM_ORDERS: Final = 20
DARK, NOISE: Final = 0.06, 2.5
"""Exposure and the deviation of the noise, grey levels, of the dark images."""

Floats = NDArray[np.floating[Any]]
Score = Callable[["Sample", Floats], Floats]
COUNT_PIXELS: Final = "pixels"


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


@dataclass(slots=True)
class Masks:
    """Confusions by (share of the patches, with prior)."""

    of: dict[tuple[float, bool], Confusion] = field(default_factory=dict)


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
        rows: dict[str, list[float]] = {COUNT_PIXELS: [], "objects": []}
        for share in SHARES:
            inside, whole = [], []
            for sample in samples:
                for _ in range(RANDOM_ORDERS if name == "random" else 1):
                    scores = score(sample, rng.random(sample.weights.shape))
                    got, size = sample.found(scores, budget(share, sample.weights.size))
                    inside.append(got)
                    whole.append(size)
            got, size = np.concatenate(inside), np.concatenate(whole)
            rows[COUNT_PIXELS].append(percent(got.sum() / size.sum()))
            rows["objects"].append(percent(np.mean(got >= 0.5 * size)))
        table[name] = rows
    return table


def budget(share: float, count: int) -> int:
    """K of N patches."""
    return max(1, round(share * count))


def percent(share: float) -> float:
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
            for (share, with_prior), confusion in masks.of.items():
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
