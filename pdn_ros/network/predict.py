"""From images to masks: the one path that every backend takes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdn_ros.network.composition import compose, confidence, decode, on_cells
from pdn_ros.network.network_config import NetworkConfig, PatchGrid, patch_grid
from pdn_ros.network.pixels import Pixels, pixels_of
from pdn_ros.network.refinement import Refined
from pdn_ros.network.segmentation import OUTPUT_STRIDE, Segmentation
from pdn_ros.network.selector import Candidates, Selection, default_budget, select_shared

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
        budget: K, at most so many patches of all images; None takes a quarter of them.
        threshold: Only patches that score at least this are refined; 0 refines K.
        lidar_weight: Share of the prior in the score.
        dense_scale: Scale of the image that the dense network sees (1 = every pixel).
        confidence: Whether the confidence is computed.
        budget_reason: Why the budget is what it is.
        floor: Part of its equal share of the budget that each image gets at least.
    """

    mode: Mode = "patch"
    budget: int | None = None
    threshold: float = 0.0
    lidar_weight: float = 0.5
    dense_scale: float = 1.0
    confidence: bool = True
    budget_reason: str = "asked for"
    floor: float = 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of those that share a budget.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        prior: (rows, cols) float32 LiDAR prior of its patches in [0, 1].
        importance: Factor on its scores when they compete with those of other images, >= 0.
    """

    image: NDArray[np.uint8]
    prior: NDArray[np.float32] | None = None
    importance: float = 1.0


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds spent on the parts of one prediction.

    Of several images, each has its part of the selection, so that their times add up.
    """

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
        mode: What ran.
        budget: K that was allowed, for all images that share it.
        budget_reason: Why it was that many.
        prior_used: Whether a prior took part in the selection.
    """

    mask: NDArray[np.uint8]
    confidence: NDArray[np.uint8] | None
    grid: PatchGrid
    weights: NDArray[np.float32]
    scores: NDArray[np.float32]
    selected: NDArray[np.int32]
    times: Times
    mode: Mode = "patch"
    budget: int = 0
    budget_reason: str = ""
    prior_used: bool = False

    @property
    def patch_size(self) -> int:
        """Side of a patch, pixels."""
        return self.grid.size


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of one image before any patch is refined.

    Attributes:
        pixels: The image.
        grid: Its patches.
        context: What the context network sees.
        weights: (rows, cols) float32, the driver's weights in [0, 1].
        preprocess_ms: Time for the context image.
        context_ms: Time of the context network.
    """

    pixels: Pixels
    grid: PatchGrid
    context: Segmentation
    weights: NDArray[np.float32]
    preprocess_ms: float
    context_ms: float


class _Clock:
    def __init__(self) -> None:
        self.last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        elapsed, self.last = (now - self.last) * 1e3, now
        return elapsed


