"""nuScenes scenes: the recorded one, where it is beside this checkout, and a made one."""

import json
import shutil
from functools import cached_property

import numpy as np
import nuscenes_made
import pytest

from pdn_ros.bags import layout
from pdn_ros.bags.nuscenes import convert_nuscenes
from pdn_ros.bags.reader import Bag
from pdn_ros.bags.storage import typestore
from pdn_ros.errors import InputError
from pdn_ros.geometry.transform_buffer import TransformBuffer
from pdn_ros.messages.boxes import read_boxes
from pdn_ros.messages.transforms import read_transforms
from pdn_ros.replay.drive import Drive
from pdn_ros.replay.settings import ReplaySettings

FRONT = "/cam_front/image_raw/compressed"


class Converted:
    """A scene's tables as they are in JSON, and the bag made from them."""

    def __init__(self, root, path):
        self.root, self.path = root, path
        self.steps = []
        self.summary = convert_nuscenes(root, path, progress=lambda *s: self.steps.append(s))
        self.buffer = TransformBuffer(window_s=1e6)
        self.messages = {}
        with Bag(path) as bag:
            self.topics = bag.topics
            for m in bag.messages():
                if m.msgtype.endswith("TFMessage"):
                    for t in read_transforms(m.data):
                        if m.topic == layout.TF_STATIC_TOPIC:
                            self.buffer.set_static(t.parent, t.child, t.matrix)
                        else:
                            self.buffer.set(t.parent, t.child, t.stamp_ns, t.matrix)
                else:
                    message = typestore().deserialize_cdr(m.data, m.msgtype)
                    self.messages.setdefault(m.topic, []).append((m.stamp_ns, message, m.data))

    @cached_property
    def tables(self):
        (folder,) = self.root.glob("v1.0-*")
        tables = {}
        for file in folder.glob("*.json"):
            tables[file.stem] = {r["token"]: r for r in json.loads(file.read_text())}
        return tables

    def data(self, channel):
        """Return the records of a sensor by sample."""
        found = {}
        for d in self.tables["sample_data"].values():
            mount = self.tables["calibrated_sensor"][d["calibrated_sensor_token"]]
            if self.tables["sensor"][mount["sensor_token"]]["channel"] == channel:
                found[d["sample_token"]] = d
        return found

    def ego(self, d):
        return self.tables["ego_pose"][d["ego_pose_token"]]

    def mount(self, d):
        return self.tables["calibrated_sensor"][d["calibrated_sensor_token"]]

    def scan(self, d):
        return np.fromfile(self.root / d["filename"], "<f4").reshape(-1, 5)


@pytest.fixture(scope="module", params=["made", "recorded"])
def converted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nuscenes")
    if request.param == "made":
        return Converted(nuscenes_made.make(folder / "made"), folder / "bag")
    root = request.getfixturevalue("shared_data") / "nuscenes"
    if not root.is_dir():
        pytest.skip("no nuScenes scene beside this checkout")
    return Converted(root, folder / "bag")


@pytest.fixture
def made(tmp_path):
    return nuscenes_made.make(tmp_path / "made")


def rotation(quaternion):
    """Rotate as q v q*, from the definition."""
    w, *v = quaternion
    v = np.array(v)
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def outward(points, record):
    """Move points out of the frame that a record describes."""
    return points @ rotation(record["rotation"]).T + record["translation"]


def inward(points, record):
    """Move points into the frame that a record describes."""
    return (points - record["translation"]) @ rotation(record["rotation"])


def moved(points, transform):
    return points @ transform[:3, :3].T + transform[:3, 3]


def inside(points, annotation):
    width, length, height = annotation["size"]
    return (np.abs(inward(points, annotation)) <= np.array([length, width, height]) / 2).all(axis=1)


def test_everything_is_converted(converted):
    summary = converted.summary
    records = [d for c in ("CAM_FRONT", "LIDAR_TOP") for d in converted.data(c).values()]
    assert summary.scans == len(records) // 2
    assert summary.images == len(converted.messages[layout.BOXES_TOPIC])
    assert summary.poses == summary.images + summary.scans == len(converted.steps)
    assert converted.steps[-1] == (summary.poses, summary.poses)
    assert summary.notes == ()
    assert converted.topics[layout.TF_STATIC_TOPIC].latched


