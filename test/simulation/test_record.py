"""A simulated drive as a bag and as a labeled folder."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from pdn_ros.bags import layout
from pdn_ros.bags.reader import Bag
from pdn_ros.classes import load_classes
from pdn_ros.simulation import DriveConfig, DriveFrame, simulate, write_folder
from pdn_ros.simulation.drive_rendering import EPOCH_NS


@pytest.fixture(scope="module")
def bag_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("simulated") / "bag"
    config = DriveConfig(seconds=0.3, width=96, height=64, seed=5, scene="village", workers=1)
    seen: list[tuple[int, int]] = []
    simulate(config, path, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    return path


def test_bag_holds_every_topic_at_the_same_stamps(bag_path: Path) -> None:
    topics = (
        layout.IMAGE_TOPIC, layout.CAMERA_INFO_TOPIC, layout.POINTS_TOPIC, layout.MASK_TOPIC,
        layout.DEPTH_TOPIC, layout.OCCUPANCY_TOPIC, layout.BOXES_TOPIC,
    )  # fmt: skip
    with Bag(bag_path) as bag:
        for name in topics:
            stamps = [m.stamp_ns - EPOCH_NS for m in bag.messages([name])]
            assert stamps == [0, 100_000_000, 200_000_000], name


def test_odometry_surrounds_the_frames_at_50_hz_and_at_their_stamps(bag_path: Path) -> None:
    with Bag(bag_path) as bag:
        stamps = [m.stamp_ns - EPOCH_NS for m in bag.messages([layout.TF_TOPIC])]
    assert stamps == sorted(set(stamps))
    assert stamps[0] < 0
    assert stamps[-1] > 200_000_000
    assert {0, 100_000_000, 200_000_000} <= set(stamps)
    assert max(np.diff(stamps)) <= 20_000_000


def test_folder_has_the_layout_of_labeled_sets(drive: list[DriveFrame], tmp_path: Path) -> None:
    frames = [(f"frame_{f.index}", f) for f in drive[:2]]
    assert write_folder(frames, tmp_path / "set", "val") == 2
    described = yaml.safe_load((tmp_path / "set" / "dataset.yaml").read_text())
    assert tuple(described["classes"]) == load_classes("street").names
    for name, frame in frames:
        with Image.open(tmp_path / "set" / "val" / "labels" / f"{name}.png") as label:
            assert label.mode == "P"
            assert (np.asarray(label) == frame.mask).all()
        image = cv2.imread(str(tmp_path / "set" / "val" / "images" / f"{name}.jpg"))
        assert image is not None
        assert np.abs(image.astype(int) - frame.image).mean() < 6
