"""What a benchmark measures of nodes, in processes of their own, through DDS.

Needs ROS 2, as `pdn_ros.replay.live` does.
"""

from pdn_ros.errors import InputError

try:
    import rclpy  # noqa: F401
except ImportError as error:
    raise InputError(
        f"needs ROS 2, and rclpy cannot be imported ({error}): `. ./env.sh` first"
    ) from error
