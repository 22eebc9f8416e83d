"""The benchmark's own end of DDS: a camera, listeners, and questions to a node."""

import array
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from nav_msgs.msg import OccupancyGrid
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Float32
from tf2_msgs.msg import TFMessage

from pdn_ros.benchmark.images import picture
from pdn_ros.messages.cdr import Reader, read_header, split_stamp
from pdn_ros.msg import PatchArray

OPTICAL: Final = "camera_optical"
IMAGES: Final = ("mask", "confidence", "patches", "occupancy")
PROCESSING, LATENCY, OVERHEAD = (
    "debug/processing_time_ms",
    "debug/pipeline_latency_ms",
    "debug/overhead_ms",
)
_TYPES: Final[dict[str, Any]] = {
    "mask": Image,
    "confidence": Image,
    "patches": PatchArray,
    "occupancy": OccupancyGrid,
    PROCESSING: Float32,
    LATENCY: Float32,
    OVERHEAD: Float32,
}
_REPLY_S: Final = 60.0
_LATCHED: Final = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_STAMP: Final = struct.Struct("<iI")
_STAMP_AT: Final = 4  # a serialised message with a header begins with 4 bytes and the stamp


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that came in.

    Attributes:
        at_ns: When, by the wall clock.
        stamp_ns: Of its header; 0 where it has none.
        value: Of a Float32.
    """

    at_ns: int
    stamp_ns: int
    value: float


class Camera:
    """Publishes one picture over and over, with the CameraInfo that belongs to it."""

    def __init__(self, node: Any, prefix: str, width: int, height: int) -> None:
        image = Image(height=height, width=width, encoding="bgr8", step=3 * width)
        image.header.frame_id = OPTICAL
        image.data = array.array("B", picture(width, height).tobytes())
        self._image = bytearray(serialize_message(image))
        info = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
        focal = 0.8 * width
        info.k = [focal, 0.0, width / 2 - 0.5, 0.0, focal, height / 2 - 0.5, 0.0, 0.0, 1.0]
        info.header.frame_id = OPTICAL
        self._info = bytearray(serialize_message(info))
        qos = qos_profile_sensor_data
        self._images = node.create_publisher(Image, f"{prefix}/image", qos)
        self._infos = node.create_publisher(CameraInfo, f"{prefix}/camera_info", qos)

    def matched(self) -> bool:
        """Say whether somebody takes the images."""
        return bool(self._images.get_subscription_count())

    def publish(self) -> int:
        """Publish; returns the image's stamp, taken just before that."""
        stamp_ns = time.time_ns()
        stamp = split_stamp(stamp_ns)
        _STAMP.pack_into(self._info, _STAMP_AT, *stamp)
        self._infos.publish(bytes(self._info))
        _STAMP.pack_into(self._image, _STAMP_AT, *stamp)
        self._images.publish(bytes(self._image))
        return stamp_ns

    def stream(self, count: int, rate_hz: float) -> Iterator[int]:
        """Publish at a rate; yields each stamp. A publisher that is late goes on at once."""
        start = time.monotonic()
        for i in range(count):
            time.sleep(max(0.0, start + i / rate_hz - time.monotonic()))
            yield self.publish()


class Listener:
    """Takes some outputs of a node as they come."""

    def __init__(self, node: Any, name: str, outputs: tuple[str, ...]) -> None:
        self._changed = threading.Condition()
        self._arrivals: dict[str, list[Arrival]] = {output: [] for output in outputs}
        self._node = node
        self._subscriptions = [self._subscribe(name, output) for output in outputs]

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def matched(self) -> bool:
        """Say whether every output has its publisher."""
        return all(subscription.get_publisher_count() for subscription in self._subscriptions)

    def arrivals(self, output: str) -> list[Arrival]:
        """Return what came of an output so far."""
        with self._changed:
            return list(self._arrivals[output])

    def forget(self) -> None:
        """Forget what came so far."""
        with self._changed:
            for arrivals in self._arrivals.values():
                arrivals.clear()

    def of(self, stamp_ns: int, timeout_s: float) -> dict[str, Arrival] | None:
        """Wait for every output of one image; None when some don't come in time.

        Those without a stamp must have come since `forget`.
        """

        def found() -> dict[str, Arrival]:
            hits = {
                output: next((a for a in arrivals if a.stamp_ns in (0, stamp_ns)), None)
                for output, arrivals in self._arrivals.items()
            }
            complete = {output: hit for output, hit in hits.items() if hit is not None}
            return complete if len(complete) == len(hits) else {}

        with self._changed:
            return self._changed.wait_for(found, timeout_s) or None

    def _subscribe(self, name: str, output: str) -> Any:
        kind = _TYPES[output]

        def take(data: bytes) -> None:
            at_ns = time.time_ns()
            if kind is Float32:
                arrival = Arrival(at_ns, 0, Reader(data).scalar("f"))
            else:
                arrival = Arrival(at_ns, read_header(data).stamp_ns, 0.0)
            with self._changed:
                self._arrivals[output].append(arrival)
                self._changed.notify_all()

        qos = QoSProfile(depth=5)
        return self._node.create_subscription(kind, f"/{name}/{output}", take, qos, raw=True)


