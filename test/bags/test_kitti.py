from datetime import datetime, timezone

import numpy as np
import pytest
from kitti_recording import Recording
from PIL import Image

from pdn_ros.bags import kitti_files as files
from pdn_ros.bags import layout
from pdn_ros.bags.kitti import convert_kitti

IMAGE_LINE = "2011-09-26 13:04:45.153757696"  # line 124 of image_02/timestamps.txt, from 0
SCAN_LINE = "2011-09-26 13:04:45.143307359"


@pytest.fixture(scope="module")
def converted(drive, tmp_path_factory):
    path = tmp_path_factory.mktemp("kitti") / "bag"
    steps = []
    summary = convert_kitti(drive, path, lambda done, total: steps.append((done, total)))
    assert steps == [(i + 1, len(steps)) for i in range(len(steps))]
    return summary, Recording(path)


@pytest.fixture(scope="module")
def recording(converted):
    return converted[1]


def test_everything_is_converted(converted):
    summary, recording = converted
    assert (summary.images, summary.scans, summary.notes) == (30, 30, ())
    assert len(recording.images) == len(recording.scans) == len(recording.boxes) == 30
    assert summary.boxes == sum(map(len, recording.boxes.values())) > 100
    assert recording.topics[layout.TF_STATIC_TOPIC].latched


def test_stamps_are_the_lines_of_the_files(drive, recording):
    # The same numbers as UTC, whatever the time zone here.
    first = datetime(2011, 9, 26, 13, 4, 45, tzinfo=timezone.utc)
    second = int(first.timestamp()) * 10**9
    for sensor, line in (("image_02", IMAGE_LINE), ("velodyne_points", SCAN_LINE)):
        assert (drive / sensor / "timestamps.txt").read_text().splitlines()[124] == line
    assert min(recording.images) == second + int(IMAGE_LINE.split(".")[1])
    assert min(recording.scans) == second + int(SCAN_LINE.split(".")[1])


def test_pixels_are_those_of_the_file(drive, recording):
    message = recording.images[min(recording.images)]
    with Image.open(drive / "image_02/data/0000000124.jpg") as image:
        rgb = np.asarray(image)
    bgr = message.data.reshape(message.height, message.width, 3)
    assert (bgr[..., ::-1] == rgb).all()


def test_projection_is_kitti_s_own_formula(drive, recording):
    """x = P_rect_02 R_rect_00 T_velo_to_cam X, with the numbers read here by hand."""

    def numbers(name, key):
        for line in (drive.parent / name).read_text().splitlines():
            if line.startswith(key + ":"):
                return np.array([float(v) for v in line.split()[1:]])
        raise AssertionError(key)

    p = numbers("calib_cam_to_cam.txt", "P_rect_02").reshape(3, 4)
    rect = numbers("calib_cam_to_cam.txt", "R_rect_00").reshape(3, 3)
    r = numbers("calib_velo_to_cam.txt", "R").reshape(3, 3)
    t = numbers("calib_velo_to_cam.txt", "T")
    points = recording.scans[min(recording.scans)][::200].astype(float)
    points = points[points[:, 0] > 2]
    inside = (points @ r.T + t) @ rect.T
    homogeneous = np.c_[inside, np.ones(len(inside))] @ p.T
    expected = homogeneous[:, :2] / homogeneous[:, 2:]
    optical_lidar = recording.buffer.lookup("camera_optical", "lidar", 0)
    found, valid = recording.camera.project(points @ optical_lidar[:3, :3].T + optical_lidar[:3, 3])
    assert valid.sum() > 50
    assert np.abs(found - expected)[valid].max() < 0.02


def test_frames_stand_where_kitti_s_sensor_setup_has_them(recording):
    lookup = recording.buffer.lookup
    assert lookup("base_link", "lidar", 0)[2, 3] == pytest.approx(1.73, abs=0.01)
    assert lookup("base_link", "camera", 0)[2, 3] == pytest.approx(1.65, abs=0.015)
    assert lookup("base_link", "camera", 0)[:3, :3] == pytest.approx(np.eye(3), abs=0.02)
    forward = lookup("camera", "camera_optical", 0)[:3, 2]
    assert forward == pytest.approx([1, 0, 0], abs=1e-12)
    # The baseline between cameras 0 and 2, 6 cm to the left, is part of the pose.
    assert recording.camera.k[0, 2] == pytest.approx(609.5593)
    assert not recording.camera.d.any()


