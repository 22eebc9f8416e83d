"""OpenVINO on the CPU: each part compiled once for each shape that it meets."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import openvino
import torch
from torch import Tensor, nn

from pdn_ros.network import PatchDriveNet
from pdn_ros.network.refinement import Refined
from pdn_ros.network.segmentation import Segmentation


class OpenVinoParts:
    """The network's parts as OpenVINO models (static shapes, compiled at their first use)."""

    def __init__(self, net: PatchDriveNet) -> None:
        self._net = net
        self._core = openvino.Core()
        capable = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        # Left to itself OpenVINO takes what the CPU emulates as well.
        precision = "bf16" if "BF16" in capable else "f32"
        self._settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        self._compiled: dict[tuple[object, ...], Any] = {}

    def run_context(
        self, images: Tensor, rows: int, cols: int, cell: int
    ) -> tuple[Segmentation, Tensor]:
        """See the whole image at the context scale."""
        part = _Context(self._net, rows, cols, cell)
        logits, features, weights = self._run(("context", rows, cols, cell), part, images)
        return Segmentation(logits, features), weights

    def run_refinement(
        self, crops: Tensor, context: Segmentation, centres: Tensor, scale: float
    ) -> Refined:
        """Refine selected patches."""
        part = _Refinement(self._net, scale)
        inputs = (crops, context.logits, context.features, centres)
        logits, gate = self._run(("refinement", scale), part, *inputs)
        return Refined(logits, gate)

    def run_dense(self, images: Tensor) -> Tensor:
        """Run the dense network."""
        (logits,) = self._run(("dense",), _Dense(self._net), images)
        return logits

    def _run(self, name: tuple[object, ...], part: nn.Module, *inputs: Tensor) -> list[Tensor]:
        key = (*name, *(tuple(t.shape) for t in inputs))
        # Each image size and budget is a model of its own: static shapes run faster.
        if key not in self._compiled:
            self._compiled[key] = self._compile(part, inputs)
        compiled = self._compiled[key]
        found = compiled([np.ascontiguousarray(t.numpy()) for t in inputs])
        return [torch.from_numpy(found[i]) for i in range(len(compiled.outputs))]

    def _compile(self, part: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
        with _one_thread(), torch.inference_mode(False), torch.no_grad():
            # Copies: what was made in inference mode cannot be traced.
            examples = tuple(t.clone() for t in inputs)
            with warnings.catch_warnings():
                # The trace holds for these shapes alone, as it should.
                warnings.simplefilter("ignore")
                traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                    part.eval(), examples, check_trace=False
                )
                model = openvino.convert_model(traced, example_input=examples)
        model.reshape({i: list(t.shape) for i, t in enumerate(examples)})
        return self._core.compile_model(model, "CPU", self._settings)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch's threads asleep: they would spin beside those of OpenVINO from now on."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Context(nn.Module):
    def __init__(self, net: PatchDriveNet, rows: int, cols: int, cell: int) -> None:
        super().__init__()
        self.net, self.grid = net, (rows, cols, cell)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        context, weights = self.net.run_context(images, *self.grid)
        return context.logits, context.features, weights


class _Refinement(nn.Module):
    def __init__(self, net: PatchDriveNet, scale: float) -> None:
        super().__init__()
        self.net, self.scale = net, scale

    def forward(
        self, crops: Tensor, logits: Tensor, features: Tensor, centres: Tensor
    ) -> tuple[Tensor, Tensor]:
        context = Segmentation(logits, features)
        refined = self.net.run_refinement(crops, context, centres, self.scale)
        return refined.logits, refined.gate


class _Dense(nn.Module):
    def __init__(self, net: PatchDriveNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net.run_dense(images)