class Probe:
    """A participant of ours; its executor spins in a thread."""

    def __init__(self, context: Any) -> None:
        self.node = rclpy.create_node("pdn_benchmark", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._reports: list[dict[str, str]] = []
        self._statics = self.node.create_publisher(TFMessage, "/tf_static", _LATCHED)
        self._statics.publish(TFMessage(transforms=_robot()))
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics, 10)
        self._thread = threading.Thread(target=self._spin, name="probe", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take everything down in order: left to the garbage collector, rclpy can crash."""
        self._executor.shutdown(timeout_sec=5)
        self._thread.join(timeout=5)
        self.node.destroy_node()

    def camera(self, prefix: str, size: tuple[int, int]) -> Camera:
        """Make a camera with the topics `PREFIX/image` and `PREFIX/camera_info`."""
        return Camera(self.node, prefix, *size)

    def listen(self, name: str, *outputs: str) -> Listener:
        """Listen to outputs of the node of this name."""
        return Listener(self.node, name, outputs)

    def diagnostics(self) -> dict[str, str]:
        """Return the perception node's next report but one: it holds all that was before now.

        Raises:
            ChildProcessError: None came.
        """
        wanted = len(self._reports) + 2
        wait_until(lambda: len(self._reports) >= wanted, _REPLY_S, "diagnostics of the node")
        return self._reports[-1]

    def change_state(self, name: str, transition: str) -> None:
        """Ask a lifecycle node for a transition (`configure`, `activate`, ...).

        Raises:
            ChildProcessError: It refuses or does not answer.
        """
        number = getattr(Transition, f"TRANSITION_{transition.upper()}")
        client = self.node.create_client(ChangeState, f"/{name}/change_state")
        try:
            if not client.wait_for_service(_REPLY_S):
                raise ChildProcessError(f"{name} offers no change_state")
            answer = client.call_async(ChangeState.Request(transition=Transition(id=number)))
            wait_until(answer.done, _REPLY_S, f"{name}'s answer to {transition}")
            if not answer.result().success:
                raise ChildProcessError(f"{name} refused to {transition}")
        finally:
            self.node.destroy_client(client)

    def _diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name == "perception: frames":
                self._reports.append({value.key: value.value for value in status.values})

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return


@contextmanager
def probe_in(domain: int) -> Iterator[Probe]:
    """Make a probe in a ROS domain."""
    context = Context()
    rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    probe = None
    try:
        probe = Probe(context)
        yield probe
    finally:
        if probe is not None:
            probe.close()
        context.try_shutdown()


def wait_until(condition: Any, timeout_s: float, what: str) -> None:
    """Wait for a condition; ChildProcessError when it does not come true in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise ChildProcessError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(0.01)


def _robot() -> list[Any]:
    """A camera 1.5 m above the ground that looks ahead, on a robot that stands still."""
    camera = TransformStamped(child_frame_id=OPTICAL)
    camera.header.frame_id = "base_link"
    camera.transform.translation.z = 1.5
    turn = camera.transform.rotation  # optical axes (REP 103) in a body's
    turn.x, turn.y, turn.z, turn.w = -0.5, 0.5, -0.5, 0.5
    base = TransformStamped(child_frame_id="base_link")
    base.header.frame_id = "odom"
    base.transform.rotation.w = 1.0
    return [base, camera]
