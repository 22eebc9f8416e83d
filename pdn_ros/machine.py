"""The machine and the software that figures were measured on."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Final

_PACKAGES: Final = (
    "pdn_ros",
    "torch",
    "openvino",
    "onnxruntime",
    "transformers",
    "numpy",
    "opencv-python-headless",
)
_INSTRUCTIONS: Final = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)
"""x86-64, then aarch64."""


def hardware() -> dict[str, str]:
    """Return what timings depend on: only those of equal hardware are comparable."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": f"{_processor()}, {cores} cores",
        "system": f"{platform.system()} {platform.release()}",
        "memory": f"{memory / 2**30:.0f} GiB",
        "instructions": " ".join(instruction_sets()) or "not known",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


def instruction_sets() -> tuple[str, ...]:
    """Return the processor's vector and matrix instructions that speed networks up.

    Names are Linux's, such as avx512_bf16; empty where it does not tell.
    """
    info = Path("/proc/cpuinfo")
    words = set(info.read_text(encoding="utf-8").split()) if info.is_file() else set()
    return tuple(name for name in _INSTRUCTIONS if name in words)


def versions() -> dict[str, str]:
    """Return the versions of Python, ROS and the packages that are installed."""
    found = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    found["ROS"] = os.environ.get("ROS_DISTRO") or "jazzy from the wheels"
    return found


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def describe() -> dict[str, str]:
    """Return hardware, load and versions for a report."""
    parts = {name.capitalize(): value for name, value in hardware().items() if name != "gpu"}
    return {**parts, "Load": f"{load():.1f}", **versions()}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
