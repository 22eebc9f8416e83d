"""Incomplete and damaged KITTI drives."""

import shutil

import numpy as np
import pytest
from kitti_recording import Recording
from PIL import Image

from pdn_ros.bags import layout
from pdn_ros.bags.kitti import convert_kitti
from pdn_ros.bags.reader import Bag
from pdn_ros.errors import InputError


@pytest.fixture
def short(drive, tmp_path):
    """A copy of the drive with two frames, to be damaged."""
    day = tmp_path / "day"
    target = day / drive.name
    for name in ("image_02", "velodyne_points", "oxts"):
        (target / name / "data").mkdir(parents=True)
        shutil.copy(drive / name / "timestamps.txt", target / name)
        for file in sorted((drive / name / "data").iterdir())[-2:]:
            shutil.copy(file, target / name / "data")
    for file in (*drive.parent.glob("calib*"), drive / "tracklet_labels.xml"):
        shutil.copy(file, day if file.name.startswith("calib") else target)
    return target


def test_calibration_inside_the_drive_and_png(short, tmp_path):
    for file in short.parent.glob("calib*"):
        file.rename(short / file.name)
    for file in (short / "image_02/data").iterdir():
        with Image.open(file) as image:
            image.save(file.with_suffix(".png"))
        file.unlink()
    assert convert_kitti(short, tmp_path / "bag").images == 2


def test_the_camera_alone_is_enough(short, tmp_path):
    for name in ("velodyne_points", "oxts"):
        shutil.rmtree(short / name)
    (short / "tracklet_labels.xml").unlink()
    summary = convert_kitti(short, tmp_path / "bag")
    assert (summary.images, summary.scans, summary.poses, summary.boxes) == (2, 0, 0, 0)
    assert len(summary.notes) == 3
    with Bag(tmp_path / "bag") as bag:
        assert layout.BOXES_TOPIC not in bag.topics
        assert bag.topics[layout.IMAGE_TOPIC].count == 2


def test_scans_that_the_scanner_missed(short, tmp_path):
    # As drive 2011_09_26_drive_0009: neither a file nor a time, so that line n stays frame n.
    stamps = short / "velodyne_points/timestamps.txt"
    lines = stamps.read_text().splitlines()
    kept = lines[153]
    for missed in (100, 101, 152):
        lines[missed] = ""
    stamps.write_text("\n".join(lines) + "\n")
    (short / "velodyne_points/data/0000000152.bin").unlink()
    summary = convert_kitti(short, tmp_path / "bag")
    assert (summary.images, summary.scans, summary.notes) == (2, 1, ())
    (stamp,) = Recording(tmp_path / "bag").scans
    assert stamp == np.datetime64(kept, "ns").astype(int)


def test_damaged_files_are_left_out_and_named(short, tmp_path):
    image = short / "image_02/data/0000000152.jpg"
    image.write_bytes(image.read_bytes()[:5000])
    scan = short / "velodyne_points/data/0000000153.bin"
    scan.write_bytes(scan.read_bytes()[:1001])
    (short / "oxts/data/0000000152.txt").write_text("49.0 8.4")
    (short / "tracklet_labels.xml").write_text("<boost_serialization><tracklets>")
    summary = convert_kitti(short, tmp_path / "bag")
    assert (summary.images, summary.scans, summary.poses) == (1, 1, 0)
    notes = "\n".join(summary.notes)
    for name in (image.name, scan.name, "0000000152.txt", "tracklet_labels.xml", "no odometry"):
        assert name in notes


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda d: shutil.rmtree(d / "image_02"), "no KITTI drive"),
        (lambda d: (d.parent / "calib_cam_to_cam.txt").unlink(), "calib_cam_to_cam.txt"),
        (lambda d: (d.parent / "calib_imu_to_velo.txt").write_text("R: 1 2"), "should have 9"),
        (lambda d: (d / "image_02/timestamps.txt").unlink(), "timestamps.txt"),
        (lambda d: (d / "image_02/timestamps.txt").write_text("today\n"), "line 1 is no time"),
        (
            lambda d: [
                Image.new("RGB", (1392, 512)).save(f) for f in (d / "image_02/data").iterdir()
            ],
            "synced and rectified",
        ),
    ],
)
def test_what_is_no_drive_is_one_line_and_leaves_nothing(short, tmp_path, damage, says):
    damage(short)
    with pytest.raises(InputError, match=r"\A[^\n]+\Z") as caught:
        convert_kitti(short, tmp_path / "out" / "bag")
    assert says in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_text("")])
def test_any_folder_is_no_drive(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(InputError, match="no KITTI drive"):
        convert_kitti(tmp_path / "x", tmp_path / "bag")


def test_a_drive_before_its_first_oxts_record_is_continued(short, tmp_path):
    # As in complete drives, where the first image is some milliseconds older than oxts.
    for name, time in (("image_02", "07.99"), ("velodyne_points", "07.98"), ("oxts", "08.00")):
        lines = [f"2011-09-26 13:00:{float(time) + 0.1 * i:012.9f}" for i in range(-152, 2)]
        stamps = [line if i >= 152 else lines[152] for i, line in enumerate(lines)]
        (short / name / "timestamps.txt").write_text("\n".join(stamps) + "\n")
    convert_kitti(short, tmp_path / "bag")
    recording = Recording(tmp_path / "bag")
    first, second, third = recording.poses
    assert first.stamp_ns == min(recording.scans)
    speed = np.linalg.norm(third.matrix[:3, 3] - second.matrix[:3, 3]) / 0.1
    assert first.matrix[0, 3] == pytest.approx(-0.02 * speed, rel=0.05)
