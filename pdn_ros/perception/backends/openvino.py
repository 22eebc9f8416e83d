"""OpenVINO on the CPU."""

import sys
import warnings
from pathlib import Path

import torch

from pdn_ros.network import PatchDriveNet
from pdn_ros.perception.backends.compiled import (
    Arrays,
    CompiledParts,
    Runner,
    UnsupportedError,
    Writer,
)
from pdn_ros.perception.backends.stages import Stage, Tensors
from pdn_ros.perception.backends.store import Store

# OpenVINO imports it where it can, and then reports to a server at import and at each conversion.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

_CAPABILITIES = {"float32": "FP32", "bfloat16": "BF16"}
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoParts(CompiledParts):
    """The network's stages as OpenVINO models, kept as IR (`model.xml`, `model.bin`).

    The files are the same for every precision.
    """

    def __init__(self, net: PatchDriveNet, store: Store, precision: str) -> None:
        super().__init__(net, store, precision)
        self._core = openvino.Core()
        # OpenVINO would emulate it, slowly.
        if _CAPABILITIES[precision] not in self._core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise UnsupportedError(f"this processor does not compute in {precision}")
        self._settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
        }

    def _build(self, stage: Stage, examples: Tensors) -> Writer:
        with warnings.catch_warnings():
            # The trace holds for images of this size alone, as it should.
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                stage, examples, check_trace=False
            )
            model = openvino.convert_model(traced, example_input=examples)
        shapes = {i: list(t.shape) for i, t in enumerate(examples)}
        for i, axis in stage.free.items():
            shapes[i][axis] = -1
        model.reshape(shapes)
        return lambda folder: openvino.save_model(
            model, folder / "model.xml", compress_to_fp16=False
        )

    def _open(self, folder: Path) -> Runner:
        compiled = self._core.compile_model(folder / "model.xml", "CPU", self._settings)
        request = compiled.create_infer_request()
        count = len(compiled.outputs)
        # Outputs of fixed size are read before the next frame overwrites them.
        fixed = all(output.partial_shape.is_static for output in compiled.outputs)

        def run(inputs: Arrays) -> Arrays:
            found = request.infer(inputs, share_inputs=True, share_outputs=fixed)
            return [found[i] for i in range(count)]

        return run
