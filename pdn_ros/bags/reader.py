"""Reading rosbag2 recordings (mcap or sqlite3, compressed or not) without ROS."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from rosbags.interfaces import Connection, ConnectionExtRosbag2, QosDurability
from rosbags.rosbag2 import Reader
from typing_extensions import Self

from pdn_ros.bags import layout
from pdn_ros.errors import InputError
from pdn_ros.messages.compressed import is_compressed_depth
from pdn_ros.messages.images import DEPTH_ENCODINGS, read_encoding

IMAGE: Final = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE: Final = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO: Final = "sensor_msgs/msg/CameraInfo"
POINTS: Final = "sensor_msgs/msg/PointCloud2"
TF: Final = "tf2_msgs/msg/TFMessage"
OCCUPANCY: Final = "nav_msgs/msg/OccupancyGrid"
MARKERS: Final = "visualization_msgs/msg/MarkerArray"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of a bag; `latched` if it was offered as transient local."""

    name: str
    msgtype: str
    count: int
    latched: bool


class Message(NamedTuple):
    """One recorded message: its topic, log time in nanoseconds, CDR bytes and type."""

    topic: str
    stamp_ns: int
    data: bytes
    msgtype: str


class Bag:
    """A rosbag2 recording; a context manager.

    `path` is the bag's folder or one storage file (.mcap, .db3).

    Raises:
        InputError: There is no such bag, it is damaged, or it holds no message. Damage inside a
            file may show only when its messages are read.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._reader: Reader
        self._topics: dict[str, Topic] = {}

    def __enter__(self) -> Self:
        """Open the bag and read its index."""
        path = _storage(self.path)
        with self._damage("cannot be opened"):
            self._reader = Reader(path)
            self._reader.open()
        try:
            with self._damage("cannot be opened"):
                self._topics = {
                    name: Topic(
                        name, info.connections[0].msgtype, info.msgcount, _latched(info.connections)
                    )
                    for name, info in self._reader.topics.items()
                }
            if not self._reader.message_count:
                raise InputError(f"{self.path}: the bag holds no messages: give another recording")
        except BaseException:
            self._reader.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bag."""
        self._reader.close()

    @property
    def topics(self) -> dict[str, Topic]:
        """The topics by name."""
        return self._topics

    @property
    def message_count(self) -> int:
        """Number of messages on all topics."""
        return self._reader.message_count

    @property
    def start_ns(self) -> int:
        """Log time of the first message, nanoseconds."""
        return self._reader.start_time

    @property
    def end_ns(self) -> int:
        """Log time of the last message, nanoseconds."""
        return self._reader.end_time - 1

    def messages(
        self, topics: Collection[str] | None = None, *, at_ns: int | None = None
    ) -> Iterator[Message]:
        """Yield the messages of the named topics (all without `topics`) in log-time order.

        With `at_ns`, only those of this log time.
        """
        wanted = [c for c in self._reader.connections if topics is None or c.topic in topics]
        if not wanted:
            return  # rosbags reads an empty list as "all"
        stop_ns = None if at_ns is None else at_ns + 1
        source = self._reader.messages(wanted, start=at_ns, stop=stop_ns)
        while True:
            with self._damage("damaged"):
                item = next(source, None)
            if item is None:
                return
            connection, stamp_ns, data = item
            yield Message(connection.topic, stamp_ns, data, connection.msgtype)

    def first(self, topic: str) -> Message | None:
        """Return the first message of a topic; None when it has none."""
        return next(self.messages([topic]), None)

    def find(self, *msgtypes: str) -> list[Topic]:
        """Return the topics of the given types that have messages, by name."""
        return sorted(
            (t for t in self._topics.values() if t.msgtype in msgtypes and t.count),
            key=lambda t: t.name,
        )

    def image_topic(self, name: str = "", camera: str = "") -> Topic:
        """Return a camera's topic: the named one, else found by type.

        Truth and depth images do not count. Of several topics, one with a CameraInfo beside it is
        preferred, then a raw one, then the one with the most messages.

        Args:
            name: Of the topic; empty: found.
            camera: Only topics with this word between their slashes; empty: all.

        Raises:
            InputError: The topic is not in the bag or has no images, or there is no camera.
        """
        if name:
            return self._named(name, IMAGE, COMPRESSED_IMAGE)
        found = [
            t
            for t in self.find(IMAGE, COMPRESSED_IMAGE)
            if not t.name.startswith(layout.TRUTH + "/")
            and (not camera or camera in t.name.split("/"))
            and not self._is_depth(t)
        ]
        if not found:
            of = f" of {camera!r}" if camera else ""
            raise InputError(
                f"{self.path}: no camera images{of} ({IMAGE} or {COMPRESSED_IMAGE}) among the "
                f"topics {', '.join(sorted(self._topics)) or '(none)'}"
            )
        return min(
            found,
            key=lambda t: (self.camera_info_topic(t) is None, t.msgtype != IMAGE, -t.count),
        )

    def camera_info_topic(self, image: Topic, name: str = "") -> Topic | None:
        """Return the CameraInfo topic of an image topic: the named one or the nearest namespace's.

        Raises:
            InputError: The named topic is not in the bag or is not a CameraInfo.
        """
        if name:
            return self._named(name, CAMERA_INFO)
        infos = {t.name: t for t in self.find(CAMERA_INFO)}
        for parent in PurePosixPath(image.name).parents:
            if found := infos.get(str(parent / "camera_info")):
                return found
        return None

    def points_topic(self, name: str = "") -> Topic | None:
        """Return the point cloud topic: the named one, else that with the most messages.

        Raises:
            InputError: The named topic is not in the bag or is not a PointCloud2.
        """
        if name:
            return self._named(name, POINTS)
        return max(self.find(POINTS), key=lambda t: t.count, default=None)

    def truth_topic(self, name: str) -> Topic | None:
        """Return a truth topic of `pdn_ros.bags.layout`; None when it has no messages."""
        topic = self._topics.get(name)
        return topic if topic and topic.count else None

    def _named(self, name: str, *msgtypes: str) -> Topic:
        topic = self._topics.get(name)
        if topic is None or not topic.count:
            choice = ", ".join(t.name for t in self.find(*msgtypes)) or "none of that type"
            raise InputError(f"{self.path}: no messages on {name}: there are {choice}")
        if topic.msgtype not in msgtypes:
            raise InputError(
                f"{self.path}: {name} carries {topic.msgtype}, not {' or '.join(msgtypes)}"
            )
        return topic

    def _is_depth(self, topic: Topic) -> bool:
        message = self.first(topic.name)
        if message is None:
            return True
        try:
            encoding = read_encoding(message.data, compressed=topic.msgtype == COMPRESSED_IMAGE)
        except InputError:
            return False  # the code that reads the images reports this one
        return encoding in DEPTH_ENCODINGS or is_compressed_depth(encoding)

    @contextmanager
    def _damage(self, what: str) -> Iterator[None]:
        # On damaged files rosbags raises all kinds of exceptions.
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{self.path}: {what}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split()) or type(error).__name__
    if "end magic" in text:
        return "the recording was cut off (no mcap footer); `mcap recover` may save the rest"
    return f"{text[:200].rstrip('.')}; the file is damaged or no rosbag2"


def _latched(connections: Collection[Connection]) -> bool:
    return any(
        qos.durability is QosDurability.TRANSIENT_LOCAL
        for connection in connections
        if isinstance(connection.ext, ConnectionExtRosbag2)
        for qos in connection.ext.offered_qos_profiles
    )


def _storage(path: Path) -> Path:
    """Return what to open: the bag's folder, or the storage file in one without metadata."""
    if path.name == "metadata.yaml":
        path = path.parent
    if not path.exists():
        raise InputError(f"{path}: no such bag: give a rosbag2 folder or an .mcap or .db3 file")
    if path.suffix == ".bag" and path.is_file():
        raise InputError(f"{path}: a ROS 1 bag: convert it with `rosbags-convert` first")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        files = sorted(f for f in path.iterdir() if f.suffix in (".mcap", ".db3"))
        if len(files) != 1:
            raise InputError(f"{path}: no rosbag2 (it holds no metadata.yaml): give a bag's folder")
        return files[0]
    if path.is_file() and path.suffix not in (".mcap", ".db3"):
        raise InputError(f"{path}: no rosbag2: give a bag's folder or an .mcap or .db3 file")
    return path
