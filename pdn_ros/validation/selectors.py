"""Other ways to choose patches, to stand beside the driver's.

Each yields a score for every patch, (rows, cols) float32, higher is sooner. Given as `Frame.prior`
with `lidar_weight` 1 it takes the driver's place, on the same path as the driver's weights.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdn_ros.classes import VOID
from pdn_ros.metrics.selection import patch_ids
from pdn_ros.network import NetworkConfig, Options, Parts, PatchGrid, predict
from pdn_ros.network.driver import pool_cells
from pdn_ros.network.segmentation import Segmentation

Scores = NDArray[np.float32]


class _Tap:
    """Parts that keep what the context network last said."""

    context: Segmentation

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.run_refinement = parts.run_refinement
        self.run_dense = parts.run_dense

    def run_context(
        self, images: Tensor, rows: int, cols: int, cell: int
    ) -> tuple[Segmentation, Tensor]:
        self.context, weights = self._parts.run_context(images, rows, cols, cell)
        return self.context, weights


@torch.inference_mode()
def coarse_entropy(
    parts: Parts,
    config: NetworkConfig,
    image: NDArray[np.uint8],
    device: torch.device | str = "cpu",
) -> Scores:
    """Mean entropy of the coarse class probabilities in each patch.

    Args:
        parts: Whose context network is asked, at the scale that patch mode sees the image at.
        config: The network's hyper-parameters.
        image: (H, W, 3) uint8 BGR.
        device: The parts' device.
    """
    tap = _Tap(parts)
    options = Options(budget=0, confidence=False)
    grid = predict(tap, config, image, options, device=device).grid
    p = tap.context.logits.float().softmax(1)
    entropy = -(p * p.clamp_min(1e-6).log()).sum(1, keepdim=True)
    scores: Scores = pool_cells(entropy, grid.rows, grid.cols, grid.cell)[0][0, 0].cpu().numpy()
    return scores


def horizon_band(grid: PatchGrid) -> Scores:
    """Rows of patches nearest to the image's middle first; within a row from the middle outwards.

    What one would fix by hand for a level camera.
    """
    v = np.abs((np.arange(grid.rows) + 0.5) * grid.size - grid.height / 2)
    u = np.abs((np.arange(grid.cols) + 0.5) * grid.size - grid.width / 2)
    return np.asarray(-v[:, None] - u[None, :] / grid.width, np.float32)


def gain(
    label: NDArray[np.uint8],
    coarse: NDArray[np.uint8],
    refined: NDArray[np.uint8],
    grid: PatchGrid,
    class_weights: NDArray[np.float64] | None = None,
) -> Scores:
    """Errors that refinement mends less those it makes, in each patch: the oracle's score.

    Args:
        label: (h, w) uint8 class ids, 255 void; covers the same view as the image.
        coarse: (h, w) mask without refinement.
        refined: (h, w) mask with every patch refined.
        grid: The image's patches.
        class_weights: (C,) worth of a pixel of each label; none: all alike.
    """
    better = (refined == label).astype(np.float64) - (coarse == label)
    worth = np.zeros(256)
    worth[:VOID] = 1
    if class_weights is not None:
        worth[: len(class_weights)] = class_weights
    ids = patch_ids(label.shape, (grid.height, grid.width), grid.size)
    sums = np.bincount(ids.ravel(), (better * worth[label]).ravel(), minlength=grid.count)
    return sums.reshape(grid.rows, grid.cols).astype(np.float32)
