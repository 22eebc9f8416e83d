"""What the figures were measured on."""

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = (
    "pdn_ros",
    "torch",
    "openvino",
    "onnxruntime",
    "transformers",
    "numpy",
    "opencv-python-headless",
)


def describe() -> dict[str, str]:
    """Return processor, system and versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {
        "Processor": f"{_processor()}, {cores} cores",
        "System": f"{platform.system()} {platform.release()}",
        "Load": " ".join(f"{value:.1f}" for value in os.getloadavg()),
        "Python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    found["ROS"] = os.environ.get("ROS_DISTRO") or "jazzy from the wheels"
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
