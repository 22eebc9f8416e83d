"""`pdn doctor`: what is installed, what is missing, and the command that fixes it."""

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from pdn_ros.resources import weights_path
from pdn_ros.start import NEEDED, missing, remedy

_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_SHARED_MEMORY: Final = Path("/dev/shm")
_SHARED_MEMORY_NEEDED: Final = 16 * 2**20  # bytes; whole images travel through it


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    name: str
    detail: str
    good: bool = True
    needed: bool = False
    """The main job cannot run without it."""
    remedy: str = ""
    """The command that fixes it, if something is missing."""


def doctor() -> int:
    """Show what is installed, what is missing and the command that fixes it.

    Each backend segments the shipped image in each precision that it offers.

    Exit status 0: the main job can run (with ROS in a checkout or a workspace, without it in a
    plain pip installation); 1: something that it needs is missing.

    Example: pdn doctor
    """
    findings = []
    for finding in examine():
        findings.append(finding)
        mark = "ok" if finding.good else "MISSING" if finding.needed else "-"
        print(f"{mark:8}{finding.name:22}{finding.detail}", flush=True)
        if finding.remedy and not finding.good:
            print(f"{'':30}to mend it: {finding.remedy}", flush=True)
    lacking = [finding.name for finding in findings if finding.needed and not finding.good]
    print(f"\nThe main job cannot run without: {', '.join(lacking)}" if lacking else "\nReady.")
    return 1 if lacking else 0


def examine() -> Iterator[Finding]:
    """Yield the findings one by one, since some imports take seconds."""
    checkout = (_CHECKOUT / "package.xml").is_file()
    setup = f"make -C '{_CHECKOUT}' setup" if checkout else ""
    yield Finding(
        "Python",
        platform.python_version(),
        good=sys.version_info >= (3, 10),
        needed=True,
        remedy="install Python 3.10 or newer",
    )
    lacking = missing(NEEDED["perception_node"])
    yield Finding(
        "packages",
        f"missing: {', '.join(lacking)}" if lacking else "all that the nodes need",
        good=not lacking,
        needed=True,
        remedy=setup or remedy(lacking),
    )
    for name, module in {"torch": "torch", "OpenCV": "cv2"}.items():
        yield _module(name, module, needed=True)
    yield _weights()
    yield from _backends()
    yield from _ros(setup, needed=checkout or bool(os.environ.get("AMENT_PREFIX_PATH")))
    yield _module("pypatchworkpp", "pypatchworkpp", "own ground fit", "pip install pypatchworkpp")
    yield _module("rosbags", "rosbags", "no bags", "pip install rosbags")
    yield _module("embreex", "embreex", "no simulation", "pip install embreex")
    yield _module("rerun", "rerun", "no viewer", "pip install 'rerun-sdk>=0.39'")


def _ros(setup: str, *, needed: bool) -> Iterator[Finding]:
    distribution = os.environ.get("ROS_DISTRO")
    source = f"ROS 2 {distribution.capitalize()}" if distribution else "ROS 2 Jazzy from the wheels"
    enter = f". '{_CHECKOUT}/env.sh'" if (_CHECKOUT / ".venv").is_dir() else setup
    remedy = enter or "source /opt/ros/jazzy/setup.bash"
    error = _import_error("rclpy")
    yield Finding("ROS", error or source, not error, needed, remedy)
    error = _import_error("pdn_ros.msg")
    build = setup or "colcon build --packages-select pdn_ros, then source install/setup.bash"
    yield Finding("messages", error or "built", not error, needed, build)
    replacements = {
        "bond": "for nav2's lifecycle_manager set bond_timeout: 0.0",
        "cv_bridge": "own image decoding",
        "launch_ros": "start perception_node and lidar_projection_node by hand",
    }
    for module, replacement in replacements.items():
        yield _module(module, module, replacement)
    if _SHARED_MEMORY.is_dir():
        size = shutil.disk_usage(_SHARED_MEMORY).free
        yield Finding(
            "shared memory",
            f"{size / 2**20:.0f} MiB free in {_SHARED_MEMORY}",
            good=size >= _SHARED_MEMORY_NEEDED,
            remedy="give the container more: docker run --shm-size=256m",
        )


def _module(
    name: str, module: str, without: str = "", remedy: str = "", *, needed: bool = False
) -> Finding:
    """Import a module; `without` says what happens when it is absent."""
    error = _import_error(module)
    if not error:
        return Finding(name, _version(module), needed=needed)
    detail = f"{error}: {without}" if without else error
    return Finding(name, detail, good=False, needed=needed, remedy=remedy)


def _import_error(module: str) -> str:
    """Return why a module cannot be imported; empty if it can."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        return "absent" if error.name == module else f"broken: lacks {error.name}"
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything; it is shown
        return f"broken: {_line(error)}"
    return ""


def _version(module: str) -> str:
    names = metadata.packages_distributions().get(module, [module])
    try:
        version = metadata.version(names[0])
    except metadata.PackageNotFoundError:  # part of a ROS installation
        version = "present"
    if module == "torch":
        cuda = importlib.import_module(module).cuda
        version += f" ({cuda.get_device_name() if cuda.is_available() else 'no GPU'})"
    return version


def _weights() -> Finding:
    path = weights_path()
    if _import_error("safetensors"):
        return Finding("weights", f"{path}: not read, safetensors is missing", False, True)
    from safetensors import SafetensorError, safe_open

    checkout = (_CHECKOUT / ".git").exists()
    remedy = f"git -C '{_CHECKOUT}' checkout pdn_ros/weights" if checkout else "install again"
    try:
        with safe_open(str(path), framework="numpy") as tensors:
            detail = f"{path} ({len(tensors.keys())} tensors)"
    except (OSError, SafetensorError) as error:
        detail = f"{path}: {error}" if path.exists() else f"{path} is absent"
        return Finding("weights", detail, False, True, remedy)
    return Finding("weights", detail, needed=True)


def _backends() -> Iterator[Finding]:
    """Segment the shipped image with every backend; only `auto` is required to work."""
    remedy = "pip install openvino"
    try:
        import torch

        from pdn_ros.machine import instruction_sets
        from pdn_ros.perception import trial
        from pdn_ros.perception.backends import MODULES, PRECISIONS, available

        expected = trial.reference()
    except Exception as error:  # noqa: BLE001 - whatever keeps torch from segmenting is shown
        yield Finding("backend", f"none: {_line(error)}", False, True, remedy)
        return
    device: trial.Device = "cuda" if torch.cuda.is_available() else "cpu"
    yield Finding("processor", ", ".join(instruction_sets()) or "instruction sets not known")
    for name in PRECISIONS[device]:
        if name not in available():
            yield Finding(name, "absent", good=False, remedy=f"pip install {MODULES[name]}")
    for backend, precision in (*trial.choices(device), ("auto", "auto")):
        needed = backend == "auto"
        name = backend if needed else f"{backend} {precision}"
        try:
            found = trial.trial(device, backend, precision, expected)
        except Exception as error:  # noqa: BLE001 - whatever keeps a backend from segmenting
            yield Finding(name, _line(error), False, needed, remedy if needed else "")
            continue
        detail = f"{found.ms:.0f} ms at 640x360, {found.agreement:.2%} of torch's labels"
        if needed:
            detail = f"picks {found.backend} in {found.precision} on {device}: {detail}"
        if found.fallback:
            detail += f"; what is faster fails: {found.fallback}"
        yield Finding(name, detail, needed=needed)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
