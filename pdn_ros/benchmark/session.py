"""The nodes that a benchmark measures, and the benchmark's side of DDS."""

import array
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import OccupancyGrid
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Float32
from tf2_msgs.msg import TFMessage

from pdn_ros.benchmark.settings import BenchmarkSettings
from pdn_ros.benchmark.system import most_memory_mb
from pdn_ros.benchmark.worker import picture
from pdn_ros.harness.participant import REPLY_S, SENSOR, Participant, reliable, serialize, wait_for
from pdn_ros.harness.processes import MODULES, NodeProcess, enter_own_domain, running
from pdn_ros.messages.cdr import Reader, read_header, split_stamp
from pdn_ros.msg import PatchArray
from pdn_ros.resources import config_path

PERCEPTION: Final = "perception"
PLAIN: Final = "plain"
READY_S: Final = 120.0
FIRST_S: Final = 120.0
"""How long a first frame may take: backends compile at first use."""
_MODULES: Final = {**MODULES, PLAIN: "pdn_ros.benchmark.plain_node"}
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
_STAMP: Final = struct.Struct("<iI")
_STAMP_AT: Final = 4  # a serialized message with a header begins with 4 bytes and the stamp


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came in.

    Attributes:
        at_ns: Wall-clock time of arrival.
        stamp_ns: Stamp of its header; 0 without a header.
        value: Value of a Float32.
    """

    at_ns: int
    stamp_ns: int
    value: float


class ImagePublisher:
    """Publishes one picture over and over, with the CameraInfo that belongs to it."""

    def __init__(self, node: Any, prefix: str, width: int, height: int) -> None:
        image = Image(height=height, width=width, encoding="bgr8", step=3 * width)
        image.header.frame_id = OPTICAL
        image.data = array.array("B", picture(width, height).tobytes())
        self._image = bytearray(serialize(image))
        info = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
        focal = 0.8 * width
        info.k = [focal, 0.0, width / 2 - 0.5, 0.0, focal, height / 2 - 0.5, 0.0, 0.0, 1.0]
        info.header.frame_id = OPTICAL
        self._info = bytearray(serialize(info))
        self._images = node.create_publisher(Image, f"{prefix}/image", SENSOR)
        self._infos = node.create_publisher(CameraInfo, f"{prefix}/camera_info", SENSOR)

    def matched(self) -> bool:
        """Return whether anybody subscribes to the images."""
        return bool(self._images.get_subscription_count())

    def publish(self, stamp_ns: int | None = None) -> int:
        """Publish; returns the image's stamp, taken just before that unless it is given."""
        stamp_ns = time.time_ns() if stamp_ns is None else stamp_ns
        stamp = split_stamp(stamp_ns)
        _STAMP.pack_into(self._info, _STAMP_AT, *stamp)
        self._infos.publish(bytes(self._info))
        _STAMP.pack_into(self._image, _STAMP_AT, *stamp)
        self._images.publish(bytes(self._image))
        return stamp_ns

    def stream(self, count: int, rate_hz: float) -> Iterator[int]:
        """Publish at a rate; yields each stamp. When late, it publishes at once."""
        start = time.monotonic()
        for i in range(count):
            time.sleep(max(0.0, start + i / rate_hz - time.monotonic()))
            yield self.publish()


class Listener:
    """Takes some outputs of a node as they come."""

    def __init__(self, node: Any, name: str, outputs: tuple[str, ...]) -> None:
        self._changed = threading.Condition()
        self._arrivals: dict[str, list[Received]] = {output: [] for output in outputs}
        self._node = node
        self._subscriptions = [self._subscribe(name, output) for output in outputs]

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def matched(self) -> bool:
        """Return whether every output has a publisher."""
        return all(subscription.get_publisher_count() for subscription in self._subscriptions)

    def arrivals(self, output: str) -> list[Received]:
        """Return what has arrived of an output so far."""
        with self._changed:
            return list(self._arrivals[output])

    def forget(self) -> None:
        """Forget what has arrived so far."""
        with self._changed:
            for arrivals in self._arrivals.values():
                arrivals.clear()

    def of(self, stamp_ns: int, timeout_s: float) -> dict[str, Received] | None:
        """Wait for every output of one image; None when some do not come in time.

        Outputs without a stamp count when they came after `forget`.
        """

        def found() -> dict[str, Received]:
            hits = {
                output: next((a for a in arrivals if a.stamp_ns in (0, stamp_ns)), None)
                for output, arrivals in self._arrivals.items()
            }
            complete = {output: hit for output, hit in hits.items() if hit is not None}
            return complete if len(complete) == len(hits) else {}

        with self._changed:
            return self._changed.wait_for(found, timeout_s) or None

    def _subscribe(self, name: str, output: str) -> Any:
        kind = _TYPES.get(output) or _TYPES[output.rpartition("/")[2]]

        def take(data: bytes) -> None:
            at_ns = time.time_ns()
            if kind is Float32:
                arrival = Received(at_ns, 0, Reader(data).scalar("f"))
            else:
                arrival = Received(at_ns, read_header(data).stamp_ns, 0.0)
            with self._changed:
                self._arrivals[output].append(arrival)
                self._changed.notify_all()

        qos = reliable()
        return self._node.create_subscription(kind, f"/{name}/{output}", take, qos, raw=True)


