"""The LiDAR projection node: scans in, a prior for the patches and a depth image out."""

from typing import Any

from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from pdn_ros.messages.camera_info import read_camera_info
from pdn_ros.messages.images import write_image
from pdn_ros.messages.patches import write_prior
from pdn_ros.messages.points import read_points
from pdn_ros.msg import PatchPrior
from pdn_ros.perception.camera_tracker import CameraTracker
from pdn_ros.perception.config import LidarProjectionConfig
from pdn_ros.perception.lidar import ScanProjector
from pdn_ros.ros.decoding import decode
from pdn_ros.ros.managed import ManagedNode
from pdn_ros.ros.qos import RELIABLE, latest_only
from pdn_ros.ros.spin import run
from pdn_ros.visualization import depth_overlay

TOPICS = {"prior": (PatchPrior, RELIABLE), "depth": (Image, RELIABLE), "overlay": (Image, RELIABLE)}


class LidarProjectionNode(ManagedNode[LidarProjectionConfig]):
    """Projects the newest scan into the camera image, in a thread."""

    def __init__(self, **options: Any) -> None:
        self._cameras = CameraTracker()
        self._projector: ScanProjector | None = None
        self._image: bytes | None = None
        self._returns = 0
        super().__init__(
            "lidar_projection",
            LidarProjectionConfig,
            subject=("cloud", "prior"),
            **options,
        )

    def topics(self, config: LidarProjectionConfig) -> dict[str, tuple[type, QoSProfile]]:  # noqa: ARG002
        """Return the outputs."""
        return TOPICS

    def setup(self, config: LidarProjectionConfig) -> None:
        """Make the projector."""
        assert self.transforms is not None
        self._projector = ScanProjector(config, self._cameras, self.transforms)

    def teardown(self) -> None:
        """Free the projector."""
        self._projector = None

    def subscribe(self) -> list[Any]:
        """Subscribe; scans arrive serialized and are read by the worker."""
        points, sensor = latest_only(self.config.points_qos), latest_only()
        return [
            self.create_subscription(PointCloud2, "points", self.take, points, raw=True),
            self.create_subscription(
                CameraInfo,
                "camera_info",
                self.guard("camera_info", self._take_info),
                sensor,
                raw=True,
            ),
        ]

    def subscribe_on_demand(self) -> list[Any]:
        """Subscribe to the images below the overlay."""
        self._image = None
        return [self.create_subscription(Image, "image", self._keep, latest_only(), raw=True)]

    def demands(self) -> bool:
        """Say whether the overlay has a subscriber."""
        return self.wanted("overlay")

    def work(self, item: bytes) -> None:
        """Process one scan: read, project, publish."""
        assert self._projector is not None
        self._projector.config = self.config
        header, points = read_points(item)
        prior, view = self._projector.project(points, header)
        if view.returns == 0:
            self.health.report("empty", f"cloud of {len(points)} points: none in the image")
        self._returns = view.returns
        if self.wanted("prior"):
            self.send("prior", write_prior(prior))
        if self.wanted("depth"):
            self.send("depth", write_image(prior.header, view.depth, "32FC1"))
        image = self._image
        if image is not None and self.wanted("overlay"):
            image_header, pixels = decode(image)
            if pixels.shape[:2] == view.depth.shape:
                picture = depth_overlay(pixels, view.depth)
                self.send("overlay", write_image(image_header, picture, "bgr8"))
        self.health.done(self.age_ms(header.stamp_ns))

    def forget(self, stamp_ns: int | None = None) -> None:
        """Do nothing: only transforms are kept over time, and the base class forgets them."""

    def values(self) -> dict[str, str]:
        """Return, for the diagnostics, the number of returns in the image."""
        return {"returns_in_image": str(self._returns)}

    def _keep(self, data: bytes) -> None:
        self._image = data

    def _take_info(self, data: bytes) -> None:
        self._cameras.put(read_camera_info(data))


def main() -> int:
    """Run the node until a signal ends it."""
    return run(LidarProjectionNode)
