"""Backends, which run the network's three parts. One file each; torch is always there."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pdn_ros.errors import InputError
from pdn_ros.network import Parts, PatchDriveNet

if TYPE_CHECKING:
    from pdn_ros.perception.backends.fallback import Choice, FallbackParts
    from pdn_ros.perception.backends.store import Store

MODULES: Final = {
    "openvino": "openvino",
    "onnxruntime": "onnxruntime",
    "tensorrt": "tensorrt",
    "torch": "torch",
}
"""Backend and the module that it needs."""
PRECISIONS: Final = {
    "cpu": {
        "openvino": ("bfloat16", "float32"),
        "onnxruntime": ("float32",),
        "torch": ("float32",),
    },
    "cuda": {
        "torch": ("float16", "float32"),
        "tensorrt": ("float16",),
        "onnxruntime": ("float32",),
    },
}
"""Device -> backends -> precisions that `auto` tries, fastest first. The CPU's order is measured
(docs/performance.md); the GPU's is not: torch comes first because it needs no building."""


def available() -> tuple[str, ...]:
    """Return the names of the backends that can be used here."""
    return tuple(name for name, module in MODULES.items() if importlib.util.find_spec(module))


def pick(device: str) -> str:
    """Return the backend that `auto` tries first: the fastest that is installed."""
    usable = available()
    return next(name for name in PRECISIONS[device] if name in usable)


def load_parts(
    backend: str,
    net: PatchDriveNet,
    device: str,
    weights: Path | None = None,
    precision: str = "auto",
) -> "FallbackParts":
    """Prepare the network's parts.

    Args:
        backend: `auto` or a backend's name.
        net: The network, on `device`.
        device: `cpu` or `cuda`.
        weights: The network's file, beside which exported models may lie; without one, models
            come only from the cache.
        precision: `auto` or the precision to compute in.

    Returns:
        Parts that fall back to slower choices that the arguments allow.

    Raises:
        InputError: Backend or precision is unknown, not installed, or impossible on this machine.
    """
    from pdn_ros.perception.backends.fallback import FallbackParts
    from pdn_ros.perception.backends.store import Store, cache_folder, exported_folder, manifest_for

    def start(name: str, precision: str) -> Parts:
        if name == "torch":
            return _torch(net, device, precision)
        manifest = manifest_for(net, name, MODULES[name])
        beside = [] if weights is None else [exported_folder(weights, name)]
        # For a backend named explicitly, a stale export is an error.
        store = Store(manifest, (*beside, cache_folder(manifest)), strict=backend != "auto")
        return compiled_parts(name, net, device, store, precision)

    return FallbackParts(choices(backend, precision, device), start)


def choices(backend: str, precision: str, device: str) -> "list[Choice]":
    """Return backends and precisions to try, fastest first.

    Raises:
        InputError: There is nothing to try.
    """
    if backend != "auto":
        check(backend, device)
    names = [backend] if backend != "auto" else [n for n in PRECISIONS[device] if n in available()]
    found = [
        (name, offered)
        for name in names
        for offered in PRECISIONS[device][name]
        if precision in ("auto", offered)
    ]
    if not found:
        offers = ", ".join(dict.fromkeys(p for name in names for p in PRECISIONS[device][name]))
        who = "no backend installed here" if backend == "auto" else f"backend {backend} does not"
        verb = " offers it" if backend == "auto" else " offer it"
        raise InputError(f"precision {precision}: {who}{verb} on {device}; one of auto, {offers}")
    return found


def check(name: str, device: str) -> None:
    """Raise InputError if a backend is unknown, absent, or not for the device."""
    if name not in MODULES:
        raise InputError(f"backend {name}: not known; one of auto, {', '.join(MODULES)}")
    if name not in available():
        raise InputError(f"backend {name}: not installed; pip install {MODULES[name]}")
    if name not in PRECISIONS[device]:
        where = " or ".join(device for device, names in PRECISIONS.items() if name in names)
        raise InputError(f"backend {name}: does not run on {device}; use device: {where}")


def compiled_parts(
    name: str, net: PatchDriveNet, device: str, store: "Store", precision: str = "float32"
) -> Parts:
    """Start a backend that compiles, its models in `store`."""
    if name == "openvino":
        from pdn_ros.perception.backends.openvino import OpenVinoParts

        return OpenVinoParts(net, store, precision)
    if name == "onnxruntime":
        from pdn_ros.perception.backends.onnxruntime import OnnxRuntimeParts

        return OnnxRuntimeParts(net, store, device)
    from pdn_ros.perception.backends.tensorrt import TensorRtParts

    return TensorRtParts(net, store)


def _torch(net: PatchDriveNet, device: str, precision: str) -> Parts:
    if device == "cpu" or precision == "float32":
        return net
    from pdn_ros.perception.backends.cuda import CudaParts

    return CudaParts(net)
