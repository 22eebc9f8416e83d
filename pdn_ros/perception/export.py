"""Export: the models of a backend, made before they are needed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pdn_ros.errors import InputError
from pdn_ros.network import Options, PatchDriveNet, predict
from pdn_ros.network.predict import Mode
from pdn_ros.perception.backends import MODULES, choices, compiled_parts
from pdn_ros.perception.backends.store import Store, exported_folder, manifest_for
from pdn_ros.perception.config import Precision
from pdn_ros.resources import weights_path


@torch.inference_mode()
def export(
    backend: str,
    *,
    weights: str = "",
    sizes: Sequence[tuple[int, int]] = ((1920, 1080),),
    modes: Sequence[Mode] = ("patch",),
    precision: Precision = "auto",
    out: Path | None = None,
) -> Path:
    """Write a backend's models for some image sizes, each compared with torch.

    Args:
        backend: One that compiles.
        weights: Path of a .safetensors file; empty: the weights that ship with the package.
        sizes: Widths and heights of the images, pixels.
        modes: Modes to export for; patch mode includes every K.
        precision: What the models compute in when they are compared with torch; `auto`: the most
            exact that the backend offers.
        out: Folder; None: beside the weights, where the pipeline looks for it.

    Returns:
        The folder.

    Raises:
        InputError: Backend or precision cannot be used, the weights cannot be read, a model differs
            from torch, or the folder cannot be written.
    """
    device = "cuda" if backend == "tensorrt" else "cpu"
    _, exact = choices(backend, precision, device)[-1]
    if backend == "torch":
        raise InputError("backend torch: runs the weights as they are; nothing to export")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(f"backend {backend}: its models are built on the GPU, and there is none")
    try:
        net = PatchDriveNet.load(weights or None, device)
    except ValueError as error:
        raise InputError(str(error)) from error
    folder = out or exported_folder(Path(weights) if weights else weights_path(), backend)
    store = Store(manifest_for(net, backend, MODULES[backend]), (folder,))
    parts = compiled_parts(backend, net, device, store, exact)
    for width, height in sizes:
        image = np.zeros((height, width, 3), np.uint8)
        for mode in modes:
            try:
                predict(parts, net.config, image, Options(mode, 1), device=device)
            except ValueError as error:
                raise InputError(str(error)) from error
    return folder
