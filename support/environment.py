"""The environment in which pdn_ros runs, as shell `export` lines for env.sh.

Also imported by setup.py beside it, which builds in the same environment. Standard library only;
run with `python -S`, so that nothing of the environment that it describes is needed.
"""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
INSTALL = ROOT / "install"


def _prepend(value: str, entries: Iterable[Path]) -> str:
    """Put `entries` before those of the search path `value`, each entry once."""
    first = [str(entry) for entry in entries]
    rest = [part for part in value.split(os.pathsep) if part and part not in first]
    return os.pathsep.join(first + rest)


def from_wheels() -> bool:
    """Return whether ROS lies in `.venv`; else it is the installation that was sourced."""
    return (VENV / "share" / "rclpy").is_dir()


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set on top of those in `base`."""
    result = {
        "VIRTUAL_ENV": str(VENV),
        "PATH": _prepend(base.get("PATH", ""), [VENV / "bin"]),
    }
    prefixes, libraries = [INSTALL], [INSTALL / "lib"]
    if from_wheels():
        prefixes.append(VENV)
        libraries += [VENV / "lib", *sorted(VENV.glob("lib/python3*/site-packages/ros_*.libs"))]
        # Together with the library path it keeps the wheels from starting Python a second time.
        result["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
        result["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"
    # The sources come first, so that a new file needs no build; pdn_ros.msg is found in install/.
    modules = [
        ROOT,
        *INSTALL.glob("lib/python3*/site-packages"),
        *INSTALL.glob("local/lib/python3*/dist-packages"),
    ]
    for name, entries in {
        "AMENT_PREFIX_PATH": prefixes,
        "CMAKE_PREFIX_PATH": prefixes,
        "LD_LIBRARY_PATH": libraries,
        "PYTHONPATH": modules,
    }.items():
        result[name] = _prepend(base.get(name, ""), entries)
    return result


if __name__ == "__main__":
    for name, value in environment(os.environ).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
