"""Drives as a data set, on bags written by an independent writer."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from pdn_ros.classes import load_classes
from pdn_ros.datasets import open_dataset
from pdn_ros.errors import InputError

STREET = load_classes("street")
STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE_TYPE = "sensor_msgs/msg/Image"


def message(pixels: np.ndarray, encoding: str, stamp: int, pad: int = 0):
    types = STORE.types
    time = types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
    rows = pixels.reshape(pixels.shape[0], -1)
    rows = np.pad(rows, ((0, 0), (0, pad)))
    return types[IMAGE_TYPE](
        header=types["std_msgs/msg/Header"](stamp=time, frame_id="camera_optical"),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=rows.shape[1],
        data=np.ascontiguousarray(rows).ravel(),
    )


def picture(i: int) -> np.ndarray:
    return np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def write_drive(path: Path, frames: int, masks: bool = True) -> Path:
    """Frame 1 has no mask, frame 2 comes as padded rgb8, masks are logged 5 ms late."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        image = writer.add_connection("/camera/image_raw", IMAGE_TYPE, typestore=STORE)
        truth = writer.add_connection("/truth/mask", IMAGE_TYPE, typestore=STORE) if masks else None
        for i in range(frames):
            stamp = 3 * 10**9 + i * 100_000_000
            bgr = picture(i)
            sent = (
                message(bgr[..., ::-1], "rgb8", stamp, pad=4)
                if i == 2
                else message(bgr, "bgr8", stamp)
            )
            writer.write(image, stamp, STORE.serialize_cdr(sent, IMAGE_TYPE))
            if truth and i != 1:
                ids = message(np.full((6, 8), i, np.uint8), "mono8", stamp)
                writer.write(truth, stamp + 5_000_000, STORE.serialize_cdr(ids, IMAGE_TYPE))
    return path


def test_frames_with_a_mask_in_order(tmp_path):
    data = open_dataset(f"drive:{write_drive(tmp_path / 'bag', 5)}", "val", STREET)
    assert (len(data), data.classes, dict(data.hidden)) == (4, STREET.names, {})
    for index, frame in enumerate((0, 2, 3, 4)):
        sample = data.sample(index)
        np.testing.assert_array_equal(sample.image, picture(frame))
        assert sample.image.flags.c_contiguous
        np.testing.assert_array_equal(sample.label, np.full((6, 8), frame))


def test_every_nth_frame(tmp_path):
    data = open_dataset(f"drive:{write_drive(tmp_path / 'bag', 6)}?every=2", "val", STREET)
    assert [int(data.sample(i).label[0, 0]) for i in range(len(data))] == [0, 3, 5]


def test_bags_without_truth_are_refused(tmp_path):
    bag = write_drive(tmp_path / "bag", 2, masks=False)
    with pytest.raises(InputError, match="no topic /truth/mask"):
        open_dataset(f"drive:{bag}", "val", STREET)


def test_damaged_bags_are_named(tmp_path):
    bag = write_drive(tmp_path / "bag", 4)
    broken = tmp_path / "broken"
    shutil.copytree(bag, broken)
    file = next(broken.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(InputError, match=r"broken: .*cut off"):
        open_dataset(f"drive:{broken}", "val", STREET)
