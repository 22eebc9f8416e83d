"""Driver Module: how much precision each patch deserves."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pdn_ros.network.segmentation import Segmentation


def pool_cells(x: Tensor, rows: int, cols: int, cell: int) -> tuple[Tensor, Tensor]:
    """Mean and maximum of (B, C, h, w) over each patch's cells; edges are replicated.

    Returns:
        Two tensors (B, C, rows, cols).
    """
    x = fit_cells(x, rows, cols, cell)
    return functional.avg_pool2d(x, cell), functional.max_pool2d(x, cell)


def fit_cells(x: Tensor, rows: int, cols: int, cell: int) -> Tensor:
    """Crop or replicate (B, C, h, w) at the lower right to (B, C, rows * cell, cols * cell)."""
    bottom, right = rows * cell - x.shape[2], cols * cell - x.shape[3]
    x = x[:, :, : rows * cell, : cols * cell]
    return functional.pad(x, (0, max(right, 0), 0, max(bottom, 0)), mode="replicate")


class DriverModule(nn.Module):
    """A light attentional gate on pooled context features, entropy, margin and class shares.

    The gate weighs its channels by a summary of the whole image (squeeze and excitation, Hu et
    al., CVPR 2018), since what is worth precision depends on the scene, and looks at neighbouring
    patches through a depthwise convolution.
    """

    def __init__(self, num_classes: int, channels: int = 64) -> None:
        super().__init__()
        inputs = 2 * channels + num_classes + 4
        self.embed = nn.Conv2d(inputs, channels, 1)
        self.neighbours = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.attention = nn.Conv2d(channels, channels, 1)
        self.gate = nn.Conv2d(channels, 1, 1)

    def forward(self, context: Segmentation, rows: int, cols: int, cell: int) -> Tensor:
        """Return the patches' weights (B, rows, cols) in [0, 1]."""
        p = context.logits.softmax(1)
        top = p.topk(2, dim=1).values
        entropy = -(p * p.clamp_min(1e-6).log()).sum(1, keepdim=True)
        doubt = torch.cat([entropy, 1 - (top[:, :1] - top[:, 1:])], 1)
        pooled = [
            *pool_cells(context.features, rows, cols, cell),
            *pool_cells(doubt, rows, cols, cell),
            pool_cells(p, rows, cols, cell)[0],
        ]
        x = functional.relu(self.embed(torch.cat(pooled, 1)))
        x = functional.relu(x + self.neighbours(x))
        x = x * self.attention(x.mean((2, 3), keepdim=True)).sigmoid()
        weights: Tensor = self.gate(x).sigmoid()[:, 0]
        return weights
