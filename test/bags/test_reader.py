import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from pdn_ros.bags.reader import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINTS, TF, Bag
from pdn_ros.errors import InputError

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types
FLOAT = "std_msgs/msg/Float32"
ONE_LINE = r"\A[^\n]+\Z"


def header(stamp=0):
    time = TYPES["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9))
    return TYPES["std_msgs/msg/Header"](time, "frame")


def image(encoding="bgr8", size=12):
    return TYPES[IMAGE](header(), 1, 4, encoding, 0, size, np.arange(size, dtype=np.uint8))


def compressed(kind="jpeg"):
    return TYPES[COMPRESSED_IMAGE](header(), kind, np.arange(9, dtype=np.uint8))


def info():
    roi = TYPES["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    zeros = [np.zeros(n) for n in (5, 9, 9, 12)]
    return TYPES[CAMERA_INFO](header(), 1, 4, "plumb_bob", *zeros, 0, 0, roi)


def cloud():
    return TYPES[POINTS](header(), 1, 0, [], False, 16, 0, np.zeros(0, np.uint8), True)


def number(value):
    return TYPES[FLOAT](float(value))


def write(path, messages, storage="mcap", mode=None, store=STORE):
    """Write (topic, stamp, message) with the rosbags library alone."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    if mode:
        writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    connections = {}
    with writer:
        for topic, stamp, message in messages:
            kind = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], stamp, store.serialize_cdr(message, kind))
    return path


FORMATS = [
    ("mcap", None),
    ("mcap", "STORAGE"),
    ("mcap", "MESSAGE"),
    ("mcap", "FILE"),
    ("sqlite3", None),
    ("sqlite3", "MESSAGE"),
    ("sqlite3", "FILE"),
]


@pytest.mark.parametrize(("storage", "mode"), FORMATS)
def test_every_storage_gives_messages_in_log_time_order(tmp_path, storage, mode):
    stamps = [30, 10, 20, 40]
    items = [(f"/t{i % 2}", stamp, number(stamp)) for i, stamp in enumerate(stamps)]
    with Bag(write(tmp_path / "bag", items, storage, mode)) as bag:
        found = list(bag.messages())
        assert [m.stamp_ns for m in found] == [10, 20, 30, 40]
        assert [m.topic for m in found] == ["/t1", "/t0", "/t0", "/t1"]
        assert [STORE.deserialize_cdr(m.data, m.msgtype).data for m in found] == [10, 20, 30, 40]
        assert [m.stamp_ns for m in bag.messages(["/t0"])] == [20, 30]
        assert [m.topic for m in bag.messages(at_ns=20)] == ["/t0"]
        assert list(bag.messages(["/t1"], at_ns=20)) == []
        assert list(bag.messages(["/absent"])) == []
        assert list(bag.messages([])) == []
        assert (bag.message_count, bag.start_ns, bag.end_ns) == (4, 10, 40)
        assert {t.name: (t.msgtype, t.count) for t in bag.topics.values()} == {
            "/t0": (FLOAT, 2),
            "/t1": (FLOAT, 2),
        }


def test_order_across_chunks(tmp_path):
    big = np.zeros(2**20, np.uint8)  # a chunk each
    items = [
        (f"/t{i}", stamp, TYPES[IMAGE](header(), 1, 1, "mono8", 0, 1, big))
        for i, stamp in enumerate([3, 1, 2, 1])
    ]
    with Bag(write(tmp_path / "bag", items)) as bag:
        found = [(m.stamp_ns, m.topic) for m in bag.messages()]
    assert found == [(1, "/t1"), (1, "/t3"), (2, "/t2"), (3, "/t0")]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_storage_files_open_by_themselves(tmp_path, storage):
    path = write(tmp_path / "bag", [("/t", 1, number(5))], storage)
    file = path / ("bag.mcap" if storage == "mcap" else "bag.db3")
    (tmp_path / "folder").mkdir()
    shutil.copy(file, tmp_path / "folder")
    for place in (file, path / "metadata.yaml", tmp_path / "folder"):
        with Bag(place) as bag:
            assert STORE.deserialize_cdr(bag.first("/t").data, FLOAT).data == 5


class TestFinding:
    def topic(self, tmp_path, *items, name=""):
        with Bag(write(tmp_path / "bag", [(t, i, m) for i, (t, m) in enumerate(items)])) as bag:
            found = bag.image_topic(name)
            camera_info = bag.camera_info_topic(found)
            return found.name, camera_info and camera_info.name

    def test_truth_and_depth_are_no_cameras(self, tmp_path):
        assert self.topic(
            tmp_path,
            ("/truth/mask", image("mono8", 4)),
            ("/depth/image", image("16UC1", 8)),
            ("/depth/float", image("32FC1", 16)),
            ("/depth/small", compressed("16UC1; compressedDepth png")),
            ("/z/image", image()),
        ) == ("/z/image", None)

    def test_calibrated_then_raw_then_frequent(self, tmp_path):
        frequent = [("/often", image())] * 4
        assert self.topic(tmp_path, *frequent, ("/b", compressed()), ("/a", image()))[0] == "/often"
        shutil.rmtree(tmp_path / "bag")
        calibrated = [("/cam/image_raw", image()), ("/cam/camera_info", info())]
        assert self.topic(tmp_path, *frequent, *calibrated) == (
            "/cam/image_raw",
            "/cam/camera_info",
        )

    def test_camera_info_of_the_nearest_namespace(self, tmp_path):
        assert self.topic(
            tmp_path,
            ("/cam/left/image_raw/compressed", compressed()),
            ("/cam/camera_info", info()),
            ("/cam/left/camera_info", info()),
            ("/cam/right/camera_info", info()),
        ) == ("/cam/left/image_raw/compressed", "/cam/left/camera_info")

    def test_another_camera_s_info_is_not_taken(self, tmp_path):
        items = [("/left/image_raw", image()), ("/right/camera_info", info())]
        assert self.topic(tmp_path, *items) == ("/left/image_raw", None)

    def test_by_name(self, tmp_path):
        items = [("/a", image()), ("/b", image()), ("/b", image())]
        assert self.topic(tmp_path, *items, name="/a")[0] == "/a"

    @pytest.mark.parametrize(
        ("name", "says"), [("/absent", "there are /a"), ("/n", "carries std_msgs/msg/Float32")]
    )
    def test_a_wrong_name_is_one_line(self, tmp_path, name, says):
        with pytest.raises(InputError, match=says):
            self.topic(tmp_path, ("/a", image()), ("/n", number(1)), name=name)

    def test_no_camera_is_one_line(self, tmp_path):
        with pytest.raises(InputError, match=r"no camera images .* among the topics /n"):
            self.topic(tmp_path, ("/n", number(1)))

    def test_points(self, tmp_path):
        topics = {"/n": number(1), "/rare": cloud(), "/x": cloud()}
        items = [(t, i, topics[t]) for i, t in enumerate(("/n", "/rare", "/x", "/x"))]
        with Bag(write(tmp_path / "bag", items)) as bag:
            assert bag.points_topic().name == "/x"
            assert bag.points_topic("/rare").name == "/rare"
            assert [t.name for t in bag.find(POINTS)] == ["/rare", "/x"]
            assert bag.find(TF) == []
            with pytest.raises(InputError, match="carries std_msgs"):
                bag.points_topic("/n")
            assert bag.truth_topic("/truth/mask") is None

    def test_no_points(self, tmp_path):
        with Bag(write(tmp_path / "bag", [("/n", 0, number(1))])) as bag:
            assert bag.points_topic() is None


class TestBadBags:
    def refuses(self, path, says):
        with pytest.raises(InputError, match=ONE_LINE) as caught, Bag(path) as bag:
            list(bag.messages())
        assert says in str(caught.value)
        assert str(path) in str(caught.value)

    def test_absent(self, tmp_path):
        self.refuses(tmp_path / "absent", "no such bag")

    def test_no_rosbag(self, tmp_path):
        self.refuses(tmp_path, "no metadata.yaml")
        (tmp_path / "a.mp4").write_bytes(b"x")
        self.refuses(tmp_path / "a.mp4", "no rosbag2")
        (tmp_path / "a.mcap").write_bytes(b"")
        self.refuses(tmp_path / "a.mcap", "empty")
        (tmp_path / "b.mcap").write_bytes(b"no bag at all" * 9)
        self.refuses(tmp_path / "b.mcap", "magic")
        (tmp_path / "c.db3").write_bytes(b"no bag at all" * 9)
        self.refuses(tmp_path / "c.db3", "not a database")

    def test_a_system_error_is_named(self, tmp_path):
        path = write(tmp_path / "bag", [("/t", 1, number(1))])
        (path / "bag.mcap").unlink()
        (path / "bag.mcap").mkdir()
        self.refuses(path, "Is a directory")

    def test_ros_1(self, tmp_path):
        (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
        self.refuses(tmp_path / "old.bag", "rosbags-convert")

    @pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
    def test_empty(self, tmp_path, storage):
        self.refuses(write(tmp_path / "bag", [], storage), "no messages")

    def test_missing_file(self, tmp_path):
        path = write(tmp_path / "bag", [("/t", 1, number(1))])
        (path / "bag.mcap").unlink()
        self.refuses(path, "missing")

    @pytest.mark.parametrize("text", ["", "a: [", "rosbag2_bagfile_information: 3", "- 1\n- 2"])
    def test_damaged_metadata(self, tmp_path, text):
        path = write(tmp_path / "bag", [("/t", 1, number(1))])
        (path / "metadata.yaml").write_text(text)
        self.refuses(path, "cannot be opened")

    def test_a_recording_cut_off(self, tmp_path):
        path = write(tmp_path / "bag", [("/t", i, image()) for i in range(99)])
        file = path / "bag.mcap"
        data = file.read_bytes()
        for share in (0.9, 0.5, 0.1):
            file.write_bytes(data[: int(share * len(data))])
            self.refuses(path, "cut off")

    def test_damage_in_the_middle_shows_while_reading(self, tmp_path):
        big = np.zeros(2**20, np.uint8)
        items = [
            ("/t", i, TYPES[IMAGE](header(), 1, 1, "mono8", 0, 1, big + np.uint8(i)))
            for i in range(3)
        ]
        path = write(tmp_path / "bag", items, mode="STORAGE")
        file = path / "bag.mcap"
        data = bytearray(file.read_bytes())
        frames = [i for i in range(len(data)) if data[i : i + 4] == b"\x28\xb5\x2f\xfd"]
        data[frames[1] : frames[1] + 8] = bytes(8)
        file.write_bytes(data)
        read = []
        with pytest.raises(InputError, match="damaged"), Bag(path) as bag:
            read.extend(m.stamp_ns for m in bag.messages())
        assert read == [0]  # what stands before the damage is delivered


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The storage file of a small bag in each format, as bytes."""
    folder = tmp_path_factory.mktemp("small")
    items = [("/a", 1, image()), ("/b", 2, number(1)), ("/a", 3, image())]
    files = {}
    for storage, suffix in (("mcap", ".mcap"), ("sqlite3", ".db3")):
        path = write(folder / storage, items, storage)
        files[suffix] = (path / f"{storage}{suffix}").read_bytes()
    return folder, files


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@example(suffix=".mcap", changes=[(0.02, 255)], cut=1.0)
@given(
    suffix=st.sampled_from([".mcap", ".db3"]),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=4),
    cut=st.floats(0, 1) | st.just(1.0),
)
def test_any_damage_is_read_or_one_line(small, suffix, changes, cut):
    folder, files = small
    data = bytearray(files[suffix])
    for place, value in changes:
        data[int(place * len(data))] = value
    path = folder / f"damaged{suffix}"
    path.write_bytes(data[: int(cut * len(data))])
    try:
        with Bag(path) as bag:
            list(bag.messages())
    except InputError as error:
        assert "\n" not in str(error)
