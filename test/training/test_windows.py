"""Training windows meet rare classes."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from pdn_ros.classes import load_classes
from pdn_ros.datasets import Sample
from pdn_ros.training import data
from pdn_ros.training.augment import augment
from pdn_ros.training.data import Mixture
from pdn_ros.training.training_config import DataConfig


def test_a_rare_class_is_met_in_more_than_a_third_of_the_windows() -> None:
    label = np.zeros((256, 256), np.uint8)
    label[200:208, 40:48] = 6  # anywhere alone: a window of 64x64 meets it in under a tenth
    image = np.zeros((256, 256, 3), np.uint8)
    rng = np.random.default_rng(0)
    met = [
        bool((augment(rng, Sample("a", image, label), (64, 64), (1.0, 1.0))[1] == 6).any())
        for _ in range(300)
    ]
    anywhere = ((64 + 8) / (256 - 64 + 1)) ** 2
    # Half of them are drawn by class, half of those by the rare one.
    assert abs(np.mean(met) - (0.75 * anywhere + 0.25)) < 0.1


def test_a_window_of_an_image_without_labels_is_void() -> None:
    void = np.full((64, 64), 255, np.uint8)
    image = np.zeros((64, 64, 3), np.uint8)
    rng = np.random.default_rng(0)
    assert (augment(rng, Sample("a", image, void), (32, 32), (0.5, 1.5))[1] == 255).all()


def test_an_image_smaller_than_the_window_is_taken_whole_and_in_whole_cells() -> None:
    label = np.full((37, 66), 3, np.uint8)
    image = np.full((37, 66, 3), 200, np.uint8)
    found = augment(np.random.default_rng(0), Sample("a", image, label), (64, 128), (1.0, 1.0))
    assert found[0].shape == (36, 64, 3)
    assert found[1].shape == (36, 64) and np.isin(found[1], (3, 255)).all()


def test_a_batch_is_padded_with_void_to_its_largest_window(tmp_path: Path) -> None:
    classes = load_classes("street")
    (tmp_path / "dataset.yaml").write_text(
        yaml.safe_dump({"classes": list(classes.names), "hidden": {}})
    )
    for kind in ("images", "labels"):
        (tmp_path / "train" / kind).mkdir(parents=True)
    for name, (height, width) in {"a": (32, 48), "b": (48, 32)}.items():
        cv2.imwrite(str(tmp_path / f"train/images/{name}.png"), np.zeros((height, width, 3)))
        cv2.imwrite(str(tmp_path / f"train/labels/{name}.png"), np.full((height, width), 3))
    mixture = Mixture([DataConfig(spec=f"folder:{tmp_path}", scales=(1.0, 1.0))], classes)
    batch = mixture.batch(np.random.default_rng(1), 8, (128, 128))
    assert batch.images.shape == (8, 3, 48, 48) and batch.labels.shape == (8, 48, 48)
    # Half of each square is a window; a tilted one has lost its corners.
    assert max(int((one == 3).sum()) for one in batch.labels) == 32 * 48


def test_what_does_not_fit_into_the_memory_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = load_classes("street")
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump({"classes": list(classes.names)}))
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for i in range(8):
        picture = np.full((32, 32), i, np.uint8)
        cv2.imwrite(str(tmp_path / f"images/{i}.png"), cv2.merge([picture] * 3))
        cv2.imwrite(str(tmp_path / f"labels/{i}.png"), picture)
    monkeypatch.setattr(data, "CACHE_BYTES", 3 * 4 * 32 * 32)
    mixture = Mixture([DataConfig(spec=f"folder:{tmp_path}", split="all")], classes)
    assert np.count_nonzero(mixture.frequencies(8)) == 8
    assert sum(sample is not None for sample in mixture._cache.values()) == 3
    assert set(mixture.batch(np.random.default_rng(0), 32, (32, 32)).labels.unique().tolist()) >= {
        4,
        7,
    }
