"""Live evaluation: plays the recording through DDS to both nodes and records their outputs."""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pdn_ros.bags.reader import COMPRESSED_IMAGE, TF, Topic
from pdn_ros.bags.writer import LATCHED, VOLATILE, RawWriter
from pdn_ros.classes import ClassSet
from pdn_ros.config import flatten, yaml_text
from pdn_ros.errors import InputError
from pdn_ros.harness.participant import Participant, message_type, reliable
from pdn_ros.harness.processes import NodeProcess, enter_own_domain, running
from pdn_ros.messages.cdr import Reader, Writer, read_header, split_stamp
from pdn_ros.network import PatchDriveNet
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.replay import recorded
from pdn_ros.replay.drive import Drive, RecordedImage, in_order
from pdn_ros.replay.output import MASK, OCCUPANCY, TYPES, Output
from pdn_ros.replay.recorded import Arrival
from pdn_ros.replay.results import NAN
from pdn_ros.replay.settings import Progress, ReplaySettings

PERCEPTION: Final = "perception"
LIDAR: Final = "lidar_projection"
PROCESSING: Final = "/perception/debug/processing_time_ms"
OUTPUTS: Final = {
    **TYPES,
    "/perception/label_info": "vision_msgs/msg/LabelInfo",
    "/perception/classes": "pdn_ros/msg/LabelInfo",
    "/lidar_projection/prior": "pdn_ros/msg/PatchPrior",
    PROCESSING: "std_msgs/msg/Float32",
}
LATCHED_OUTPUTS: Final = (OCCUPANCY, "/perception/label_info", "/perception/classes")
READY_S: Final = 120.0
LAST_MASK_S: Final = 5.0
_CLOCK_S: Final = 0.01


class Live:
    """Plays a drive to the nodes.

    Raises:
        InputError: The weights cannot be read.
    """

    def __init__(self, settings: ReplaySettings, drive: Drive, config: PerceptionConfig) -> None:
        self.settings = settings
        self.drive = drive
        self.config = config
        try:
            net = PatchDriveNet.load(settings.weights or None)
        except ValueError as error:
            raise InputError(str(error)) from error
        self.classes = ClassSet.model_validate_json(net.classes)
        self.backend = settings.backend
        self.rate_hz = NAN
        self._patch_size = net.config.patch_size

    def outputs(self, progress: Progress) -> Iterator[tuple[RecordedImage, Output]]:
        """Play, record, then yield every image with what the nodes published for it."""
        total = self.drive.offered(self.settings.limit)
        path = self.settings.out / "outputs"
        arrivals = self._play(path, lambda done: progress(done, 2 * total))
        found = recorded.outputs(
            self.drive, self.config, self._patch_size, path, arrivals, self.settings.limit
        )
        for image, output in found:
            yield image, output
            progress(total + image.index + 1, 2 * total)

    def _play(self, path: Path, progress: Callable[[int], None]) -> dict[int, Arrival]:
        domain = enter_own_domain()
        arguments = {PERCEPTION: self._perception_arguments()}
        if self.drive.points:
            arguments[LIDAR] = self._lidar_arguments()
        with (
            running(arguments) as started,
            RawWriter(path) as writer,
            Player(self.drive, writer, domain) as player,
        ):
            player.wait_until_ready(started)
            player.warm_up(started)
            player.play(self.settings, started, progress)
        self.rate_hz = player.rate_hz()
        return player.arrivals

    def _perception_arguments(self) -> list[str]:
        drive = self.drive
        compressed = drive.image.msgtype == COMPRESSED_IMAGE
        remaps = {
            "image/compressed" if compressed else "image": drive.image.name,
            "lidar_prior": "/lidar_projection/prior",
            "lidar_depth": "/lidar_projection/depth",
        }
        usual = flatten(PerceptionConfig())
        values: dict[str, object] = {
            name: parameter.plain
            for name, parameter in flatten(self.config).items()
            if parameter.value != usual[name].value
        }
        values["image_transport"] = "compressed" if compressed else "raw"
        if "weights" in values:
            values["weights"] = str(Path(str(values["weights"])).absolute())
        return self._arguments(remaps, values)

    def _lidar_arguments(self) -> list[str]:
        remaps = {"points": self.drive.points.name} if self.drive.points else {}
        return self._arguments(remaps, {"patch_size": self._patch_size})

    def _arguments(self, remaps: dict[str, str], values: dict[str, object]) -> list[str]:
        if self.drive.camera_info:
            remaps = {**remaps, "camera_info": self.drive.camera_info.name}
        arguments = ["--ros-args"]
        for name, value in {"use_sim_time": True, **values}.items():
            arguments += ["-p", f"{name}:={yaml_text(value)}"]
        for name, topic in remaps.items():
            arguments += ["-r", f"{name}:={topic}"]
        return arguments


