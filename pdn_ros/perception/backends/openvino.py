"""OpenVINO on the CPU."""

import warnings
from pathlib import Path

import openvino
import torch
from torch import Tensor

from pdn_ros.network import PatchDriveNet
from pdn_ros.perception.backends.compiled import Arrays, CompiledParts, Part, Runner
from pdn_ros.perception.backends.store import Store


class OpenVinoParts(CompiledParts):
    """The network's parts as OpenVINO models, kept as IR (`model.xml`, `model.bin`)."""

    def __init__(self, net: PatchDriveNet, store: Store) -> None:
        super().__init__(net, store)
        self._core = openvino.Core()
        capable = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        # Left to itself OpenVINO takes what the CPU emulates as well.
        precision = "bf16" if "BF16" in capable else "f32"
        if precision == "bf16":
            self.tolerance = 0.05  # 8 bits of mantissa, some 40 layers deep
        self._settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}

    def _build(self, part: Part, examples: tuple[Tensor, ...], folder: Path) -> None:
        with warnings.catch_warnings():
            # The trace holds for images of this size alone, as it should.
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                part, examples, check_trace=False
            )
            model = openvino.convert_model(traced, example_input=examples)
        shapes = {i: list(t.shape) for i, t in enumerate(examples)}
        for i, axis in part.free.items():
            shapes[i][axis] = -1
        model.reshape(shapes)
        openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)

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
