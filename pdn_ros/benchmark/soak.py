"""The soak: the perception node for half an hour under random faults."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import SetBool
from tf2_msgs.msg import TFMessage

from pdn_ros.benchmark.measurements import Row
from pdn_ros.benchmark.node_suites import CYCLE, PER_FRAMES, SIZE, growth
from pdn_ros.benchmark.session import (
    FIRST_S,
    PERCEPTION,
    ImagePublisher,
    Listener,
    Session,
    session,
)
from pdn_ros.benchmark.settings import BenchmarkSettings
from pdn_ros.benchmark.system import own_memory_mb
from pdn_ros.harness.participant import SENSOR, serialize
from pdn_ros.replay.settings import Progress

RATE_HZ: Final = 10.0
CALM_S: Final = (2.0, 5.0)
FAULT_S: Final = (0.5, 6.0)
RECOVERY_S: Final = 60.0
ANSWER_NS: Final = 2_000_000_000
"""An image is missed when no mask has come within this time."""
SAID_NS: Final = 3_000_000_000
"""Time after the image within which the diagnostics must report a missing mask."""
STALE_NS: Final = 2_000_000_000
"""Silence of the diagnostics that counts as a report that the node does not run."""
HOURS_NS: Final = 10 * 3600 * 10**9
_NOISE: Final = 300
_ACTIVE: Final = "active"


@dataclass(frozen=True, slots=True)
class Report:
    """A diagnostic status.

    Attributes:
        at_ns: Wall-clock time of arrival.
        text: Its message.
        well: Whether the node is active and nothing is wrong.
    """

    at_ns: int
    text: str
    well: bool


def missing(
    images: Sequence[int], masks: Sequence[int], reports: Sequence[Report]
) -> tuple[int, int]:
    """Return how many images had no mask in time, and how many of those went unreported.

    Args:
        images: Times at which images were published, nanoseconds, ascending.
        masks: Times at which masks came, likewise.
        reports: The diagnostics, in order of time.
    """
    came = np.asarray(masks, np.int64)
    said_at = np.array([report.at_ns for report in reports], np.int64)
    missed = unsaid = 0
    for image in images:
        after = np.searchsorted(came, image, "right")
        if after < len(came) and came[after] <= image + ANSWER_NS:
            continue
        missed += 1
        first, end = np.searchsorted(said_at, (image, image + SAID_NS), "right").tolist()
        # With the report before and the one after: how long the node was silent.
        around = said_at[max(0, first - 1) : end + 1]
        silent = len(around) < 2 or int(np.diff(around).max()) >= STALE_NS
        unsaid += not silent and all(report.well for report in reports[first:end])
    return missed, unsaid


@dataclass
class Soak:
    """A camera at 10 Hz, the faults that happen to it or to the node, and the results.

    Attributes:
        images: When each image was published, nanoseconds; damaged ones count too.
        reports: The diagnostics, in order of time.
        memory: Memory of the node, MB, at regular numbers of masks.
        recoveries_ms: Times from the end of each fault until all was well.
        faults: How often each fault happened.
    """

    running: Session
    camera: ImagePublisher
    listener: Listener
    rng: random.Random
    images: list[int] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    recoveries_ms: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        node = self.running.probe.node
        topics = {"image": Image, "camera_info": CameraInfo}
        self._raw = {
            name: node.create_publisher(kind, f"/{PERCEPTION}/{name}", SENSOR)
            for name, kind in topics.items()
        }
        # Own generator: the amount of noise depends on the machine, and the faults must not.
        self._noises = random.Random(0)
        self._tf = node.create_publisher(TFMessage, "/tf", 10)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._take_report, 10)

    @property
    def masks(self) -> list[int]:
        """Times at which the masks came, nanoseconds."""
        return [mask.at_ns for mask in self.listener.arrivals("mask")]

    def stream(self, seconds: float, publish: Callable[[], Any] | None = None) -> None:
        """Call `publish` at the camera's rate; by default publish the camera's images."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.running.check()
            self.images.append(time.time_ns())
            (publish or self.camera.publish)()
            time.sleep(1 / RATE_HZ)

    def happen(self, name: str) -> None:
        """Let a fault happen and wait until all is well again.

        Raises:
            ChildProcessError: The node ended, or does not recover.
        """
        self.faults[name] += 1
        FAULTS[name](self, self.rng.uniform(*FAULT_S))
        begun_ns = time.time_ns()
        end = time.monotonic() + RECOVERY_S
        while not self._well_since(begun_ns):
            if time.monotonic() > end:
                said = self.reports[-1].text if self.reports else "nothing"
                raise ChildProcessError(
                    f"not well within {RECOVERY_S:.0f} s after: {name}; it says: {said}"
                )
            self.stream(1 / RATE_HZ)
        self.recoveries_ms.append((time.time_ns() - begun_ns) / 1e6)

    # The faults; each lasts for `seconds`.

    def lose_camera(self, seconds: float) -> None:
        """Publish nothing."""
        time.sleep(seconds)

    def damage_images(self, seconds: float) -> None:
        """Publish noise as images."""
        self.stream(seconds, lambda: self._raw["image"].publish(self._noise()))

    def oversize_images(self, seconds: float) -> None:
        """Publish images that claim to be of 144 megapixels."""
        image = serialize(Image(width=12_000, height=12_000, encoding="mono8", step=12_000))
        self.stream(seconds, lambda: self._raw["image"].publish(image))

    def damage_others(self, seconds: float) -> None:
        """Publish noise as camera_info and TF beside good images."""

        def publish() -> None:
            self._raw["camera_info"].publish(self._noise())
            self._tf.publish(self._noise())
            self.camera.publish()

        self.stream(seconds, publish)

    def reverse_odometry(self, seconds: float) -> None:
        """Publish the odometry's transform with parent and child swapped, once."""
        wrong = TransformStamped(child_frame_id="odom")
        wrong.header.frame_id = "base_link"
        wrong.header.stamp = self.running.probe.node.get_clock().now().to_msg()
        wrong.transform.rotation.w = 1.0
        self._tf.publish(TFMessage(transforms=[wrong]))
        self.stream(seconds)

    def old_stamps(self, seconds: float) -> None:
        """Publish images with the stamps of a recording."""
        self.stream(seconds, lambda: self.camera.publish(time.time_ns() - HOURS_NS))

    def stop_process(self, seconds: float) -> None:
        """Suspend the node's process while images come."""
        process = self.running.started[PERCEPTION]
        process.send(signal.SIGSTOP)
        try:
            self.stream(seconds)
        finally:
            process.send(signal.SIGCONT)

    def disable(self, seconds: float) -> None:
        """Tell the node to ignore images."""
        call, service = self.running.probe.call, f"/{PERCEPTION}/enable"
        call(SetBool, service, SetBool.Request(data=False))
        self.stream(seconds)
        call(SetBool, service, SetBool.Request(data=True))

    def cycle(self, seconds: float) -> None:  # noqa: ARG002 - as long as it takes
        """Take the node down and up again."""
        for transition in CYCLE:
            if not self.running.probe.transition(PERCEPTION, transition):
                raise ChildProcessError(f"{PERCEPTION} refused to {transition}")

    def _noise(self) -> bytes:
        return b"\0\1\0\0" + self._noises.randbytes(_NOISE)

    def _well_since(self, begun_ns: int) -> bool:
        masks, reports = self.listener.arrivals("mask"), self.reports
        return bool(
            masks
            and reports
            and masks[-1].at_ns > begun_ns
            and reports[-1].well
            and reports[-1].at_ns > begun_ns
        )

    def _take_report(self, message: Any) -> None:
        for status in message.status:
            if status.name == f"{PERCEPTION}: frames":
                well = status.level == b"\0" and status.message == _ACTIVE
                self.reports.append(Report(time.time_ns(), status.message, well))


