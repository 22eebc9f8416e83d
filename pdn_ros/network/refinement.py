"""Patch Refinement Module: full resolution for the selected patches, with the context's help."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pdn_ros.network.backbone import PYRAMID_CHANNELS, Backbone
from pdn_ros.network.network_config import NetworkConfig
from pdn_ros.network.segmentation import (
    OUTPUT_STRIDE,
    Segmentation,
    SegmentationNetwork,
    SeparableConv,
    upsample_to,
)

HEADS = 4
POSITION_BANDS = 4


@dataclass(frozen=True, slots=True)
class Refined:
    """Refined patches at stride 4, halo included: side q = (p + 2 * halo) / 4.

    Attributes:
        logits: (K, C, q, q).
        gate: (K, 1, q, q) in [0, 1]; the residual that is added to the coarse logits is
            gate * (logits - coarse).
    """

    logits: Tensor
    gate: Tensor


class PatchMixing(nn.Module):
    """One Patch-Mixing Layer: attention between the tokens of all selected patches."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm_tokens = nn.LayerNorm(channels)
        self.queries = nn.Linear(channels, channels)
        self.keys_values = nn.Linear(channels, 2 * channels)
        self.merge = nn.Linear(channels, channels)
        self.norm_mlp = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.ReLU(), nn.Linear(2 * channels, channels)
        )

    def forward(self, tokens: Tensor, active: int) -> Tensor:
        """Let the first `active` tokens attend to all; (B, T, channels) in and out."""
        normed = self.norm_tokens(tokens)
        q = self.queries(normed[:, :active])
        k, v = self.keys_values(normed).chunk(2, dim=2)
        q, k, v = (t.unflatten(2, (HEADS, -1)).transpose(1, 2) for t in (q, k, v))
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        updated = tokens[:, :active] + self.merge(mixed)
        updated = updated + self.mlp(self.norm_mlp(updated))
        return torch.cat([updated, tokens[:, active:]], 1)


class PatchRefinement(nn.Module):
    """Backbone stages to stride 16 on full-resolution crops, fused with the context's features.

    What lies deeper than stride 16 comes from the context network, which has seen the whole
    image; a crop could not.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        channels, self.config = config.channels, config
        self.backbone = Backbone(config.patch_blocks)
        self.laterals = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in PYRAMID_CHANNELS[:3])
        context = channels + config.num_classes
        # Strides 8 and 16: the context's own cells are no finer.
        self.context = nn.ModuleList(nn.Conv2d(context, channels, 1) for _ in range(2))
        self.fuse = nn.ModuleList(SeparableConv(channels, channels) for _ in range(3))
        self.position = nn.Linear(4 * POSITION_BANDS, channels)
        self.mixing = nn.ModuleList(PatchMixing(channels) for _ in range(config.mixing_layers))
        self.spread = nn.Conv2d(channels, channels, 1)
        self.head = nn.Sequential(
            SeparableConv(channels, channels), nn.Conv2d(channels, config.num_classes, 1)
        )
        self.gate = nn.Conv2d(channels, 1, 1)
        nn.init.zeros_(self.spread.weight)  # mixing starts as the identity
        nn.init.zeros_(self.gate.weight)

    def start_from(self, network: SegmentationNetwork) -> None:
        """Take over the weights of a one-pass network wherever the parts are alike."""
        decoder = network.decoder
        self.backbone.load_state_dict(network.backbone.state_dict(), strict=False)
        for mine, theirs in zip(self.laterals, decoder.laterals, strict=False):
            mine.load_state_dict(theirs.state_dict())
        for mine, theirs in zip(self.fuse, decoder.fuse, strict=False):
            mine.load_state_dict(theirs.state_dict())
        self.head.load_state_dict(network.head.state_dict())

    def forward(
        self, crops: Tensor, context: Segmentation, centres: Tensor, scale: float
    ) -> Refined:
        """Refine the K selected patches of one image, best first.

        Args:
            crops: (K, 3, p + 2 * halo, p + 2 * halo) normalised RGB.
            context: The image's coarse logits and features (batch of 1).
            centres: (K, 2) centres of the patches (x, y), full-resolution pixels.
            scale: Scale of the context image.
        """
        pyramid = self.backbone(crops)
        coarse = torch.cat([context.features, context.logits], 1)
        x: Tensor | None = None
        for level in (2, 1, 0):
            side = pyramid[level].shape[-1]
            y = self.laterals[level](pyramid[level])
            if level > 0:
                seen = sample_context(coarse, centres, scale, crops.shape[-1], side)
                y = y + self.context[level - 1](seen)
            x = y if x is None else y + upsample_to(x, y.shape)
            x = self.fuse[level](x)
            if level == 2:
                x = x + self._mix(x, centres, context.logits.shape, scale)
        assert x is not None
        return Refined(self.head(x), self.gate(x).sigmoid())

    def _mix(self, x: Tensor, centres: Tensor, size: torch.Size, scale: float) -> Tensor:
        """Exchange what the patches know; (K, channels, q, q) in and out.

        Patches of the upper half by weight pass every layer, the others the first alone.
        """
        pooled = functional.avg_pool2d(x, self.config.mixing_pool)
        count, channels, side, _ = pooled.shape
        width, height = (side * OUTPUT_STRIDE / scale for side in (size[3], size[2]))
        relative = torch.stack([centres[:, 0] / width, centres[:, 1] / height], 1)
        position = self.position(_fourier(relative))
        tokens = (pooled + position[:, :, None, None]).flatten(2).transpose(1, 2)
        tokens = tokens.reshape(1, count * side * side, channels)
        for depth, layer in enumerate(self.mixing):
            active = count if depth == 0 else (count + 1) // 2
            tokens = layer(tokens, active * side * side)
        mixed = tokens.reshape(count, side * side, channels).transpose(1, 2)
        return upsample_to(self.spread(mixed.reshape(count, channels, side, side)), x.shape)


def sample_context(x: Tensor, centres: Tensor, scale: float, extent: int, side: int) -> Tensor:
    """Sample context maps bilinearly where full-resolution crops look; borders are replicated.

    Args:
        x: (1, C, h, w) at stride 4 of the context image.
        centres: (K, 2) crop centres (x, y), full-resolution pixels.
        scale: Scale of the context image.
        extent: Side of the crops in full-resolution pixels.
        side: Samples along it.

    Returns:
        (K, C, side, side).
    """
    step = extent / side
    offsets = (torch.arange(side).to(centres) + 0.5) * step - extent / 2
    stride = OUTPUT_STRIDE / scale
    # grid_sample wants the map's extent to be -1..1.
    u = (centres[:, 0, None] + offsets) / (stride * x.shape[3]) * 2 - 1
    v = (centres[:, 1, None] + offsets) / (stride * x.shape[2]) * 2 - 1
    count = centres.shape[0]
    grid = torch.stack(
        [u[:, None, :].expand(count, side, side), v[:, :, None].expand(count, side, side)], 3
    ).reshape(1, count * side, side, 2)
    sampled = functional.grid_sample(
        x, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled.reshape(x.shape[1], count, side, side).transpose(0, 1)


def _fourier(xy: Tensor) -> Tensor:
    """Encode (K, 2) positions in [0, 1] as (K, 4 * POSITION_BANDS) sines and cosines."""
    angles = xy[:, :, None] * (math.pi * 2.0 ** torch.arange(POSITION_BANDS).to(xy))
    return torch.cat([angles.sin(), angles.cos()], 2).flatten(1)
