"""Live evaluation: plays the recording through DDS to both nodes and records their outputs."""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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
from pdn_ros.perception.config import PerceptionConfig, camera_topic
from pdn_ros.replay import recorded
from pdn_ros.replay.drive import Drive, in_order
from pdn_ros.replay.output import MASK, OCCUPANCY, Seen, topic_of, types_of
from pdn_ros.replay.recorded import Arrival, Arrivals
from pdn_ros.replay.results import NAN
from pdn_ros.replay.settings import Progress, ReplaySettings

PERCEPTION: Final = "perception"
LIDAR: Final = "lidar_projection"
PROCESSING: Final = "/perception/debug/processing_time_ms"
OUTPUTS: Final = {
    "/perception/label_info": "vision_msgs/msg/LabelInfo",
    "/perception/classes": "pdn_ros/msg/LabelInfo",
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

    def outputs(self, progress: Progress) -> Iterator[Seen]:
        """Play, record, then yield every set of images with what the nodes published for it."""
        total = self.drive.offered(self.settings.limit)
        path = self.settings.out / "outputs"
        arrivals = self._play(path, lambda done: progress(done, 2 * total))
        found = recorded.outputs(
            self.drive, self.config, self._patch_size, path, arrivals, self.settings.limit
        )
        for seen in found:
            yield seen
            progress(total + max(image.index for image, _ in seen) + 1, 2 * total)

    def _play(self, path: Path, progress: Callable[[int], None]) -> Arrivals:
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
        compressed = self.drive.first.image.msgtype == COMPRESSED_IMAGE
        remaps: dict[str, str] = {}
        for camera in self.drive.cameras.values():
            own = {
                "image/compressed" if compressed else "image": camera.image.name,
                "lidar_prior": f"/lidar_projection/{camera_topic(camera.name, 'prior')}",
                "lidar_depth": f"/lidar_projection/{camera_topic(camera.name, 'depth')}",
            }
            remaps |= {camera_topic(camera.name, name): topic for name, topic in own.items()}
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
        values: dict[str, object] = {"patch_size": self._patch_size}
        if self.config.cameras:
            values["cameras"] = list(self.config.cameras)
        return self._arguments(remaps, values)

    def _arguments(self, remaps: dict[str, str], values: dict[str, object]) -> list[str]:
        for camera in self.drive.cameras.values():
            if camera.info:
                remaps = {**remaps, camera_topic(camera.name, "camera_info"): camera.info.name}
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
        self.arrivals: Arrivals = {}
        self._drive = drive
        self._writer = writer
        self._received: queue.SimpleQueue[tuple[str, int, bytes]] = queue.SimpleQueue()
        self._images = {one.image.name: one.name for one in drive.cameras.values()}
        self._masks = {topic_of(MASK, name): name for name in drive.cameras}
        self._outputs = types_of(drive.cameras)
        priors = {
            f"/lidar_projection/{camera_topic(name, 'prior')}": "pdn_ros/msg/PatchPrior"
            for name in drive.cameras
        }
        self._published_ns: dict[tuple[str, int], int] = {}
        self._masks_ns: dict[str, list[int]] = {name: [] for name in drive.cameras}
        self._last_masks: list[tuple[str, int]] = []
        self._start: tuple[int, int] | None = None  # monotonic and drive time, nanoseconds
        self._speed = 1.0
        self._inputs = _inputs(drive)
        self._publishers = {topic.name: self._publisher(topic) for topic in self._inputs}
        self._clock = self.node.create_publisher(
            message_type("rosgraph_msgs/msg/Clock"), "/clock", 10
        )
        self._priors_awaited: set[str] = set()
        self.node.create_subscription(
            message_type("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", self._listen, 10
        )
        for topic, msgtype in {**self._outputs, **OUTPUTS, **priors}.items():
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
        """Send the first images until masks come: backends prepare themselves at first use.

        The nodes then know the cameras' calibration, but not yet their poses.
        """
        topics = [one.info.name for one in self._drive.cameras.values() if one.info]
        found = [self._drive.bag.first(topic) for topic in (*topics, *self._images)]
        first = [message for message in found if message is not None]
        missing = set(self._masks)
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            for node in started:
                node.check()
            self._tick(max(message.stamp_ns for message in first))
            for message in first:
                self._publishers[message.topic].publish(bytes(message.data))
            try:
                while missing:
                    missing.discard(self._received.get(timeout=1.0)[0])
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
        counts = dict.fromkeys(self._images, 0)
        self._speed = _speed(settings, self._drive)
        last: dict[str, int] = {}
        for message in in_order(self._drive.bag.messages(list(self._publishers)), self._images):
            camera = self._images.get(message.topic)
            if camera is not None and settings.limit and counts[message.topic] == settings.limit:
                if min(counts.values()) >= settings.limit:
                    break
                continue
            self._wait_for(message.stamp_ns)
            if camera is not None:
                last[camera] = read_header(message.data).stamp_ns
                self._published_ns[camera, last[camera]] = time.monotonic_ns()
            self._publishers[message.topic].publish(bytes(message.data))
            if camera is not None:
                counts[message.topic] += 1
                for node in started:
                    node.check()
                progress(max(counts.values()))
        end = time.monotonic() + LAST_MASK_S
        while time.monotonic() < end and not last.items() <= self.arrivals.keys():
            self._take(timeout=0.1)
        while self._take(timeout=0.3):  # what belongs to the last mask
            pass

    def rate_hz(self) -> float:
        """Masks a second, as they arrived, of the camera with most."""
        masks_ns = max(self._masks_ns.values(), key=len)
        if len(masks_ns) < 2:
            return NAN
        return 1e9 * (len(masks_ns) - 1) / (masks_ns[-1] - masks_ns[0])

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
        if topic in self._masks:
            self._arrived(self._masks[topic], read_header(data).stamp_ns, at_ns)
        elif topic == PROCESSING:
            spent_ms = Reader(data).scalar("f")
            for key in self._last_masks:
                self.arrivals[key] = replace(self.arrivals[key], processing_ms=spent_ms)
            self._last_masks.clear()
        self._writer.write(topic, self._drive_time(at_ns), data)
        return True

    def _arrived(self, camera: str, stamp_ns: int, at_ns: int) -> None:
        published = self._published_ns.get((camera, stamp_ns))
        if published is None:
            return
        self._last_masks.append((camera, stamp_ns))
        self._masks_ns[camera].append(at_ns)
        age_ns = (self._drive_time(at_ns) - stamp_ns) / self._speed
        self.arrivals[camera, stamp_ns] = Arrival((at_ns - published) / 1e6, age_ns / 1e6)

    def _flush(self) -> None:
        """Forget the warm-up's masks, but keep latched messages, which come only once."""
        while not self._received.empty():
            self._received.get()

    def _matched(self, count: int) -> bool:
        names = list(self._images)
        if self._drive.points and count > 1:
            names.append(self._drive.points.name)
            if len(self._priors_awaited) < len(self._images):  # the nodes have not met yet
                return False
        heard = all(self._publishers[name].get_subscription_count() for name in names)
        return (
            heard
            and self._clock.get_subscription_count() >= count
            and all(self.node.count_publishers(topic) for topic in self._outputs)
        )

    def _listen(self, message: Any) -> None:
        values = [(v.key, v.value) for status in message.status for v in status.values]
        self._priors_awaited |= {
            key for key, value in values if key.split(".")[-1] == "prior" and value != "none"
        }

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
    """The topics that are played: the cameras, the LiDAR, and transforms."""
    found = [topic for one in drive.cameras.values() for topic in (one.image, one.info)]
    return [topic for topic in (*found, drive.points, *drive.bag.find(TF)) if topic is not None]


def _speed(settings: ReplaySettings, drive: Drive) -> float:
    if not settings.rate.per_image:
        return settings.rate.value
    recorded_s = (drive.bag.end_ns - drive.bag.start_ns) / 1e9
    return settings.rate.value * recorded_s / max(1, drive.offered() - 1)
