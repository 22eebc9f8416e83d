"""The perception node: camera images in, masks, grid and costmap inputs out."""

import gc
import threading
import time
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Empty

from pdn_ros.errors import InputError
from pdn_ros.msg import PatchPrior
from pdn_ros.perception import Frame, Pipeline, PipelineConfig
from pdn_ros.ros.camera_infos import CameraInfos
from pdn_ros.ros.decoding import decode
from pdn_ros.ros.lidar_inputs import LidarInputs
from pdn_ros.ros.managed import ManagedNode
from pdn_ros.ros.parameters import PerceptionConfig
from pdn_ros.ros.publishers import NEED_CONFIDENCE, Outputs, Shot
from pdn_ros.ros.qos import newest
from pdn_ros.ros.scene import Scene
from pdn_ros.ros.slot import Worker
from pdn_ros.ros.spin import run
from pdn_ros.ros.transforms import Transforms

SILENCE_S = 2.0
"""After so long without an image the diagnostics warn."""
STOP_S = 10.0
JUMP_NS = 500_000_000
"""An image that is older than its predecessor by more comes from a recording that started again."""


class PerceptionNode(ManagedNode[PerceptionConfig]):
    """Runs the pipeline on the newest image in a thread; publishes what is listened to."""

    def __init__(self, **options: Any) -> None:
        self._pipeline: Pipeline | None = None
        self._transforms: Transforms | None = None
        self._scene: Scene | None = None
        self._outputs: Outputs | None = None
        self._worker: Worker[tuple[bytes, int]] | None = None
        self._applied: PerceptionConfig | None = None
        self._inputs: list[Any] = []
        self._forget = threading.Event()
        self._last_ns = 0
        self._heard_at = time.monotonic()
        self._refined = 0
        self._overhead_ms = 0.0
        self._received = self._dropped = 0
        super().__init__("perception", PerceptionConfig, **options)
        self._infos = CameraInfos()
        self._lidar = LidarInputs(self.health.trouble)
        self.create_service(Empty, "~/reset_grid", self._reset_grid)

    def setup(self, config: PerceptionConfig) -> None:
        """Load the network and make the publishers."""
        self._pipeline = Pipeline(_pipeline_config(config))
        classes = self._pipeline.classes
        self._transforms = Transforms(self)
        self._scene = Scene(
            config,
            classes,
            self._transforms,
            self._infos,
            trouble=self.health.trouble,
            note=self.get_logger().info,
        )
        self._outputs = Outputs(self, classes)
        self._applied = config
        self.get_logger().info(f"{self._pipeline.backend}, {len(classes.names)} classes")

    def start(self) -> None:
        """Listen to TF and start the worker."""
        if self._transforms is not None:
            self._transforms.open()
        self._heard_at = time.monotonic()
        self._worker = Worker("frames", self._work, self._report)
        if self._outputs is not None:
            self._outputs.publish_classes()

    def stop(self) -> None:
        """Stop the worker after the frame in work."""
        if self._worker is not None:
            if not self._worker.stop(STOP_S):
                self.get_logger().warning(f"the frame in work took more than {STOP_S:.0f} s")
            self._received += self._worker.slot.received
            self._dropped += self._worker.slot.dropped
            self._worker = None
        if self._transforms is not None:
            self._transforms.close()
        self._forget.set()

    def teardown(self) -> None:
        """Free the network, the publishers and TF."""
        if self._outputs is not None:
            self._outputs.close()
        if self._transforms is not None:
            self._transforms.close()
        self._pipeline = self._transforms = self._scene = self._outputs = None
        gc.collect()

    def open_inputs(self) -> None:
        """Subscribe; images, priors and depth arrive serialised and are read by the worker."""
        self._heard_at = time.monotonic()
        compressed = self.config.image_transport == "compressed"
        kind, name = (CompressedImage, "image/compressed") if compressed else (Image, "image")
        image, sensor = newest(self.config.image_qos), newest()
        subscribe = self.create_subscription
        self._inputs = [
            subscribe(kind, name, self._take, image, raw=True),
            subscribe(CameraInfo, "camera_info", self._infos.put, sensor, raw=True),
            subscribe(PatchPrior, "lidar_prior", self._lidar.put_prior, sensor, raw=True),
            subscribe(Image, "lidar_depth", self._lidar.put_depth, sensor, raw=True),
        ]

    def close_inputs(self) -> None:
        """Unsubscribe and drop what waits."""
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        if self._worker is not None:
            self._worker.slot.clear()

    def poll(self) -> None:
        """Clear the grid when the camera is dead."""
        if self._scene is not None and self._outputs is not None:
            cleared = self._scene.forgotten()
            if cleared is not None:
                self._outputs.publish_grid(*cleared)

    def wanted(self) -> bool:
        """Say whether anybody listens to an output."""
        return self._outputs is not None and self._outputs.wanted()

    def reset(self, reason: str, stamp_ns: int | None = None) -> None:
        """Forget evidence, priors and moving transforms."""
        self.get_logger().info(f"state reset: {reason}")
        if self._transforms is not None:
            self._transforms.clear(stamp_ns)
        self._lidar.clear()
        self._forget.set()

    def silent(self) -> str:
        """Warn when no image comes."""
        if not self._inputs or time.monotonic() - self._heard_at < SILENCE_S:
            return ""
        return f"no image on {self._inputs[0].topic_name}"

    def figures(self) -> dict[str, str]:
        """Backend, mode, K, prior and drops for the diagnostics."""
        slot = self._worker.slot if self._worker is not None else None
        return {
            "received": str(self._received + (slot.received if slot else 0)),
            "dropped": str(self._dropped + (slot.dropped if slot else 0)),
            "backend": self._pipeline.backend if self._pipeline is not None else "none",
            "mode": self.config.mode,
            "K": str(self._refined),
            "overhead_ms": f"{self._overhead_ms:.1f}",
            "prior": self._lidar.state,
        }

    def _take(self, data: bytes, info: dict[str, int]) -> None:
        self._heard_at = time.monotonic()
        if self._worker is not None:
            # Not every middleware says when a message came in.
            self._worker.slot.put((data, info["received_timestamp"] or time.time_ns()))

    def _reset_grid(self, _: Any, response: Any) -> Any:
        self._forget.set()
        return response

    def _report(self, error: Exception) -> None:
        if isinstance(error, InputError):
            self.health.trouble("image", str(error))
        else:
            self.health.trouble("frame", f"frame dropped: {type(error).__name__}: {error}")

    def _work(self, item: tuple[bytes, int]) -> None:
        """Work one image through, in the worker's thread."""
        data, received_ns = item
        pipeline, scene, outputs, config = self._pipeline, self._scene, self._outputs, self.config
        if pipeline is None or scene is None or outputs is None or not outputs.wanted():
            return
        header, image = decode(data, compressed=config.image_transport == "compressed")
        if self._last_ns - header.stamp_ns > JUMP_NS:
            self.reset("an image is older than the one before", header.stamp_ns)
        self._last_ns = header.stamp_ns
        if self._forget.is_set():
            self._forget.clear()
            scene.reset()
        if config is not self._applied:
            pipeline.reconfigure(_pipeline_config(config))
            scene.reconfigure(config)
            self._applied = config
        size, age = (image.shape[1], image.shape[0]), config.lidar.max_age_ms
        self._lidar.expect(header.stamp_ns)
        prior = self._lidar.prior(header.stamp_ns, size, pipeline.patch_size, age)
        frame = Frame(image, header.stamp_ns, prior)
        result = pipeline.process(frame, confidence=outputs.wanted(*NEED_CONFIDENCE))
        depth = None
        if outputs.wanted("occupancy", "costmap/points"):
            depth = self._lidar.depth(header.stamp_ns, size, age)
        outputs.publish(Shot(header, image, result, prior, depth), scene, config)
        age_ms = self.age_ms(header.stamp_ns)
        spent_ms = (time.time_ns() - received_ns) / 1e6
        self._overhead_ms = spent_ms - result.times.total
        outputs.publish_times(result.times.total, age_ms, self._overhead_ms)
        self._refined = len(result.selected)
        self.health.frame(age_ms)


def _pipeline_config(config: PerceptionConfig) -> PipelineConfig:
    return PipelineConfig(
        weights=config.weights,
        classes=config.classes,
        device=config.device,
        backend=config.backend,
        mode=config.mode,
        budget=config.budget,
        threshold=config.threshold,
        lidar_weight=config.lidar.weight,
        deadline_ms=config.deadline_ms,
    )


def main() -> int:
    """Run the node until a signal ends it."""
    return run(PerceptionNode)