def image_grid(image: NDArray[np.uint8], config: NetworkConfig, mode: Mode) -> PatchGrid:
    """Return an image's patches; raises ValueError if the image cannot be segmented."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image of {image.dtype} {image.shape}: (H, W, 3) uint8 BGR is needed")
    height, width = image.shape[:2]
    return patch_grid(height, width, config, alone=mode == "context")


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
    (prediction,) = predict_set(parts, config, [Frame(image, prior)], options, device=device)
    return prediction


def predict_set(
    parts: Parts,
    config: NetworkConfig,
    frames: Sequence[Frame],
    options: Options,
    *,
    device: torch.device | str = "cpu",
) -> list[Prediction]:
    """Segment images that share one budget: the patches of all compete.

    Raises:
        ValueError: An image is no (H, W, 3) uint8 array of at least 32x32 pixels, or a prior has
            another patch grid.
    """
    grids = [image_grid(frame.image, config, options.mode) for frame in frames]
    if options.mode == "dense":
        return [
            _dense(parts, frame.image, grid, options, device)
            for frame, grid in zip(frames, grids, strict=True)
        ]
    # Contexts of equal images in one batch take as long as one after the other.
    seen = [
        look(parts, frame.image, grid, device, keep=len(frames) > 1)
        for frame, grid in zip(frames, grids, strict=True)
    ]
    clock = _Clock()
    budget = 0
    if options.mode == "patch":
        count = sum(grid.count for grid in grids)
        budget = default_budget(count) if options.budget is None else options.budget
    selections = select_shared(
        [
            Candidates(one.weights, frame.prior, frame.importance)
            for one, frame in zip(seen, frames, strict=True)
        ],
        budget,
        lidar_weight=options.lidar_weight,
        threshold=options.threshold,
        floor=options.floor,
    )
    select_ms = clock.lap() / len(frames)
    return [
        refine(
            parts,
            config,
            one,
            selection,
            options,
            budget=budget,
            prior_used=frame.prior is not None and options.mode == "patch",
            select_ms=select_ms,
        )
        for one, frame, selection in zip(seen, frames, selections, strict=True)
    ]


def look(
    parts: Parts,
    image: NDArray[np.uint8],
    grid: PatchGrid,
    device: torch.device | str,
    *,
    keep: bool,
) -> Look:
    """See a whole image at the context scale.

    Args:
        parts: Whose context network sees it.
        image: (H, W, 3) uint8 BGR.
        grid: Its patches.
        device: The parts' device.
        keep: Whether the parts run for another image before this one is refined.
    """
    clock = _Clock()
    pixels = pixels_of(image, device)
    small = pixels.shrunk(grid.context_size)
    preprocess_ms = clock.lap()
    context, weights = parts.run_context(small, grid.rows, grid.cols, grid.cell)
    if keep:
        context = Segmentation(context.logits.clone(), context.features.clone())
    own = weights[0].float().cpu().numpy().copy()  # outlives the next run
    return Look(pixels, grid, context, own, preprocess_ms, clock.lap())


def refine(
    parts: Parts,
    config: NetworkConfig,
    seen: Look,
    selection: Selection,
    options: Options,
    *,
    budget: int,
    prior_used: bool,
    select_ms: float,
) -> Prediction:
    """Refine the selected patches of one image and compose its mask.

    Args:
        parts: Whose refinement runs.
        config: The network's hyper-parameters.
        seen: The image and its context.
        selection: Its patches.
        options: Whether the confidence is wanted, and what the prediction says of the budget.
        budget: K, for all images that share it.
        prior_used: Whether a prior took part in the selection.
        select_ms: Time of the selection, this image's part.
    """
    clock = _Clock()
    grid, patches = seen.grid, selection.patches
    cells = grid.size // OUTPUT_STRIDE
    logits = on_cells(seen.context.logits, grid.scale, (grid.rows * cells, grid.cols * cells))
    refine_ms = 0.0
    if len(patches):
        crops = seen.pixels.crops(grid, patches, config.halo)
        centres = patch_centres(grid, patches).to(crops.device)
        refined = parts.run_refinement(crops, seen.context, centres, grid.scale)
        refine_ms = clock.lap()
        logits = compose(logits, refined, torch.from_numpy(patches), grid, config.halo)
    laps = (seen.preprocess_ms, seen.context_ms, select_ms, refine_ms)
    return _finish(
        logits, grid, selection, seen.weights, options, clock, laps, budget, prior_used=prior_used
    )


def _dense(
    parts: Parts,
    image: NDArray[np.uint8],
    grid: PatchGrid,
    options: Options,
    device: torch.device | str,
) -> Prediction:
    clock = _Clock()
    pixels, scale = pixels_of(image, device), options.dense_scale
    size = (max(32, round(grid.height * scale)), max(32, round(grid.width * scale)))
    tensor = pixels.whole() if scale == 1.0 else pixels.shrunk(size)
    preprocess_ms = clock.lap()
    logits = parts.run_dense(tensor)
    dense_ms = clock.lap()
    cells = (-(-grid.height // OUTPUT_STRIDE), -(-grid.width // OUTPUT_STRIDE))
    logits = on_cells(logits, scale, cells)
    nothing = np.zeros((grid.rows, grid.cols), np.float32)
    selection = Selection(nothing, np.zeros(0, np.int32))
    laps = (preprocess_ms, dense_ms, 0.0, 0.0)
    return _finish(logits, grid, selection, nothing, options, clock, laps)


def _finish(
    logits: Tensor,
    grid: PatchGrid,
    selection: Selection,
    weights: NDArray[np.float32],
    options: Options,
    clock: _Clock,
    laps: tuple[float, float, float, float],
    budget: int = 0,
    *,
    prior_used: bool = False,
) -> Prediction:
    mask = decode(logits, grid.height, grid.width)
    sure = confidence(logits, grid.height, grid.width) if options.confidence else None
    compose_ms = clock.lap()
    return Prediction(
        mask,
        sure,
        grid,
        weights,
        selection.scores,
        selection.patches,
        Times(*laps, compose=compose_ms, total=sum(laps) + compose_ms),
        mode=options.mode,
        budget=budget,
        budget_reason=options.budget_reason,
        prior_used=prior_used,
    )


def patch_centres(grid: PatchGrid, patches: NDArray[np.int32]) -> Tensor:
    """Return the centres (x, y) of patches in full-resolution pixels, (K, 2) float32."""
    ids = torch.from_numpy(patches.astype(np.int64))
    xy = torch.stack([ids % grid.cols, ids // grid.cols], 1)
    return (xy + 0.5) * float(grid.size)
