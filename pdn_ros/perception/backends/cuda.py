"""torch on a GPU: one CUDA graph for each shape, half precision, a stream of its own."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from pdn_ros.network import PatchDriveNet
from pdn_ros.network.refinement import Refined
from pdn_ros.network.segmentation import Segmentation

KEPT: Final = 16
"""Graphs that stay: an image size takes two, each prepared budget one more."""
_WARM_UP: Final = 3

Tensors = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class _Graph:
    graph: torch.cuda.CUDAGraph
    inputs: Tensors
    outputs: Tensors


class CudaParts:
    """The network on the GPU under autocast to float16.

    A shape is captured as a graph when it comes for the second time in a row of frames: with a
    threshold K differs from frame to frame, and capturing costs more than running.
    """

    def __init__(self, net: PatchDriveNet) -> None:
        self._net = net
        self._graphs: OrderedDict[tuple[object, ...], _Graph | None] = OrderedDict()
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def run_context(
        self, images: Tensor, rows: int, cols: int, cell: int
    ) -> tuple[Segmentation, Tensor]:
        """See the whole image at the context scale."""

        def part(*t: Tensor) -> Tensors:
            context, weights = self._net.run_context(t[0], rows, cols, cell)
            return context.logits, context.features, weights

        logits, features, weights = self._run(("context", rows, cols, cell), part, images)
        return Segmentation(logits, features), weights

    def run_refinement(
        self, crops: Tensor, context: Segmentation, centres: Tensor, scale: float
    ) -> Refined:
        """Refine selected patches."""

        def part(*t: Tensor) -> Tensors:
            refined = self._net.run_refinement(t[0], Segmentation(t[1], t[2]), t[3], scale)
            return refined.logits, refined.gate

        inputs = (crops, context.logits, context.features, centres)
        logits, gate = self._run(("refinement", scale), part, *inputs)
        return Refined(logits, gate)

    def run_dense(self, images: Tensor) -> Tensor:
        """Run the dense network."""
        (logits,) = self._run(("dense",), lambda *t: (self._net.run_dense(t[0]),), images)
        return logits

    def _run(
        self, name: tuple[object, ...], part: Callable[..., Tensors], *inputs: Tensor
    ) -> Tensors:
        key = (*name, *(tuple(t.shape) for t in inputs))
        if key not in self._graphs:
            self._graphs[key] = None
            if len(self._graphs) > KEPT:
                self._graphs.popitem(last=False)
            return _half(part, inputs)
        self._graphs.move_to_end(key)
        graph = self._graphs[key]
        if graph is None:
            graph = self._graphs[key] = self._capture(part, inputs)
        for held, given in zip(graph.inputs, inputs, strict=True):
            held.copy_(given, non_blocking=True)
        graph.graph.replay()
        return graph.outputs

    def _capture(self, part: Callable[..., Tensors], inputs: Tensors) -> _Graph:
        held = tuple(t.clone(memory_format=torch.contiguous_format) for t in inputs)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP):
                _half(part, held)
        torch.cuda.current_stream().wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            outputs = _half(part, held)
        return _Graph(graph, held, outputs)


def _half(part: Callable[..., Tensors], inputs: Tensors) -> Tensors:
    # The cache of casted weights must not outlive a capture.
    with torch.autocast("cuda", torch.float16, cache_enabled=False):
        return tuple(t.float() for t in part(*inputs))
