import shutil
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pdn_ros.bags import kitti_files as files
from pdn_ros.bags import layout, messages
from pdn_ros.bags.kitti import convert_kitti
from pdn_ros.bags.reader import Bag
from pdn_ros.errors import InputError
from pdn_ros.geometry.transforms import TransformBuffer

IMAGE_LINE = "2011-09-26 13:04:45.153757696"  # line 124 of image_02/timestamps.txt, from 0
SCAN_LINE = "2011-09-26 13:04:45.143307359"
DRIVE = "kitti_raw/2011_09_26/2011_09_26_drive_0005_sync"


class Recording:
    """A converted drive, read back."""

    def __init__(self, path):
        self.buffer = TransformBuffer(window_s=1e6)
        self.static, self.poses, self.images, self.scans, self.boxes = {}, [], {}, {}, {}
        with Bag(path) as bag:
            self.topics = bag.topics
            for m in bag.messages():
                message = bag.deserialize(m.data, m.msgtype)
                if m.topic == layout.TF_STATIC_TOPIC:
                    for t in messages.transforms(message):
                        self.static[t.child] = t
                        self.buffer.set_static(t.parent, t.child, t.matrix)
                elif m.topic == layout.TF_TOPIC:
                    (t,) = messages.transforms(message)
                    self.poses.append(t)
                    self.buffer.set(t.parent, t.child, t.stamp_ns, t.matrix)
                elif m.topic == layout.IMAGE_TOPIC:
                    self.images[messages.stamp_ns(message)] = message
                elif m.topic == layout.POINTS_TOPIC:
                    self.scans[messages.stamp_ns(message)] = messages.cloud_xyz(message)
                elif m.topic == layout.BOXES_TOPIC:
                    self.boxes[m.stamp_ns] = messages.boxes(message)
                elif m.topic == layout.CAMERA_INFO_TOPIC:
                    self.camera = messages.camera(message)

    def pairs(self):
        """Yield (points of the scan in base_link, boxes) of every third image."""
        base_lidar = self.buffer.lookup("base_link", "lidar", 0)
        for stamp, boxes in list(self.boxes.items())[::3]:
            nearest = min(self.scans, key=lambda s: abs(s - stamp))
            yield self.scans[nearest] @ base_lidar[:3, :3].T + base_lidar[:3, 3], boxes


@pytest.fixture(scope="module")
def drive(shared_data):
    path = shared_data / DRIVE
    if not path.is_dir():
        pytest.skip("the KITTI drive is not beside this checkout")
    return path


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
    first = datetime(2011, 9, 26, 13, 4, 45, tzinfo=UTC)
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
    assert lookup("camera", "camera_optical", 0)[:3, 2].tolist() == [1, 0, 0]
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
    assert {p.stamp_ns for p in recording.poses} <= set(stamps)
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parsers")