def test_the_road_lies_at_height_zero(recording):
    heights = []
    for points, _ in recording.pairs():
        road = points[(np.abs(points[:, 1]) < 1.5) & (points[:, 0] > 5) & (points[:, 0] < 12)]
        heights.append(np.median(road[:, 2]))
    assert np.abs(np.median(heights)) < 0.05
    assert np.abs(heights).max() < 0.15


def test_odometry_agrees_with_the_speed_of_oxts(drive, recording):
    (first, *_, last) = recording.poses
    assert first.matrix[:3, 3].tolist() == [0, 0, 0]
    stamps = files.read_stamps(drive / "oxts/timestamps.txt")
    assert {p.stamp_ns for p in recording.poses} <= set(stamps.values())
    length = sum(
        np.linalg.norm(b.matrix[:3, 3] - a.matrix[:3, 3])
        for a, b in zip(recording.poses, recording.poses[1:], strict=False)
    )
    travelled = 0.0
    for i in range(len(stamps) - 1):
        if first.stamp_ns <= stamps[i] < last.stamp_ns:
            ends = [
                float((drive / f"oxts/data/{n:010d}.txt").read_text().split()[8])  # vf
                for n in (i, i + 1)
            ]
            travelled += sum(ends) / 2 * (stamps[i + 1] - stamps[i]) / 1e9
    assert travelled > 15
    assert length == pytest.approx(travelled, rel=0.02)
    assert last.matrix[0, 3] > 0.95 * length  # forward is x


def test_every_sensor_stamp_has_its_pose(recording):
    for stamp in (*recording.images, *recording.scans):
        assert np.isfinite(recording.buffer.lookup("odom", "lidar", stamp)).all()


def test_the_static_world_stands_still_in_odom(recording):
    """Parked cars, seen from a car that drives by, keep their place."""
    places = {}
    for stamp, boxes in recording.boxes.items():
        odom_base = recording.buffer.lookup("odom", "base_link", stamp)
        for box in boxes:
            places.setdefault(box.id, []).append((odom_base @ [*box.center, 1])[:2])
    spreads = {
        i: np.linalg.norm(np.ptp(places, axis=0)) for i, places in places.items() if len(places) > 9
    }
    assert sum(spread < 1.0 for spread in spreads.values()) >= 3


def test_lidar_points_lie_in_the_boxes(recording):
    near, hit = 0, 0
    for points, boxes in recording.pairs():
        for box in boxes:
            if np.hypot(*box.center[:2]) < 30:
                near += 1
                hit += box.contains(points, margin=0.1).sum() >= 5
    assert near > 30
    assert hit / near > 0.97


def test_box_corners_project_into_the_image(recording):
    optical_base = recording.buffer.lookup("camera_optical", "base_link", 0)
    whole = total = 0
    for box in (b for found in recording.boxes.values() for b in found):
        corners = box.corners() @ optical_base[:3, :3].T + optical_base[:3, 3]
        assert (corners[:, 2] > 0.5).all()
        pixels = corners @ recording.camera.k.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        assert (high > 0).all()
        assert (low < [1242, 375]).all()
        # Upright edges: as long as the focal length, the height and the depth say.
        edges = pixels[:4, 1] - pixels[4:, 1]
        expected = recording.camera.k[1, 1] * box.size[2] / corners[:4, 2]
        assert edges == pytest.approx(expected, rel=0.05)
        total += 1
        whole += (low >= 0).all() and (high < [1242, 375]).all()
    assert whole / total > 0.8  # the others are marked as truncated


def test_boxes_hold_street_classes_and_sane_sizes(recording):
    boxes = [b for found in recording.boxes.values() for b in found]
    assert {b.label for b in boxes} == {"vehicle", "pedestrian", "cyclist"}
    for box in boxes:
        length, width, height = box.size
        assert length > width or box.label == "pedestrian"
        assert 1 < height < 3
        assert -0.6 < box.center[2] - height / 2 < 0.9  # stands on the road
