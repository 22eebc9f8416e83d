"""What the selectors know of images with a LiDAR, and what is true: simulated and of KITTI."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from evidence import budget
from numpy.typing import NDArray

from pdn_ros.bags.reader import Bag
from pdn_ros.classes import load_classes
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.lidar import project_scan
from pdn_ros.geometry.transforms import invert
from pdn_ros.messages.boxes import Box
from pdn_ros.metrics import Confusion
from pdn_ros.metrics.selection import patch_ids
from pdn_ros.network.selector import select
from pdn_ros.perception import Pipeline
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.replay.boxes import SMALL_PX
from pdn_ros.replay.drive import BASE, Drive
from pdn_ros.replay.scans import images_with_views
from pdn_ros.replay.settings import ReplaySettings
from pdn_ros.simulation import SCENES, DriveConfig, render_drive

FIRST_SEED: Final = 3000
FRAMES: Final = 12
RARE: Final = ("pole", "sign", "pedestrian", "cyclist")
FAR_M: Final = 30.0
NEAREST_M: Final = 0.5
LEAST_PX: Final = 12
"""Connected pixels that make an object."""
DARK: Final = 0.06
NOISE: Final = 2.5
"""Exposure and the deviation of the noise, gray levels, of the dark images."""

Floats = NDArray[np.floating[Any]]
Masks = dict[tuple[float, bool], Confusion]
"""By share of the patches and whether the prior takes part."""


@dataclass(slots=True)
class Sample:
    """What the selectors know of an image, and what is true; N patches, row-major.

    Attributes:
        weights: (rows, cols) the driver's.
        prior: (rows, cols) the LiDAR's.
        objects: (M, N) pixels of each object in each patch.
        rare: (N,) pixels of what is thin at any distance, simulated images alone.
        dark: The driver's weights on the image in the dark.
    """

    weights: Floats
    prior: Floats
    objects: Floats
    rare: Floats | None = None
    dark: Floats | None = None

    def found(self, scores: Floats, count: int) -> tuple[Floats, Floats]:
        """Return each object's pixels in the best patches, and all its pixels."""
        picked = select(np.asarray(scores, np.float32), count).patches
        return self.objects[:, picked].sum(axis=1), self.objects.sum(axis=1)


def simulated(pipeline: Pipeline, masks: Masks) -> list[Sample]:
    """Drive through every scene, on seeds that nothing was trained on."""
    samples = []
    rng = np.random.default_rng(1)
    for seed, scene in enumerate(SCENES, start=FIRST_SEED):
        drive = DriveConfig(seconds=FRAMES, rate=1, seed=seed, scene=scene, workers=1)
        rig, mounted = drive.sensors, drive.sensors.cameras[0]
        for frame in render_drive(drive):
            if frame.scan is None:
                raise RuntimeError("the simulated LiDAR gave no scan")
            prior = project_scan(
                frame.scan[:, :3],
                camera=mounted.camera,
                T_camera_lidar=invert(mounted.base_optical) @ rig.base_lidar,
                T_base_lidar=rig.base_lidar,
                patch_size=pipeline.patch_size,
            ).weights
            for (share, with_prior), confusion in masks.items():
                update = {"mode": "patch", "budget": budget(share, prior.size)}
                pipeline.reconfigure(pipeline.config.model_copy(update=update))
                used = prior if with_prior else None
                found = pipeline.segment(frame.image, used, confidence=False)
                confusion.update(found.mask, frame.mask)
            samples.append(
                Sample(
                    driver_weights(pipeline, frame.image),
                    prior,
                    far_objects(frame.mask, frame.depth, pipeline.patch_size),
                    rare_pixels(frame.mask, pipeline.patch_size),
                    driver_weights(pipeline, in_the_dark(frame.image, rng)),
                )
            )
    return samples


def driver_weights(pipeline: Pipeline, image: NDArray[np.uint8]) -> Floats:
    """Run the context alone; an image is seen at the size that patch mode sees it at."""
    pipeline.reconfigure(pipeline.config.model_copy(update={"mode": "patch", "budget": 1}))
    return pipeline.segment(image, confidence=False).weights


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


def rare_pixels(mask: NDArray[np.uint8], side: int) -> Floats:
    """Pixels of the rare classes in each patch, (N,)."""
    ids = patch_ids(mask.shape, mask.shape, side)
    street = load_classes("street")
    shown = np.isin(mask, [street.id_of(name) for name in RARE])
    return np.bincount(ids[shown], minlength=int(ids[-1, -1]) + 1).astype(np.float64)


def recorded(pipeline: Pipeline, bag_path: Path) -> list[Sample]:
    """Take the labeled boxes under 40 px of a recording as objects: their area by patch."""
    samples = []
    with Bag(bag_path) as bag:
        drive = Drive.open(bag, ReplaySettings(bag=bag_path, out=bag_path.parent))
        for recorded, view in images_with_views(drive, PerceptionConfig(), pipeline.patch_size):
            camera = drive.camera_of(recorded)
            if view is None or camera is None or recorded.image is None:
                continue
            weights = driver_weights(pipeline, recorded.image)
            t_camera_base = drive.transforms.lookup(
                recorded.header.frame_id, BASE, recorded.header.stamp_ns
            )
            areas = small_areas(recorded.boxes or [], camera, t_camera_base, weights.shape,
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
