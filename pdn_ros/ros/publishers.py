"""The outputs of the perception node: nothing is computed that nobody listens to."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from nav_msgs.msg import OccupancyGrid
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Float32
from vision_msgs.msg import LabelInfo, VisionClass
from visualization_msgs.msg import MarkerArray

from pdn_ros.classes import ClassSet
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.images import write_image, write_mask
from pdn_ros.messages.occupancy import Grid, write_grid
from pdn_ros.messages.patches import write_patches
from pdn_ros.messages.points import write_organized_cloud
from pdn_ros.msg import LabelInfo as ClassesMessage
from pdn_ros.msg import PatchArray
from pdn_ros.perception import Result
from pdn_ros.ros.markers import patch_markers
from pdn_ros.ros.parameters import PerceptionConfig
from pdn_ros.ros.qos import LATCHED, RELIABLE, SENSOR
from pdn_ros.ros.scene import Scene
from pdn_ros.visualization import overlay, saliency

TOPICS: dict[str, tuple[type, QoSProfile]] = {
    "mask": (Image, RELIABLE),
    "confidence": (Image, RELIABLE),
    "overlay": (Image, RELIABLE),
    "saliency": (Image, RELIABLE),
    "patches": (PatchArray, RELIABLE),
    "patch_markers": (MarkerArray, RELIABLE),
    "occupancy": (OccupancyGrid, LATCHED),
    "costmap/mask": (Image, SENSOR),
    "costmap/confidence": (Image, SENSOR),
    "costmap/points": (PointCloud2, SENSOR),
    "debug/processing_time_ms": (Float32, RELIABLE),
    "debug/pipeline_latency_ms": (Float32, RELIABLE),
    "debug/overhead_ms": (Float32, RELIABLE),
}


NEED_CONFIDENCE = ("confidence", "occupancy", "costmap/confidence")


@dataclass(frozen=True, slots=True)
class Shot:
    """One image with what was made of it."""

    header: Header
    image: NDArray[np.uint8]
    result: Result
    prior: NDArray[np.float32] | None
    depth: NDArray[np.float32] | None


class Outputs:
    """Publishers of the perception node, by name."""

    def __init__(self, node: LifecycleNode, classes: ClassSet) -> None:
        self._node = node
        self._classes = classes
        self._rgb = np.zeros(256, dtype=np.uint32)
        self._rgb[: len(classes.classes)] = classes.colors @ np.array([65536, 256, 1], np.uint32)
        self._publishers: dict[str, Any] = {
            name: node.create_lifecycle_publisher(kind, f"~/{name}", qos)
            for name, (kind, qos) in TOPICS.items()
        }
        self._latched: dict[str, Any] = {
            "label_info": node.create_lifecycle_publisher(LabelInfo, "~/label_info", LATCHED),
            "classes": node.create_lifecycle_publisher(ClassesMessage, "~/classes", LATCHED),
        }

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (*self._publishers.values(), *self._latched.values()):
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers, self._latched = {}, {}

    def wanted(self, *names: str) -> bool:
        """Say whether somebody listens to one of the outputs; without names: to any."""
        return any(
            self._publishers[name].get_subscription_count() for name in names or self._publishers
        )

    def publish_classes(self) -> None:
        """Publish what the ids mean, for everybody who comes, now or later."""
        infos = self._classes.classes
        labels = LabelInfo(
            class_map=[VisionClass(class_id=i, class_name=c.name) for i, c in enumerate(infos)]
        )
        classes = ClassesMessage(
            ids=list(range(len(infos))),
            names=[c.name for c in infos],
            red=[c.color[0] for c in infos],
            green=[c.color[1] for c in infos],
            blue=[c.color[2] for c in infos],
            roles=[c.role.value for c in infos],
            thin=[c.thin for c in infos],
        )
        labels.header.stamp = classes.header.stamp = self._node.get_clock().now().to_msg()
        self._latched["label_info"].publish(labels)
        self._latched["classes"].publish(classes)

    def publish(self, shot: Shot, scene: Scene, config: PerceptionConfig) -> None:
        """Publish everything of a frame that somebody listens to, the mask first."""
        header, result = shot.header, shot.result
        if self.wanted("mask"):
            self._send("mask", write_mask(header, result.mask, config.mask_encoding))
        if result.confidence is not None and self.wanted("confidence"):
            self._send("confidence", write_image(header, result.confidence, "mono8"))
        if self.wanted("patches"):
            self._send("patches", write_patches(result.patches(header, shot.prior)))
        self._publish_scene(shot, scene, config)
        if self.wanted("overlay"):
            picture = overlay(shot.image, result.mask, self._classes)
            self._send("overlay", write_image(header, picture, "bgr8"))
        if self.wanted("saliency"):
            picture = saliency(
                shot.image, result.weights, result.selected, result.patch_size, shot.prior
            )
            self._send("saliency", write_image(header, picture, "bgr8"))

    def publish_times(self, processing_ms: float, latency_ms: float, overhead_ms: float) -> None:
        """Publish the debug times.

        Args:
            processing_ms: The network's.
            latency_ms: From the image's stamp to the last output.
            overhead_ms: From the image's receipt to the last output, less the network's.
        """
        self._publishers["debug/processing_time_ms"].publish(Float32(data=processing_ms))
        self._publishers["debug/pipeline_latency_ms"].publish(Float32(data=latency_ms))
        self._publishers["debug/overhead_ms"].publish(Float32(data=overhead_ms))

    def publish_grid(self, header: Header, cells: Grid) -> None:
        """Publish an occupancy grid."""
        self._send("occupancy", write_grid(header.stamp_ns, cells))

    def _publish_scene(self, shot: Shot, scene: Scene, config: PerceptionConfig) -> None:
        header, result = shot.header, shot.result
        height, width = result.mask.shape
        view = None
        if self.wanted("occupancy", "costmap/points", "patch_markers"):
            view = scene.view(header, (width, height))
        if view is not None and self.wanted("occupancy"):
            grid = scene.grid(header, result, view, shot.depth)
            if grid is not None:
                self.publish_grid(*grid)
        if self.wanted("costmap/mask", "costmap/confidence", "costmap/points"):
            small = (config.costmap.width, max(1, round(height * config.costmap.width / width)))
            mask = _nearest(result.mask, small)
            self._send("costmap/mask", write_image(header, mask, "mono8"))
            if result.confidence is not None:
                confidence = _nearest(result.confidence, small)
                self._send("costmap/confidence", write_image(header, confidence, "mono8"))
            if view is not None and self.wanted("costmap/points"):
                cloud = scene.cloud(mask, view, shot.depth)
                message = write_organized_cloud(header, cloud, self._rgb[mask])
                self._send("costmap/points", message)
        if view is not None and self.wanted("patch_markers"):
            markers = patch_markers(header, result, view.camera, view.T_base_camera)
            self._publishers["patch_markers"].publish(markers)

    def _send(self, name: str, message: bytes) -> None:
        self._publishers[name].publish(message)


def _nearest(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    # Plain INTER_NEAREST takes a pixel's corner, up to half a pixel beside the scaled camera's ray.
    small = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(small, dtype=np.uint8)