def test_projection_is_nuscenes_own_formula(converted):
    """Returns in boxes: LiDAR, ego, global, ego at the image's time, camera, K: from the JSON."""
    front, top = converted.data("CAM_FRONT"), converted.data("LIDAR_TOP")
    lookup = converted.buffer.lookup
    clouds = {m.header.stamp.sec * 10**9 + m.header.stamp.nanosec: m
              for _, m, _ in converted.messages[layout.POINTS_TOPIC]}  # fmt: skip
    infos = {m.header.stamp.sec * 10**9 + m.header.stamp.nanosec: m
             for _, m, _ in converted.messages["/cam_front/camera_info"]}  # fmt: skip
    seen = 0
    for token, d in front.items():
        scan = top[token]
        points = converted.scan(scan)[:, :3].astype(float)
        world = outward(outward(points, converted.mount(scan)), converted.ego(scan))
        held = np.zeros(len(points), dtype=bool)
        for a in converted.tables["sample_annotation"].values():
            if a["sample_token"] == token:
                held |= inside(world, a)
        optical = inward(inward(world, converted.ego(d)), converted.mount(d))
        held &= optical[:, 2] > 1
        image = optical[held] @ np.array(converted.mount(d)["camera_intrinsic"]).T
        expected = image[:, :2] / image[:, 2:]

        scan_ns, image_ns = 1000 * scan["timestamp"], 1000 * d["timestamp"]
        cloud, info = clouds[scan_ns], infos[image_ns]
        step = cloud.point_step
        raw = cloud.data.reshape(-1, step)[:, :12].copy().view("<f4").astype(float)
        in_map = moved(raw[held], lookup("map", cloud.header.frame_id, scan_ns))
        camera = lookup(info.header.frame_id, "map", image_ns)
        image = moved(in_map, camera) @ info.k.reshape(3, 3).T
        assert np.abs(image[:, :2] / image[:, 2:] - expected).max(initial=0) < 1e-3
        assert not info.d.any()
        assert (info.p.reshape(3, 4)[:, :3] == info.k.reshape(3, 3)).all()
        seen += held.sum()
    assert seen > 5


def test_boxes_hold_the_returns_that_nuscenes_counts(converted):
    """In base_link at the image's time, with the scan moved there through TF."""
    lookup = converted.buffer.lookup
    top = converted.data("LIDAR_TOP")
    by_stamp = {1000 * d["timestamp"]: d for d in converted.data("CAM_FRONT").values()}
    found = expected = 0
    for _, _, data in converted.messages[layout.BOXES_TOPIC]:
        header, boxes = read_boxes(data)
        d = by_stamp.get(header.stamp_ns)
        if d is None:
            continue
        scan = top[d["sample_token"]]
        points = converted.scan(scan)[:, :3].astype(float)
        in_map = moved(points, lookup("map", "lidar", 1000 * scan["timestamp"]))
        base = moved(in_map, lookup("base_link", "map", header.stamp_ns))
        world = outward(outward(points, converted.mount(scan)), converted.ego(scan))
        annotations = [
            a
            for a in converted.tables["sample_annotation"].values()
            if a["sample_token"] == d["sample_token"]
        ]
        for box in boxes:
            center = moved(np.array([box.center]), lookup("map", "base_link", header.stamp_ns))[0]
            (a,) = [a for a in annotations if np.allclose(a["translation"], center, atol=1e-6)]
            assert box.size == (a["size"][1], a["size"][0], a["size"][2])
            expected += inside(world, a).sum()
            found += box.contains(base).sum()
    # Boxes stand upright on the vehicle, annotations in the world.
    assert expected > 5
    assert found == pytest.approx(expected, rel=0.05)


def test_stamps_are_the_sensors_own_and_the_scan_is_there_before_its_images(converted):
    scans = {token: 1000 * d["timestamp"] for token, d in converted.data("LIDAR_TOP").items()}
    late = set()
    for channel in ("CAM_FRONT", "CAM_FRONT_LEFT"):
        for (log_ns, message, _), (token, d) in zip(
            converted.messages[f"/{channel.lower()}/image_raw/compressed"],
            sorted(converted.data(channel).items(), key=lambda item: item[1]["timestamp"]),
            strict=True,
        ):
            stamp = message.header.stamp
            assert stamp.sec * 10**9 + stamp.nanosec == 1000 * d["timestamp"]
            assert message.format == "jpeg"
            assert message.data.tobytes() == (converted.root / d["filename"]).read_bytes()
            assert log_ns >= scans[token]
            late.add(log_ns - 1000 * d["timestamp"])
    assert len(late) == 1
    assert 0 < late.pop() < 50_000_000


def test_scans_have_intensity_and_ring(converted):
    scans = sorted(converted.data("LIDAR_TOP").values(), key=lambda d: d["timestamp"])
    for (log_ns, cloud, _), d in zip(converted.messages[layout.POINTS_TOPIC], scans, strict=True):
        expected = converted.scan(d)
        assert log_ns == 1000 * d["timestamp"]
        fields = {f.name: (f.offset, f.datatype) for f in cloud.fields}
        assert fields["ring"] == (16, 4)
        points = cloud.data.reshape(-1, cloud.point_step)
        assert (points[:, :16].copy().view("<f4") == expected[:, :4]).all()
        assert (points[:, 16:18].copy().view("<u2")[:, 0] == expected[:, 4]).all()


def test_odometry_starts_level_at_the_first_pose(converted):
    cameras = converted.data("CAM_FRONT_LEFT").values()  # the first of a keyframe
    first = min(cameras, key=lambda d: d["timestamp"])
    odom_base = converted.buffer.lookup("odom", "base_link", 1000 * first["timestamp"])
    assert np.abs(odom_base[:3, 3]).max() < 1e-6
    assert odom_base[1, 0] == pytest.approx(0, abs=1e-9)
    assert converted.buffer.lookup("map", "odom", 0)[:3, 2].tolist() == [0, 0, 1]


