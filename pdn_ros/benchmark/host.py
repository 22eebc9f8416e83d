"""The machine that a benchmark ran on, and whether two runs may be compared."""

import os

from pdn_ros.benchmark.results import Benchmark
from pdn_ros.errors import InputError
from pdn_ros.machine import describe

try:
    import psutil
except ImportError as error:
    raise InputError("psutil is missing: pip install 'pdn_ros[bench]'") from error

_HARDWARE = {"Processor": "processor", "System": "system"}


def machine() -> dict[str, str]:
    """Return what the machine is made of: runs are comparable where all of it is the same."""
    import torch

    found = describe()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    return {name: found[key] for key, name in _HARDWARE.items()} | {"memory": memory, "gpu": gpu}


def versions() -> dict[str, str]:
    """Return the versions of the software."""
    return {k: v for k, v in describe().items() if k not in _HARDWARE and k != "Load"}


def load() -> float:
    """Return how many processes wanted to run, averaged over the last minute."""
    return os.getloadavg()[0]


def require_same_machine(ours: dict[str, str], other: Benchmark, name: str) -> None:
    """Refuse to compare runs of different machines.

    Raises:
        InputError: Something of the two machines differs.
    """
    for part, here in ours.items():
        there = other.machine.get(part, "unknown")
        if here != there:
            raise InputError(
                f"{name}: measured on another machine ({part} {there}, here {here}): "
                "timings of different machines cannot be compared"
            )
