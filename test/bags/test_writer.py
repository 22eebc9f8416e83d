import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from pdn_ros.bags import layout
from pdn_ros.bags.storage import typestore
from pdn_ros.bags.writer import LATCHED, DriveWriter, RawWriter
from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.boxes import Box
from pdn_ros.messages.occupancy import Grid
from pdn_ros.resources import message_folders

T0 = 1_700_000_000_123_456_789
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
MASK = RNG.integers(0, 12, (6, 8), dtype=np.uint8)
DEPTH = RNG.uniform(0, 80, (6, 8)).astype(np.float32)
CLOUD = RNG.normal(size=(5, 4)).astype(np.float32)
GRID = np.array([[-1, 0, 100], [5, 50, 99]], dtype=np.int8)
CAMERA = Camera(8, 6, np.array([[7.0, 0, 3.5], [0, 6, 2.5], [0, 0, 1]]), np.zeros(0))
LEFT = np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])  # 90 degrees about z


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    path = tmp_path_factory.mktemp("bags") / "drive"
    with DriveWriter(path) as bag:
        bag.static_transforms([("base_link", "lidar", LEFT), ("base_link", "camera", np.eye(4))])
        bag.transform(T0, "odom", "base_link", LEFT)
        bag.camera_info(T0 + 1, CAMERA)
        bag.image(T0 + 1, IMAGE)
        bag.points(T0 + 2, CLOUD)
        bag.mask(T0 + 1, MASK)
        bag.depth(T0 + 1, DEPTH)
        bag.occupancy(T0 + 1, Grid(GRID, (-10.0, -15.0), 0.5, "odom"))
        bag.boxes(T0 + 1, [Box((1, 2, 3), 0.5, (4, 1.5, 2), "vehicle", 7)])
        bag.image(T0 + 3, IMAGE[:, ::-1])
        assert bag.counts[layout.IMAGE_TOPIC] == 2
    return path


@pytest.fixture(scope="module")
def messages(drive):
    """Every message by topic, read by the rosbags library alone."""
    store = get_typestore(Stores.ROS2_JAZZY)
    found = {}
    with Reader(drive) as reader:
        for connection, stamp, data in reader.messages():
            message = store.deserialize_cdr(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((stamp, message))
    return found


def test_topics_and_frames_are_the_contract(messages):
    frames = {t: m[0][1].header.frame_id for t, m in messages.items() if hasattr(m[0][1], "header")}
    assert frames == {
        "/camera/image_raw": "camera_optical",
        "/camera/camera_info": "camera_optical",
        "/lidar/points": "lidar",
        "/truth/mask": "camera_optical",
        "/truth/depth": "camera_optical",
        "/truth/occupancy": "odom",
    }
    assert messages.keys() - frames.keys() == {"/tf", "/tf_static", "/truth/boxes"}


def test_image(messages):
    (stamp, first), (_, second) = messages["/camera/image_raw"]
    assert stamp == T0 + 1
    assert (first.header.stamp.sec, first.header.stamp.nanosec) == (1_700_000_000, 123_456_790)
    assert (first.height, first.width, first.step, first.encoding) == (6, 8, 24, "bgr8")
    assert first.data.tobytes() == IMAGE.tobytes()
    assert second.data.reshape(6, 8, 3)[0, 0].tolist() == IMAGE[0, 7].tolist()


def test_camera_info(messages):
    ((_, info),) = messages["/camera/camera_info"]
    assert info.k.tolist() == [7, 0, 3.5, 0, 6, 2.5, 0, 0, 1]
    assert info.p.tolist() == [7, 0, 3.5, 0, 0, 6, 2.5, 0, 0, 0, 1, 0]
    assert info.r.tolist() == np.eye(3).ravel().tolist()
    assert info.distortion_model == "plumb_bob"
    assert info.d.tolist() == [0] * 5


def test_cloud(messages):
    ((_, cloud),) = messages["/lidar/points"]
    assert [(f.name, f.offset, f.datatype) for f in cloud.fields] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
        ("intensity", 12, 7),
    ]
    assert (cloud.width, cloud.height, cloud.point_step, cloud.row_step) == (5, 1, 16, 80)
    assert cloud.data.view(np.float32).reshape(-1, 4).tolist() == CLOUD.tolist()


def test_truth_images(messages):
    mask, depth = messages["/truth/mask"][0][1], messages["/truth/depth"][0][1]
    assert (mask.encoding, mask.step) == ("mono8", 8)
    assert mask.data.reshape(6, 8).tolist() == MASK.tolist()
    assert (depth.encoding, depth.step) == ("32FC1", 32)
    assert depth.data.view(np.float32).reshape(6, 8).tolist() == DEPTH.tolist()


def test_occupancy(messages):
    grid = messages["/truth/occupancy"][0][1]
    assert (grid.info.width, grid.info.height, grid.info.resolution) == (3, 2, 0.5)
    assert grid.data.tolist() == [-1, 0, 100, 5, 50, 99]
    assert (grid.info.origin.position.x, grid.info.origin.position.y) == (-10, -15)
    q = grid.info.origin.orientation
    assert (q.x, q.y, q.z, q.w) == (0, 0, 0, 1)


def test_boxes(messages):
    (marker,) = messages["/truth/boxes"][0][1].markers
    assert (marker.ns, marker.id, marker.type, marker.action) == ("vehicle", 7, 1, 0)
    assert marker.header.frame_id == "base_link"
    p, q, s = marker.pose.position, marker.pose.orientation, marker.scale
    assert (p.x, p.y, p.z, s.x, s.y, s.z) == (1, 2, 3, 4, 1.5, 2)
    assert (q.z, q.w) == pytest.approx((np.sin(0.25), np.cos(0.25)))
    assert marker.color.a > 0


