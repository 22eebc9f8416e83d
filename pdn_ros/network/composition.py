"""Composition: coarse logits everywhere, the refined ones where there are any."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pdn_ros.network.network_config import PatchGrid
from pdn_ros.network.refinement import Refined
from pdn_ros.network.segmentation import OUTPUT_STRIDE

OPEN_RAMP = 2.0
"""Width of the ramp towards a patch that is not refined, relative to that between two that are."""


def ramps(
    inner: int, rim: int, start: NDArray[np.float32], end: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Weights along the sides of refined crops, in cells: 0 at the halo's rim, rising to 1 inside.

    Args:
        inner: Cells of a patch.
        rim: Cells of the halo on either side.
        start: (K,) cells over which the weights rise at the start; 0 for none, 2 * rim meets a
            neighbour's ramp so that both add up to 1.
        end: The same at the end.

    Returns:
        (K, inner + 2 * rim).
    """
    position = np.arange(inner + 2 * rim, dtype=np.float32) + np.float32(0.5)
    rise = position / np.maximum(start, np.float32(1e-3))[:, None]
    fall = position[::-1] / np.maximum(end, np.float32(1e-3))[:, None]
    return np.minimum(np.minimum(rise, fall), np.float32(1))


def feathers(patches: list[int], grid: PatchGrid, halo: int) -> NDArray[np.float32]:
    """Weights of the refined crops' cells: no seam shows, whatever lies beside a patch.

    Towards a refined neighbour the ramp is as wide as both halos, towards another patch
    `OPEN_RAMP` times as wide, and at the image's own border there is none.

    Returns:
        (K, q, q) with q = (size + 2 * halo) / 4.
    """
    inner, rim = grid.size // OUTPUT_STRIDE, halo // OUTPUT_STRIDE
    refined = np.zeros((grid.rows + 2, grid.cols + 2), bool)
    row, col = np.divmod(np.asarray(patches, np.intp), grid.cols)
    refined[row + 1, col + 1] = True

    def width(at_border: NDArray[np.bool_], joined: NDArray[np.bool_]) -> NDArray[np.float32]:
        wide = 2 * rim * np.where(joined, np.float32(1), np.float32(OPEN_RAMP))
        return np.where(at_border, np.float32(0), wide)

    above = width(row == 0, refined[row, col + 1])
    below = width(row == grid.rows - 1, refined[row + 2, col + 1])
    left = width(col == 0, refined[row + 1, col])
    right = width(col == grid.cols - 1, refined[row + 1, col + 2])
    vertical, horizontal = ramps(inner, rim, above, below), ramps(inner, rim, left, right)
    return vertical[:, :, None] * horizontal[:, None, :]


