"""torch on a GPU: one CUDA graph per shape, half precision, its own stream."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import torch

from pdn_ros.network import PatchDriveNet
from pdn_ros.perception.backends.stages import Stage, StagedParts, Tensors

KEPT: Final = 16
"""Graphs that stay: an image size takes two, each prepared budget one more."""
_WARM_UP: Final = 3


@dataclass(frozen=True, slots=True)
class _Graph:
    graph: torch.cuda.CUDAGraph
    inputs: Tensors
    outputs: Tensors


class CudaParts(StagedParts):
    """The network on the GPU under autocast to float16.

    A shape is captured as a graph only when two frames in a row have it: with a threshold, K
    differs from frame to frame, and capturing costs more than running.
    """

    def __init__(self, net: PatchDriveNet) -> None:
        super().__init__(net)
        self._graphs: OrderedDict[tuple[object, ...], _Graph | None] = OrderedDict()
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def _run(self, stage: Stage, inputs: Tensors) -> Tensors:
        key = (stage.name, *(tuple(t.shape) for t in inputs))
        if key not in self._graphs:
            self._graphs[key] = None
            if len(self._graphs) > KEPT:
                self._graphs.popitem(last=False)
            return _half(stage, inputs)
        self._graphs.move_to_end(key)
        graph = self._graphs[key]
        if graph is None:
            graph = self._graphs[key] = self._capture(stage, inputs)
        for held, given in zip(graph.inputs, inputs, strict=True):
            held.copy_(given, non_blocking=True)
        graph.graph.replay()
        return graph.outputs

    def _capture(self, stage: Stage, inputs: Tensors) -> _Graph:
        held = tuple(t.clone(memory_format=torch.contiguous_format) for t in inputs)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP):
                _half(stage, held)
        torch.cuda.current_stream().wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            outputs = _half(stage, held)
        return _Graph(graph, held, outputs)


def _half(stage: Stage, inputs: Tensors) -> Tensors:
    # The cache of casted weights must not outlive a capture.
    with torch.autocast("cuda", torch.float16, cache_enabled=False):
        return tuple(t.float() for t in stage(*inputs))