def test_transforms(messages):
    ((stamp, static),) = messages["/tf_static"]
    assert stamp == T0  # not after what needs it
    assert [(t.header.frame_id, t.child_frame_id) for t in static.transforms] == [
        ("base_link", "lidar"),
        ("base_link", "camera"),
    ]
    (moving,) = messages["/tf"][0][1].transforms
    t, q = moving.transform.translation, moving.transform.rotation
    assert (t.x, t.y, t.z) == (1, 2, 3)
    assert (q.x, q.y, q.z, q.w) == pytest.approx((0, 0, 0.5**0.5, 0.5**0.5))


def test_offered_qos_lets_late_and_reliable_subscribers_in(drive):
    with Reader(drive) as reader:
        qos = {c.topic: c.ext.offered_qos_profiles[0] for c in reader.connections}
    assert {q.reliability for q in qos.values()} == {QosReliability.RELIABLE}
    latched = {t for t, q in qos.items() if q.durability is QosDurability.TRANSIENT_LOCAL}
    assert latched == {"/tf_static"}


def test_the_file_has_the_name_of_the_bag(drive):
    assert sorted(f.name for f in drive.iterdir()) == ["drive.mcap", "metadata.yaml"]
    assert "- drive.mcap" in (drive / "metadata.yaml").read_text()
    assert list(drive.parent.iterdir()) == [drive]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_bag_leaves_nothing_and_the_old_one_stays(tmp_path, error):
    path = tmp_path / "bag"
    for size, stop in ((1, None), (3, error)):
        try:
            with DriveWriter(path) as bag:
                for i in range(size):
                    bag.image(i, IMAGE)
                if stop:
                    raise stop
        except (ValueError, KeyboardInterrupt) as caught:
            assert type(caught) is error
    assert list(tmp_path.iterdir()) == [path]
    with Reader(path) as reader:
        assert reader.message_count == 1


def test_a_new_bag_replaces_the_old_one(tmp_path):
    for size in (1, 3):
        with DriveWriter(tmp_path / "bag") as bag:
            for i in range(size):
                bag.image(i, IMAGE)
    with Reader(tmp_path / "bag") as reader:
        assert reader.message_count == 3
    assert len(list(tmp_path.iterdir())) == 1


def test_a_user_error_in_the_block_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), DriveWriter(tmp_path / "bag"):
        (tmp_path / "absent").read_bytes()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"\A[^\n]*cannot be written[^\n]*\Z"),
        DriveWriter(tmp_path / "file" / "bag"),
    ):
        pass


FULL_DISK = """
import sys
from pathlib import Path
import numpy as np
from pdn_ros.bags.writer import DriveWriter
from pdn_ros.errors import InputError
try:
    with DriveWriter(Path(sys.argv[1])) as bag:
        for i in range(20):
            bag.image(i, np.random.default_rng(i).integers(0, 256, (200, 300, 3), dtype=np.uint8))
except InputError as error:
    sys.exit(f"caught {error}")
"""


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "bag")],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        cwd=Path(__file__).parents[2],
        check=False,
        timeout=60,
    )
    assert done.stderr.count("\n") == 1
    assert "caught" in done.stderr
    assert "free space" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_masks_are_compressed_and_noise_is_not(tmp_path):
    noise = RNG.integers(0, 256, (800, 900, 3), dtype=np.uint8)
    flat = np.zeros((1200, 1000), dtype=np.uint8)
    with DriveWriter(tmp_path / "bag") as bag:
        bag.image(0, noise)
        bag.mask(1, flat)
    with Reader(tmp_path / "bag") as reader:
        chunks = list(reader.storage.storages[0].chunks)
        data = [m[2] for m in reader.messages()]
    assert [c.compression for c in chunks] == ["", "zstd"]
    assert chunks[1].compressed_size < 10_000
    assert noise.tobytes() in data[0]
    assert flat.tobytes() in data[1]


class TestRaw:
    def test_bytes_come_back_as_they_were(self, tmp_path):
        store = typestore()
        float32 = store.types["std_msgs/msg/Float32"]
        raw = bytes(store.serialize_cdr(float32(1.5), "std_msgs/msg/Float32"))
        with RawWriter(tmp_path / "bag") as bag:
            bag.topic("/a", "std_msgs/msg/Float32", LATCHED).write("/a", 5, raw)
        with Reader(tmp_path / "bag") as reader:
            ((connection, stamp, data),) = reader.messages()
        assert (connection.topic, stamp, data) == ("/a", 5, raw)

    def test_an_unknown_type_is_one_line(self, tmp_path):
        with (
            pytest.raises(InputError, match="unknown message type no_msgs/msg/No"),
            RawWriter(tmp_path / "bag") as bag,
        ):
            bag.topic("/a", "no_msgs/msg/No")
        assert list(tmp_path.iterdir()) == []

    def test_the_package_s_own_messages_are_known(self, tmp_path):
        assert {"pdn_ros", "vision_msgs"} <= message_folders().keys()
        names = [
            f"{package}/msg/{path.stem}"
            for package, folder in message_folders().items()
            for path in folder.glob("*.msg")
        ]
        assert {"pdn_ros/msg/PatchArray", "vision_msgs/msg/LabelInfo"} <= set(names)
        with RawWriter(tmp_path / "bag") as bag:
            for name in names:
                bag.topic("/" + name, name)
                bag.write("/" + name, 1, b"\0\1\0\0")
        with Reader(tmp_path / "bag") as reader:
            definitions = {c.msgtype: c.msgdef.data for c in reader.connections}
            digests = {c.msgtype: c.digest for c in reader.connections}
        assert "float32" in definitions["pdn_ros/msg/PatchArray"]
        assert all(d.startswith("RIHS01_") for d in digests.values())
