"""The losses: L = L_task + lambda * sum_i |w_i| + L_mask + mu * L_distil."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pdn_ros.classes import VOID


def task_loss(
    logits: Tensor,
    labels: Tensor,
    class_weights: Tensor,
    hidden: Sequence[Sequence[tuple[int, int]]],
    pixel_weights: Tensor | None = None,
) -> Tensor:
    """Weighted cross-entropy, L_task = sum_x a[y_x] v_x * -log p_x(y_x) / sum_x a[y_x] v_x.

    Where a data set labels a hidden class h as g, the two cannot be told apart: a pixel labelled
    g takes -log(p(g) + p(h)).

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W) int64 class ids, 255 void.
        class_weights: (C,) a.
        hidden: For each image its pairs (h, g).
        pixel_weights: (B, H, W) v; None: 1.

    Returns:
        A scalar; 0 where every pixel is void.
    """
    log_p = functional.log_softmax(logits.float(), dim=1)
    valid = labels != VOID
    target = labels.where(valid, torch.zeros_like(labels))
    log_likelihood = log_p.gather(1, target[:, None])[:, 0]
    for i, pairs in enumerate(hidden):
        for h, g in pairs:
            both = torch.logaddexp(log_p[i, g], log_p[i, h])
            log_likelihood = torch.cat(
                [
                    log_likelihood[:i],
                    torch.where(labels[i] == g, both, log_likelihood[i])[None],
                    log_likelihood[i + 1 :],
                ]
            )
    weight = class_weights[target] * valid
    if pixel_weights is not None:
        weight = weight * pixel_weights
    return -(weight * log_likelihood).sum() / weight.sum().clamp_min(1e-6)


def selection_loss(weights: Tensor) -> Tensor:
    """Patch selection loss, sum_i |w_i| over an image's patches, averaged over the images.

    Args:
        weights: (B, rows, cols) driver weights in [0, 1].
    """
    return weights.abs().sum((1, 2)).mean()


def mask_loss(weights: Tensor, oracle: Tensor, stakes: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of the driver's weights against the oracle's mask.

    Args:
        weights: (B, rows, cols) in [0, 1].
        oracle: (B, rows, cols), 1 where precision pays.
        stakes: (B, rows, cols), what a wrong decision costs; None: the same everywhere.
    """
    return functional.binary_cross_entropy(weights, oracle, stakes)


def distillation_loss(logits: Tensor, teacher: Tensor, where: Tensor) -> Tensor:
    """Divergence from the teacher's distribution, mean over x of sum_c q_c(x) log(q_c / p_c)(x).

    Source: Hinton et al., 2015, at temperature 1.

    Args:
        logits: (B, C, H, W) of the student, p.
        teacher: (B, C, H, W) logits q.
        where: (B, H, W) bool, the pixels that count.

    Returns:
        A scalar; 0 where nothing counts.
    """
    log_p, log_q = logits.log_softmax(1), teacher.log_softmax(1)
    divergence = (log_q.exp() * (log_q - log_p)).sum(1)
    return (divergence * where).sum() / where.sum().clamp_min(1)
