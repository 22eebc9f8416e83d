"""From an image to a mask: the one path that every backend takes."""

import time
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdn_ros.network.composition import compose, confidence, decode, on_cells
from pdn_ros.network.config import NetworkConfig, PatchGrid, patch_grid
from pdn_ros.network.refinement import Refined
from pdn_ros.network.segmentation import OUTPUT_STRIDE, Segmentation
from pdn_ros.network.selector import Selection, default_budget, select

Mode = Literal["patch", "context", "dense"]


class Parts(Protocol):
    """The network's three runs, as a backend offers them (`PatchDriveNet` documents them).

    What a run returns is the backend's memory: it holds until the next run.
    """

    def run_context(
        self, images: Tensor, rows: int, cols: int, cell: int
    ) -> tuple[Segmentation, Tensor]:
        """See the whole image at the context scale."""
        ...

    def run_refinement(
        self, crops: Tensor, context: Segmentation, centres: Tensor, scale: float
    ) -> Refined:
        """Refine selected patches."""
        ...

    def run_dense(self, images: Tensor) -> Tensor:
        """Run the dense network."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """How to predict.

    Attributes:
        mode: What runs.
        budget: K, at most so many patches; None takes a quarter of them.
        threshold: Only patches that score at least this are refined; 0 refines K.
        prior_weight: Share of the prior in the score.
        dense_scale: Scale of the image that the dense network sees (1 = every pixel).
        confidence: Whether the confidence is computed.
    """

    mode: Mode = "patch"
    budget: int | None = None
    threshold: float = 0.0
    prior_weight: float = 0.5
    dense_scale: float = 1.0
    confidence: bool = True


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds spent on the parts of one prediction."""

    preprocess: float
    context: float
    select: float
    refine: float
    compose: float
    total: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one image yields.

    Attributes:
        mask: (H, W) uint8 class ids.
        confidence: (H, W) uint8, 255 = certain; None when not asked for.
        grid: The patch grid.
        weights: (rows, cols) float32, the driver's weights in [0, 1]; zeros in dense mode.
        scores: (rows, cols) float32, weights blended with the prior.
        selected: (K,) int32 row-major ids of the refined patches, best first.
        times: Where the time went.
    """

    mask: NDArray[np.uint8]
    confidence: NDArray[np.uint8] | None
    grid: PatchGrid
    weights: NDArray[np.float32]
    scores: NDArray[np.float32]
    selected: NDArray[np.int32]
    times: Times


class _Clock:
    def __init__(self) -> None:
        self.start = self.last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        elapsed, self.last = (now - self.last) * 1e3, now
        return elapsed

    def total(self) -> float:
        return (time.perf_counter() - self.start) * 1e3


def predict(
    parts: Parts,
    config: NetworkConfig,
    image: NDArray[np.uint8],
    options: Options,
    *,
    prior: NDArray[np.float32] | None = None,
    device: torch.device | str = "cpu",
) -> Prediction:
    """Segment one image (H, W, 3) uint8 BGR.

    Raises:
        ValueError: The image is no (H, W, 3) uint8 array of at least 32x32 pixels, or the prior
            has another patch grid.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image of {image.dtype} {image.shape}: (H, W, 3) uint8 BGR is needed")
    height, width = image.shape[:2]
    grid = patch_grid(height, width, config, alone=options.mode == "context")
    clock = _Clock()
    if options.mode == "dense":
        return _dense(parts, image, grid, options, device, clock)
    small = _to_tensor(_resized(image, grid.context_size), device)
    preprocess = clock.lap()
    context, weights_tensor = parts.run_context(small, grid.rows, grid.cols, grid.cell)
    weights = weights_tensor[0].float().cpu().numpy().copy()  # outlives the next run
    context_ms = clock.lap()
    budget = default_budget(grid.count) if options.budget is None else options.budget
    if options.mode == "context":
        budget = 0
    selection = select(
        weights,
        budget,
        prior=prior,
        prior_weight=options.prior_weight,
        threshold=options.threshold,
    )
    select_ms = clock.lap()
    cells = grid.size // OUTPUT_STRIDE
    logits = on_cells(context.logits, grid.scale, (grid.rows * cells, grid.cols * cells))
    refine_ms = 0.0
    if len(selection.patches):
        crops = _to_tensor(gather_crops(image, grid, selection.patches, config.halo), device)
        centres = patch_centres(grid, selection.patches).to(crops.device)
        refined = parts.run_refinement(crops, context, centres, grid.scale)
        refine_ms = clock.lap()
        logits = compose(logits, refined, torch.from_numpy(selection.patches), grid, config.halo)
    return _finish(
        logits,
        grid,
        selection,
        weights,
        options,
        clock,
        (preprocess, context_ms, select_ms, refine_ms),
    )


