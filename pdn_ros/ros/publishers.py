"""The outputs of the perception node, computed only for subscribers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from nav_msgs.msg import OccupancyGrid
from numpy.typing import NDArray
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from std_msgs.msg import Float32
from vision_msgs.msg import LabelInfo, VisionClass
from visualization_msgs.msg import MarkerArray

from pdn_ros.classes import ClassSet
from pdn_ros.messages.images import write_image, write_jpeg, write_mask
from pdn_ros.messages.patches import write_patches
from pdn_ros.messages.points import write_organized_cloud
from pdn_ros.msg import LabelInfo as ClassesMessage
from pdn_ros.msg import PatchArray as PatchArrayMessage
from pdn_ros.perception.config import PerceptionConfig, camera_topic
from pdn_ros.perception.perception import Observation, Perception
from pdn_ros.ros.markers import patch_markers
from pdn_ros.ros.qos import LATCHED, RELIABLE, SENSOR
from pdn_ros.visualization import overlay, saliency

if TYPE_CHECKING:
    from pdn_ros.ros.managed import ManagedNode

TOPICS: dict[str, tuple[type, QoSProfile]] = {
    "mask": (Image, RELIABLE),
    "confidence": (Image, RELIABLE),
    "overlay": (Image, RELIABLE),
    "overlay/compressed": (CompressedImage, RELIABLE),
    "saliency": (Image, RELIABLE),
    "saliency/compressed": (CompressedImage, RELIABLE),
    "patches": (PatchArrayMessage, RELIABLE),
    "patch_markers": (MarkerArray, RELIABLE),
    "occupancy": (OccupancyGrid, LATCHED),
    "costmap/mask": (Image, SENSOR),
    "costmap/confidence": (Image, SENSOR),
    "costmap/points": (PointCloud2, SENSOR),
    "debug/processing_time_ms": (Float32, RELIABLE),
    "debug/pipeline_latency_ms": (Float32, RELIABLE),
    "debug/overhead_ms": (Float32, RELIABLE),
    "label_info": (LabelInfo, LATCHED),
    "classes": (ClassesMessage, LATCHED),
}
COMMON = (
    "occupancy",
    "debug/processing_time_ms",
    "debug/pipeline_latency_ms",
    "debug/overhead_ms",
    "label_info",
    "classes",
)
"""Outputs that all cameras of a rig share."""
NEED_CONFIDENCE = ("confidence", "occupancy", "costmap/confidence")
NEED_PLACE = ("occupancy", "costmap/points", "patch_markers")


def topic(camera: str, name: str) -> str:
    """Return the name of an output: behind its camera's, if it has one."""
    return name if name in COMMON else camera_topic(camera, name)


def topics(cameras: Sequence[str]) -> dict[str, tuple[type, QoSProfile]]:
    """Return all outputs of cameras: name -> message type and QoS."""
    return {topic(camera, name): TOPICS[name] for camera in cameras for name in TOPICS}


class Outputs:
    """The outputs of one camera.

    Args:
        node: The node that publishes them.
        camera: Name of the camera in its rig; empty for a single camera.
    """

    def __init__(self, node: "ManagedNode[PerceptionConfig]", camera: str) -> None:
        self._node = node
        self._camera = camera

    def wanted(self, *names: str) -> bool:
        """Say whether one of the outputs has a subscriber; without names, any output."""
        return self._node.wanted(*(topic(self._camera, name) for name in names or TOPICS))

    def send(self, name: str, message: Any) -> None:
        """Publish a message, serialized or not."""
        self._node.send(topic(self._camera, name), message)


def publish_classes(node: "ManagedNode[PerceptionConfig]", classes: ClassSet) -> None:
    """Publish the meaning of the ids, latched."""
    infos = classes.classes
    labels = LabelInfo(
        class_map=[VisionClass(class_id=i, class_name=c.name) for i, c in enumerate(infos)]
    )
    message = ClassesMessage(
        ids=list(range(len(infos))),
        names=[c.name for c in infos],
        red=[c.color[0] for c in infos],
        green=[c.color[1] for c in infos],
        blue=[c.color[2] for c in infos],
        roles=[c.role.value for c in infos],
        thin=[c.thin for c in infos],
    )
    labels.header.stamp = message.header.stamp = node.get_clock().now().to_msg()
    node.send("label_info", labels)
    node.send("classes", message)


def publish_prediction(out: Outputs, observation: Observation, config: PerceptionConfig) -> None:
    """Publish the network's results, the mask first."""
    header, prediction = observation.header, observation.prediction
    if out.wanted("mask"):
        out.send("mask", write_mask(header, prediction.mask, config.mask_encoding))
    if prediction.confidence is not None and out.wanted("confidence"):
        out.send("confidence", write_image(header, prediction.confidence, "mono8"))
    if out.wanted("patches"):
        out.send("patches", write_patches(observation.patches()))


def publish_costmap(
    out: Outputs,
    observation: Observation,
    perception: Perception,
    config: PerceptionConfig,
) -> None:
    """Publish what nav2's semantic segmentation layer reads, all of one size."""
    if not out.wanted("costmap/mask", "costmap/confidence", "costmap/points"):
        return
    header, prediction = observation.header, observation.prediction
    height, width = prediction.mask.shape
    small = (config.costmap.width, max(1, round(height * config.costmap.width / width)))
    mask = _nearest(prediction.mask, small)
    if out.wanted("costmap/mask"):
        out.send("costmap/mask", write_image(header, mask, "mono8"))
    if prediction.confidence is not None and out.wanted("costmap/confidence"):
        confidence = _nearest(prediction.confidence, small)
        out.send("costmap/confidence", write_image(header, confidence, "mono8"))
    if observation.view is not None and out.wanted("costmap/points"):
        cloud = perception.mapper.cloud(mask, observation.view, observation.depth)
        rgb = _packed_colors(perception.pipeline.classes)[mask]
        out.send("costmap/points", write_organized_cloud(header, cloud, rgb))


def publish_pictures(out: Outputs, observation: Observation, classes: ClassSet) -> None:
    """Publish the pictures for people."""
    header, image, prediction = observation.header, observation.image, observation.prediction
    if observation.view is not None and out.wanted("patch_markers"):
        view = observation.view
        markers = patch_markers(header, prediction, view.camera, view.T_base_camera)
        out.send("patch_markers", markers)
    for name in ("overlay", "saliency"):
        if not out.wanted(name, f"{name}/compressed"):
            continue
        if name == "overlay":
            picture = overlay(image, prediction.mask, classes)
        else:
            picture = saliency(
                image,
                prediction.weights,
                prediction.selected,
                prediction.patch_size,
                observation.prior,
            )
        if out.wanted(name):
            out.send(name, write_image(header, picture, "bgr8"))
        if out.wanted(f"{name}/compressed"):
            out.send(f"{name}/compressed", write_jpeg(header, picture))


def _packed_colors(classes: ClassSet) -> NDArray[np.uint32]:
    """Return 0xRRGGBB of every class id, (256,)."""
    table = np.zeros(256, dtype=np.uint32)
    table[: len(classes.classes)] = classes.colors @ np.array([65536, 256, 1], np.uint32)
    return table


def _nearest(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    # Plain INTER_NEAREST takes a pixel's corner, up to half a pixel beside the scaled camera's ray.
    small = cv2.resize(image, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(small, dtype=np.uint8)
