"""A recording of two cameras: one looks ahead at a wall, the other to the left."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import wall

from pdn_ros.bags import layout
from pdn_ros.bags.reader import Bag
from pdn_ros.bags.writer import RawWriter
from pdn_ros.classes import load_classes
from pdn_ros.errors import InputError
from pdn_ros.messages.occupancy import Grid
from pdn_ros.replay.drive import Drive
from pdn_ros.replay.output import Output
from pdn_ros.replay.run import run
from pdn_ros.replay.score import Scorer
from pdn_ros.replay.settings import ReplaySettings


def settings(bag: Path, out: Path, **values: object) -> ReplaySettings:
    return ReplaySettings(bag=bag, out=out, backend="torch", **values)


def test_each_image_has_its_cameras_truth_and_calibration(rig: Path, tmp_path: Path) -> None:
    with Bag(rig) as bag:
        drive = Drive.open(bag, settings(rig, tmp_path, cameras=wall.NAMES))
        images = list(drive.images(2))
        assert drive.offered(2) == 2
        assert [(one.camera, one.index) for one in images] == [
            ("ahead", 0), ("left", 0), ("ahead", 1), ("left", 1),
        ]  # fmt: skip
        for one in images:
            assert one.image is not None
            assert one.mask is not None
            assert one.mask.shape == one.image.shape[:2]
            assert set(np.unique(one.mask)) == {
                wall.BUILDING if one.camera == "ahead" else wall.ROAD
            }
            camera = drive.camera_of(one)
            assert camera is not None
            assert (camera.height, camera.width) == one.image.shape[:2]
            assert one.grid is not None
        assert drive.notes == []


def test_one_camera_of_a_rig_finds_its_own_truth(rig: Path, tmp_path: Path) -> None:
    with Bag(rig) as bag:
        drive = Drive.open(bag, settings(rig, tmp_path, image="/left/image_raw"))
        (image,) = drive.images(1)
    assert image.camera == ""
    assert image.mask is not None
    assert set(np.unique(image.mask)) == {wall.ROAD}


def test_topics_by_pattern_and_a_camera_that_is_not_there(rig: Path, tmp_path: Path) -> None:
    with Bag(rig) as bag:
        named = settings(rig, tmp_path, cameras=wall.NAMES, image="/{camera}/image_raw")
        topics = [camera.image.name for camera in Drive.open(bag, named).cameras.values()]
        assert topics == ["/ahead/image_raw", "/left/image_raw"]
        with pytest.raises(InputError, match="no camera images of 'right'"):
            Drive.open(bag, settings(rig, tmp_path, cameras=("ahead", "right")))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"cameras": wall.NAMES, "image": "/ahead/image_raw"}, "put {camera} where"),
        ({"image": "/{camera}/image_raw"}, "name the cameras, --cameras"),
        ({"cameras": ("a__b",)}, "cannot be part of a topic"),
    ],
)
def test_names_and_topics_that_do_not_fit_are_one_line(
    rig: Path, tmp_path: Path, values: dict[str, object], line: str
) -> None:
    with pytest.raises(InputError, match=line):
        settings(rig, tmp_path / "out", **values).check()


def test_scores_of_each_camera_and_of_all(rig: Path, tmp_path: Path) -> None:
    """Masks that call everything building: right ahead, wrong to the left, which is a quarter."""
    with Bag(rig) as bag:
        drive = Drive.open(bag, settings(rig, tmp_path, cameras=wall.NAMES))
        scorer = Scorer(drive, load_classes("street"), live=False)
        images = list(drive.images(1))
        rows = scorer.add(
            [(one, Output(mask=np.full_like(one.mask, wall.BUILDING))) for one in images]
        )
        metrics = scorer.metrics(1.0)
    assert [row.camera for row in rows] == list(wall.NAMES)
    assert metrics.cameras["ahead"].masks.per_class_iou["building"] == 1.0
    assert metrics.cameras["left"].masks.per_class_iou["building"] == 0.0
    assert metrics.per_class_iou["building"] == pytest.approx(0.8)  # 4 parts of 5
    assert metrics.class_share["building"] == 1.0
    assert metrics.cameras["ahead"].frames == metrics.cameras["left"].frames == 1


def test_the_grid_counts_where_any_camera_looks(rig: Path, tmp_path: Path) -> None:
    """A grid that is right ahead and unknown elsewhere misses what the left camera sees."""
    data, origin, resolution = wall.truth_grid()
    x = origin[0] + resolution * (np.arange(data.shape[1]) + 0.5)
    y = origin[1] + resolution * (np.arange(data.shape[0]) + 0.5)
    known = np.where(np.abs(y[:, None]) < 0.8 * (x[None] - 1.0), data, -1).astype(np.int8)
    unknown = {}
    for cameras in (("ahead",), wall.NAMES):
        with Bag(rig) as bag:
            drive = Drive.open(bag, settings(rig, tmp_path, cameras=cameras))
            scorer = Scorer(drive, load_classes("street"), live=False)
            grid = Grid(known, origin, resolution, layout.ODOM)
            seen = [(one, Output()) for one in drive.images(1)]
            seen[-1][1].grids["fused"] = grid
            scorer.add(seen)
            unknown[cameras] = scorer.metrics(1.0).grid["fused"].unknown_share
    assert unknown[("ahead",)] < 0.01
    # Two sectors of the same shape; the left one, cut off at 10 m, is unknown but for its edge.
    assert 0.2 < unknown[wall.NAMES] < 0.6


def test_the_whole_evaluation(rig: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    damaged = tmp_path / "damaged"
    with Bag(rig) as bag, RawWriter(damaged) as writer:
        for topic in bag.topics.values():
            writer.topic(topic.name, topic.msgtype)
        for message in bag.messages():
            data = bytes(message.data)
            cut = message.topic == "/left/image_raw" and message.stamp_ns > wall.START_NS + 2e8
            writer.write(message.topic, message.stamp_ns, data[:500] if cut else data)
    outcome = run(settings(damaged, out, cameras=wall.NAMES), lambda *_: None)
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["frames"], metrics["failed"], metrics["dropped"]) == (2 * wall.SETS, 1, 0)
    assert metrics["cameras"]["left"]["failed"] == 1
    assert metrics["cameras"]["ahead"]["boxes"]["boxes"] == wall.SETS
    assert metrics["cameras"]["left"]["boxes"]["boxes"] == 0
    # The LiDAR sees the wall and the ground ahead whatever the network says of random pixels.
    assert metrics["grid"]["lidar"]["false_free"] < 0.01
    assert [line for line in outcome.problems if line.startswith("left image 2: ")]
    with (out / "frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["index"], row["camera"]) for row in rows] == [
        (str(i), name) for i in range(wall.SETS) for name in wall.NAMES
    ]
    # One budget: a quarter of the patches of both, 3 x 2 and 2 x 1 of 128 pixels.
    for i in range(wall.SETS - 1):
        assert sum(int(row["selected"]) for row in rows if row["index"] == str(i)) == 2
    with Bag(out / "outputs") as bag:
        counts = {name: topic.count for name, topic in bag.topics.items()}
    assert counts == {
        **{f"/perception/ahead/{name}": wall.SETS for name in ("mask", "confidence", "patches")},
        **{f"/perception/left/{name}": wall.SETS - 1 for name in ("mask", "confidence", "patches")},
        "/perception/occupancy": wall.SETS,
    }
    text = (out / "report.html").read_text(encoding="utf-8")
    assert '<h2 id="cameras-title">Cameras</h2>' in text
    assert 'width="840" height="252"' in text  # both cameras side by side