def _dense(
    parts: Parts,
    image: NDArray[np.uint8],
    grid: PatchGrid,
    options: Options,
    device: torch.device | str,
    clock: _Clock,
) -> Prediction:
    scale = options.dense_scale
    size = (max(32, round(grid.height * scale)), max(32, round(grid.width * scale)))
    tensor = _to_tensor(image if scale == 1.0 else _resized(image, size), device)
    preprocess = clock.lap()
    logits = parts.run_dense(tensor)
    dense_ms = clock.lap()
    cells = (-(-grid.height // OUTPUT_STRIDE), -(-grid.width // OUTPUT_STRIDE))
    logits = on_cells(logits, scale, cells)
    nothing = np.zeros((grid.rows, grid.cols), np.float32)
    selection = Selection(nothing, np.zeros(0, np.int32))
    return _finish(
        logits, grid, selection, nothing, options, clock, (preprocess, dense_ms, 0.0, 0.0)
    )


def _finish(
    logits: Tensor,
    grid: PatchGrid,
    selection: Selection,
    weights: NDArray[np.float32],
    options: Options,
    clock: _Clock,
    laps: tuple[float, float, float, float],
) -> Prediction:
    mask = decode(logits, grid.height, grid.width)
    sure = confidence(logits, grid.height, grid.width) if options.confidence else None
    times = Times(*laps, compose=clock.lap(), total=clock.total())
    return Prediction(mask, sure, grid, weights, selection.scores, selection.patches, times)


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Shrink by the mean over areas.

    OpenCV is fast at it by whole factors alone: others are taken in two steps, the mean by the
    largest whole factor and the rest, less than 2, linearly (a sixth of the time at 1920x1080).
    """
    height, width = image.shape[:2]
    factor = min(height // size[0], width // size[1])
    way = cv2.INTER_AREA
    if factor > 1 and height % factor == width % factor == 0:
        whole = (width // factor, height // factor)
        image = np.asarray(cv2.resize(image, whole, interpolation=way), np.uint8)
        way = cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=way), np.uint8)


def _to_tensor(images: NDArray[np.uint8], device: torch.device | str) -> Tensor:
    """View (H, W, 3) or (K, H, W, 3) as (K, 3, H, W)."""
    batch = images if images.ndim == 4 else images[None]
    return torch.from_numpy(batch).to(device).permute(0, 3, 1, 2)


def gather_crops(
    image: NDArray[np.uint8], grid: PatchGrid, patches: NDArray[np.int32], halo: int
) -> NDArray[np.uint8]:
    """Cut patches with their halo; pixels beyond the image repeat its edge.

    Returns:
        (K, p + 2 * halo, p + 2 * halo, 3) uint8.
    """
    side = grid.size + 2 * halo
    crops = np.empty((len(patches), side, side, 3), np.uint8)
    for crop, patch in zip(crops, patches.tolist(), strict=True):
        top = patch // grid.cols * grid.size - halo
        left = patch % grid.cols * grid.size - halo
        y0, y1 = max(top, 0), min(top + side, grid.height)
        x0, x1 = max(left, 0), min(left + side, grid.width)
        inner = crop[y0 - top : y1 - top, x0 - left : x1 - left]
        inner[:] = image[y0:y1, x0:x1]
        if inner.shape[:2] != (side, side):
            borders = (y0 - top, top + side - y1, x0 - left, left + side - x1)
            crop[:] = cv2.copyMakeBorder(image[y0:y1, x0:x1], *borders, cv2.BORDER_REPLICATE)
    return crops


def patch_centres(grid: PatchGrid, patches: NDArray[np.int32]) -> Tensor:
    """Return the centres (x, y) of patches in full-resolution pixels, (K, 2) float32."""
    ids = torch.from_numpy(patches.astype(np.int64))
    xy = torch.stack([ids % grid.cols, ids // grid.cols], 1)
    return (xy + 0.5) * float(grid.size)
