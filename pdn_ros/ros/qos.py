"""Quality of service of the nodes' topics."""

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

SENSOR = qos_profile_sensor_data
RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def newest(reliability: str = "sensor_data") -> QoSProfile:
    """Return the profile of an input of which only the newest message counts.

    Args:
        reliability: `sensor_data` (best effort, matches every publisher) or `reliable`.
    """
    if reliability == "reliable":
        return RELIABLE
    return QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
