"""The outputs for a recorded image, and the node's topics that a replay records."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.messages.occupancy import Grid
from pdn_ros.messages.patches import PatchArray
from pdn_ros.perception.config import camera_topic
from pdn_ros.replay.drive import RecordedImage
from pdn_ros.replay.results import NAN

MASK: Final = "/perception/mask"
CONFIDENCE: Final = "/perception/confidence"
PATCHES: Final = "/perception/patches"
OCCUPANCY: Final = "/perception/occupancy"
TYPES: Final = {
    MASK: "sensor_msgs/msg/Image",
    CONFIDENCE: "sensor_msgs/msg/Image",
    PATCHES: "pdn_ros/msg/PatchArray",
    OCCUPANCY: "nav_msgs/msg/OccupancyGrid",
}
"""Of a single camera; in a rig the first three have each camera's name: see `topic_of`."""


def topic_of(topic: str, camera: str) -> str:
    """Return an output topic, such as `MASK`, of one camera."""
    node, _, name = topic.rpartition("/")
    return f"{node}/{camera_topic(camera, name)}"


def types_of(cameras: Iterable[str]) -> dict[str, str]:
    """Return the output topics of some cameras and their types; the grid is one for all."""
    return {
        topic if topic == OCCUPANCY else topic_of(topic, camera): msgtype
        for camera in cameras
        for topic, msgtype in TYPES.items()
    }


@dataclass(slots=True)
class Output:
    """The outputs for one image, of perception here or as the nodes published them.

    Attributes:
        mask: (H, W) uint8 class ids; None when there is none.
        patches: Every patch's weight, and the selection.
        depth: (H, W) float32 meters, the scan in the image, 0 where there is no return.
        grids: The occupancy grids by kind: fused, camera, lidar; of a set, with its last image.
        latency_ms: See `results.FrameRow`.
        age_ms: See `results.FrameRow`.
        stages_ms: Time of each stage of the pipeline.
        error: Why there is no mask; empty when it was merely dropped.
    """

    mask: NDArray[np.uint8] | None = None
    patches: PatchArray | None = None
    depth: NDArray[np.float32] | None = None
    grids: dict[str, Grid] = field(default_factory=dict)
    latency_ms: float = NAN
    age_ms: float = NAN
    stages_ms: dict[str, float] = field(default_factory=dict)
    error: str = ""


Seen = list[tuple[RecordedImage, Output]]
"""The images of a set, or a single one, each with what came of it."""
