"""The perception node: images of a camera or a rig in, masks, grid and costmap inputs out."""

import gc
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Float32
from std_srvs.srv import Empty, SetBool

from pdn_ros.messages.camera_info import read_camera_info
from pdn_ros.messages.cdr import read_header
from pdn_ros.messages.images import read_depth
from pdn_ros.messages.occupancy import write_grid
from pdn_ros.messages.patches import read_prior
from pdn_ros.msg import PatchPrior
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.perception.lidar import DepthImage
from pdn_ros.perception.mapping import StampedGrid
from pdn_ros.perception.perception import CameraImage, Observation, Perception
from pdn_ros.ros import publishers
from pdn_ros.ros.decoding import decode
from pdn_ros.ros.diagnostics import Condition, Level
from pdn_ros.ros.feed import Feed
from pdn_ros.ros.managed import ManagedNode
from pdn_ros.ros.publishers import Outputs
from pdn_ros.ros.qos import latest_only
from pdn_ros.ros.slot import LatestSet
from pdn_ros.ros.spin import run

JUMP_NS = 500_000_000
"""An image older than its predecessor by more than this means that a recording restarted."""

Message = tuple[bytes, int]
"""An image as it came, and when, nanoseconds."""


class PerceptionNode(ManagedNode[PerceptionConfig]):
    """Runs perception on the newest images in a thread; publishes what has subscribers."""

    def __init__(self, **options: Any) -> None:
        self._perception: Perception | None = None
        self._applied: PerceptionConfig | None = None
        self._enabled = True
        self._forget = threading.Event()
        self._overhead_ms = 0.0
        self._feeds = {"": Feed()}
        super().__init__(
            "perception",
            PerceptionConfig,
            subject=("image", "mask"),
            **options,
        )
        self.create_service(Empty, "~/reset_grid", self._reset_grid)
        self.create_service(SetBool, "~/enable", self._enable)

    def setup(self, config: PerceptionConfig) -> None:
        """Load the network."""
        assert self.transforms is not None
        self._perception = Perception(
            config, self.transforms, report=self.health.report, note=self.get_logger().info
        )
        self._applied = config
        self._feeds = {name: Feed(name) for name in self._perception.cameras}
        pipeline = self._perception.pipeline
        for size in config.warm_up:
            width, height = (int(side) for side in size.split("x"))
            pipeline.warm_up(width, height)
        line = f"{pipeline.backend}, {len(pipeline.classes.names)} classes"
        self.get_logger().info(line)

    def teardown(self) -> None:
        """Free the network."""
        self._perception = None
        gc.collect()

    def topics(self, config: PerceptionConfig) -> dict[str, tuple[type, QoSProfile]]:
        """Return the outputs."""
        return publishers.topics(config.cameras or ("",))

    def slot(self) -> LatestSet[Message]:
        """Return what holds the newest image of each camera."""
        return LatestSet(tuple(self._feeds), lambda: self.config.sync_ms / 1000)

    def subscribe(self) -> list[Any]:
        """Subscribe; images arrive serialized and are read by the worker."""
        config = self.config
        compressed = config.image_transport == "compressed"
        kind, name = (CompressedImage, "image/compressed") if compressed else (Image, "image")
        if self._perception is not None:
            publishers.publish_classes(self, self._perception.pipeline.classes)
        found = []
        for feed in self._feeds.values():
            feed.restart()
            image, qos = partial(self._take_image, feed), latest_only(config.image_qos)
            found.append(self.create_subscription(kind, feed.topic(name), image, qos, raw=True))
            take = partial(self._take_info, feed)
            found.append(self.listen(CameraInfo, feed.topic("camera_info"), take))
        return found

    def subscribe_on_demand(self) -> list[Any]:
        """Subscribe to the LiDAR node's outputs, which it computes only for subscribers."""
        found = []
        for feed in self._feeds.values():
            feed.prior_at = None
            prior, depth = partial(self._take_prior, feed), partial(self._take_depth, feed)
            found.append(self.listen(PatchPrior, feed.topic("lidar_prior"), prior))
            found.append(self.listen(Image, feed.topic("lidar_depth"), depth))
        return found

    def demands(self) -> bool:
        """Say whether masks are being made."""
        return self._enabled and self.wanted()

    def work(self, item: dict[str, Message]) -> None:
        """Process one image or a set: decode, segment, publish masks, map, publish the rest."""
        perception, config = self._perception, self.config
        assert perception is not None
        images = [read for name in self._feeds if (read := self._read(name, item)) is not None]
        if not images:
            return
        self._keep_up(perception, config, images)

        observations = perception.segment(
            images, confidence=self._wanted_of_any(*publishers.NEED_CONFIDENCE)
        )
        outputs = [(Outputs(self, one.camera), one) for one in observations]
        for out, one in outputs:
            publishers.publish_prediction(out, one, config)
            self._feeds[one.camera].answered()

        for out, one in outputs:
            if out.wanted(*publishers.NEED_PLACE):
                perception.locate(one)
        if self.wanted("occupancy"):
            self._publish_grid(perception.map(observations))

        for out, one in outputs:
            publishers.publish_costmap(out, one, perception, config)
            publishers.publish_pictures(out, one, perception.pipeline.classes)
        self._finish(observations, max(received_ns for _, received_ns in item.values()))

    def _read(self, name: str, item: dict[str, Message]) -> CameraImage | None:
        """Read a camera's image; None if it has none, nobody wants it, or it cannot be read."""
        feed, perception, config = self._feeds[name], self._perception, self.config
        if name not in item or perception is None or not Outputs(self, name).wanted():
            return None
        compressed = config.image_transport == "compressed"
        try:
            data, _ = item[name]
            header, pixels = decode(data, compressed=compressed, max_pixels=config.max_pixels)
            perception.pipeline.check(pixels)
        except Exception as error:  # noqa: BLE001 - reported; the other cameras go on
            feed.failure = str(error)
            self.failed(error, feed.topic("image"))
            return None
        return CameraImage(header, pixels, name)

    def idle(self) -> None:
        """Add masks whose transforms have come late to the grid."""
        if self._perception is not None:
            self._publish_grid(self._perception.mapper.update())

    def waits(self) -> bool:
        """Say whether masks wait for transforms."""
        return self._perception is not None and self._perception.mapper.waits

    def poll(self) -> None:
        """Clear the grid when all cameras are lost; check whether there is a LiDAR."""
        for feed in self._feeds.values():
            feed.poll()
        if self._perception is not None:
            self._publish_grid(self._perception.mapper.expired())
            # Prior and depth of each camera, or nothing.
            priors = self.inputs_on_demand[::2] or [None] * len(self._feeds)
            for inputs, prior in zip(self._perception.cameras.values(), priors, strict=True):
                inputs.lidar.awaited = prior is not None and prior.get_publisher_count() > 0

    def forget(self, stamp_ns: int | None = None) -> None:  # noqa: ARG002
        """Have the worker forget evidence and priors before the next image."""
        self._forget.set()

    def silent(self) -> list[str]:
        """Return the image topics on which nothing comes."""
        images = zip(self._feeds.values(), self.inputs[::2], strict=True)  # then its camera_info
        return [subscription.topic_name for feed, subscription in images if feed.silent()]

    def delay(self) -> str:
        """Say that a model is being built."""
        return self._perception.pipeline.building if self._perception is not None else ""

    def conditions(self) -> Iterator[Condition]:
        """Yield what is wrong although masks come."""
        if not self._enabled:
            yield Condition(Level.OK, "images are left alone: ~/enable is false")
        limits = self.config.health
        rate, age_ms = self.health.rate_hz(), max(self.health.ages_ms(), default=0.0)
        if rate and rate < limits.min_rate:
            yield Condition(Level.WARN, f"{rate:.1f} masks a second, below {limits.min_rate:g}")
        if limits.max_age_ms and age_ms > limits.max_age_ms:
            yield Condition(
                Level.WARN, f"masks are {age_ms:.0f} ms old, above {limits.max_age_ms:g}"
            )
        perception, transforms = self._perception, self.transforms
        if perception is None or transforms is None:
            return
        if perception.pipeline.fallback:
            yield Condition(Level.WARN, perception.pipeline.fallback)
        if not self.inputs:
            return
        for feed in self._feeds.values():
            yield from feed.conditions()
            if feed.name and not self.delay():  # of a single camera every node's reports say it
                yield from feed.unanswered()
        frame, base = self.config.grid.frame, self.config.base_frame
        if self.wanted("occupancy") and not transforms.connected(frame, base):
            yield Condition(Level.WARN, f"the grid stands in {base}: TF has no {frame}")

    def values(self) -> dict[str, str]:
        """Return backend, mode, K and prior for the diagnostics."""
        perception = self._perception
        pipeline = perception.pipeline if perception is not None else None
        return {
            "backend": pipeline.backend if pipeline else "none",
            "precision": pipeline.precision if pipeline else "none",
            "mode": self.config.mode,
            "K": str(sum(feed.refined for feed in self._feeds.values())),
            "overhead_ms": f"{self._overhead_ms:.1f}",
            **self._camera_values(),
            "enabled": str(self._enabled).lower(),
        }

    def _camera_values(self) -> dict[str, str]:
        found = {}
        for name, feed in self._feeds.items():
            if name:
                found[f"{name}.K"] = str(feed.refined)
            found[f"{name}.prior" if name else "prior"] = self._prior_state(name)
        return found

    def _prior_state(self, name: str) -> str:
        if self._perception is None:
            return "none"
        lidar = self._perception.cameras[name].lidar
        return "awaited" if lidar.awaited and lidar.state == "none" else lidar.state

    def _wanted_of_any(self, *names: str) -> bool:
        """Say whether one of the outputs has a subscriber, of any camera."""
        return any(Outputs(self, camera).wanted(*names) for camera in self._feeds)

    def _keep_up(
        self, perception: Perception, config: PerceptionConfig, images: list[CameraImage]
    ) -> None:
        """Take over what has changed since the last images."""
        for image in images:
            feed, stamp_ns = self._feeds[image.camera], image.header.stamp_ns
            if feed.last_ns - stamp_ns > JUMP_NS:
                self.reset("an image is older than the one before", stamp_ns)
            feed.last_ns = stamp_ns
        if self._forget.is_set():
            self._forget.clear()
            perception.reset()
        if config is not self._applied:
            perception.reconfigure(config)
            self._applied = config

    def _finish(self, observations: list[Observation], received_ns: int) -> None:
        """Note what the set took; the oldest of its images gives its age."""
        processing_ms = sum(one.prediction.times.total for one in observations)
        age_ms = self.age_ms(min(one.header.stamp_ns for one in observations))
        self._overhead_ms = (time.time_ns() - received_ns) / 1e6 - processing_ms
        self.send("debug/processing_time_ms", Float32(data=processing_ms))
        self.send("debug/pipeline_latency_ms", Float32(data=age_ms))
        self.send("debug/overhead_ms", Float32(data=self._overhead_ms))
        self.health.done(age_ms)
        for one in observations:
            self._feeds[one.camera].refined = len(one.prediction.selected)

    def _publish_grid(self, due: StampedGrid | None) -> None:
        if due is not None:
            self.send("occupancy", write_grid(*due))

    def _take_image(self, feed: Feed, data: bytes, info: dict[str, int]) -> None:
        feed.arrived(wanted=self._enabled and Outputs(self, feed.name).wanted())
        if not self._enabled:
            self.skip()
        else:
            # Not every middleware gives a message's time of receipt.
            self.take({feed.name: (data, info["received_timestamp"] or time.time_ns())})

    def _take_info(self, feed: Feed, data: bytes) -> None:
        feed.infos += 1
        if self._perception is not None:
            info = read_camera_info(data, max_pixels=self.config.max_pixels)
            self._perception.cameras[feed.name].infos.put(info)

    def _take_prior(self, feed: Feed, data: bytes) -> None:
        if self._perception is not None:
            self._perception.cameras[feed.name].lidar.put_prior(read_prior(data))
            feed.prior_at = time.monotonic()

    def _take_depth(self, feed: Feed, data: bytes) -> None:
        if self._perception is not None:
            depth = DepthImage(read_header(data).stamp_ns, lambda: read_depth(data)[1])
            self._perception.cameras[feed.name].lidar.put_depth(depth)

    def _reset_grid(self, _: Any, response: Any) -> Any:
        self._forget.set()
        return response

    def _enable(self, request: Any, response: Any) -> Any:
        self._enabled = bool(request.data)
        response.success = True
        response.message = "segmenting" if self._enabled else "images are left alone"
        return response


def main() -> int:
    """Run the node until a signal ends it."""
    return run(PerceptionNode)
