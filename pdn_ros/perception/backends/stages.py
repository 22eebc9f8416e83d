"""The network's three runs as modules of tensors, which is what compilers take."""

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdn_ros.network import PatchDriveNet, PatchGrid
from pdn_ros.network.pixels import HostPixels
from pdn_ros.network.predict import patch_centres
from pdn_ros.network.refinement import Refined
from pdn_ros.network.segmentation import OUTPUT_STRIDE, Segmentation

Tensors = tuple[Tensor, ...]

PATCHES = 4
"""Patches in the example of the refinement; tracing would take a single one for a constant."""
_MAPS = tuple(field.name for field in fields(Segmentation))


class Stage(nn.Module):
    """One run of the network, a tuple of tensors in and out; the first output is the logits."""

    free: ClassVar[dict[int, int]] = {}
    """Input -> axis that is K."""
    inputs: ClassVar[tuple[str, ...]] = ("images",)
    outputs: ClassVar[tuple[str, ...]] = ("logits",)

    def __init__(self, net: PatchDriveNet, name: str) -> None:
        super().__init__()
        self.net, self.name = net, name

    def example(self, image: NDArray[np.uint8], inputs: Tensors) -> Tensors:
        """Return inputs shaped like those given (K aside), made from an image, on the CPU."""
        height, width = inputs[0].shape[2:]
        return (HostPixels(image).shrunk((height, width)).contiguous(),)


class ContextStage(Stage):
    """`PatchDriveNet.run_context`."""

    outputs = (*_MAPS, "weights")

    def __init__(self, net: PatchDriveNet, images: Tensor, rows: int, cols: int, cell: int) -> None:
        height, width = images.shape[2:]
        super().__init__(net, f"context-{width}x{height}-{cols}x{rows}x{cell}")
        self.grid = (rows, cols, cell)

    def forward(self, *inputs: Tensor) -> Tensors:
        """Return the context's maps and the weights."""
        (images,) = inputs
        context, weights = self.net.run_context(images, *self.grid)
        return *maps(context), weights


class RefinementStage(Stage):
    """`PatchDriveNet.run_refinement`."""

    free: ClassVar[dict[int, int]] = {0: 0, 1: 0}
    inputs = ("crops", "centers", *_MAPS)
    outputs = ("refined", "gate")

    def __init__(self, net: PatchDriveNet, context: Segmentation, scale: float) -> None:
        height, width = context.features.shape[2:]
        super().__init__(net, f"refinement-{width}x{height}-{scale:g}")
        self.scale = scale

    def forward(self, *inputs: Tensor) -> Tensors:
        """Return the refined logits and the gate."""
        crops, centers, *context = inputs
        refined = self.net.run_refinement(crops, Segmentation(*context), centers, self.scale)
        return refined.logits, refined.gate

    def example(self, image: NDArray[np.uint8], inputs: Tensors) -> Tensors:
        """Return patches of the image, spread over it, and what the context network sees."""
        height, width = (
            side * OUTPUT_STRIDE for side in inputs[self.inputs.index("features")].shape[2:]
        )
        config, device = self.net.config, next(self.net.parameters()).device
        small = HostPixels(image).shrunk((height, width)).to(device)
        context = self.net.context(self.net.normalise(small))
        grid = PatchGrid(
            round(height / self.scale), round(width / self.scale), config.patch_size, self.scale
        )
        whole = np.asarray(cv2.resize(image, (grid.width, grid.height)), np.uint8)
        patches = np.linspace(0, grid.count - 1, PATCHES).astype(np.int32)
        crops = HostPixels(whole).crops(grid, patches, config.halo).contiguous()
        return crops, patch_centres(grid, patches), *(m.float().cpu() for m in maps(context))


class DenseStage(Stage):
    """`PatchDriveNet.run_dense`."""

    def __init__(self, net: PatchDriveNet, images: Tensor) -> None:
        height, width = images.shape[2:]
        super().__init__(net, f"dense-{width}x{height}")

    def forward(self, *inputs: Tensor) -> Tensors:
        """Return the logits."""
        (images,) = inputs
        return (self.net.run_dense(images),)


class StagedParts(ABC):
    """`network.Parts` over something that runs stages."""

    def __init__(self, net: PatchDriveNet) -> None:
        self._net = net

    @abstractmethod
    def _run(self, stage: Stage, inputs: Tensors) -> Tensors:
        """Run a stage; what it returns holds until the next run."""

    def run_context(
        self, images: Tensor, rows: int, cols: int, cell: int
    ) -> tuple[Segmentation, Tensor]:
        """See the whole image at the context scale."""
        stage = ContextStage(self._net, images, rows, cols, cell)
        *context, weights = self._run(stage, (images,))
        return Segmentation(*context), weights

    def run_refinement(
        self, crops: Tensor, context: Segmentation, centres: Tensor, scale: float
    ) -> Refined:
        """Refine selected patches."""
        stage = RefinementStage(self._net, context, scale)
        return Refined(*self._run(stage, (crops, centres, *maps(context))))

    def run_dense(self, images: Tensor) -> Tensor:
        """Run the dense network."""
        (logits,) = self._run(DenseStage(self._net, images), (images,))
        return logits


def maps(context: Segmentation) -> Tensors:
    """Return the maps of a segmentation in the order of its fields."""
    return tuple(getattr(context, name) for name in _MAPS)


def on(device: torch.device, tensors: Tensors) -> Tensors:
    """Return the tensors on a device."""
    return tuple(t.to(device) for t in tensors)
