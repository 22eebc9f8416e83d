"""A running node, seen live: its topics, joined by the images' stamps."""

import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import ClassInfo, ClassSet, Role
from pdn_ros.errors import InputError
from pdn_ros.geometry.transform_buffer import TransformBuffer
from pdn_ros.geometry.transforms import move_points
from pdn_ros.harness.participant import SENSOR, Participant, message_type, reliable
from pdn_ros.messages.camera_info import read_camera_info
from pdn_ros.messages.cdr import Header, join_stamp, read_header
from pdn_ros.messages.images import read_image, read_mask
from pdn_ros.messages.occupancy import read_grid
from pdn_ros.messages.patches import read_patches
from pdn_ros.messages.points import read_points
from pdn_ros.messages.transforms import read_poses
from pdn_ros.perception.camera_tracker import CameraTracker
from pdn_ros.viewer.scene import Scene
from pdn_ros.viewer.topics import COMPRESSED_IMAGE, Names

_JOIN_S: Final = 1.0
_WAITING: Final = 8
"""Images that wait for their masks."""
_ALONE_S: Final = 1.0
"""Without masks for this long, images are shown by themselves."""
_ALONE_EVERY_S: Final = 0.2
_REPEAT_S: Final = 10.0
_QUEUED: Final = {"tf": 1000, "tf_static": 100, "image": _WAITING, "diagnostics": _WAITING}
"""Messages that may wait, the oldest are dropped; of the others only the newest."""
_FIXED: Final = {
    "tf": ("/tf", "tf2_msgs/msg/TFMessage"),
    "tf_static": ("/tf_static", "tf2_msgs/msg/TFMessage"),
    "diagnostics": ("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray"),
}
_LATCHED: Final = ("tf_static", "occupancy", "classes")
_BEST_EFFORT: Final = ("image", "camera_info", "points")
_TYPED: Final = ("classes", "diagnostics")  # small; the others come as bytes
_LEVELS: Final = ("INFO", "WARN", "ERROR", "ERROR")  # of diagnostic_msgs/DiagnosticStatus

Note = Callable[[str], None]


