"""The LiDAR projection node: scans in, a prior for the patches and a depth image out."""

from functools import partial
from typing import Any

from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from pdn_ros.errors import InputError
from pdn_ros.geometry.lidar import LidarView
from pdn_ros.messages.camera_info import read_camera_info
from pdn_ros.messages.images import write_image
from pdn_ros.messages.patches import PatchPrior as Prior
from pdn_ros.messages.patches import write_prior
from pdn_ros.messages.points import read_points
from pdn_ros.msg import PatchPrior
from pdn_ros.perception.camera_tracker import CameraTracker
from pdn_ros.perception.config import LidarProjectionConfig, camera_topic
from pdn_ros.perception.lidar import ScanProjector
from pdn_ros.ros.decoding import decode
from pdn_ros.ros.managed import ManagedNode
from pdn_ros.ros.qos import RELIABLE, latest_only
from pdn_ros.ros.spin import run
from pdn_ros.visualization import depth_overlay

TOPICS = {"prior": (PatchPrior, RELIABLE), "depth": (Image, RELIABLE), "overlay": (Image, RELIABLE)}


class Target:
    """A camera into which scans are projected.

    Attributes:
        name: Of the camera in its rig; empty for a single camera.
        infos: Its calibration and the stamps of its images.
        image: Its newest image, serialized, while the overlay is wanted.
        returns: How many returns of the last scan fell into its image.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.infos = CameraTracker()
        self.image: bytes | None = None
        self.returns = 0

    def topic(self, name: str) -> str:
        """Return the name of one of the camera's topics."""
        return camera_topic(self.name, name)


class LidarProjectionNode(ManagedNode[LidarProjectionConfig]):
    """Projects the newest scan into the images of a camera or a rig, in a thread."""

    def __init__(self, **options: Any) -> None:
        self._targets = [Target()]
        self._projector: ScanProjector | None = None
        super().__init__(
            "lidar_projection",
            LidarProjectionConfig,
            subject=("cloud", "prior"),
            **options,
        )

    def topics(self, config: LidarProjectionConfig) -> dict[str, tuple[type, QoSProfile]]:
        """Return the outputs."""
        cameras = config.cameras or ("",)
        return {camera_topic(camera, name): TOPICS[name] for camera in cameras for name in TOPICS}

    def setup(self, config: LidarProjectionConfig) -> None:
        """Make the projector."""
        assert self.transforms is not None
        if config.cameras != tuple(one.name for one in self._targets if one.name):
            # The same ones keep what is known of them.
            self._targets = [Target(name) for name in config.cameras or ("",)]
        self._projector = ScanProjector(config, self.transforms)

    def teardown(self) -> None:
        """Free the projector."""
        self._projector = None

    def subscribe(self) -> list[Any]:
        """Subscribe; scans arrive serialized and are read by the worker."""
        points = latest_only(self.config.points_qos)
        return [
            self.create_subscription(PointCloud2, "points", self.take, points, raw=True),
            *(
                self.listen(CameraInfo, one.topic("camera_info"), partial(self._take_info, one))
                for one in self._targets
            ),
        ]

    def subscribe_on_demand(self) -> list[Any]:
        """Subscribe to the images below the overlays."""
        for target in self._targets:
            target.image = None
        return [
            self.listen(Image, one.topic("image"), partial(self._keep, one))
            for one in self._targets
        ]

    def demands(self) -> bool:
        """Say whether an overlay has a subscriber."""
        return self.wanted(*(target.topic("overlay") for target in self._targets))

    def work(self, item: bytes) -> None:
        """Process one scan: read, project into all cameras at once, publish."""
        assert self._projector is not None
        self._projector.config = self.config
        header, points = read_points(item)
        targets, places = [], []
        for target in self._targets:
            if not self.wanted(*(target.topic(name) for name in TOPICS)):
                continue
            try:
                places.append(self._projector.place(target.infos, header))
                targets.append(target)
            except (InputError, LookupError) as error:
                self.failed(error, target.name and target.topic("prior"))
        if not places:
            return
        found = self._projector.project(points, header, places)
        for target, (prior, view) in zip(targets, found, strict=True):
            self._publish(target, prior, view)
        for target, (_, view) in zip(targets, found, strict=True):
            self._publish_overlay(target, view)
        if not any(target.returns for target in targets):
            self.health.report("empty", f"cloud of {len(points)} points: none in the image")
        self.health.done(self.age_ms(header.stamp_ns))

    def forget(self, stamp_ns: int | None = None) -> None:
        """Do nothing: only transforms are kept over time, and the base class forgets them."""

    def values(self) -> dict[str, str]:
        """Return, for the diagnostics, the number of returns in the images."""
        return {
            f"{one.name}.returns_in_image" if one.name else "returns_in_image": str(one.returns)
            for one in self._targets
        }

    def _publish(self, target: Target, prior: Prior, view: LidarView) -> None:
        target.returns = view.returns
        if self.wanted(target.topic("prior")):
            self.send(target.topic("prior"), write_prior(prior))
        if self.wanted(target.topic("depth")):
            self.send(target.topic("depth"), write_image(prior.header, view.depth, "32FC1"))

    def _publish_overlay(self, target: Target, view: LidarView) -> None:
        image = target.image
        if image is None or not self.wanted(target.topic("overlay")):
            return
        try:
            header, pixels = decode(image)
        except InputError as error:
            self.failed(error, target.topic("image"))
            return
        if pixels.shape[:2] == view.depth.shape:
            picture = depth_overlay(pixels, view.depth)
            self.send(target.topic("overlay"), write_image(header, picture, "bgr8"))

    def _keep(self, target: Target, data: bytes) -> None:
        target.image = data

    def _take_info(self, target: Target, data: bytes) -> None:
        target.infos.put(read_camera_info(data))


def main() -> int:
    """Run the node until a signal ends it."""
    return run(LidarProjectionNode)