class Probe(Participant):
    """The benchmark's side of DDS: cameras, listeners, and questions to a node."""

    def __init__(self, domain: int) -> None:
        super().__init__("pdn_benchmark", domain)
        self._reports: list[dict[str, str]] = []
        self._statics = self.node.create_publisher(TFMessage, "/tf_static", reliable(latched=True))
        self._statics.publish(TFMessage(transforms=_robot()))
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics, 10)

    def camera(self, prefix: str, size: tuple[int, int]) -> ImagePublisher:
        """Make a camera with the topics `PREFIX/image` and `PREFIX/camera_info`."""
        return ImagePublisher(self.node, prefix, *size)

    def listen(self, name: str, *outputs: str) -> Listener:
        """Listen to outputs of the node of this name, such as `mask` or `front/mask`."""
        return Listener(self.node, name, outputs)

    def diagnostics(self) -> dict[str, str]:
        """Return the perception node's next diagnostics but one, which cover all up to now.

        Raises:
            TimeoutError: None came.
        """
        wanted = len(self._reports) + 2
        wait_for(lambda: len(self._reports) >= wanted, REPLY_S, "diagnostics of the node")
        return self._reports[-1]

    def _diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name == "perception: frames":
                self._reports.append({value.key: value.value for value in status.values})


@dataclass(frozen=True, slots=True)
class Session:
    """The running nodes and the benchmark's participant.

    Attributes:
        probe: The benchmark's participant.
        started: The nodes' processes by name.
        begun_ns: Wall-clock time at which they were started.
    """

    probe: Probe
    started: dict[str, NodeProcess]
    begun_ns: int

    def pid(self, name: str) -> int:
        """Return a node's process id."""
        return self.started[name].process.pid

    def memory_mb(self, name: str) -> float:
        """Return a node's peak memory, 10^6 bytes."""
        return most_memory_mb(self.pid(name))

    def check(self) -> None:
        """Raise ChildProcessError when a node has ended."""
        for node in self.started.values():
            node.check()

    def wait_matched(self, camera: ImagePublisher, *listeners: Listener) -> None:
        """Wait until the node subscribes to the camera and publishes to the listeners.

        Raises:
            ChildProcessError: A node ended, or is not ready in time.
        """
        end = time.monotonic() + READY_S
        while not (camera.matched() and all(listener.matched() for listener in listeners)):
            self.check()
            if time.monotonic() > end:
                raise ChildProcessError(f"not ready after {READY_S:.0f} s: {self._last_lines()}")
            time.sleep(0.02)

    def round_trip(self, camera: ImagePublisher, listener: Listener, patience_s: float) -> int:
        """Publish images, one after the other, until all outputs of one came; return its stamp.

        Raises:
            ChildProcessError: A node ended, or no output came.
        """
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            self.check()
            listener.forget()
            stamp_ns = camera.publish()
            if listener.of(stamp_ns, min(5.0, patience_s)) is not None:
                return stamp_ns
        raise ChildProcessError(f"no output within {patience_s:.0f} s: {self._last_lines()}")

    def _last_lines(self) -> str:
        return "; ".join(f"{node.name}: {node.last_line()}" for node in self.started.values())


@contextmanager
def session(
    settings: BenchmarkSettings, names: Sequence[str], *parameters: str
) -> Iterator[Session]:
    """Start nodes with the shipped settings; each takes its images from `/NAME/image`.

    Args:
        settings: Of the benchmark: device, precision and weights.
        names: `perception`, `plain`.
        parameters: `name:=value`, for the perception node.
    """
    domain = enter_own_domain()
    arguments = {name: _arguments(name, settings, parameters) for name in names}
    with Probe(domain) as probe:
        begun_ns = time.time_ns()
        with running(arguments, _MODULES) as started:
            yield Session(probe, {node.name: node for node in started}, begun_ns)


def _arguments(name: str, settings: BenchmarkSettings, parameters: Sequence[str]) -> list[str]:
    arguments = ["--ros-args"]
    if name == PERCEPTION:
        arguments += ["--params-file", str(config_path("perception.yaml"))]
        for parameter in parameters:
            arguments += ["-p", parameter]
    arguments += ["-p", f"device:={settings.device}", "-p", f"precision:={settings.precision}"]
    if settings.weights:
        arguments += ["-p", f"weights:={Path(settings.weights).absolute()}"]
    for topic in ("image", "camera_info"):
        arguments += ["-r", f"{topic}:=/{name}/{topic}"]
    return arguments


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