FAULTS: Final[dict[str, Callable[[Soak, float], None]]] = {
    "camera lost": Soak.lose_camera,
    "images damaged": Soak.damage_images,
    "images too large": Soak.oversize_images,
    "camera_info and TF damaged": Soak.damage_others,
    "odometry reversed": Soak.reverse_odometry,
    "stamps of a recording": Soak.old_stamps,
    "process stopped": Soak.stop_process,
    "disabled": Soak.disable,
    "lifecycle cycle": Soak.cycle,
}


def soak(settings: BenchmarkSettings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Run the node under random faults until enough masks have come or the time is up.

    Raises:
        ChildProcessError: The node ended, does not recover from a fault, or gives no output.
    """
    rng = random.Random(settings.seed)
    with session(settings, [PERCEPTION]) as running:
        camera = running.probe.camera(f"/{PERCEPTION}", SIZE)
        listener = running.probe.listen(PERCEPTION, "mask", "occupancy")
        running.wait_matched(camera, listener)
        running.round_trip(camera, listener, FIRST_S)
        listener.forget()
        test = Soak(running, camera, listener, rng)
        begun = time.monotonic()
        end = begun + 60 * settings.soak_minutes
        while len(test.masks) < settings.soak_frames and time.monotonic() < end:
            test.stream(rng.uniform(*CALM_S))
            test.happen(rng.choice(list(FAULTS)))
            test.memory.append(own_memory_mb(running.pid(PERCEPTION)))
            progress(min(len(test.masks), settings.soak_frames), settings.soak_frames)
        test.stream(SAID_NS / 1e9)  # what the last images lacked must have been said by now
        minutes = (time.monotonic() - begun) / 60
    return rows_of(test, minutes), {}


def rows_of(test: Soak, minutes: float) -> list[Row]:
    """Return the rows of a soak."""
    masks = test.masks
    missed, unsaid = missing(test.images, masks, test.reports)
    slope, error = growth(test.memory, len(masks) / max(1, len(test.memory)), PER_FRAMES)
    first, last = (test.memory[0], test.memory[-1]) if test.memory else (float("nan"),) * 2
    kinds = ", ".join(f"{count} x {name}" for name, count in test.faults.most_common())
    blank = Row(name="", width=SIZE[0], height=SIZE[1], frames=len(masks))
    return [
        replace(blank, name="soak_masks", value=len(masks), unit="masks",
                note=f"{len(test.images)} images in {minutes:.1f} minutes"),
        replace(blank, name="soak_faults", value=test.faults.total(), unit="faults", note=kinds),
        replace(blank, name="soak_masks_missing_unsaid", value=unsaid, unit="masks",
                note=f"{missed} images had no mask within {ANSWER_NS / 1e9:.0f} s"),
        replace(blank, name="soak_recovery").timed(test.recoveries_ms),
        replace(blank, name="soak_memory_growth", value=slope, unit=f"MB/{PER_FRAMES} frames",
                note=f"+- {error:.3g}; {first:.0f} MB at first, {last:.0f} at last, "
                "own memory alone"),
    ]  # fmt: skip
