"""Floors of the shipped weights on small fixed subsets of the recorded data."""

from pathlib import Path

import numpy as np
import pytest

from pdn_ros.classes import load_classes
from pdn_ros.datasets import open_dataset
from pdn_ros.metrics import Confusion, SmallObjects
from pdn_ros.perception import Pipeline, PipelineConfig

CLASSES = load_classes("street")


def score(data: Path, mode: str, every: int) -> tuple[Confusion, SmallObjects]:
    images = open_dataset(f"folder:{data}", "val", CLASSES)
    hidden = {CLASSES.id_of(h): CLASSES.id_of(g) for h, g in images.hidden.items()}
    found, small = Confusion(len(CLASSES.names), hidden), SmallObjects(CLASSES.thin, hidden)
    pipeline = Pipeline(PipelineConfig(mode=mode, device="cpu"))
    for i in range(0, len(images), every):
        sample = images.sample(i)
        result = pipeline.segment(sample.image, confidence=False)
        found.update(result.mask, sample.label)
        small.update(result.mask, sample.label)
    return found, small


def test_the_context_network_knows_streets(shared_data: Path) -> None:
    found, _ = score(shared_data / "camvid_480x360", "context", every=5)
    merged = found.merged(CLASSES.id_of("lane_marking"), CLASSES.id_of("road"))
    assert merged.miou() > 0.6


@pytest.mark.parametrize("name", ["camvid_960x720", "kitti_semantics"])
def test_patches_pay(shared_data: Path, name: str) -> None:
    (context, few), (patch, more) = (
        score(shared_data / name, m, every=2) for m in ("context", "patch")
    )
    assert patch.miou() > context.miou()
    assert patch.miou(CLASSES.thin) > context.miou(CLASSES.thin)
    # What patches are for: +0.11 and +0.15 on all images.
    assert more.scores().f1 > few.scores().f1 + 0.05


def test_the_driver_leaves_sky_and_plain_road_alone(shared_data: Path) -> None:
    images = open_dataset(f"folder:{shared_data / 'camvid_960x720'}", "val", CLASSES)
    pipeline = Pipeline(PipelineConfig(device="cpu"))
    plain = [CLASSES.id_of("sky"), CLASSES.id_of("road")]
    wasted, refined = 0, 0
    for i in range(0, len(images), 4):
        sample = images.sample(i)
        result = pipeline.segment(sample.image, confidence=False)
        for patch in result.selected.tolist():
            row, col = divmod(patch, result.weights.shape[1])
            size = result.patch_size
            cut = sample.label[row * size : (row + 1) * size, col * size : (col + 1) * size]
            wasted += bool(np.isin(cut[cut != 255], plain).all())
            refined += 1
    assert wasted / refined < 0.08
