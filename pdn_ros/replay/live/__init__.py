"""Live evaluation: the recording through DDS to both nodes, and what comes back.

The only package besides `pdn_ros.ros` that needs ROS 2.
"""

from pdn_ros.errors import InputError

try:
    import rclpy  # noqa: F401
except ImportError as error:
    raise InputError(
        f"--live needs ROS 2, and rclpy cannot be imported ({error}): `. ./env.sh` first"
    ) from error

from pdn_ros.replay.live.source import Live

__all__ = ["Live"]
