"""Which topics belong to a running node: found in the graph, so that remappings are followed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pdn_ros.errors import InputError

if TYPE_CHECKING:
    from pdn_ros.harness.participant import Participant, Topics

IMAGE: Final = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE: Final = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO: Final = "sensor_msgs/msg/CameraInfo"
POINTS: Final = "sensor_msgs/msg/PointCloud2"
OUTPUTS: Final = {
    "mask": IMAGE,
    "patches": "pdn_ros/msg/PatchArray",
    "occupancy": "nav_msgs/msg/OccupancyGrid",
    "classes": "pdn_ros/msg/LabelInfo",
}
INPUTS: Final = ("image", "camera_info", "points")


@dataclass(frozen=True, slots=True)
class Names:
    """Where to look.

    Attributes:
        namespace: Namespace of both nodes, for example `/front`; empty: none.
        node: Name of the perception node.
        lidar_node: Name of the LiDAR projection node.
        remapped: Topic of a name of `INPUTS` or `OUTPUTS`, in the place of what would be found.
    """

    namespace: str = ""
    node: str = "perception"
    lidar_node: str = "lidar_projection"
    remapped: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The namespace as rclpy has it."""
        return "/" + self.namespace.strip("/")

    @property
    def full_name(self) -> str:
        """The perception node's name with its namespace, without the leading slash."""
        return f"{self.root}/{self.node}".lstrip("/")

    def outputs(self) -> dict[str, tuple[str, str]]:
        """Return topic and type of each of the node's outputs."""
        return {
            name: (self.remapped.get(name, f"/{self.full_name}/{name}"), kind)
            for name, kind in OUTPUTS.items()
        }

    def inputs(self, participant: "Participant") -> dict[str, tuple[str, str]]:
        """Return topic and type of the inputs that are known now."""
        heard, _ = participant.topics_of(self.node, self.root)
        scans, projected = participant.topics_of(self.lidar_node, self.root)
        found = inputs_of(heard, scans, {topic for topic, _ in projected})
        types = dict(participant.node.get_topic_names_and_types())
        for name, topic in self.remapped.items():
            if name in INPUTS and types.get(topic):
                found[name] = (topic, types[topic][0])
        return found


def inputs_of(heard: "Topics", scans: "Topics", projected: set[str]) -> dict[str, tuple[str, str]]:
    """Tell a camera's image, its calibration and the LiDAR's scan by their types.

    Args:
        heard: What the perception node subscribes to.
        scans: What the LiDAR node subscribes to.
        projected: Topics that the LiDAR node publishes: its depth image is no camera's.
    """
    found: dict[str, tuple[str, str]] = {}
    for topic, kinds in heard:
        kind = kinds[0]
        if kind == CAMERA_INFO:
            found["camera_info"] = (topic, kind)
        elif kind in (IMAGE, COMPRESSED_IMAGE) and not (
            topic in projected or topic.endswith("/lidar_depth")
        ):
            found["image"] = (topic, kind)
    for topic, kinds in scans:
        if kinds[0] == POINTS:
            found["points"] = (topic, POINTS)
    return found


def parse_remapping(text: str, namespace: str) -> tuple[str, str]:
    """Read `image:=/camera/image_raw`; a relative topic lies in the namespace.

    Raises:
        InputError: It is no such pair, or the name is none that is viewed.
    """
    name, joined, topic = text.partition(":=")
    known = (*INPUTS, *OUTPUTS)
    if not joined or name not in known or not topic:
        raise InputError(f"remap {text}: give NAME:=TOPIC, NAME one of {', '.join(known)}")
    parts = (topic,) if topic.startswith("/") else (namespace, topic)
    return name, "/" + "/".join(part.strip("/") for part in parts if part.strip("/"))