class Player(Participant):
    """Publishes a bag's messages in a ROS domain and records the nodes' outputs."""

    def __init__(self, drive: Drive, writer: RawWriter, domain: int) -> None:
        super().__init__("pdn_evaluate", domain)
        self.arrivals: dict[int, Arrival] = {}
        self._drive = drive
        self._writer = writer
        self._received: queue.SimpleQueue[tuple[str, int, bytes]] = queue.SimpleQueue()
        self._published_ns: dict[int, int] = {}
        self._masks_ns: list[int] = []
        self._last_mask = 0
        self._start: tuple[int, int] | None = None  # monotonic and drive time, nanoseconds
        self._speed = 1.0
        self._inputs = _inputs(drive)
        self._publishers = {topic.name: self._publisher(topic) for topic in self._inputs}
        self._clock = self.node.create_publisher(
            message_type("rosgraph_msgs/msg/Clock"), "/clock", 10
        )
        self._prior_awaited = False
        self.node.create_subscription(
            message_type("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", self._listen, 10
        )
        for topic, msgtype in OUTPUTS.items():
            latched = topic in LATCHED_OUTPUTS
            writer.topic(topic, msgtype, LATCHED if latched else VOLATILE)
            self._subscribe(topic, msgtype, latched)

    def wait_until_ready(self, started: Sequence[NodeProcess]) -> None:
        """Wait until the nodes are active and both sides have found each other.

        Raises:
            ChildProcessError: A node ended, could not be configured, or is not ready in time.
        """
        waiting = {node.name: self.poll_state(node.name) for node in started}
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            for node in started:
                node.check()
                state = waiting[node.name]() if node.name in waiting else ""
                if state == "active":
                    del waiting[node.name]
                elif state == "unconfigured":  # it answers only after it has tried
                    raise ChildProcessError(f"{node.name} cannot start: {node.last_line()}")
            if not waiting and self._matched(len(started)):
                return
            time.sleep(0.05)
        lines = "; ".join(f"{node.name}: {node.last_line()}" for node in started)
        raise ChildProcessError(f"the nodes were not ready after {READY_S:.0f} s: {lines}")

    def warm_up(self, started: Sequence[NodeProcess]) -> None:
        """Send the first image until a mask comes: backends prepare themselves at first use.

        The nodes then know the camera's calibration, but not yet its pose.
        """
        first = next(self._drive.bag.messages([self._drive.image.name]))
        named = [self._drive.camera_info.name] if self._drive.camera_info else []
        calibration = next(self._drive.bag.messages(named), None) if named else None
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            for node in started:
                node.check()
            self._tick(first.stamp_ns)
            if calibration is not None:
                self._publishers[calibration.topic].publish(bytes(calibration.data))
            self._publishers[first.topic].publish(bytes(first.data))
            try:
                while self._received.get(timeout=1.0)[0] != MASK:
                    pass
            except queue.Empty:
                continue
            return
        # A damaged first image gives none: the others may.

    def play(
        self,
        settings: ReplaySettings,
        started: Sequence[NodeProcess],
        progress: Callable[[int], None],
    ) -> None:
        """Publish the messages at their times and record the outputs meanwhile."""
        self._flush()
        images, image = 0, self._drive.image.name
        self._speed = _speed(settings, self._drive)
        last = 0
        for message in in_order(self._drive.bag.messages(list(self._publishers)), image):
            if message.topic == image:
                if settings.limit and images == settings.limit:
                    break
                images += 1
            self._wait_for(message.stamp_ns)
            if message.topic == image:
                last = read_header(message.data).stamp_ns
                self._published_ns[last] = time.monotonic_ns()
            self._publishers[message.topic].publish(bytes(message.data))
            if message.topic == image:
                for node in started:
                    node.check()
                progress(images)
        end = time.monotonic() + LAST_MASK_S
        while time.monotonic() < end and last not in self.arrivals:
            self._take(timeout=0.1)
        while self._take(timeout=0.3):  # what belongs to the last mask
            pass

    def rate_hz(self) -> float:
        """Masks a second, as they arrived."""
        if len(self._masks_ns) < 2:
            return NAN
        return 1e9 * (len(self._masks_ns) - 1) / (self._masks_ns[-1] - self._masks_ns[0])

    def _wait_for(self, stamp_ns: int) -> None:
        """Wait until drive time `stamp_ns`; keep the clock going and record messages."""
        if self._start is None:
            self._start = (time.monotonic_ns(), stamp_ns)
        while True:
            now = self._drive_time(time.monotonic_ns())
            self._tick(min(now, stamp_ns))
            left = (stamp_ns - now) / 1e9 / self._speed
            if left <= 0:
                return
            if left < _CLOCK_S / 2 or not self._take(timeout=min(left - _CLOCK_S / 4, _CLOCK_S)):
                time.sleep(max(0.0, min(left, _CLOCK_S / 4)))

    def _drive_time(self, monotonic_ns: int) -> int:
        started, begin = self._start or (monotonic_ns, 0)
        return begin + int((monotonic_ns - started) * self._speed)

    def _tick(self, now_ns: int) -> None:
        # rosgraph_msgs/Clock is one Time.
        self._clock.publish(Writer().scalars("iI", *split_stamp(now_ns)).finish())

    def _take(self, timeout: float) -> bool:
        """Record one message that has come in; False when none comes in time."""
        try:
            topic, at_ns, data = self._received.get(timeout=timeout)
        except queue.Empty:
            return False
        if topic == MASK:
            self._arrived(read_header(data).stamp_ns, at_ns)
        elif topic == PROCESSING and self._last_mask in self.arrivals:
            before = self.arrivals[self._last_mask]
            spent_ms = Reader(data).scalar("f")
            self.arrivals[self._last_mask] = Arrival(before.latency_ms, before.age_ms, spent_ms)
        self._writer.write(topic, self._drive_time(at_ns), data)
        return True

    def _arrived(self, stamp_ns: int, at_ns: int) -> None:
        published = self._published_ns.get(stamp_ns)
        if published is None:
            return
        self._last_mask = stamp_ns
        self._masks_ns.append(at_ns)
        age_ns = (self._drive_time(at_ns) - stamp_ns) / self._speed
        self.arrivals[stamp_ns] = Arrival((at_ns - published) / 1e6, age_ns / 1e6)

    def _flush(self) -> None:
        """Forget the warm-up's masks, but keep latched messages, which come only once."""
        while not self._received.empty():
            self._received.get()

    def _matched(self, count: int) -> bool:
        names = [self._drive.image.name]
        if self._drive.points and count > 1:
            names.append(self._drive.points.name)
            if not self._prior_awaited:  # the two nodes have not found each other
                return False
        heard = all(self._publishers[name].get_subscription_count() for name in names)
        return (
            heard
            and self._clock.get_subscription_count() >= count
            and all(self.node.count_publishers(topic) for topic in TYPES)
        )

    def _listen(self, message: Any) -> None:
        values = [(v.key, v.value) for status in message.status for v in status.values]
        self._prior_awaited |= any(key == "prior" and value != "none" for key, value in values)

    def _publisher(self, topic: Topic) -> Any:
        latched = topic.latched or topic.name.endswith("tf_static")
        qos = reliable(100 if topic.msgtype == TF else 5, latched=latched)
        return self.node.create_publisher(message_type(topic.msgtype), topic.name, qos)

    def _subscribe(self, topic: str, msgtype: str, latched: bool) -> None:
        def take(data: bytes) -> None:
            self._received.put((topic, time.monotonic_ns(), data))

        qos = reliable(latched=latched)
        self.node.create_subscription(message_type(msgtype), topic, take, qos, raw=True)


def _inputs(drive: Drive) -> list[Topic]:
    """The topics that are played: the camera, the LiDAR, and transforms."""
    found = [drive.image, drive.camera_info, drive.points, *drive.bag.find(TF)]
    return [topic for topic in found if topic is not None]


def _speed(settings: ReplaySettings, drive: Drive) -> float:
    if not settings.rate.per_image:
        return settings.rate.value
    recorded_s = (drive.bag.end_ns - drive.bag.start_ns) / 1e9
    return settings.rate.value * recorded_s / max(1, drive.image.count - 1)
