"""The one-pass network: backbone and a light pyramid decoder.

At the context scale it is the Global Context Network; over every full-resolution pixel, with
weights of its own, it is the dense mode that users would otherwise run.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pdn_ros.network.backbone import PYRAMID_CHANNELS, Backbone

OUTPUT_STRIDE = 4
"""Stride of the logits with respect to the network's input."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What one pass yields, at stride 4 of its input.

    Attributes:
        logits: (B, C, H/4, W/4).
        features: (B, F, H/4, W/4), the map that the logits are made from.
    """

    logits: Tensor
    features: Tensor


class SeparableConv(nn.Module):
    """Depthwise 3x3 and pointwise convolution with a ReLU (MobileNet, Howard et al. 2017)."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, kernel, padding=kernel // 2, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W)."""
        return functional.relu(self.pointwise(self.depthwise(x)))


def upsample_to(x: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Resize (B, C, h, w) bilinearly to the last two of `size` (pixel centres aligned)."""
    return functional.interpolate(x, size=tuple(size[-2:]), mode="bilinear", align_corners=False)


def double(x: Tensor, size: torch.Size) -> Tensor:
    """Upsample (B, C, h, w) bilinearly by two and cut it to the last two of `size`.

    A map at half the stride of an odd-sized one reaches beyond it. Squeezing it to the same size
    would shift it by up to a cell at each level: at unlucky image sizes 5 points of mIoU.
    """
    doubled = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return doubled[..., : size[-2], : size[-1]]


class Decoder(nn.Module):
    """Feature pyramid (Lin et al., CVPR 2017) from stride 32 to 4 with a global summary."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in PYRAMID_CHANNELS)
        self.summary = nn.Conv2d(PYRAMID_CHANNELS[-1], channels, 1)
        self.fuse = nn.ModuleList(SeparableConv(channels, channels) for _ in PYRAMID_CHANNELS)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Fuse features at strides 4, 8, 16, 32 to (B, channels, H/4, W/4)."""
        x: Tensor = self.laterals[-1](pyramid[-1]) + self.summary(
            pyramid[-1].mean((2, 3), keepdim=True)
        )
        x = self.fuse[-1](x)
        for level in (2, 1, 0):
            x = double(x, pyramid[level].shape) + self.laterals[level](pyramid[level])
            x = self.fuse[level](x)
        return x


class SegmentationNetwork(nn.Module):
    """Backbone, decoder and classifier over a whole image in one pass."""

    def __init__(self, num_classes: int, channels: int = 64) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.decoder = Decoder(channels)
        self.head = nn.Sequential(
            SeparableConv(channels, channels), nn.Conv2d(channels, num_classes, 1)
        )

    def forward(self, images: Tensor) -> Segmentation:
        """Map normalised RGB images (B, 3, H, W) to logits and features at stride 4."""
        features = self.decoder(self.backbone(images))
        return Segmentation(self.head(features), features)
