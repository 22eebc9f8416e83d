"""OpenVINO on the CPU. Nothing else in the package imports the library."""

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import nn

from pdn_ros.network import PatchDriveNet
from pdn_ros.perception.backends.compiled import (
    Arrays,
    CompiledParts,
    Runner,
    UnsupportedError,
)
from pdn_ros.perception.backends.stages import Stage, Tensors
from pdn_ros.perception.backends.store import Store

# OpenVINO imports it where it can, and then reports to a server at import and at each conversion.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

_CAPABILITIES: Final = {"bfloat16": "BF16", "float32": "FP32"}
"""Precision, fastest first -> what the library calls a processor that computes in it."""
_HINTS: Final = {"float32": "f32", "bfloat16": "bf16"}
_NONE: Final[Mapping[int, int]] = MappingProxyType({})


class OpenVinoParts(CompiledParts):
    """The network's stages as OpenVINO models, kept as IR (`model.xml`, `model.bin`).

    The files are the same for every precision.
    """

    def __init__(self, net: PatchDriveNet, store: Store, precision: str) -> None:
        super().__init__(net, store, precision)
        # OpenVINO would emulate it, slowly.
        if precision not in precisions():
            raise UnsupportedError(f"this processor does not compute in {precision}")

    def _build(self, stage: Stage, examples: Tensors) -> Any:
        return converted(stage, examples, stage.free)

    def _compile(self, model: Any) -> Runner:
        compiled = compiled_model(model, self._precision)
        request = compiled.create_infer_request()
        count = len(compiled.outputs)
        # Outputs of fixed size are read before the next frame overwrites them.
        fixed = all(output.partial_shape.is_static for output in compiled.outputs)

        def run(inputs: Arrays) -> Arrays:
            found = request.infer(inputs, share_inputs=True, share_outputs=fixed)
            return [found[i] for i in range(count)]

        return run

    def _save(self, model: Any, folder: Path) -> None:
        openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)

    def _load(self, folder: Path) -> Any:
        return openvino.Core().read_model(folder / "model.xml")


def precisions() -> tuple[str, ...]:
    """Return what this processor computes in without emulation, fastest first."""
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(name for name, capability in _CAPABILITIES.items() if capability in able)


def converted(module: nn.Module, examples: Tensors, free: Mapping[int, int] = _NONE) -> Any:
    """Return a torch module as an OpenVINO model for inputs shaped like the examples.

    Args:
        module: In evaluation mode; takes and returns tensors.
        examples: Its inputs.
        free: Input -> axis that may have any size.
    """
    with warnings.catch_warnings():
        # The trace holds for images of this size alone, as it should.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            module, examples, check_trace=False
        )
        model = openvino.convert_model(traced, example_input=examples)
    shapes = {i: list(t.shape) for i, t in enumerate(examples)}
    for i, axis in free.items():
        shapes[i][axis] = -1
    model.reshape(shapes)
    return model


def compiled_model(model: Any, precision: str) -> Any:
    """Return a model ready to run in a precision, for the shortest time of a single image."""
    settings = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
    return openvino.Core().compile_model(model, "CPU", settings)
