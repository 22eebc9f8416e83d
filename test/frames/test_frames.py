"""Frames worth labeling, from bags of an independent writer, folders and videos."""

import csv
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from pdn_ros.classes import load_classes
from pdn_ros.errors import InputError
from pdn_ros.frames import pick
from pdn_ros.frames.choice import choose, sharp, sharpness
from pdn_ros.frames.sources import open_frames
from pdn_ros.network import NetworkConfig
from pdn_ros.network.segmentation import Segmentation

STREET = load_classes("street")
HEIGHT, WIDTH = 96, 128


def picture(color: int, seed: int = 0) -> np.ndarray:
    """A picture of one brightness with texture."""
    rng = np.random.default_rng(seed)
    return (color + rng.integers(-20, 20, (HEIGHT, WIDTH, 3))).astype(np.uint8)


class Pipeline:
    """Features are the brightness; where it is dark the classes are in doubt."""

    def __init__(self, config):
        self.network, self.device, self.classes = NetworkConfig(12), "cpu", STREET
        self.parts = self

    def run_context(self, small, rows, cols, cell):
        bright = small.float().mean(1, keepdim=True) / 255
        logits = torch.cat([bright * 9, torch.zeros_like(bright)], 1)
        return Segmentation(logits, bright), torch.zeros(1, rows, cols)

    def segment(self, image, *, confidence):
        mask = np.full(image.shape[:2], STREET.id_of("road"), np.uint8)
        mask[:9] = STREET.id_of("sky")
        return SimpleNamespace(mask=mask)


@pytest.fixture
def take(tmp_path, monkeypatch):
    monkeypatch.setattr(pick, "Pipeline", Pipeline)

    def run(path, **options):
        out = options.pop("out", tmp_path / "out")
        return pick.pick_frames(path, out, report=lambda done, total: None, **options)

    return run


def rows(folder):
    with (folder / "frames.csv").open() as file:
        return list(csv.DictReader(file))


def write_bag(path, images, compressed=False):
    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    kind = f"sensor_msgs/msg/{'CompressedImage' if compressed else 'Image'}"
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/front/image", kind, typestore=store)
        for i, image in enumerate(images):
            time = types["builtin_interfaces/msg/Time"](sec=7, nanosec=i)
            header = types["std_msgs/msg/Header"](stamp=time, frame_id="camera")
            if compressed:
                message = types[kind](header, "jpeg", np.frombuffer(image, np.uint8))
            else:
                message = types[kind](
                    header, HEIGHT, WIDTH, "bgr8", 0, 3 * WIDTH, image.ravel().copy()
                )
            writer.write(connection, 10**9 + i, store.serialize_cdr(message, kind))
    return path


def test_sharpness_is_the_variance_of_the_laplacian():
    image = np.zeros((50, 60, 3), dtype=np.uint8)
    image[20, 30] = 100  # the Laplacian is -400 there and 100 at its four neighbors
    mean = 0.0
    assert sharpness(image) == pytest.approx((400**2 + 4 * 100**2) / 3000 - mean**2)


def test_a_frame_is_blurred_in_comparison_with_its_neighbors():
    values = np.array([10.0, 11, 4, 10, 9, 10, 900, 1000, 400, 950, 980, 900, 1000, 950])
    assert np.flatnonzero(~sharp(values)).tolist() == [2, 8]


def test_choice_takes_one_of_each_kind_and_doubtful_ones_first():
    kinds = np.repeat([[0.0, 0], [10, 0], [0, 10]], 5, axis=0)
    features = (kinds + np.random.default_rng(0).normal(0, 0.1, (15, 2))).astype(np.float32)
    doubt = np.zeros(15)
    doubt[[3, 8, 13]] = 1
    assert choose(features, doubt, 3).tolist() == [3, 8, 13]
    assert len(choose(features, doubt, 99)) == 15
    assert choose(kinds.astype(np.float32), doubt, 9).tolist() == [3, 8, 13]  # the rest is equal


