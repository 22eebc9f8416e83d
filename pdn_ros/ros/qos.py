"""Quality of service of the nodes' topics."""

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

SENSOR = qos_profile_sensor_data
RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


_BRIDGED = 5
"""Queue depth for moments in which the executor gets no processor time."""


def latest_only(reliability: str = "sensor_data") -> QoSProfile:
    """Return the profile of an input whose newest message alone counts.

    The executor takes each message at once and a slot keeps the newest, so that nothing queues
    here. With a depth of 1 a camera at 30 Hz loses images whenever the network's threads keep the
    executor waiting for longer than a frame.

    Args:
        reliability: `sensor_data` (best effort, matches every publisher) or `reliable`.
    """
    reliable = reliability == "reliable"
    return QoSProfile(
        depth=_BRIDGED,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
    )
