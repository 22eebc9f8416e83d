"""A recording as the sequence of the nodes' inputs, with the truth about it."""

from collections import deque
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
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
from pdn_ros.replay.settings import CAMERA, ReplaySettings

BASE: Final = "base_link"
_LOOK_AHEAD_NS: Final = 60_000_000
"""Truth may be logged a little after its image."""
_ALL_TIME_S: Final = 1e9
_MOST_NOTES: Final = 20


@dataclass(frozen=True, slots=True)
class Scan:
    """A LiDAR scan: its header, points (N, 3) float32 meters, and log time."""

    header: Header
    points: NDArray[np.float32]
    log_ns: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """A CameraInfo of a camera, named as in `RecordedImage`."""

    camera: str
    info: CameraInfo


@dataclass(slots=True)
class RecordedImage:
    """An image of the recording with the scan and the truth of its time.

    Attributes:
        index: Position among the images of its camera, from 0.
        log_ns: Log time.
        header: Of the image; the log time as its stamp when the image cannot be read.
        image: (H, W, 3) uint8 BGR; None when it cannot be decoded.
        error: Why not.
        scan: The newest scan that was logged before the image.
        mask: (H, W) uint8, true class ids.
        grid: The true grid.
        boxes: True boxes in the base frame; None when nothing is known.
        camera: Name of the camera in its rig; empty for a single camera.
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
    camera: str = ""


Event = Calibration | Scan | RecordedImage


@dataclass(slots=True)
class DriveCamera:
    """The topics of one camera and its calibration.

    Attributes:
        name: In its rig; empty for a single camera.
        image: Topic of the images.
        info: Topic of the calibration.
        truth: Topic of the true masks.
        camera: From the first calibration.
    """

    name: str
    image: Topic
    info: Topic | None
    truth: str
    camera: Camera | None = None


@dataclass(slots=True)
class Drive:
    """The topics of a bag that an evaluation uses, its cameras and its transforms."""

    bag: Bag
    cameras: dict[str, DriveCamera]
    points: Topic | None
    transforms: TransformBuffer
    notes: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, bag: Bag, settings: ReplaySettings) -> Self:
        """Find the topics and read calibration and transforms.

        Raises:
            InputError: The bag has no images, or a topic that was named is not in it.
        """
        cameras = {name: _camera(bag, name, settings) for name in settings.cameras or ("",)}
        points = bag.points_topic(settings.points) if settings.lidar else None
        drive = cls(bag, cameras, points, TransformBuffer(_ALL_TIME_S))
        for camera in cameras.values():
            drive._read_camera(camera)
        drive._read_transforms()
        return drive

    @property
    def first(self) -> DriveCamera:
        """The first camera of the rig, or the only one."""
        return next(iter(self.cameras.values()))

    def offered(self, limit: int = 0) -> int:
        """Number of images that `images` yields of the camera that has most."""
        count = max(camera.image.count for camera in self.cameras.values())
        return min(count, limit or count)

    def images(self, limit: int = 0) -> Iterator[RecordedImage]:
        """Yield the images in the order of their log times, the first `limit` of each or all."""
        for event in self.events(limit):
            if isinstance(event, RecordedImage):
                yield event

    def events(self, limit: int = 0) -> Iterator[Event]:
        """Yield the nodes' inputs in order of log time.

        At equal times the image comes last, so that its calibration and its scan are there. An
        image carries the truth that was logged nearest to it.
        """
        images = {one.image.name: one.name for one in self.cameras.values()}
        infos = {one.info.name: one.name for one in self.cameras.values() if one.info}
        masks = [one.truth for one in self.cameras.values()]
        truths = (*masks, layout.OCCUPANCY_TOPIC, layout.BOXES_TOPIC)
        topics = [*images, *infos, *([self.points.name] if self.points else [])]
        topics += [topic for topic in truths if self.bag.truth_topic(topic)]
        waiting: deque[tuple[int, Event]] = deque()
        truth: list[Message] = []
        scan: Scan | None = None
        counts = dict.fromkeys(images, 0)
        for message in in_order(self.bag.messages(topics), images):
            now_ns = message.stamp_ns
            while waiting and now_ns > waiting[0][0] + _LOOK_AHEAD_NS:
                yield self._with_truth(waiting.popleft()[1], truth)
            if message.topic in truths:
                truth = [m for m in truth if m.stamp_ns > now_ns - 4 * _LOOK_AHEAD_NS]
                truth.append(message)
                continue
            if message.topic in images:
                index = counts[message.topic]
                if limit and index == limit:
                    if min(counts.values()) >= limit:
                        break
                    continue
                counts[message.topic] += 1
                name = images[message.topic]
                event: Event | None = self._recorded_image(index, message, scan, name)
            elif self.points and message.topic == self.points.name:
                event = scan = self._scan(message) or scan
            else:
                event = self._calibration(message, infos[message.topic])
            if event is not None:
                waiting.append((now_ns, event))
        for _, event in waiting:
            yield self._with_truth(event, truth)

    def camera_of(self, image: RecordedImage) -> Camera | None:
        """Return the camera at the size of an image; None if it is unknown."""
        camera = self.cameras[image.camera].camera
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

    def _recorded_image(
        self, index: int, message: Message, scan: Scan | None, camera: str
    ) -> RecordedImage:
        compressed = message.msgtype == COMPRESSED_IMAGE
        image, why = None, ""
        try:
            header, image = read_image(message.data, compressed=compressed)
        except InputError as error:
            why = str(error)
            try:
                header = read_header(message.data)
            except InputError:
                header = Header(message.stamp_ns, "")
        return RecordedImage(
            index, message.stamp_ns, header, image, error=why, scan=scan, camera=camera
        )

    def _scan(self, message: Message) -> Scan | None:
        try:
            return Scan(*read_points(message.data), message.stamp_ns)
        except InputError as error:
            self.note(f"{message.topic}: {error}")
            return None

    def _calibration(self, message: Message, camera: str) -> Calibration | None:
        try:
            return Calibration(camera, read_camera_info(message.data))
        except InputError as error:
            self.note(f"{message.topic}: {error}")
            return None

    def _with_truth(self, event: Event, truth: Sequence[Message]) -> Event:
        """Add to an image the truth that was logged nearest to it."""
        if not isinstance(event, RecordedImage):
            return event
        own = self.cameras[event.camera].truth
        for message in sorted(truth, key=lambda m: -abs(m.stamp_ns - event.log_ns)):
            if abs(message.stamp_ns - event.log_ns) > _LOOK_AHEAD_NS:
                continue
            try:
                if message.topic == own:
                    event.mask = read_mask(message.data)[1]
                elif message.topic == layout.BOXES_TOPIC:
                    event.boxes = read_boxes(message.data)[1]
                elif message.topic == layout.OCCUPANCY_TOPIC:
                    event.grid = read_grid(message.data)[1]
            except InputError as error:
                self.note(f"{message.topic}: {error}")
        return event

    def _read_camera(self, camera: DriveCamera) -> None:
        of = f"{camera.name}: " if camera.name else ""
        message = self.bag.first(camera.info.name) if camera.info else None
        if message is None:
            self.note(f"{of}no camera_info: no grid, no LiDAR prior")
            return
        try:
            camera.camera = Camera.from_info(read_camera_info(message.data))
        except InputError as error:
            self.note(f"{of}{error}: no grid, no LiDAR prior")

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


def _camera(bag: Bag, name: str, settings: ReplaySettings) -> DriveCamera:
    """Find the topics of a camera of the rig, or of the single one.

    Raises:
        InputError: They are not in the bag.
    """
    image = bag.image_topic(settings.image.replace(CAMERA, name), name)
    info = bag.camera_info_topic(image, settings.camera_info.replace(CAMERA, name))
    # A single camera may be one of a rig's, whose truth has its name.
    truth = layout.mask_topic(name or PurePosixPath(image.name).parts[1])
    return DriveCamera(name, image, info, truth if bag.truth_topic(truth) else layout.MASK_TOPIC)


def in_order(source: Iterator[Message], images: Container[str]) -> Iterator[Message]:
    """Sort messages of the same log time: transforms first, images last."""
    held: list[Message] = []
    for message in source:
        if held and message.stamp_ns != held[0].stamp_ns:
            yield from held
            held = []
        held.append(message)
        held.sort(key=lambda m: (m.topic in images, m.msgtype != TF))
    yield from held
