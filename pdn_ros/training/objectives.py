"""What each stage trains: a loss over a batch, and the parameters that it moves."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor, nn

from pdn_ros.network import PatchDriveNet
from pdn_ros.network.segmentation import SegmentationNetwork, upsample_to
from pdn_ros.training.data import Batch
from pdn_ros.training.losses import task_loss
from pdn_ros.training.training_config import StageConfig


class Objective(nn.Module):
    """Base: the loss of one stage as a module, so that a data-parallel wrapper can take it."""

    def __init__(self, net: PatchDriveNet, stage: StageConfig, class_weights: Tensor) -> None:
        super().__init__()
        self.net = net
        self.stage = stage
        self.register_buffer("class_weights", class_weights)
        net.requires_grad_(False)
        self.trained().requires_grad_(True)
        for part in (net.context, net.dense, net.refinement):
            part.backbone.freeze(stage.frozen_blocks)

    class_weights: Tensor

    def trained(self) -> nn.Module:
        """Return the part of the network that this stage trains."""
        raise NotImplementedError

    def forward(self, batch: Batch, seed: int) -> Tensor:
        """Return the loss of a batch; `seed` drives whatever is random."""
        raise NotImplementedError

    def _task_loss(self, logits: Tensor, batch: Batch, seed: int) -> Tensor:
        """Return the task loss of logits that cover the windows, at half resolution.

        The labels are sampled at a random phase of each 2x2 block: a fixed one would shift them by
        half a pixel.
        """
        labels, weights = halve(batch.labels, seed), halve(batch.weights, seed)
        full = upsample_to(logits, labels.shape)
        return task_loss(full, labels, self.class_weights, batch.hidden, weights)

    def groups(self) -> Iterator[dict[str, object]]:
        """Parameter groups: the pretrained backbone learns slower than new layers."""
        backbone: list[nn.Parameter] = []
        new: list[nn.Parameter] = []
        for name, parameter in self.trained().named_parameters():
            if not parameter.requires_grad:
                continue
            (backbone if "backbone" in name else new).append(parameter)
        yield {"params": backbone, "lr": self.stage.backbone_lr, "peak": self.stage.backbone_lr}
        yield {"params": new, "lr": self.stage.lr, "peak": self.stage.lr}


class OnePass(Objective):
    """Context or dense network over whole windows."""

    def trained(self) -> SegmentationNetwork:
        """Return the network of the stage's objective."""
        return self.net.context if self.stage.objective == "context" else self.net.dense

    def forward(self, batch: Batch, seed: int) -> Tensor:
        """Return the task loss."""
        logits = self.trained()(self.net.normalise(batch.images)).logits
        return self._task_loss(logits, batch, seed)


def halve(labels: Tensor, seed: int) -> Tensor:
    """Sample (B, H, W) at half resolution, at a phase drawn by the seed.

    Drawn, not counted through: whatever happens every few steps would always meet the same one.
    """
    top, left = np.random.default_rng((seed, 4)).integers(2, size=2).tolist()
    return labels[:, top::2, left::2]
