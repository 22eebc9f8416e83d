"""The oracle: which patches hold what needs precision, read from the labels."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pdn_ros.classes import VOID

COARSE_ERROR, BOUNDARY, THIN = 1.0, 0.25, 0.5
"""What a pixel is worth when the coarse mask errs there, at a boundary, on a thin class."""


def worth(labels: Tensor, coarse: Tensor, valued: Sequence[int]) -> Tensor:
    """Value of looking at each pixel again.

    Args:
        labels: (B, H, W) int64, 255 void.
        coarse: (B, H, W) the coarse mask.
        valued: Ids of the thin and dynamic classes, whose coarse errors count double.

    Returns:
        (B, H, W) float; 0 on void.
    """
    valid = labels != VOID
    thin = torch.isin(labels, torch.tensor(list(valued), device=labels.device))
    neighbours = functional.max_pool2d(labels.float()[:, None], 3, 1, 1)[:, 0]
    boundary = (neighbours != labels) & valid & (neighbours != VOID)
    wrong = ((coarse != labels) & valid).float()
    return wrong * (COARSE_ERROR + thin.float()) + boundary * BOUNDARY + (thin & valid) * THIN


def gain(
    labels: Tensor, coarse: Tensor, refined: Tensor, class_weights: Tensor, valued: Sequence[int]
) -> Tensor:
    """What refinement changes at each pixel: positive where it mends, negative where it errs.

    Args:
        labels: (B, H, W) int64, 255 void.
        coarse: (B, H, W) the coarse mask.
        refined: (B, H, W) the mask with every patch refined.
        class_weights: (C,) what a pixel of each class counts.
        valued: Ids of the classes that count double.

    Returns:
        (B, H, W) float; 0 on void.
    """
    valid = labels != VOID
    price = class_weights.clone()
    price[list(valued)] *= 2
    change = (refined == labels).float() - (coarse == labels).float()
    return change * price[labels.where(valid, torch.zeros_like(labels))] * valid


def oracle_mask(value: Tensor, share: float) -> Tensor:
    """Mark the most valuable patches.

    Args:
        value: (B, rows, cols), mean `worth` of each patch's pixels.
        share: Share of the patches to mark at most; a patch worth nothing is never marked.

    Returns:
        (B, rows, cols) float, 1 where precision pays.
    """
    return ((value >= _last_marked(value, share)) & (value > 0)).float()


def stakes(value: Tensor, share: float) -> Tensor:
    """What it costs to decide wrongly about a patch: how far it is from the last one marked.

    Args:
        value: (B, rows, cols).
        share: As in `oracle_mask`.

    Returns:
        (B, rows, cols), mean 1 over an image's patches and at least a tenth of it.
    """
    away = (value - _last_marked(value, share).clamp_min(0)).abs()
    return 0.1 + 0.9 * away / away.mean((1, 2), keepdim=True).clamp_min(1e-9)


def _last_marked(value: Tensor, share: float) -> Tensor:
    """Value of the last patch within the share, (B, 1, 1)."""
    count = max(1, round(share * value[0].numel()))
    return value.flatten(1).topk(count, dim=1).values[:, -1, None, None]
