"""Backends: who runs the network's three parts. One file each; torch is always there."""

import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pdn_ros.errors import InputError
from pdn_ros.network import Parts, PatchDriveNet

if TYPE_CHECKING:
    from pdn_ros.perception.backends.compiled import CompiledParts
    from pdn_ros.perception.backends.store import Store

MODULES: Final = {
    "openvino": "openvino",
    "onnxruntime": "onnxruntime",
    "tensorrt": "tensorrt",
    "torch": "torch",
}
"""Backend and the module that it needs."""
DEVICES: Final = {
    "openvino": ("cpu",),
    "onnxruntime": ("cpu", "cuda"),
    "tensorrt": ("cuda",),
    "torch": ("cpu", "cuda"),
}
"""Where a backend runs."""
FASTEST_FIRST: Final = {
    "cpu": ("openvino", "onnxruntime", "torch"),
    "cuda": ("torch", "tensorrt", "onnxruntime"),
}
"""What `auto` tries. On the CPU as measured (docs/performance.md); on a GPU nothing has been: torch
comes first because it needs nothing built."""
_log = logging.getLogger(__name__)


def available() -> tuple[str, ...]:
    """Return the names of the backends that can be used here."""
    return tuple(name for name, module in MODULES.items() if importlib.util.find_spec(module))


def pick(device: str) -> str:
    """Return the backend that `auto` stands for: the fastest that is installed."""
    usable = available()
    return next(name for name in FASTEST_FIRST[device] if name in usable)


def load_parts(
    name: str, net: PatchDriveNet, device: str, weights: Path | None = None
) -> tuple[str, Parts]:
    """Prepare a backend.

    Args:
        name: `auto` or a backend's name.
        net: The network, on `device`.
        device: `cpu` or `cuda`.
        weights: File of the network, beside which exported models may lie; without one, models
            come from the cache alone.

    Returns:
        The backend's name and the parts that it runs.

    Raises:
        InputError: There is no such backend, it is not installed, or cannot use the device.
    """
    from pdn_ros.perception.backends.store import Store, cache_folder, exported_folder, manifest_for

    chosen = pick(device) if name == "auto" else name
    check(chosen, device)
    if chosen == "torch":
        return chosen, _torch(net, device)
    try:
        manifest = manifest_for(net, chosen, MODULES[chosen])
        beside = [] if weights is None else [exported_folder(weights, chosen)]
        # Asked for by name, a stale export is worth stopping for.
        store = Store(manifest, (*beside, cache_folder(manifest)), strict=name != "auto")
        return chosen, compiled_parts(chosen, net, device, store)
    except (ImportError, InputError) as error:
        if name != "auto":
            raise InputError(f"backend {chosen}: cannot start ({error})") from error
        _log.warning("backend %s cannot start (%s): torch runs the network", chosen, error)
        return "torch", _torch(net, device)


def check(name: str, device: str) -> None:
    """Raise InputError, one line, when a backend is unknown, absent, or not for the device."""
    if name not in MODULES:
        raise InputError(f"backend {name}: not known; one of auto, {', '.join(MODULES)}")
    if name not in available():
        raise InputError(f"backend {name}: not installed; pip install {MODULES[name]}")
    if device not in DEVICES[name]:
        where = " or ".join(DEVICES[name])
        raise InputError(f"backend {name}: does not run on {device}; use device: {where}")


def compiled_parts(name: str, net: PatchDriveNet, device: str, store: "Store") -> "CompiledParts":
    """Start a backend that compiles, its models in `store`."""
    if name == "openvino":
        from pdn_ros.perception.backends.openvino import OpenVinoParts

        return OpenVinoParts(net, store)
    if name == "onnxruntime":
        from pdn_ros.perception.backends.onnxruntime import OnnxRuntimeParts

        return OnnxRuntimeParts(net, store, device)
    from pdn_ros.perception.backends.tensorrt import TensorRtParts

    return TensorRtParts(net, store)


def _torch(net: PatchDriveNet, device: str) -> Parts:
    if device == "cpu":
        return net
    from pdn_ros.perception.backends.cuda import CudaParts

    return CudaParts(net)