def compose(
    coarse: Tensor, refined: Refined, patches: Tensor, grid: PatchGrid, halo: int
) -> Tensor:
    """Blend refined patches into the coarse logits; neighbours overlap in their halos.

    Args:
        coarse: (C, h, w) coarse logits on the stride-4 cells of the padded full-resolution image,
            h = rows * p / 4, w = cols * p / 4.
        refined: Logits and gates of K patches.
        patches: (K,) row-major patch ids.
        grid: The patch grid.
        halo: Pixels around each patch.

    Returns:
        (C, h, w) composed logits.
    """
    rim, inner = halo // OUTPUT_STRIDE, grid.size // OUTPUT_STRIDE
    height, width = coarse.shape[1:]
    side = inner + 2 * rim
    ids = patches.tolist()
    soft = torch.from_numpy(feathers(ids, grid, halo)).to(coarse)
    corners = [(k // grid.cols * inner, k % grid.cols * inner) for k in ids]
    cover = coarse.new_zeros(height + 2 * rim, width + 2 * rim)
    for one, (top, left) in zip(soft, corners, strict=True):
        cover[top : top + side, left : left + side] += one
    # Where the feathers add up to more than one the mean of the patches counts.
    share = cover.clamp_min_(1.0)[rim : rim + height, rim : rim + width]
    composed = coarse.clone()
    for k, (top, left) in enumerate(corners):
        y, x = max(top - rim, 0), max(left - rim, 0)
        place = (slice(y, top - rim + side), slice(x, left - rim + side))
        seen = coarse[:, place[0], place[1]]
        dy, dx = y - top + rim, x - left + rim
        part = (slice(dy, dy + seen.shape[1]), slice(dx, dx + seen.shape[2]))
        weight = refined.gate[k, :, part[0], part[1]] * (soft[k][part] / share[place])
        change = refined.logits[k, :, part[0], part[1]] - seen
        composed[:, place[0], place[1]].addcmul_(change, weight)
    return composed


def on_cells(logits: Tensor, scale: float, size: tuple[int, int]) -> Tensor:
    """Resample the logits of a pass at `scale` onto the stride-4 cells of the full image.

    Args:
        logits: (1, C, h, w) at stride 4 of the scaled image.
        scale: Size of that image relative to the full one.
        size: Rows and columns of cells wanted; what lies beyond the logits is replicated.

    Returns:
        (C, rows, cols).
    """
    if scale != 1.0:
        logits = functional.interpolate(
            logits, scale_factor=1 / scale, mode="bilinear", align_corners=False
        )
    bottom, right = size[0] - logits.shape[2], size[1] - logits.shape[3]
    logits = logits[:, :, : size[0], : size[1]]
    if bottom > 0 or right > 0:
        logits = functional.pad(logits, (0, max(right, 0), 0, max(bottom, 0)), mode="replicate")
    return logits[0]


def decode(logits: Tensor, height: int, width: int) -> NDArray[np.uint8]:
    """Return the class of every pixel: the argmax of the bilinearly upsampled logits.

    Between four cells of one class no other class can win (an interpolated logit is a convex
    combination), so only the blocks between cells that differ are interpolated: the same
    labels for a fraction of the work.

    Args:
        logits: (C, h, w) on stride-4 cells that cover height x width pixels.
        height: Rows of the mask.
        width: Columns of the mask.

    Returns:
        (height, width) uint8.
    """
    padded = functional.pad(logits[None], (1, 1, 1, 1), mode="replicate")[0]
    labels = _winner(padded)
    a, b, c, d = labels[:-1, :-1], labels[:-1, 1:], labels[1:, :-1], labels[1:, 1:]
    mixed = ((a != b) | (a != c) | (a != d)).nonzero()
    rows, cols = a.shape
    blocks = a[:, None, :, None].repeat(1, OUTPUT_STRIDE, 1, OUTPUT_STRIDE)
    if len(mixed):
        y, x = mixed[:, 0], mixed[:, 1]
        step = padded.shape[2]
        first = y * step + x
        cells = padded.flatten(1)
        corners = torch.stack([cells[:, first + i] for i in (0, 1, step, step + 1)], 2)
        t = (torch.arange(OUTPUT_STRIDE).to(logits) + 0.5) / OUTPUT_STRIDE
        along = torch.stack([1 - t, t], 1)
        mix = torch.einsum("ia,jb->abij", along, along).reshape(4, OUTPUT_STRIDE**2)
        best = _winner(corners @ mix)
        blocks[y, :, x, :] = best.reshape(-1, OUTPUT_STRIDE, OUTPUT_STRIDE)
    half = OUTPUT_STRIDE // 2
    mask = blocks.reshape(rows * OUTPUT_STRIDE, cols * OUTPUT_STRIDE)
    mask = mask[half : half + height, half : half + width]
    return np.ascontiguousarray(mask.cpu().numpy())


def confidence(logits: Tensor, height: int, width: int) -> NDArray[np.uint8]:
    """Return the winning class's probability, (height, width) uint8 with 255 = certain."""
    # The largest of a softmax, without the others.
    certainty = (logits - logits.amax(0)).exp_().sum(0).reciprocal_()
    best = (certainty * 255).round().to(torch.uint8).cpu().numpy()
    size = (best.shape[1] * OUTPUT_STRIDE, best.shape[0] * OUTPUT_STRIDE)
    full = cv2.resize(best, size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(full[:height, :width]).astype(np.uint8, copy=False)


def _winner(logits: Tensor) -> Tensor:
    """Return the index of the largest of (C, ...), uint8; the first one where two are equal."""
    # On the CPU `argmax` over the first axis takes five times as long.
    return logits.max(0).indices.to(torch.uint8)
