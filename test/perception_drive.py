"""Drives the perception node through DDS and collects what it answers."""

import time
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import OccupancyGrid
from pdn_ros.msg import PatchArray
from processes import wait_for
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from pdn_ros.messages.cdr import Header
from pdn_ros.messages.images import write_image
from pdn_ros.ros.qos import LATCHED, RELIABLE, SENSOR

WIDTH, HEIGHT = 320, 240


FRAME = "camera_optical"


TOPICS: dict[str, tuple[type, Any]] = {
    "mask": (Image, RELIABLE),
    "confidence": (Image, RELIABLE),
    "overlay": (Image, RELIABLE),
    "saliency": (Image, RELIABLE),
    "patches": (PatchArray, RELIABLE),
    "patch_markers": (MarkerArray, RELIABLE),
    "occupancy": (OccupancyGrid, LATCHED),
    "costmap/mask": (Image, SENSOR),
    "costmap/confidence": (Image, SENSOR),
    "costmap/points": (PointCloud2, SENSOR),
}


def scene(seed: int = 0) -> np.ndarray:
    """A smooth picture, so that not every pixel is a draw between classes."""
    small = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def pixels(message: Image) -> np.ndarray:
    shape = (message.height, message.width, 3)[: 3 if message.encoding == "bgr8" else 2]
    return np.frombuffer(message.data, np.uint8).reshape(shape)


def stamp_of(message: Any) -> int:
    header = message.markers[0].header if isinstance(message, MarkerArray) else message.header
    return header.stamp.sec * 10**9 + header.stamp.nanosec


def moving(parent: str, child: str, stamp_ns: int, x: float = 0.0, z: float = 0.0):
    one = TransformStamped(child_frame_id=child)
    one.header.frame_id = parent
    one.header.stamp.sec, one.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    one.transform.translation.x, one.transform.translation.z = x, z
    return one


class Drive:
    """Sends images with all that belongs to them and collects what comes back."""

    def __init__(self, probe, process) -> None:
        self.probe, self.process = probe, process
        self.images = probe.publisher(Image, "/image", SENSOR)
        self.infos = probe.publisher(CameraInfo, "/camera_info", SENSOR)
        self.tf = probe.publisher(TFMessage, "/tf", 100)
        self.statics = probe.publisher(TFMessage, "/tf_static", LATCHED)
        self.camera = camera = moving("base_link", FRAME, 0, z=1.5)
        turn = camera.transform.rotation  # optical axes (REP 103) in a body's
        turn.x, turn.y, turn.z, turn.w = -0.5, 0.5, -0.5, 0.5
        self.statics.publish(TFMessage(transforms=[camera]))
        probe.listen(DiagnosticArray, "/diagnostics", 10)

    def send(self, image: np.ndarray, stamp_ns: int) -> None:
        self.send_info(stamp_ns)
        self.send_transform(stamp_ns)
        self.images.publish(write_image(Header(stamp_ns, FRAME), image, "bgr8"))

    def send_info(self, stamp_ns: int) -> None:
        info = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k = [200.0, 0.0, 159.5, 0.0, 200.0, 119.5, 0.0, 0.0, 1.0]
        info.header.frame_id = FRAME
        info.header.stamp.sec, info.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        self.infos.publish(info)

    def send_transform(self, stamp_ns: int, x: float = 12.34) -> None:
        self.tf.publish(TFMessage(transforms=[moving("odom", "base_link", stamp_ns, x=x)]))

    def ask(
        self, *names: str, image: np.ndarray | None = None, before=lambda stamp_ns: None
    ) -> Any:
        """Send images until one of them came out on every topic; return those messages."""
        for name in names:
            kind, qos = TOPICS[name]
            self.probe.listen(kind, f"/perception/{name}", qos)
        image = scene() if image is None else image
        for _ in range(10):
            stamp_ns = time.time_ns()
            before(stamp_ns)
            self.send(image, stamp_ns)

            def found(stamp_ns: int = stamp_ns) -> dict[str, Any] | None:
                hits = {
                    name: [
                        m for m in self.probe.got[f"/perception/{name}"] if stamp_of(m) == stamp_ns
                    ]
                    for name in names
                }
                return {n: h[0] for n, h in hits.items()} if all(hits.values()) else None

            try:
                hits = wait_for(found, 4.0, "outputs")
                return SimpleNamespace(
                    stamp_ns=stamp_ns,
                    image=image,
                    **{n.replace("/", "_"): m for n, m in hits.items()},
                )
            except TimeoutError:
                continue
        have = {name: len(self.probe.got[f"/perception/{name}"]) for name in names}
        raise AssertionError(f"no complete output: {have}\n{self.process.output()[-2000:]}")

    def diagnostics(self, key: str = "", newer: bool = True) -> Any:
        messages = self.probe.got["/diagnostics"]
        start = len(messages) if newer else 0

        def newest():
            own = [s for m in messages[start:] for s in m.status if s.name == "perception: frames"]
            return own[-1] if own else None

        status = wait_for(newest, 10, "diagnostics")
        return {v.key: v.value for v in status.values}[key] if key else status
