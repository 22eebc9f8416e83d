"""The split by time, and folders that have none of their own."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pdn_ros.classes import load_classes
from pdn_ros.datasets import open_dataset
from pdn_ros.datasets.base import evenly
from pdn_ros.datasets.split import BLOCKS, split_by_time
from pdn_ros.errors import InputError

STREET = load_classes("street")
SAME = frozenset({0, 1})


def test_a_quarter_in_one_block_at_the_end_is_for_validation() -> None:
    train, val = split_by_time([SAME] * 60)
    assert train == tuple(range(45))
    assert val == tuple(range(45, 60))


@pytest.mark.parametrize(("count", "validation"), [(3, 1), (4, 2), (6, 3), (12, 3), (20, 5)])
def test_few_images_leave_at_least_three_where_there_are_as_many_to_train_on(
    count: int, validation: int
) -> None:
    train, val = split_by_time([SAME] * count)
    assert len(val) == validation
    assert sorted(train + val) == list(range(count))


def test_a_single_image_is_both() -> None:
    assert split_by_time([SAME]) == ((0,), (0,))


def test_the_block_lies_where_every_class_is_on_both_sides() -> None:
    contents = [SAME] * 40
    contents[7] = contents[20] = frozenset({0, 5})  # 13 apart: no block of ten holds both
    _, val = split_by_time(contents)
    assert (7 in val) != (20 in val)
    assert val == tuple(range(20, 30))  # the last such block


def test_plenty_of_images_give_blocks_with_gaps_of_unused_images() -> None:
    count = 400
    train, val = split_by_time([frozenset()] * count)
    assert len(val) == count // 4 and not set(train) & set(val)
    assert [b - a for a, b in pairwise(val)].count(1) == len(val) - BLOCKS
    distances = {abs(a - b) for a in val for b in train}
    assert min(distances) > 1


def make(folder: Path, names: list[str]) -> Path:
    """Write an unsplit folder; every label holds its image's number as its first pixel."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"classes": list(STREET.names)}))
    for name in names:
        Image.new("RGB", (8, 6)).save(folder / "images" / f"{name}.jpg")
        Image.fromarray(np.zeros((6, 8), np.uint8)).save(folder / "labels" / f"{name}.png")
    return folder


def names_of(folder: Path, split: str) -> list[str]:
    data = open_dataset(f"folder:{folder}", split, STREET)
    return [data.sample(i).name for i in range(len(data))]


def test_names_are_in_natural_order_and_images_without_a_label_are_left_out(tmp_path) -> None:
    make(tmp_path, [f"frame_{i}" for i in (10, 2, 1, 9, 11, 3)])
    Image.new("RGB", (8, 6)).save(tmp_path / "images" / "frame_5.jpg")
    assert names_of(tmp_path, "all") == [f"frame_{i}" for i in (1, 2, 3, 9, 10, 11)]
    assert names_of(tmp_path, "train") == ["frame_1", "frame_2", "frame_3"]
    assert names_of(tmp_path, "val") == ["frame_9", "frame_10", "frame_11"]


def test_stamps_go_before_names(tmp_path) -> None:
    make(tmp_path, ["a", "b", "c", "d"])
    rows = [f"{name}.jpg,/camera,{stamp}" for name, stamp in zip("abcd", (4, 3, 2, 1), strict=True)]
    (tmp_path / "frames.csv").write_text("\n".join(["name,topic,stamp_ns", *rows]))
    assert names_of(tmp_path, "all") == ["d", "c", "b", "a"]
    assert names_of(tmp_path, "val") == ["b", "a"]


def test_names_may_have_dots(tmp_path) -> None:
    make(tmp_path, ["17.25", "17.5"])
    (tmp_path / "frames.csv").write_text("name,stamp_ns\n17.5,1\n17.25,2\n")
    assert names_of(tmp_path, "all") == ["17.5", "17.25"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name,topic\na,/camera\n", "no column 'stamp_ns'"),
        ("name,stamp_ns\na,1\n", "no line for image b"),
        ("name,stamp_ns\na,soon\n", "cannot be read"),
    ],
)
def test_bad_stamps_are_one_line(tmp_path, text: str, found: str) -> None:
    make(tmp_path, ["a", "b"])
    (tmp_path / "frames.csv").write_text(text)
    with pytest.raises(InputError, match=f"frames.csv: .*{found}"):
        names_of(tmp_path, "all")


def test_an_unknown_split_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="train, val and all"):
        names_of(make(tmp_path, ["a"]), "test")


@pytest.mark.parametrize(("count", "most", "picked"), [(5, 9, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8])])
def test_evenly(count: int, most: int, picked: list[int]) -> None:
    assert evenly(count, most) == picked
