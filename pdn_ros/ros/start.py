"""Where the nodes' programs begin: a missing package is one line instead of a traceback."""

import sys
from importlib import import_module

from pdn_ros.requirements import NEEDED, missing, remedy


def perception_node() -> int:
    """Run the perception node; the exit status is returned."""
    return _start("perception_node")


def lidar_projection_node() -> int:
    """Run the LiDAR projection node; the exit status is returned."""
    return _start("lidar_projection_node")


def _start(name: str) -> int:
    lacking = missing(NEEDED[name])
    if lacking:
        sys.stderr.write(f"{name}: lacks {', '.join(lacking)}; to mend it: {remedy(lacking)}\n")
        return 1
    try:
        module = import_module(f"pdn_ros.ros.{name}")
    except ImportError as error:
        line = " ".join(str(error).split())
        sys.stderr.write(f"{name}: {line}; is ROS sourced, with this workspace? See `pdn doctor`\n")
        return 1
    return int(module.main())
