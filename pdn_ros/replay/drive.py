"""A recording as the sequence of the nodes' inputs, with the truth about it."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from pdn_ros.bags import layout
from pdn_ros.bags.reader import COMPRESSED_IMAGE, TF, Bag, Message, Topic
from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.transform_buffer import TransformBuffer
from pdn_ros.messages.boxes import Box, read_boxes
from pdn_ros.messages.camera_info import CameraInfo, read_camera_info
from pdn_ros.messages.cdr import Header, read_header
from pdn_ros.messages.images import read_image, read_mask
from pdn_ros.messages.occupancy import Grid, read_grid
from pdn_ros.messages.points import read_points
from pdn_ros.messages.transforms import read_transforms
from pdn_ros.replay.settings import ReplaySettings

BASE: Final = "base_link"
_LOOK_AHEAD_NS: Final = 60_000_000
"""Truth may be logged a little after its image."""
_ALL_TIME_S: Final = 1e9
_MOST_NOTES: Final = 20


@dataclass(frozen=True, slots=True)
class Scan:
    """A LiDAR scan: its header and points (N, 3) float32 meters."""

    header: Header
    points: NDArray[np.float32]


@dataclass(slots=True)
class RecordedImage:
    """An image of the recording with the scan and the truth of its time.

    Attributes:
        index: Position among the images, from 0.
        log_ns: Log time.
        header: Of the image; the log time as its stamp when the image cannot be read.
        image: (H, W, 3) uint8 BGR; None when it cannot be decoded.
        error: Why not.
        scan: The newest scan that was logged before the image.
        mask: (H, W) uint8, true class ids.
        grid: The true grid.
        boxes: True boxes in the base frame; None when nothing is known.
    """

    index: int
    log_ns: int
    header: Header
    image: NDArray[np.uint8] | None = None
    error: str = ""
    scan: Scan | None = None
    mask: NDArray[np.uint8] | None = None
    grid: Grid | None = None
    boxes: list[Box] | None = None


Event = CameraInfo | Scan | RecordedImage


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
    def open(cls, bag: Bag, settings: ReplaySettings) -> Self:
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

    def images(self, limit: int = 0) -> Iterator[RecordedImage]:
        """Yield the images in the order of their log times, the first `limit` or all."""
        for event in self.events(limit):
            if isinstance(event, RecordedImage):
                yield event

    def events(self, limit: int = 0) -> Iterator[Event]:
        """Yield the nodes' inputs in order of log time.

        At equal times the image comes last, so that its calibration and its scan are there. An
        image carries the truth that was logged nearest to it.
        """
        wanted = [self.image, self.camera_info, self.points]
        topics = [topic.name for topic in wanted if topic is not None]
        truths = (layout.MASK_TOPIC, layout.OCCUPANCY_TOPIC, layout.BOXES_TOPIC)
        topics += [topic for topic in truths if self.bag.truth_topic(topic)]
        waiting: deque[tuple[int, Event]] = deque()
        truth: list[Message] = []
        scan: Scan | None = None
        index = 0
        for message in in_order(self.bag.messages(topics), self.image.name):
            now_ns = message.stamp_ns
            while waiting and now_ns > waiting[0][0] + _LOOK_AHEAD_NS:
                yield self._with_truth(waiting.popleft()[1], truth)
            if message.topic in truths:
                truth = [m for m in truth if m.stamp_ns > now_ns - 4 * _LOOK_AHEAD_NS]
                truth.append(message)
                continue
            if message.topic == self.image.name:
                if limit and index == limit:
                    break
                event: Event | None = self._recorded_image(index, message, scan)
                index += 1
            elif self.points and message.topic == self.points.name:
                event = scan = self._scan(message) or scan
            else:
                event = self._camera_info(message)
            if event is not None:
                waiting.append((now_ns, event))
        for _, event in waiting:
            yield self._with_truth(event, truth)

    def camera_of(self, image: RecordedImage) -> Camera | None:
        """Return the camera at the size of an image; None if it is unknown."""
        camera = self.camera
        if camera is None or image.image is None:
            return None
        height, width = image.image.shape[:2]
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

    def _recorded_image(self, index: int, message: Message, scan: Scan | None) -> RecordedImage:
        compressed = message.msgtype == COMPRESSED_IMAGE
        try:
            header, image = read_image(message.data, compressed=compressed)
        except InputError as error:
            try:
                header = read_header(message.data)
            except InputError:
                header = Header(message.stamp_ns, "")
            return RecordedImage(index, message.stamp_ns, header, error=str(error), scan=scan)
        return RecordedImage(index, message.stamp_ns, header, image, scan=scan)

    def _scan(self, message: Message) -> Scan | None:
        try:
            return Scan(*read_points(message.data))
        except InputError as error:
            self.note(f"{message.topic}: {error}")
            return None

    def _camera_info(self, message: Message) -> CameraInfo | None:
        try:
            return read_camera_info(message.data)
        except InputError as error:
            self.note(f"{message.topic}: {error}")
            return None

    def _with_truth(self, event: Event, truth: Sequence[Message]) -> Event:
        """Add to an image the truth that was logged nearest to it."""
        if not isinstance(event, RecordedImage):
            return event
        for message in sorted(truth, key=lambda m: -abs(m.stamp_ns - event.log_ns)):
            if abs(message.stamp_ns - event.log_ns) > _LOOK_AHEAD_NS:
                continue
            try:
                if message.topic == layout.MASK_TOPIC:
                    event.mask = read_mask(message.data)[1]
                elif message.topic == layout.BOXES_TOPIC:
                    event.boxes = read_boxes(message.data)[1]
                else:
                    event.grid = read_grid(message.data)[1]
            except InputError as error:
                self.note(f"{message.topic}: {error}")
        return event

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


def in_order(source: Iterator[Message], image: str) -> Iterator[Message]:
    """Sort messages of the same log time: transforms first, the image last."""
    held: list[Message] = []
    for message in source:
        if held and message.stamp_ns != held[0].stamp_ns:
            yield from held
            held = []
        held.append(message)
        held.sort(key=lambda m: (m.topic == image, m.msgtype != TF))
    yield from held
