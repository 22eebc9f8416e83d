"""From an image to a mask: the one path that every backend takes."""

import time
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
        lidar_weight: Share of the prior in the score.
        dense_scale: Scale of the image that the dense network sees (1 = every pixel).
        confidence: Whether the confidence is computed.
        budget_reason: Why the budget is what it is.
    """

    mode: Mode = "patch"
    budget: int | None = None
    threshold: float = 0.0
    lidar_weight: float = 0.5
    dense_scale: float = 1.0
    confidence: bool = True
    budget_reason: str = "asked for"


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
        mode: What ran.
        budget: K that was allowed.
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
    pixels = pixels_of(image, device)
    if options.mode == "dense":
        return _dense(parts, pixels, grid, options, clock)
    small = pixels.shrunk(grid.context_size)
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
        lidar_weight=options.lidar_weight,
        threshold=options.threshold,
    )
    select_ms = clock.lap()
    cells = grid.size // OUTPUT_STRIDE
    logits = on_cells(context.logits, grid.scale, (grid.rows * cells, grid.cols * cells))
    refine_ms = 0.0
    if len(selection.patches):
        crops = pixels.crops(grid, selection.patches, config.halo)
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
        budget,
        prior_used=prior is not None and options.mode == "patch",
    )


def _dense(
    parts: Parts,
    pixels: Pixels,
    grid: PatchGrid,
    options: Options,
    clock: _Clock,
) -> Prediction:
    scale = options.dense_scale
    size = (max(32, round(grid.height * scale)), max(32, round(grid.width * scale)))
    tensor = pixels.whole() if scale == 1.0 else pixels.shrunk(size)
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
    budget: int = 0,
    *,
    prior_used: bool = False,
) -> Prediction:
    mask = decode(logits, grid.height, grid.width)
    sure = confidence(logits, grid.height, grid.width) if options.confidence else None
    times = Times(*laps, compose=clock.lap(), total=clock.total())
    return Prediction(
        mask,
        sure,
        grid,
        weights,
        selection.scores,
        selection.patches,
        times,
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
