"""What a scene's file holds, read back."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rerun", exc_type=ImportError)

from rrd import read

from pdn_ros.bags.writer import VOLATILE, RawWriter
from pdn_ros.classes import load_classes
from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.boxes import Box
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.compressed import decode_compressed
from pdn_ros.messages.occupancy import Grid, write_grid
from pdn_ros.messages.patches import PatchArray
from pdn_ros.viewer import scene as names
from pdn_ros.viewer.recording import recording

STAMP = 1_700_000_000_123_456_789
SECOND = 1_000_000_000
WIDTH, HEIGHT = 96, 64
CLASSES = load_classes("street")


def patches(selected: list[int]) -> PatchArray:
    weights = np.array([[0.1, 0.9, 0.2], [0.3, 0.4, 0.5]], np.float32)
    prior = np.array([[1, 0, 0], [0, 0, 0]], np.float32)
    return PatchArray(
        Header(STAMP, "camera_optical"), (WIDTH, 60), 32, weights, prior, weights,
        np.array(selected), "patch", 2, "budget",
    )  # fmt: skip


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("rrd") / "scene.rrd"
    turned = np.array([[0, -1, 0, 3], [1, 0, 0, 4], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64)
    k = np.array([[50.0, 0, 47.5], [0, 50, 31.5], [0, 0, 1]])
    with recording("a drive", path) as scene:
        scene.classes(CLASSES)
        scene.image(STAMP, np.full((HEIGHT, WIDTH, 3), (200, 120, 40), np.uint8))
        scene.mask(STAMP, np.arange(12, dtype=np.uint8).reshape(3, 4))
        for i in (1, 2, 3):
            scene.mask(STAMP + i * SECOND // 4, np.zeros((3, 4), np.uint8))
        scene.patches(patches([1, 0]))
        scene.saliency(np.full((60, WIDTH, 3), 90, np.uint8), patches([1, 0]))
        scene.robot(STAMP, turned)
        scene.camera(STAMP, Camera(WIDTH, HEIGHT, k, np.zeros(0)), np.eye(4))
        scene.points(STAMP, np.array([[1, 2, 3], [np.nan, 0, 0], [80, 0, 0]], np.float32))
        scene.points(STAMP + 1, np.ones((100_001, 3), np.float32))
        scene.points(STAMP + 2, np.full((4, 3), np.nan, np.float32))
        scene.boxes(STAMP, [Box((1, 2, 3), np.pi / 2, (4, 2, 1), "vehicle", 7)])
        scene.boxes(STAMP + 1, [])
        scene.figures(STAMP, "age", {"age": 12.5, "latency": float("nan")})
        scene.message(STAMP, "no images for 2 s", "WARN")
    return read(path)


def test_images_are_jpegs(logged) -> None:
    for entity, shape in ((names.IMAGE, (HEIGHT, WIDTH, 3)), (names.SALIENCY, (60, WIDTH, 3))):
        components = logged[entity]
        assert components["EncodedImage:media_type"][STAMP] == ["image/jpeg"]
        data = bytes(components["EncodedImage:blob"][STAMP][0])
        assert decode_compressed(data).shape == shape
    data = bytes(logged[names.IMAGE]["EncodedImage:blob"][STAMP][0])
    assert np.abs(decode_compressed(data).astype(int) - (200, 120, 40)).max() < 4


def test_masks_hold_the_ids_whose_names_and_colors_are_known(logged) -> None:
    components = logged[names.MASK]
    assert components["SegmentationImage:buffer"][STAMP][0] == list(range(12))
    form = components["SegmentationImage:format"][STAMP][0]
    assert (form["width"], form["height"]) == (4, 3)
    (context,) = logged[""]["AnnotationContext:context"][None]
    infos = {entry["class_id"]: entry["class_description"]["info"] for entry in context}
    assert [infos[i]["label"] for i in range(len(CLASSES.names))] == list(CLASSES.names)
    red, green, blue = CLASSES.classes[3].color
    assert infos[3]["color"] == int.from_bytes(bytes([red, green, blue, 255]), "big")
    assert infos[255]["color"] & 0xFF == 0


def test_the_rate_is_that_of_the_masks(logged) -> None:
    rates = logged["figures/rate/shown"]["Scalars:scalars"]
    assert rates == {STAMP + i * SECOND // 4: [4.0] for i in (1, 2, 3)}


def test_selected_patches_end_with_the_image(logged) -> None:
    components = logged[names.PATCHES]
    centers = components["Boxes2D:centers"][STAMP]
    halves = components["Boxes2D:half_sizes"][STAMP]
    assert [tuple(c.values()) if isinstance(c, dict) else tuple(c) for c in centers] == [
        (48, 16),
        (16, 16),
    ]
    assert [tuple(h) for h in halves] == [(16, 16), (16, 16)]
    driver, lidar = components["Boxes2D:colors"][STAMP]
    assert driver != lidar  # the driver alone would have taken 1 and 5
    assert components["Boxes2D:labels"][STAMP] == ["0.90", "0.10"]
    assert logged["figures/patches/selected"]["Scalars:scalars"] == {STAMP: [2.0]}


def test_poses_and_points(logged) -> None:
    robot = logged[names.ROBOT]
    assert robot["Transform3D:translation"][STAMP] == [[3.0, 4.0, 0.0]]
    half = np.sqrt(0.5)
    assert np.allclose(robot["Transform3D:quaternion"][STAMP], [[0, 0, half, half]])
    pinhole = logged[names.CAMERA]["Pinhole:image_from_camera"][STAMP][0]
    assert np.allclose(np.reshape(pinhole, (3, 3)).T, [[50, 0, 47.5], [0, 50, 31.5], [0, 0, 1]])
    points = logged[names.POINTS]["Points3D:positions"]
    assert points[STAMP] == [[1, 2, 3], [80, 0, 0]]
    assert len(points[STAMP + 1]) == 33_334  # every third: at most 50,000
    assert points[STAMP + 2] == []
    near, far = logged[names.POINTS]["Points3D:colors"][STAMP]
    assert near >> 24 > far >> 24  # near is red


def test_boxes_figures_and_messages(logged) -> None:
    boxes = logged[names.BOXES]
    assert boxes["Boxes3D:half_sizes"] == {STAMP: [[2, 1, 0.5]], STAMP + 1: []}
    half = np.sqrt(0.5)
    assert np.allclose(boxes["Boxes3D:quaternions"][STAMP], [[0, 0, half, half]])
    assert boxes["Boxes3D:labels"][STAMP] == ["vehicle"]
    assert logged["figures/age/age"]["Scalars:scalars"] == {STAMP: [12.5]}
    assert "figures/age/latency" not in logged  # not finite
    assert logged[names.MESSAGES]["TextLog:text"] == {STAMP: ["no images for 2 s"]}


def test_the_grid_is_what_reruns_own_reader_of_ros_makes_of_it(tmp_path: Path) -> None:
    grid = Grid(np.array([[100, 50, -1], [0, -1, -1]], np.int8), (1.0, -2.0), 0.5, "odom")
    topic = "/perception/occupancy"
    with RawWriter(tmp_path / "bag") as writer:
        writer.topic(topic, "nav_msgs/msg/OccupancyGrid", VOLATILE)
        writer.write(topic, STAMP, write_grid(STAMP, grid))
    command = [sys.executable, "-m", "rerun", "mcap", "convert", str(tmp_path / "bag/bag.mcap")]
    command += ["-o", str(tmp_path / "theirs.rrd")]
    home = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}  # where its first run leaves a file
    subprocess.run(command, check=True, capture_output=True, env=home)
    with recording("grid", tmp_path / "ours.rrd") as scene:
        scene.grid(STAMP, grid)
    ours = read(tmp_path / "ours.rrd")[names.GRID]
    theirs = read(tmp_path / "theirs.rrd")[topic[1:]]
    for name in ("data", "format", "cell_size", "translation", "colormap"):
        key = f"GridMap:{name}"
        assert list(ours[key].values()) == list(theirs[key].values())[:1], name


def test_nothing_is_left_of_a_recording_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "scene.rrd"
    with pytest.raises(InputError), recording("x", path) as scene:
        scene.message(STAMP, "a line", "INFO")
        raise InputError("stop")
    assert list(tmp_path.iterdir()) == []
