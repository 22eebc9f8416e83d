"""Writing rosbag2 recordings (mcap) without ROS."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Writer
from typing_extensions import Self

from pdn_ros.bags import layout
from pdn_ros.bags.reader import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, MARKERS, OCCUPANCY, POINTS, TF
from pdn_ros.bags.storage import McapBagWriter, typestore
from pdn_ros.errors import InputError
from pdn_ros.files import atomic
from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.boxes import Box, write_boxes
from pdn_ros.messages.camera_info import write_camera_info
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.images import write_image, write_jpeg_file
from pdn_ros.messages.occupancy import Grid, write_grid
from pdn_ros.messages.points import write_points
from pdn_ros.messages.transforms import Transform, write_transforms

_FOREVER: Final = QosTime(9223372036, 854775807)


def _qos(depth: int, durability: QosDurability = QosDurability.VOLATILE) -> Qos:
    return Qos(
        QosHistory.KEEP_LAST,
        depth,
        QosReliability.RELIABLE,  # a reliable publisher matches every subscriber
        durability,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )


VOLATILE: Final = _qos(10)
LATCHED: Final = _qos(1, QosDurability.TRANSIENT_LOCAL)
_TOPICS: Final = {
    layout.POINTS_TOPIC: (POINTS, VOLATILE),
    layout.TF_TOPIC: (TF, _qos(100)),
    layout.TF_STATIC_TOPIC: (TF, LATCHED),
    layout.OCCUPANCY_TOPIC: (OCCUPANCY, VOLATILE),
    layout.BOXES_TOPIC: (MARKERS, VOLATILE),
}


@contextmanager
def _as_input_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{path}: the bag cannot be written ({reason}): free space or name another folder"
        ) from error


@contextmanager
def _open_bag(path: Path) -> Iterator[Writer]:
    with atomic(path) as part:
        # rosbags names the file inside after the folder: the final name, one level down.
        writer = McapBagWriter(part / path.name)
        try:
            with _as_input_error(path):
                writer.open()
            yield writer
            with _as_input_error(path):
                writer.close()
                for file in writer.path.iterdir():
                    file.rename(part / file.name)
                writer.path.rmdir()
        except BaseException:
            with suppress(OSError):  # the disk may be too full for the last buffered bytes, too
                writer.abort()
            raise


class RawWriter:
    """A rosbag2 folder (mcap) filled with serialized messages; a context manager.

    The bag is written beside `path` under a temporary name and renamed when the block ends; an
    error or Ctrl-C inside the block removes it and leaves an earlier bag at `path` untouched.
    Messages may come in any order: readers sort by log time.

    Raises:
        InputError: The bag cannot be written (disk full, folder not writable), or a type is
            unknown.
    """

    def __init__(self, path: Path) -> None:
        """Prepare a bag at `path` (a folder)."""
        # Resolved, so that "." and "bags/" have a name to give to the file inside.
        self.path = Path(path).absolute()
        self._stack = ExitStack()
        self._topics: dict[str, Connection] = {}
        self._writer: Writer

    def __enter__(self) -> Self:
        """Start the bag under its temporary name."""
        self._writer = self._stack.enter_context(_open_bag(self.path))
        return self

    def topic(self, name: str, msgtype: str, qos: Qos = VOLATILE) -> Self:
        """Declare a topic, for example ("/perception/mask", "sensor_msgs/msg/Image")."""
        store = typestore()
        if msgtype not in store.types:
            raise InputError(f"{self.path}: cannot record {name}: unknown message type {msgtype}")
        self._topics[name] = self._writer.add_connection(
            name, msgtype, typestore=store, offered_qos_profiles=[qos]
        )
        return self

    def write(self, topic: str, stamp_ns: int, cdr: bytes | memoryview) -> None:
        """Append one serialized message of a declared topic, logged at `stamp_ns`."""
        with _as_input_error(self.path):
            self._writer.write(self._topics[topic], stamp_ns, cdr)

    def __exit__(self, *error: Any) -> bool | None:
        """Finish and rename the bag, or remove it on an error."""
        return self._stack.__exit__(*error)


class DriveWriter:
    """A recorded or simulated drive under the package's topics and frames; a context manager.

    Stamps are the sensor's, in nanoseconds; they are the log times too where nothing else is said.
    Topics appear in the bag with their first message; `counts` has the messages written by topic.
    Errors as in `RawWriter`.
    """

    def __init__(self, path: Path) -> None:
        """Prepare a bag at `path` (a folder)."""
        self._raw = RawWriter(path)
        self.counts: Counter[str] = Counter()
        self._static: list[tuple[str, str, NDArray[np.float64]]] = []

    def __enter__(self) -> Self:
        """Start the bag under its temporary name."""
        self._raw.__enter__()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        """Finish and rename the bag, or remove it on an error."""
        return self._raw.__exit__(*error)

    def image(self, stamp_ns: int, bgr: NDArray[np.uint8], name: str = layout.CAMERA) -> None:
        """Write an image, (H, W, 3) uint8 BGR, of the camera `name`."""
        self._write_image(layout.image_topic(name), stamp_ns, bgr, "bgr8", name)

    def jpeg(self, stamp_ns: int, name: str, file: bytes, *, late_ns: int = 0) -> None:
        """Write the JPEG file of the camera `name`, logged `late_ns` after its stamp."""
        image = write_jpeg_file(Header(stamp_ns, layout.optical_frame(name)), file)
        topic = layout.compressed_topic(name)
        self._write(topic, stamp_ns + late_ns, image, COMPRESSED_IMAGE)

    def camera_info(self, stamp_ns: int, camera: Camera, name: str = layout.CAMERA) -> None:
        """Write the calibration of the camera `name`."""
        info = camera.info(Header(stamp_ns, layout.optical_frame(name)))
        topic = layout.camera_info_topic(name)
        self._write(topic, stamp_ns, write_camera_info(info), CAMERA_INFO)

    def points(self, stamp_ns: int, points: NDArray[np.float32]) -> None:
        """Write a scan in `lidar`, (N, 4) or (N, 5) float32 as `write_points` takes it."""
        cloud = write_points(Header(stamp_ns, layout.LIDAR), points)
        self._write(layout.POINTS_TOPIC, stamp_ns, cloud)

    def transform(
        self, stamp_ns: int, parent: str, child: str, transform: NDArray[np.float64]
    ) -> None:
        """Write T_parent_child, 4x4, which maps points of `child` into `parent`."""
        moved = write_transforms([Transform(parent, child, stamp_ns, transform)])
        self._write(layout.TF_TOPIC, stamp_ns, moved)

    def static_transforms(self, transforms: Sequence[tuple[str, str, NDArray[np.float64]]]) -> None:
        """Write (parent, child, T_parent_child), valid for all times, with the next stamp."""
        self._static.extend(transforms)

    def mask(self, stamp_ns: int, ids: NDArray[np.uint8], name: str = layout.CAMERA) -> None:
        """Write the true class ids of an image's pixels, (H, W) uint8; 255 is void."""
        self._write_image(layout.mask_topic(name), stamp_ns, ids, "mono8", name)

    def depth(self, stamp_ns: int, meters: NDArray[np.float32], name: str = layout.CAMERA) -> None:
        """Write the true depth along the optical z axis, (H, W) float32 meters; 0 = none."""
        self._write_image(layout.depth_topic(name), stamp_ns, meters, "32FC1", name)

    def occupancy(self, stamp_ns: int, grid: Grid) -> None:
        """Write the true grid."""
        self._write(layout.OCCUPANCY_TOPIC, stamp_ns, write_grid(stamp_ns, grid))

    def boxes(self, stamp_ns: int, boxes: Sequence[Box], *, late_ns: int = 0) -> None:
        """Write the true boxes of the objects, in `base_link`, logged `late_ns` after the stamp."""
        cubes = write_boxes(Header(stamp_ns, layout.BASE), boxes)
        self._write(layout.BOXES_TOPIC, stamp_ns + late_ns, cubes)

    def _write_image(
        self, topic: str, stamp_ns: int, pixels: NDArray[np.generic], encoding: str, name: str
    ) -> None:
        header = Header(stamp_ns, layout.optical_frame(name))
        self._write(topic, stamp_ns, write_image(header, pixels, encoding), IMAGE)

    def _write(self, topic: str, stamp_ns: int, cdr: bytes, msgtype: str = "") -> None:
        if self._static and topic != layout.TF_STATIC_TOPIC:
            pending, self._static = self._static, []
            static = [Transform(parent, child, stamp_ns, pose) for parent, child, pose in pending]
            self._write(layout.TF_STATIC_TOPIC, stamp_ns, write_transforms(static))
        if topic not in self.counts:
            self._raw.topic(topic, *((msgtype, VOLATILE) if msgtype else _TOPICS[topic]))
        self._raw.write(topic, stamp_ns, cdr)
        self.counts[topic] += 1
