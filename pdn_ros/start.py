"""Where a workspace's programs begin: a missing package is one line instead of a traceback."""

import sys
from importlib import import_module

from pdn_ros.requirements import NEEDED, missing, remedy


def perception_node() -> int:
    """Run the perception node; the exit status is returned."""
    return _start("perception_node", "pdn_ros.ros.perception_node")


def lidar_projection_node() -> int:
    """Run the LiDAR projection node; the exit status is returned."""
    return _start("lidar_projection_node", "pdn_ros.ros.lidar_projection_node")


def pdn() -> int:
    """Run the command line; the exit status is returned."""
    return _start("pdn", "pdn_ros.cli.app")


def _start(program: str, module: str) -> int:
    lacking = missing(NEEDED[program])
    if lacking:
        sys.stderr.write(f"{program}: lacks {', '.join(lacking)}; to mend it: {remedy(lacking)}\n")
        return 1
    try:
        main = import_module(module).main
    except ImportError as error:
        line = " ".join(str(error).split())
        sys.stderr.write(f"{program}: {line}; is ROS sourced, with this workspace?\n")
        return 1
    return int(main())
