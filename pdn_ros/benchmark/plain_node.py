"""A plain node to compare ours with: what a ROS user writes with rclpy and cv_bridge.

It infers in the callback, converts images as cv_bridge does, and fills every other field through
the generated classes. Network and geometry are those of our node, so that only the nodes differ.
It publishes its network's time and its overhead as our node does.
"""

import array
import sys
import time
from typing import Any

import cv2
import numpy as np
import rclpy
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import OccupancyGrid as OccupancyGridMessage
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Float32
from tf2_msgs.msg import TFMessage

from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.occupancy import OccupancyGrid
from pdn_ros.messages.transforms import from_quaternion
from pdn_ros.msg import Patch, PatchArray
from pdn_ros.network import Prediction
from pdn_ros.perception import Pipeline, PipelineConfig


class PlainNode(Node):  # type: ignore[misc]  # rclpy is untyped here
    """Masks, confidence, patches and grid of every image."""

    def __init__(self) -> None:
        super().__init__("plain")
        names = ("weights", "backend", "device", "precision", "mode")
        values = {name: self.declare_parameter(name, "").value for name in names}
        given = {name: value for name, value in values.items() if value}
        self.pipeline = Pipeline(PipelineConfig.model_validate(given))
        self.roles = self.pipeline.classes.role_table()
        self.grid = OccupancyGrid()
        self.camera: Camera | None = None
        self.poses: dict[tuple[str, str], NDArray[np.float64]] = {}
        self.mask = self.create_publisher(Image, "~/mask", 1)
        self.confidence = self.create_publisher(Image, "~/confidence", 1)
        self.patches = self.create_publisher(PatchArray, "~/patches", 1)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.occupancy = self.create_publisher(OccupancyGridMessage, "~/occupancy", latched)
        self.processing = self.create_publisher(Float32, "~/debug/processing_time_ms", 1)
        self.overhead = self.create_publisher(Float32, "~/debug/overhead_ms", 1)
        self.create_subscription(TFMessage, "/tf_static", self.on_transforms, latched)
        sensor = qos_profile_sensor_data
        self.create_subscription(CameraInfo, "camera_info", self.on_camera_info, sensor)
        self.create_subscription(Image, "image", self.on_image, sensor)

    def on_transforms(self, message: Any) -> None:
        """Keep the static transforms."""
        transform: TransformStamped
        for transform in message.transforms:
            t, r = transform.transform.translation, transform.transform.rotation
            pose = from_quaternion((t.x, t.y, t.z), (r.x, r.y, r.z, r.w))
            self.poses[transform.header.frame_id, transform.child_frame_id] = pose

    def on_camera_info(self, message: Any) -> None:
        """Keep the first camera."""
        if self.camera is None:
            self.camera = Camera(
                width=message.width,
                height=message.height,
                k=np.array(message.k).reshape(3, 3),
                d=np.array(message.d),
                model=message.distortion_model,
            )

    def on_image(self, message: Any, info: dict[str, int]) -> None:
        """Segment an image and publish everything."""
        image = np.frombuffer(message.data, dtype=np.uint8)
        image = image.reshape(message.height, message.step)[:, : 3 * message.width]
        image = image.reshape(message.height, message.width, 3)
        result = self.pipeline.segment(image)
        self.mask.publish(to_image(result.mask, message.header))
        self.confidence.publish(to_image(result.confidence, message.header))
        self.patches.publish(to_patches(result, message.header))
        grid = self.to_grid(result, message.header)
        if grid is not None:
            self.occupancy.publish(grid)
        spent_ms = (time.time_ns() - info["received_timestamp"]) / 1e6
        self.processing.publish(Float32(data=result.times.total))
        self.overhead.publish(Float32(data=spent_ms - result.times.total))

    def to_grid(self, result: Prediction, header: Any) -> Any:
        """Return the OccupancyGrid after this image; None before camera and TF are known."""
        pose = self.poses.get(("base_link", header.frame_id))
        odometry = self.poses.get(("odom", "base_link"))
        if self.camera is None or pose is None or odometry is None:
            return None
        stamp_ns = header.stamp.sec * 10**9 + header.stamp.nanosec
        self.grid.update(
            roles=np.asarray(cv2.LUT(result.mask, self.roles), dtype=np.uint8),
            camera=self.camera,
            T_base_camera=pose,
            T_grid_base=odometry,
            stamp_ns=stamp_ns,
            confidence=result.confidence,
        )
        cells = self.grid.snapshot(stamp_ns)
        message = OccupancyGridMessage()
        message.header.stamp, message.header.frame_id = header.stamp, "odom"
        message.info.resolution = cells.resolution
        message.info.height, message.info.width = cells.data.shape
        message.info.origin.position.x, message.info.origin.position.y = cells.origin_xy
        message.info.origin.orientation.w = 1.0
        message.data = cells.data.ravel().tolist()
        return message


def to_image(pixels: NDArray[np.uint8] | None, header: Any) -> Any:
    """Return a mono8 Image, filled as cv_bridge's `cv2_to_imgmsg` does."""
    if pixels is None:
        raise ValueError("no pixels")
    message = Image(header=header, encoding="mono8")
    message.height, message.width = pixels.shape
    message.step = message.width
    data = array.array("B")
    data.frombytes(pixels.tobytes())
    message.data = data
    return message


def to_patches(result: Prediction, header: Any) -> Any:
    """Return the PatchArray, one Patch after the other."""
    height, width = result.mask.shape
    rows, cols = result.weights.shape
    size, selected = result.patch_size, set(result.selected.tolist())
    message = PatchArray(
        header=header, image_width=width, image_height=height, patch_size=size, rows=rows, cols=cols
    )
    message.mode, message.budget = result.mode, result.budget
    message.budget_reason = result.budget_reason
    for i in range(rows * cols):
        row, col = divmod(i, cols)
        patch = Patch(index=i, x=col * size, y=row * size)
        patch.width, patch.height = min(size, width - patch.x), min(size, height - patch.y)
        patch.weight, patch.score = float(result.weights[row, col]), float(result.scores[row, col])
        patch.prior = float("nan")
        patch.selected = i in selected
        patch.reason = Patch.REASON_DRIVER if patch.selected else Patch.REASON_NONE
        message.patches.append(patch)
    return message


def main() -> int:
    """Run the node until a signal ends it."""
    rclpy.init(args=sys.argv)
    try:
        rclpy.spin(PlainNode())
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    return 0
