"""Backends: who runs the network's three parts. One file each; torch is always there."""

import importlib.util

from pdn_ros.errors import InputError
from pdn_ros.network import Parts, PatchDriveNet

MODULES = {"torch": "torch", "openvino": "openvino"}
"""Backend and the module that it needs."""


def available() -> tuple[str, ...]:
    """Return the names of the backends that can be used here."""
    return tuple(name for name, module in MODULES.items() if importlib.util.find_spec(module))


def pick(device: str) -> str:
    """Return the backend that `auto` stands for: the fastest that is installed."""
    return "openvino" if device == "cpu" and "openvino" in available() else "torch"


def load_parts(name: str, net: PatchDriveNet, device: str) -> tuple[str, Parts]:
    """Prepare a backend.

    Args:
        name: `auto` or a backend's name.
        net: The network, on `device`.
        device: `cpu` or `cuda`.

    Returns:
        The backend's name and the parts that it runs.

    Raises:
        InputError: There is no such backend, it is not installed, or cannot use the device.
    """
    chosen = pick(device) if name == "auto" else name
    if chosen not in MODULES:
        raise InputError(f"backend {chosen}: not known; one of auto, {', '.join(MODULES)}")
    if chosen not in available():
        raise InputError(f"backend {chosen}: not installed; pip install {MODULES[chosen]}")
    if chosen == "torch":
        return chosen, net
    if device != "cpu":
        raise InputError(f"backend {chosen}: runs on the CPU alone; use device: cpu")
    from pdn_ros.inference.backends.openvino import OpenVinoParts

    return chosen, OpenVinoParts(net)