def test_frames_of_a_bag(tmp_path, take):
    images = [picture(40 + 60 * (i // 20), i) for i in range(60)]  # three scenes
    images[5] = np.full_like(images[5], 40)  # blurred out
    bag = write_bag(tmp_path / "drive", images)
    done = take(bag, count=3)
    assert (done.frames, done.of, done.notes) == (3, 60, [])
    out = tmp_path / "out"
    found = rows(out)
    numbers = [int(row["name"].removeprefix("drive_")) for row in found]
    assert [n // 20 for n in numbers] == [0, 1, 2]
    assert [int(row["stamp_ns"]) for row in found] == [7 * 10**9 + n for n in numbers]
    assert {row["topic"] for row in found} == {"/front/image"}
    assert [float(row["doubt"]) for row in found] == sorted(
        (float(row["doubt"]) for row in found), reverse=True
    )
    for row, number in zip(found, numbers, strict=True):
        image = cv2.imread(str(out / f"images/{row['name']}.jpg"))
        assert np.abs(image.astype(int) - images[number]).mean() < 5
        assert float(row["sharpness"]) == pytest.approx(sharpness(images[number]), abs=0.01)
        with Image.open(out / f"proposals/{row['name']}.png") as mask:
            ids = np.array(mask)
        assert ids[0, 0] == STREET.id_of("sky")
        assert ids[9, 0] == STREET.id_of("road")
    assert sorted(f.name for f in out.iterdir()) == [
        "classes.yaml", "frames.csv", "frames.jpg", "images", "proposals"
    ]  # fmt: skip
    assert load_classes(out / "classes.yaml").names == STREET.names
    assert len(list((out / "images").iterdir())) == 3


def test_compressed_images_are_kept_as_they_are_and_damaged_ones_left_out(tmp_path, take):
    files = [cv2.imencode(".jpg", picture(30 * i, i))[1].tobytes() for i in range(1, 7)]
    files[2] = files[2][:50]
    bag = write_bag(tmp_path / "drive", files, compressed=True)
    done = take(bag, count=6)
    assert done.frames == 5
    assert "drive_000002: compressed image" in done.notes[0]
    names = [row["name"] for row in rows(tmp_path / "out")]
    assert names == [f"drive_{i:06d}" for i in (0, 1, 3, 4, 5)]
    assert (tmp_path / "out/images/drive_000003.jpg").read_bytes() == files[3]


def test_a_folder_in_natural_order_upright(tmp_path, take):
    (tmp_path / "in").mkdir()
    for i in (2, 10, 1):
        Image.fromarray(picture(20 * i)).save(tmp_path / f"in/f_{i}.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(90)).save(tmp_path / "in/g.jpg", exif=exif, quality=95, subsampling=0)
    take(tmp_path / "in", count=9)
    assert [(r["name"], r["stamp_ns"]) for r in rows(tmp_path / "out")] == [
        ("f_1", "0"), ("f_2", "1"), ("f_10", "2"), ("g", "3")
    ]  # fmt: skip
    with Image.open(tmp_path / "out/images/g.jpg") as image:
        assert image.size == (HEIGHT, WIDTH)
    assert (tmp_path / "out/images/f_2.png").read_bytes() == (tmp_path / "in/f_2.png").read_bytes()


def test_a_video(tmp_path):
    file = str(tmp_path / "v.avi")
    writer = cv2.VideoWriter(file, cv2.VideoWriter_fourcc(*"MJPG"), 10, (WIDTH, HEIGHT))
    for i in range(4):
        writer.write(np.full((HEIGHT, WIDTH, 3), 50 * i, np.uint8))
    writer.release()
    with open_frames(tmp_path / "v.avi") as frames:
        assert (frames.topic, frames.count) == ("v.avi", 4)
        found = [(f.name, f.stamp_ns, round(f.pixels().mean(), -1)) for f in frames.each]
    assert found == [(f"v_{i:06d}", i * 10**8, 50 * i) for i in range(4)]


def test_proposals_in_the_users_classes(tmp_path, take):
    (tmp_path / "in").mkdir()
    Image.fromarray(picture(90)).save(tmp_path / "in/a.png")
    own = tmp_path / "own.yaml"
    line = "  - {{name: {}, color: [1, 2, 3], role: static}}\n"
    own.write_text("name: own\nclasses:\n" + line.format("crop") + line.format("Road"))
    take(tmp_path / "in", classes=str(own))
    with Image.open(tmp_path / "out/proposals/a.png") as mask:
        assert np.unique(np.array(mask)).tolist() == [1, 255]
    own.write_text("name: own\nclasses:\n" + line.format("crop"))
    done = take(tmp_path / "in", classes=str(own), out=tmp_path / "none")
    assert "the weights know no class of own: no proposals" in done.notes
    assert not (tmp_path / "none/proposals").exists()


def test_sources_without_images_are_refused(tmp_path, take):
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"v\.mp4: no video that can be read"):
        take(tmp_path / "v.mp4")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"no image can be used: a: .*a\.png"):
        take(tmp_path / "in")
    with pytest.raises(InputError, match="no such bag"):
        take(tmp_path / "none")
    assert not (tmp_path / "out").exists()