def test_replay_gives_each_image_its_scan_and_boxes(converted, tmp_path):
    with Bag(converted.path) as bag:
        drive = Drive.open(bag, ReplaySettings(bag=converted.path, out=tmp_path))
        assert drive.first.image.name == FRONT
        images = list(drive.images())
        assert len(images) == len(converted.data("CAM_FRONT"))
        for image in images:
            assert 0 < image.scan.header.stamp_ns - image.header.stamp_ns < 50_000_000
            assert image.boxes
            assert drive.camera_of(image) is not None
        assert drive.notes == []


def test_street_classes_and_what_nobody_sees(made, tmp_path):
    summary = convert_nuscenes(made, tmp_path / "bag", "scene-0001")
    assert summary.boxes == 2  # no barrier, no bicycle without returns, no hidden pedestrian
    with Bag(tmp_path / "bag") as bag:
        boxes = read_boxes(bag.first(layout.BOXES_TOPIC).data)[1]
    assert [(box.label, box.id, box.size) for box in boxes] == [("vehicle", 0, (4.2, 1.8, 1.6))]
    # 10 m ahead of where the vehicle is at the scan, 0.46 m further from where the camera was.
    assert boxes[0].center[0] == pytest.approx(10.46, abs=0.05)
    assert boxes[0].center[1] == pytest.approx(1.0, abs=0.02)
    assert boxes[0].yaw == pytest.approx(0, abs=1e-3)


def edit(root, table, change):
    path = root / "v1.0-mini" / f"{table}.json"
    records = json.loads(path.read_text())
    change(records)
    path.write_text(json.dumps(records))


def test_files_and_labels_that_are_absent_are_noted(made, tmp_path):
    (made / "samples/CAM_FRONT/0.jpg").unlink()
    shutil.rmtree(made / "samples/LIDAR_TOP")
    (made / "samples/CAM_FRONT_LEFT/1.jpg").write_bytes(b"\xff\xd8 cut off")
    (made / "v1.0-mini/instance.json").unlink()
    edit(made, "sample_data", lambda records: records[-1].update(ego_pose_token=""))
    summary = convert_nuscenes(made, tmp_path / "bag")
    assert (summary.images, summary.scans, summary.poses, summary.boxes) == (2, 0, 6, 0)
    notes = "\n".join(summary.notes)
    assert "2 absent files in samples/LIDAR_TOP, first 0.pcd.bin" in notes
    assert "1 absent files in samples/CAM_FRONT, first 0.jpg" in notes
    assert "instance.json: No such file" in notes
    assert "CAM_FRONT_LEFT/1.jpg" in notes
    assert "1 records of sample_data without calibration or ego pose" in notes


def test_several_scenes_want_a_name(made, tmp_path):
    edit(made, "scene", lambda r: r.append({"token": "other", "name": "scene-0002"}))
    with pytest.raises(InputError, match=r"--scene; there are: scene-0001, scene-0002"):
        convert_nuscenes(made, tmp_path / "bag")
    assert convert_nuscenes(made, tmp_path / "bag", "scene-0001").images == 4


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda r: shutil.rmtree(r / "v1.0-mini"), "no nuScenes data"),
        (lambda r: (r / "v1.0-mini/ego_pose.json").unlink(), "ego_pose.json: No such file"),
        (lambda r: (r / "v1.0-mini/sensor.json").write_text("[{"), "sensor.json: no JSON"),
        (lambda r: (r / "v1.0-mini/sample.json").write_bytes(b"\xff\xfe\x00"), "sample.json: no"),
        (lambda r: (r / "v1.0-mini/sample.json").write_text("{}"), "no list of records"),
        (lambda r: (r / "v1.0-mini/scene.json").write_text("[3]"), "scene.json: record 0"),
        (lambda r: edit(r, "scene", lambda s: s[0].update(name="x")), "no scene scene-0001; "),
        (lambda r: edit(r, "sample_data", lambda d: d[0].pop("timestamp")), "record 0: timestamp"),
        (lambda r: edit(r, "sample_data", lambda d: d[0].update(timestamp=10**30)), "timestamp"),
        (lambda r: edit(r, "ego_pose", lambda d: d[1].update(rotation=[2, 0, 0, 0])), "rotation"),
        (
            lambda r: edit(r, "calibrated_sensor", lambda d: d[1].update(camera_intrinsic=[])),
            "calibrated_sensor.json: cam_front: camera: K",
        ),
        (lambda r: edit(r, "sample", lambda d: d.clear()), "no camera in sample_data.json"),
        (lambda r: shutil.rmtree(r / "samples"), "no image can be used"),
    ],
)
def test_what_is_no_scene_is_one_line_and_leaves_nothing(made, tmp_path, damage, says):
    damage(made)
    with pytest.raises(InputError, match=r"\A[^\n]+\Z") as caught:
        convert_nuscenes(made, tmp_path / "out" / "bag", "scene-0001")
    assert says in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))