class TestParsers:
    @pytest.mark.parametrize(
        ("line", "nanoseconds"),
        [
            ("1970-01-01 00:00:00.000000001", 1),
            ("1970-01-01 00:00:01", 10**9),
            ("1970-01-02 00:00:00.5", 86_400 * 10**9 + 5 * 10**8),
            ("2011-09-26 13:04:32.345808896", 1_317_042_272_345_808_896),
        ],
    )
    def test_stamps(self, tmp_path, line, nanoseconds):
        (tmp_path / "t").write_text(line + "\n\n")
        assert files.read_stamps(tmp_path / "t") == [nanoseconds]

    @pytest.mark.parametrize("line", ["now", "NaT", "2011", "2011-13-26 13:04:32.3", "", "x" * 999])
    def test_what_is_no_stamp(self, tmp_path, line):
        (tmp_path / "t").write_text(f"2011-09-26 13:04:32.1\n{line}\n2011-09-26 13:04:32.2\n")
        with pytest.raises(InputError, match="line 2 is no time"):
            files.read_stamps(tmp_path / "t")

    @given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)), st.integers(0, 999))
    def test_all_stamps_are_exact(self, folder, moment, nano):
        (folder / "t").write_text(f"{moment:%Y-%m-%d %H:%M:%S.%f}{nano:03d}\n")
        whole = moment.replace(tzinfo=UTC, microsecond=0)
        expected = int(whole.timestamp()) * 10**9 + moment.microsecond * 1000 + nano
        assert files.read_stamps(folder / "t") == [expected]

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6))
    def test_calibration_numbers_come_back(self, folder, values):
        text = "calib_time: 09-Jan-2012 13:57:47\nA: " + " ".join(map(repr, values)) + "\nB: 1\n"
        (folder / "c.txt").write_text(text)
        calibration = files.Calibration(folder / "c.txt")
        assert calibration.matrix("A", 2, 3).ravel().tolist() == values
        for key, rows, cols in (("A", 3, 3), ("calib_time", 1, 1), ("C", 1, 1)):
            with pytest.raises(InputError, match="numbers"):
                calibration.matrix(key, rows, cols)

    @given(st.binary(max_size=200))
    def test_any_file_is_read_or_one_line(self, folder, data):
        (folder / "any").write_bytes(data)
        readers = [
            lambda p: files.Calibration(p).transform(),
            files.read_stamps,
            files.read_oxts,
            files.read_tracklets,
            files.read_scan,
            lambda p: files.read_image(p, (4, 4)),
        ]
        for read in readers:
            try:
                read(folder / "any")
            except InputError as error:
                assert "\n" not in str(error)

    def test_mercator_and_angles(self):
        step = 1e-5  # degrees
        records = np.zeros((3, 6))
        records[:, 0] = [60, 60, 60 + step]
        records[:, 1] = [10, 10 + step, 10]
        records[:, 5] = [0, np.pi / 2, 0]
        records[2, 4] = 0.1
        a, b, c = files.imu_poses(records)
        metre = np.radians(step) * 6378137
        assert (b - a)[:3, 3] == pytest.approx([metre * 0.5, 0, 0], abs=1e-6)  # cos 60 degrees
        assert (c - a)[:3, 3] == pytest.approx([0, metre, 0], rel=1e-5, abs=1e-6)
        assert a[:3, :3].tolist() == np.eye(3).tolist()
        assert b[:3, 0] == pytest.approx([0, 1, 0], abs=1e-12)  # yaw: forward is north
        assert c[2, 0] == pytest.approx(-np.sin(0.1))  # pitch: positive is front down

    def test_tracklets(self, tmp_path):
        (tmp_path / "t.xml").write_text(TRACKLETS)
        first, second = files.read_tracklets(tmp_path / "t.xml")
        assert (first.frame, second.frame) == (5, 6)
        assert (first.kind, first.id, first.size) == ("Van", 0, (4.5, 1.8, 2.0))
        assert (first.bottom, first.yaw) == ((13.0, 4.0, -1.5), 0.25)
        assert (first.visible, second.visible) == (True, False)

    @pytest.mark.parametrize(
        ("state", "occlusion", "truncation", "visible"),
        [
            (2, 0, 0, True),
            (1, 1, 1, True),
            (1, -1, 0, True),
            (0, 0, 0, False),
            (2, 2, 0, False),
            (2, 0, 2, False),
            (2, 0, 99, False),
        ],
    )
    def test_states(self, state, occlusion, truncation, visible):
        box = files.Tracklet(0, 0, "Car", (4, 2, 2), (0, 0, 0), 0, state, occlusion, truncation)
        assert box.visible is visible


TRACKLETS = """<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>
<!DOCTYPE boost_serialization>
<boost_serialization signature="serialization::archive" version="9">
<tracklets class_id="0" tracking_level="0" version="0"><count>1</count>
<item class_id="1"><objectType>Van</objectType><h>2</h><w>1.8</w><l>4.5</l>
<first_frame>5</first_frame><poses><count>2</count><item_version>2</item_version>
<item><tx>13</tx><ty>4</ty><tz>-1.5</tz><rx>0</rx><ry>0</ry><rz>0.25</rz><state>2</state>
<occlusion>0</occlusion><occlusion_kf>1</occlusion_kf><truncation>0</truncation></item>
<item><tx>13</tx><ty>4</ty><tz>-1.5</tz><rx>0</rx><ry>0</ry><rz>0.25</rz><state>1</state>
<occlusion>2</occlusion><occlusion_kf>0</occlusion_kf><truncation>0</truncation></item>
</poses><finished>1</finished></item></tracklets></boost_serialization>
"""
