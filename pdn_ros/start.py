"""Entry points of a workspace's programs: a missing package gives one line, no traceback.

Nothing that may be missing is imported here.
"""

import re
import sys
from collections.abc import Iterable
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent
_BOTH: Final = ("cv2", "numpy", "PIL", "pydantic>=2.5", "yaml")
NEEDED: Final = {
    "lidar_projection_node": _BOTH,
    "perception_node": (*_BOTH, "safetensors>=0.4", "torch>=2.9"),
    "pdn": ("typer>=0.29",),
}
_FROM_ROSDEP: Final = {"cv2", "numpy", "PIL", "yaml"}


def missing(requirements: Iterable[str]) -> list[str]:
    """Return the unmet ones of the requirements (`module` or `module>=version`).

    A package that is too old is listed with the version found.
    """
    result = []
    for requirement in requirements:
        module, _, least = requirement.partition(">=")
        if find_spec(module) is None:
            result.append(module)
        elif least and _numbers(found := metadata.version(module)) < _numbers(least):
            result.append(f"{module} {found} (needs {requirement})")
    return result


def remedy(lacking: Iterable[str]) -> str:
    """Return the command that installs the packages of `missing`."""
    if {name.split()[0] for name in lacking} <= _FROM_ROSDEP:
        return "rosdep install --from-paths src --ignore-src -y"
    # Beside the package in a checkout, inside it once installed.
    places = (_PACKAGE / "requirements.txt", _PACKAGE.parent / "requirements.txt")
    file = next((str(path) for path in places if path.is_file()), "requirements.txt")
    if sys.prefix != sys.base_prefix:
        return f"{sys.executable} -m pip install -r {file}"
    # Debian and Ubuntu refuse pip outside a virtual environment.
    return (
        "python3 -m venv --system-site-packages venv && . venv/bin/activate && "
        f"pip install -r {file}, then build the workspace again"
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def perception_node() -> int:
    """Run the perception node and return the exit status."""
    return _start("perception_node", "pdn_ros.ros.perception_node")


def lidar_projection_node() -> int:
    """Run the LiDAR projection node and return the exit status."""
    return _start("lidar_projection_node", "pdn_ros.ros.lidar_projection_node")


def pdn() -> int:
    """Run the command line and return the exit status."""
    return _start("pdn", "pdn_ros.__main__")


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