class LiveView:
    """Shows what a running node sees and makes of it.

    Messages are received in the participant's thread and shown by whoever calls `show`. What waits
    is bounded: of what comes too fast, the newest is shown.

    Args:
        participant: This side of DDS.
        scene: Where to show.
        names: Which topics.
        base_frame: The robot's frame.
        grid_frame: The grid's frame, until a grid names its own.
        note: Called with one line when a topic is found or a message is damaged.
    """

    def __init__(
        self,
        participant: Participant,
        scene: Scene,
        names: Names,
        *,
        base_frame: str,
        grid_frame: str,
        note: Note,
    ) -> None:
        self._participant = participant
        self._scene = scene
        self._names = names
        self._base, self._world = base_frame, grid_frame
        self._note = note
        self._said_at: dict[str, float] = {}
        self._joined: dict[str, tuple[str, str]] = {}
        self._subscriptions: dict[str, Any] = {}
        self._arrived = threading.Event()
        self._queues: dict[str, deque[Any]] = {}
        self._images: OrderedDict[int, bytes] = OrderedDict()
        self._cameras = CameraTracker()
        self._transforms = TransformBuffer(restart_s=1.0)
        self._unplaced: deque[Header] = deque(maxlen=_WAITING)
        self._shown: tuple[int, NDArray[np.uint8]] | None = None
        self._mask_at = self._alone_at = time.monotonic()
        self._told = ("", "")
        self._take: dict[str, Callable[[Any], None]] = {
            "tf_static": lambda data: self._transform(data, static=True),
            "tf": lambda data: self._transform(data, static=False),
            "classes": self._classes,
            "camera_info": lambda data: self._cameras.put(read_camera_info(data)),
            "image": self._keep_image,
            "mask": self._mask,
            "patches": self._patches,
            "occupancy": self._grid,
            "points": self._points,
            "diagnostics": self._diagnostics,
        }
        self._join()
        participant.node.create_timer(_JOIN_S, self._join)

    def show(self, timeout_s: float) -> None:
        """Show what has come in, or wait for it at most `timeout_s` seconds."""
        if not self._arrived.wait(timeout_s):
            self._image_alone()
            return
        self._arrived.clear()
        for name, take in self._take.items():  # transforms first
            queue = self._queues.get(name, ())
            while queue:
                try:
                    take(queue.popleft())
                except (InputError, LookupError, ValueError) as error:
                    self._say(name, error)
        self._place()
        self._image_alone()

    # In the participant's thread.

    def _join(self) -> None:
        """Subscribe to what has appeared or moved to another topic."""
        wanted = {**_FIXED, **self._names.outputs(), **self._names.inputs(self._participant)}
        for name, (topic, kind) in wanted.items():
            if self._joined.get(name) == (topic, kind):
                continue
            if name in self._subscriptions:
                self._participant.node.destroy_subscription(self._subscriptions.pop(name))
            self._joined[name] = (topic, kind)
            self._subscriptions[name] = self._subscribe(name, topic, kind)
            if name not in _FIXED:
                self._note(f"{name}: {topic}")

    def _subscribe(self, name: str, topic: str, kind: str) -> Any:
        queue: deque[Any] = deque(maxlen=_QUEUED.get(name, 1))
        self._queues[name] = queue

        def put(message: Any) -> None:
            queue.append(message)
            self._arrived.set()

        depth = 100 if kind == _FIXED["tf"][1] else 1
        qos = SENSOR if name in _BEST_EFFORT else reliable(depth, latched=name in _LATCHED)
        return self._participant.node.create_subscription(
            message_type(kind), topic, put, qos, raw=name not in _TYPED
        )

    # In the thread that shows.

    def _say(self, name: str, error: Exception) -> None:
        """Say what is wrong with a topic, every few seconds at most."""
        now = time.monotonic()
        if now - self._said_at.get(name, -_REPEAT_S) >= _REPEAT_S:
            self._said_at[name] = now
            self._note(f"{name}: {error}")

    def _transform(self, data: bytes, *, static: bool) -> None:
        for stamp_ns, parent, child, pose in read_poses(data):
            if static:
                self._transforms.add_static(parent, child, pose)
            else:
                self._transforms.add(parent, child, stamp_ns, pose)

    def _classes(self, message: Any) -> None:
        fields = (message.names, message.red, message.green, message.blue, message.roles)
        infos = tuple(
            ClassInfo(name=name, color=(red, green, blue), role=Role(role))
            for name, red, green, blue, role in zip(*fields, strict=True)
        )
        self._scene.classes(ClassSet(name=self._names.node, classes=infos))

    def _keep_image(self, data: bytes) -> None:
        self._images[read_header(data).stamp_ns] = data
        while len(self._images) > _WAITING:
            self._images.popitem(last=False)

    def _mask(self, data: bytes) -> None:
        header, mask = read_mask(data)
        self._mask_at = time.monotonic()
        if header.stamp_ns in self._images:
            self._show_image(header.stamp_ns)
        self._scene.mask(header.stamp_ns, mask)

    def _show_image(self, stamp_ns: int) -> None:
        """Show a waiting image; it and those before it wait no longer."""
        data = self._images.pop(stamp_ns)
        for older in [stamp for stamp in self._images if stamp < stamp_ns]:
            del self._images[older]
        compressed = self._joined["image"][1] == COMPRESSED_IMAGE
        header, image = read_image(data, compressed=compressed)
        self._scene.image(stamp_ns, image)
        self._shown = (stamp_ns, image)
        self._unplaced.append(header)

    def _image_alone(self) -> None:
        """Show the newest image though it has no mask, when no masks come."""
        now = time.monotonic()
        if now - self._mask_at < _ALONE_S or now - self._alone_at < _ALONE_EVERY_S:
            return
        if self._images:
            self._alone_at = now
            try:
                self._show_image(next(reversed(self._images)))
            except InputError as error:
                self._say("image", error)

    def _patches(self, data: bytes) -> None:
        patches = read_patches(data)
        self._scene.patches(patches)
        if self._shown is not None and self._shown[0] == patches.header.stamp_ns:
            self._scene.saliency(self._shown[1], patches)

    def _grid(self, data: bytes) -> None:
        header, grid = read_grid(data)
        self._world = grid.frame
        self._scene.grid(header.stamp_ns, grid)

    def _points(self, data: bytes) -> None:
        header, points = read_points(data)
        pose = self._transforms.lookup(self._base, header.frame_id, header.stamp_ns)
        self._scene.points(header.stamp_ns, move_points(points, pose))

    def _place(self) -> None:
        """Place the robot and the camera at the stamps of shown images, once TF knows them."""
        odometry = self._transforms.connected(self._world, self._base)
        world = self._world if odometry else self._base
        for header in list(self._unplaced):
            try:
                robot = self._transforms.lookup(world, self._base, header.stamp_ns)
                pose = self._transforms.lookup(self._base, header.frame_id, header.stamp_ns)
            except LookupError:
                continue  # later, or never: a newer image then takes its place
            self._unplaced.remove(header)
            self._scene.robot(header.stamp_ns, robot)
            if self._shown is None:
                continue
            height, width = self._shown[1].shape[:2]
            try:
                camera = self._cameras.camera((width, height))
            except InputError as error:
                self._say("camera_info", error)
            else:
                self._scene.camera(header.stamp_ns, camera, pose)

    def _diagnostics(self, message: Any) -> None:
        stamp = message.header.stamp
        stamp_ns = join_stamp(stamp.sec, stamp.nanosec)
        if not stamp_ns:
            return  # simulated time has not begun
        for status in message.status:
            if status.name != f"{self._names.full_name}: frames":
                continue
            values = {value.key: value.value for value in status.values}
            self._scene.figures(stamp_ns, "age", {"age": float(values["age_ms"])})
            self._scene.figures(stamp_ns, "rate", {"node": float(values["rate_hz"])})
            level = _LEVELS[int.from_bytes(status.level, "little")]
            # The same line with other numbers is no news.
            told = (level, re.sub(r"\d+", "", status.message))
            if told != self._told:
                self._told = told
                self._scene.message(stamp_ns, status.message, level)
