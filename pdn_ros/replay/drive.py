"""A recording as a sequence of images, each with what else is known of its moment."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pdn_ros.bags import layout
from pdn_ros.bags.reader import COMPRESSED_IMAGE, TF, Bag, Message, Topic
from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.transform_buffer import TransformBuffer
from pdn_ros.messages.boxes import Box, read_boxes
from pdn_ros.messages.camera_info import read_camera_info
from pdn_ros.messages.cdr import read_header
from pdn_ros.messages.images import read_image, read_mask
from pdn_ros.messages.occupancy import Grid, read_grid
from pdn_ros.messages.points import read_points
from pdn_ros.messages.transforms import read_transforms
from pdn_ros.replay.settings import Settings

BASE: Final = "base_link"
_LOOK_AHEAD_NS: Final = 60_000_000
"""Truth may be logged a little after its image."""
_ALL_TIME_S: Final = 1e9
_MOST_NOTES: Final = 20


@dataclass(frozen=True, slots=True)
class Scan:
    """A LiDAR scan: stamp, frame and points (N, 3) float32 metres."""

    stamp_ns: int
    frame: str
    points: NDArray[np.float32]


@dataclass(slots=True)
class Moment:
    """An image of the recording.

    Attributes:
        index: Position among the images, from 0.
        stamp_ns: Header stamp; the log time when the image cannot be read.
        log_ns: Log time.
        frame: The camera's optical frame.
        image: (H, W, 3) uint8 BGR; None when it cannot be decoded.
        error: Why not.
        scan: The newest scan that was logged before the image.
        mask: (H, W) uint8, true class ids.
        grid: The true grid.
        boxes: True boxes in the base frame; None when nothing is known.
    """

    index: int
    stamp_ns: int
    log_ns: int
    frame: str = ""
    image: NDArray[np.uint8] | None = None
    error: str = ""
    scan: Scan | None = None
    mask: NDArray[np.uint8] | None = None
    grid: Grid | None = None
    boxes: list[Box] | None = None


@dataclass(slots=True)
class Drive:
    """The topics of a bag that an evaluation uses, its camera and its transforms."""

    bag: Bag
    image: Topic
    camera_info: Topic | None
    points: Topic | None
    camera: Camera | None
    transforms: TransformBuffer
    notes: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, bag: Bag, settings: Settings) -> Self:
        """Find the topics and read calibration and transforms.

        Raises:
            InputError: The bag has no images, or a topic that was named is not in it.
        """
        image = bag.image_topic(settings.image)
        info = bag.camera_info_topic(image, settings.camera_info)
        points = bag.points_topic(settings.points) if settings.lidar else None
        drive = cls(bag, image, info, points, None, TransformBuffer(_ALL_TIME_S))
        drive._read_camera()
        drive._read_transforms()
        return drive

    def offered(self, limit: int = 0) -> int:
        """Number of images that `moments` yields."""
        return min(self.image.count, limit or self.image.count)

    def moments(self, limit: int = 0) -> Iterator[Moment]:
        """Yield the images in the order of their log times, the first `limit` or all."""
        truths = (layout.MASK_TOPIC, layout.OCCUPANCY_TOPIC, layout.BOXES_TOPIC)
        topics = [self.image.name, *(t for t in truths if self.bag.truth_topic(t))]
        if self.points:
            topics.append(self.points.name)
        waiting: deque[Moment] = deque()
        scan: Message | None = None
        truth: list[tuple[str, int, bytes]] = []
        index = 0
        for message in _images_last(self.bag.messages(topics), self.image.name):
            while waiting and message.stamp_ns > waiting[0].log_ns + _LOOK_AHEAD_NS:
                yield self._with_truth(waiting.popleft(), truth)
            if self.points and message.topic == self.points.name:
                scan = message
            elif message.topic == self.image.name:
                if limit and index == limit:
                    break
                waiting.append(self._moment(index, message, scan))
                index += 1
            else:
                truth.append((message.topic, message.stamp_ns, message.data))
                truth = [t for t in truth if t[1] > message.stamp_ns - 4 * _LOOK_AHEAD_NS]
        for moment in waiting:
            yield self._with_truth(moment, truth)

    def camera_of(self, moment: Moment) -> Camera | None:
        """Return the camera at the size of an image; None when it is not known."""
        camera = self.camera
        if camera is None or moment.image is None:
            return None
        height, width = moment.image.shape[:2]
        if width * camera.height != height * camera.width:
            self.note(
                f"camera_info is of {camera.width}x{camera.height}, the image is {width}x{height}: "
                "no grid, no LiDAR prior"
            )
            return None
        return camera if width == camera.width else camera.resized(width, height)

    def note(self, line: str) -> None:
        """Keep a line for the user, once."""
        if line not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(line)

    def _moment(self, index: int, message: Message, scan: Message | None) -> Moment:
        moment = Moment(index, message.stamp_ns, message.stamp_ns)
        try:
            header = read_header(message.data)
            moment.stamp_ns, moment.frame = header.stamp_ns, header.frame_id.lstrip("/")
            compressed = message.msgtype == COMPRESSED_IMAGE
            moment.image = read_image(message.data, compressed=compressed)[1]
        except InputError as error:
            moment.error = str(error)
        if scan is not None:
            try:
                header, points = read_points(scan.data)
                moment.scan = Scan(header.stamp_ns, header.frame_id.lstrip("/"), points)
            except InputError as error:
                self.note(f"{scan.topic}: {error}")
        return moment

    def _with_truth(self, moment: Moment, truth: list[tuple[str, int, bytes]]) -> Moment:
        """Add the truth that was logged nearest to the image."""
        for topic, log_ns, data in sorted(truth, key=lambda t: -abs(t[1] - moment.log_ns)):
            if abs(log_ns - moment.log_ns) > _LOOK_AHEAD_NS:
                continue
            try:
                if topic == layout.MASK_TOPIC:
                    moment.mask = read_mask(data)[1]
                elif topic == layout.BOXES_TOPIC:
                    moment.boxes = read_boxes(data)[1]
                else:
                    moment.grid = read_grid(data)[1]
            except InputError as error:
                self.note(f"{topic}: {error}")
        return moment

    def _read_camera(self) -> None:
        message = self.bag.first(self.camera_info.name) if self.camera_info else None
        if message is None:
            self.note("no camera_info: no grid, no LiDAR prior")
            return
        try:
            self.camera = Camera.from_info(read_camera_info(message.data))
        except InputError as error:
            self.note(f"{error}: no grid, no LiDAR prior")

    def _read_transforms(self) -> None:
        topics = self.bag.find(TF)
        latched = {t.name for t in topics if t.latched or t.name.endswith(layout.TF_STATIC_TOPIC)}
        for message in self.bag.messages([t.name for t in topics]):
            try:
                for t in read_transforms(message.data):
                    if message.topic in latched:
                        self.transforms.set_static(t.parent, t.child, t.matrix)
                    else:
                        self.transforms.set(t.parent, t.child, t.stamp_ns, t.matrix)
            except ValueError as error:
                self.note(f"{message.topic}: {error}")


def _images_last(source: Iterator[Message], image: str) -> Iterator[Message]:
    """Put an image behind the other messages of the same log time: a scan comes before it."""
    held: list[Message] = []
    for message in source:
        if held and message.stamp_ns != held[0].stamp_ns:
            yield from held
            held = []
        if message.topic == image:
            held.append(message)
        else:
            yield message
    yield from held
