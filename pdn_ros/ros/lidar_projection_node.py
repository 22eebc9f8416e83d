"""The LiDAR projection node: scans in, a prior for the patches and a depth image out."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.lidar import LidarView, project_scan
from pdn_ros.geometry.transforms import invert
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.images import write_image
from pdn_ros.messages.patches import PatchPrior, write_prior
from pdn_ros.messages.points import read_points
from pdn_ros.msg import PatchPrior as PatchPriorMessage
from pdn_ros.ros.camera_infos import CameraInfos
from pdn_ros.ros.decoding import decode
from pdn_ros.ros.managed import ManagedNode
from pdn_ros.ros.parameters import LidarProjectionConfig
from pdn_ros.ros.qos import RELIABLE, newest
from pdn_ros.ros.slot import Worker
from pdn_ros.ros.spin import run
from pdn_ros.ros.transforms import Transforms, lookup_soon
from pdn_ros.visualization import depth_overlay

SILENCE_S = 2.0
STOP_S = 5.0
PAIR_NS = 100_000_000
"""A scan and an image this near belong together; the scan is then moved to the image's time."""


class LidarProjectionNode(ManagedNode[LidarProjectionConfig]):
    """Projects the newest scan into the camera image, in a thread."""

    def __init__(self, **options: Any) -> None:
        self._transforms: Transforms | None = None
        self._worker: Worker[bytes] | None = None
        self._outputs: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._picture: Any = None
        self._image: bytes | None = None
        self._heard_at = time.monotonic()
        self._received = self._dropped = self._returns = 0
        super().__init__("lidar_projection", LidarProjectionConfig, **options)
        self._infos = CameraInfos()

    def setup(self, config: LidarProjectionConfig) -> None:  # noqa: ARG002
        """Make the publishers."""
        self._transforms = Transforms(self)
        kinds = {"prior": PatchPriorMessage, "depth": Image, "overlay": Image}
        for name, kind in kinds.items():
            self._outputs[name] = self.create_lifecycle_publisher(kind, f"~/{name}", RELIABLE)

    def start(self) -> None:
        """Listen to TF and start the worker."""
        if self._transforms is not None:
            self._transforms.open()
        self._heard_at = time.monotonic()
        self._worker = Worker("scans", self._work, self._report)

    def stop(self) -> None:
        """Stop the worker after the scan in work."""
        if self._worker is not None:
            self._worker.stop(STOP_S)
            self._received += self._worker.slot.received
            self._dropped += self._worker.slot.dropped
            self._worker = None
        if self._transforms is not None:
            self._transforms.close()

    def teardown(self) -> None:
        """Free the publishers and TF."""
        for publisher in self._outputs.values():
            self.destroy_lifecycle_publisher(publisher)
        if self._transforms is not None:
            self._transforms.close()
        self._outputs, self._transforms, self._image = {}, None, None

    def open_inputs(self) -> None:
        """Subscribe; scans arrive serialised and are read by the worker."""
        self._heard_at = time.monotonic()
        points, sensor = newest(self.config.points_qos), newest()
        self._inputs = [
            self.create_subscription(PointCloud2, "points", self._take, points, raw=True),
            self.create_subscription(CameraInfo, "camera_info", self._infos.put, sensor, raw=True),
        ]

    def close_inputs(self) -> None:
        """Unsubscribe and drop what waits."""
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        self._see(False)
        if self._worker is not None:
            self._worker.slot.clear()

    def poll(self) -> None:
        """Take images only while somebody looks at the overlay."""
        self._see(bool(self._inputs) and self._wants("overlay"))

    def wanted(self) -> bool:
        """Say whether anybody listens to an output."""
        return any(self._wants(name) for name in self._outputs)

    def reset(self, reason: str, stamp_ns: int | None = None) -> None:
        """Forget moving transforms."""
        self.get_logger().info(f"state reset: {reason}")
        if self._transforms is not None:
            self._transforms.clear(stamp_ns)

    def silent(self) -> str:
        """Warn when no scan comes."""
        if not self._inputs or time.monotonic() - self._heard_at < SILENCE_S:
            return ""
        return f"no cloud on {self._inputs[0].topic_name}"

    def figures(self) -> dict[str, str]:
        """Returns in the image and drops for the diagnostics."""
        slot = self._worker.slot if self._worker is not None else None
        return {
            "received": str(self._received + (slot.received if slot else 0)),
            "dropped": str(self._dropped + (slot.dropped if slot else 0)),
            "returns_in_image": str(self._returns),
        }

    def _wants(self, name: str) -> bool:
        return bool(self._outputs[name].get_subscription_count())

    def _see(self, want: bool) -> None:
        if want and self._picture is None:
            qos = newest()
            self._picture = self.create_subscription(Image, "image", self._keep, qos, raw=True)
        elif not want and self._picture is not None:
            self.destroy_subscription(self._picture)
            self._picture = self._image = None

    def _keep(self, data: bytes) -> None:
        self._image = data

    def _take(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        if self._worker is not None:
            self._worker.slot.put(data)

    def _report(self, error: Exception) -> None:
        known = isinstance(error, InputError | ValueError | LookupError)
        line = str(error) if known else f"scan dropped: {type(error).__name__}: {error}"
        self.health.trouble(type(error).__name__, line)

    def _work(self, data: bytes) -> None:
        """Work one scan through, in the worker's thread."""
        if not self.wanted():
            return
        header, points = read_points(data)
        camera = self._infos.camera()
        view = self._project(points, header, camera)
        if view.returns == 0:
            self.health.trouble("empty", f"cloud of {len(points)} points: none in the image")
        self._returns = view.returns
        self._publish(Header(header.stamp_ns, self._infos.frame_id), camera, view)
        self.health.frame(self.age_ms(header.stamp_ns))

    def _project(self, points: NDArray[np.float32], header: Header, camera: Camera) -> LidarView:
        """Project at the image's time where odometry says how the robot moved since the scan."""
        transforms, config = self._transforms, self.config
        assert transforms is not None
        optical, lidar, stamp = self._infos.frame_id, header.frame_id, header.stamp_ns
        T_base_lidar = lookup_soon(transforms, config.base_frame, lidar, stamp)  # noqa: N806
        T_camera_lidar = lookup_soon(transforms, optical, lidar, stamp)  # noqa: N806
        image_ns = self._infos.stamp_ns + round(1e6 * config.camera_time_offset_ms)
        if 0 < abs(image_ns - stamp) < PAIR_NS:
            try:
                fixed = config.fixed_frame
                T_fixed_lidar = transforms.lookup(fixed, lidar, stamp)  # noqa: N806
                T_fixed_camera = transforms.lookup(fixed, optical, image_ns)  # noqa: N806
                T_camera_lidar = invert(T_fixed_camera) @ T_fixed_lidar  # noqa: N806
            except LookupError:
                pass  # no odometry: the robot counts as standing between scan and image
        return project_scan(
            points,
            camera=camera,
            T_camera_lidar=T_camera_lidar,
            T_base_lidar=T_base_lidar,
            patch_size=config.patch_size,
        )

    def _publish(self, header: Header, camera: Camera, view: LidarView) -> None:
        size = (camera.width, camera.height)
        if self._wants("prior"):
            prior = PatchPrior(header, size, self.config.patch_size, view.weights, view.returns)
            self._outputs["prior"].publish(write_prior(prior))
        if self._wants("depth"):
            self._outputs["depth"].publish(write_image(header, view.depth, "32FC1"))
        image = self._image
        if image is not None and self._wants("overlay"):
            image_header, pixels = decode(image)
            if pixels.shape[:2] == view.depth.shape:
                picture = depth_overlay(pixels, view.depth)
                self._outputs["overlay"].publish(write_image(image_header, picture, "bgr8"))


def main() -> int:
    """Run the node until a signal ends it."""
    return run(LidarProjectionNode)
