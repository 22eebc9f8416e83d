"""The perception node: camera images in, masks, grid and costmap inputs out."""

import gc
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Float32
from std_srvs.srv import Empty, SetBool

from pdn_ros.messages.camera_info import read_camera_info
from pdn_ros.messages.cdr import Header, read_header
from pdn_ros.messages.images import read_depth
from pdn_ros.messages.occupancy import write_grid
from pdn_ros.messages.patches import read_prior
from pdn_ros.msg import PatchPrior
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.perception.lidar import DepthImage
from pdn_ros.perception.mapping import StampedGrid
from pdn_ros.perception.perception import CameraImage, Perception
from pdn_ros.ros import publishers
from pdn_ros.ros.decoding import decode
from pdn_ros.ros.diagnostics import Condition, Level
from pdn_ros.ros.managed import SILENCE_S, ManagedNode
from pdn_ros.ros.qos import latest_only
from pdn_ros.ros.spin import run

JUMP_NS = 500_000_000
"""An image older than its predecessor by more than this means that a recording restarted."""
LOSS_WINDOW = 9
"""Polls over which the numbers of images and camera_infos are compared: 1.6 s."""
LOSS_MESSAGES = 6


class PerceptionNode(ManagedNode[PerceptionConfig]):
    """Runs perception on the newest image in a thread; publishes what has subscribers."""

    def __init__(self, **options: Any) -> None:
        self._perception: Perception | None = None
        self._applied: PerceptionConfig | None = None
        self._enabled = True
        self._forget = threading.Event()
        self._last_ns = 0
        self._refined = 0
        self._overhead_ms = 0.0
        self._prior_at: float | None = None
        self._images = self._infos = 0
        self._counts: deque[tuple[int, int]] = deque(maxlen=LOSS_WINDOW)
        super().__init__(
            "perception",
            PerceptionConfig,
            subject=("image", "mask"),
            topics=publishers.TOPICS,
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

    def subscribe(self) -> list[Any]:
        """Subscribe; images arrive serialized and are read by the worker."""
        config = self.config
        compressed = config.image_transport == "compressed"
        kind, name = (CompressedImage, "image/compressed") if compressed else (Image, "image")
        self._counts.clear()
        if self._perception is not None:
            publishers.publish_classes(self, self._perception.pipeline.classes)
        take_info = self.guard("camera_info", self._take_info)
        return [
            self.create_subscription(
                kind, name, self._take_image, latest_only(config.image_qos), raw=True
            ),
            self.create_subscription(CameraInfo, "camera_info", take_info, latest_only(), raw=True),
        ]

    def subscribe_on_demand(self) -> list[Any]:
        """Subscribe to the LiDAR node's outputs, which it computes only for subscribers."""
        self._prior_at = None
        return [
            self.create_subscription(kind, name, self.guard(name, take), latest_only(), raw=True)
            for kind, name, take in (
                (PatchPrior, "lidar_prior", self._take_prior),
                (Image, "lidar_depth", self._take_depth),
            )
        ]

    def demands(self) -> bool:
        """Say whether masks are being made."""
        return self._enabled and self.wanted()

    def work(self, item: tuple[bytes, int]) -> None:
        """Process one image: decode, segment, publish, map, publish the rest."""
        data, received_ns = item
        perception, config = self._perception, self.config
        assert perception is not None
        compressed = config.image_transport == "compressed"
        header, image = decode(data, compressed=compressed, max_pixels=config.max_pixels)
        self._keep_up(perception, config, header)

        (observation,) = perception.segment(
            [CameraImage(header, image)], confidence=self.wanted(*publishers.NEED_CONFIDENCE)
        )
        publishers.publish_prediction(self, observation, config)

        if self.wanted(*publishers.NEED_PLACE):
            perception.locate(observation)
        if self.wanted("occupancy"):
            self._publish_grid(perception.map([observation]))

        publishers.publish_costmap(self, observation, perception, config)
        publishers.publish_pictures(self, observation, perception.pipeline.classes)
        self._finish(header, observation.prediction.times.total, received_ns)
        self._refined = len(observation.prediction.selected)

    def idle(self) -> None:
        """Add masks whose transforms have come late to the grid."""
        if self._perception is not None:
            self._publish_grid(self._perception.mapper.update())

    def waits(self) -> bool:
        """Say whether masks wait for transforms."""
        return self._perception is not None and self._perception.mapper.waits

    def poll(self) -> None:
        """Clear the grid when the camera is lost; check whether there is a LiDAR."""
        self._counts.append((self._images, self._infos))
        if self._perception is not None:
            self._publish_grid(self._perception.mapper.expired())
            on_demand = self.inputs_on_demand
            awaited = bool(on_demand) and on_demand[0].get_publisher_count() > 0
            self._perception.cameras[""].lidar.awaited = awaited

    def forget(self, stamp_ns: int | None = None) -> None:  # noqa: ARG002
        """Have the worker forget evidence and priors before the next image."""
        self._forget.set()

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
        if self._prior_at is not None and time.monotonic() - self._prior_at >= SILENCE_S:
            since = time.monotonic() - self._prior_at
            yield Condition(Level.WARN, f"the LiDAR's prior is lost for {since:.0f} s")
        frame, base = self.config.grid.frame, self.config.base_frame
        if self.wanted("occupancy") and not transforms.connected(frame, base):
            yield Condition(Level.WARN, f"the grid stands in {base}: TF has no {frame}")
        yield from self._losses()

    def values(self) -> dict[str, str]:
        """Return backend, mode, K and prior for the diagnostics."""
        perception = self._perception
        pipeline = perception.pipeline if perception is not None else None
        return {
            "backend": pipeline.backend if pipeline else "none",
            "precision": pipeline.precision if pipeline else "none",
            "mode": self.config.mode,
            "K": str(self._refined),
            "overhead_ms": f"{self._overhead_ms:.1f}",
            "prior": self._prior_state(),
            "enabled": str(self._enabled).lower(),
        }

    def _prior_state(self) -> str:
        lidar = self._perception.cameras[""].lidar if self._perception is not None else None
        if lidar is None:
            return "none"
        return "awaited" if lidar.awaited and lidar.state == "none" else lidar.state

    def _losses(self) -> Iterator[Condition]:
        """Say when most images are lost between camera and node, as with Fast DDS's defaults."""
        if len(self._counts) < LOSS_WINDOW:
            return
        (images_before, infos_before), (images, infos) = self._counts[0], self._counts[-1]
        came, announced = images - images_before, infos - infos_before
        if announced >= LOSS_MESSAGES and came < 0.5 * announced:
            yield Condition(
                Level.WARN,
                f"{came} images for {announced} camera_infos: the others were lost on their way; "
                "set FASTRTPS_DEFAULT_PROFILES_FILE to config/fastdds.xml in the camera's shell",
            )

    def _keep_up(self, perception: Perception, config: PerceptionConfig, header: Header) -> None:
        """Take over what has changed since the last image."""
        if self._last_ns - header.stamp_ns > JUMP_NS:
            self.reset("an image is older than the one before", header.stamp_ns)
        self._last_ns = header.stamp_ns
        if self._forget.is_set():
            self._forget.clear()
            perception.reset()
        if config is not self._applied:
            perception.reconfigure(config)
            self._applied = config

    def _finish(self, header: Header, processing_ms: float, received_ns: int) -> None:
        age_ms = self.age_ms(header.stamp_ns)
        self._overhead_ms = (time.time_ns() - received_ns) / 1e6 - processing_ms
        self.send("debug/processing_time_ms", Float32(data=processing_ms))
        self.send("debug/pipeline_latency_ms", Float32(data=age_ms))
        self.send("debug/overhead_ms", Float32(data=self._overhead_ms))
        self.health.done(age_ms)

    def _publish_grid(self, due: StampedGrid | None) -> None:
        if due is not None:
            self.send("occupancy", write_grid(*due))

    def _take_image(self, data: bytes, info: dict[str, int]) -> None:
        self._images += 1
        if not self._enabled:
            self.skip()
        else:
            # Not every middleware gives a message's time of receipt.
            self.take((data, info["received_timestamp"] or time.time_ns()))

    def _take_info(self, data: bytes) -> None:
        self._infos += 1
        if self._perception is not None:
            info = read_camera_info(data, max_pixels=self.config.max_pixels)
            self._perception.cameras[""].infos.put(info)

    def _take_prior(self, data: bytes) -> None:
        if self._perception is not None:
            self._perception.cameras[""].lidar.put_prior(read_prior(data))
            self._prior_at = time.monotonic()

    def _take_depth(self, data: bytes) -> None:
        if self._perception is not None:
            depth = DepthImage(read_header(data).stamp_ns, lambda: read_depth(data)[1])
            self._perception.cameras[""].lidar.put_depth(depth)

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
