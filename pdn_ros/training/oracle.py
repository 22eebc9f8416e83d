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


def oracle_mask(value: Tensor, share: float) -> Tensor:
    """Mark the most valuable patches.

    Args:
        value: (B, rows, cols), mean `worth` of each patch's pixels.
        share: Share of the patches to mark at most; a patch worth nothing is never marked.

    Returns:
        (B, rows, cols) float, 1 where precision pays.
    """
    count = max(1, round(share * value[0].numel()))
    least = value.flatten(1).topk(count, dim=1).values[:, -1]
    return ((value >= least[:, None, None]) & (value > 0)).float()
