"""The perception node's outputs that a replay records, under the node's own names."""

from typing import Final

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
