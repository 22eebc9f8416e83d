"""Runs the modes that are compared, all on one pipeline."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import ClassSet
from pdn_ros.errors import InputError
from pdn_ros.network import Prediction
from pdn_ros.network.selector import select
from pdn_ros.perception import Pipeline, PipelineConfig
from pdn_ros.validation.cost import Cost
from pdn_ros.validation.selectors import coarse_entropy

MODES: Final = (
    "context",
    "patch",
    "dense",
    "equal_cost",
    "all_patches",
    "best_single",
    "equal_time",
)
"""The network's modes; one pass over the image scaled down to the cost of patch mode; patch mode
with every patch refined; the best single pass that costs no more; one that takes as long."""
ALL_PATCHES: Final = 65535
SINGLE_STEP: Final = 0.92
"""Ratio of the scales of neighboring single passes."""
SINGLES: Final = tuple(f"single_{i}" for i in range(5))
"""What `best_single` is chosen from: the pass of equal cost, and smaller ones."""
_TIMED: Final = 3


class Runner:
    """Runs each mode on one pipeline.

    Raises:
        InputError: The weights or the backend cannot be had.
    """

    def __init__(self, base: PipelineConfig):
        self._base = base
        self._pipeline = Pipeline(base)
        self._cost = Cost(self._pipeline.network)
        self._warm: set[tuple[str, tuple[int, ...]]] = set()
        self._equal_time: dict[tuple[int, ...], float] = {}
        self.classes: ClassSet = self._pipeline.classes
        self.backend: str = self._pipeline.backend

    def run(self, mode: str, image: NDArray[np.uint8]) -> Prediction:
        """Segment an image; the first of a size warms up, so that its time is like the others'."""
        config, scale = self._config(mode, image)
        self._pipeline.reconfigure(config)
        if (mode, image.shape) not in self._warm:
            self._warm.add((mode, image.shape))
            self._pipeline.segment(image, confidence=False, dense_scale=scale)
        return self._pipeline.segment(image, confidence=False, dense_scale=scale)

    def by_entropy(self, image: NDArray[np.uint8], count: int) -> NDArray[np.int32]:
        """Return the ids of as many patches, chosen by the entropy of the coarse logits."""
        pipeline = self._pipeline
        scores = coarse_entropy(pipeline.parts, pipeline.network, image, pipeline.device)
        return select(scores, count).patches

    def gmac(self, mode: str, image: NDArray[np.uint8], selected: int) -> float:
        """Count what `run` cost for this image."""
        height, width = image.shape[:2]
        config, scale = self._config(mode, image)
        if config.mode == "dense":
            return self._cost.dense(height, width, scale) / 1e9
        return self._cost.patches(height, width, selected) / 1e9

    def _config(self, mode: str, image: NDArray[np.uint8]) -> tuple[PipelineConfig, float]:
        """Return the configuration of a mode, and the scale that dense mode sees."""
        if mode == "all_patches":
            return self._base.model_copy(update={"mode": "patch", "budget": ALL_PATCHES}), 1.0
        if mode == "equal_time":
            return self._base.model_copy(update={"mode": "dense"}), self._time_scale(image)
        if mode == "equal_cost" or mode in SINGLES:
            steps = 0 if mode == "equal_cost" else SINGLES.index(mode)
            scale = self._cost.equal_scale(*image.shape[:2], self._base.budget or None)
            return self._base.model_copy(update={"mode": "dense"}), scale * SINGLE_STEP**steps
        return self._base.model_copy(update={"mode": mode}), 1.0

    def _time_scale(self, image: NDArray[np.uint8]) -> float:
        """Return the scale, at most 1, of the pass that takes as long as patch mode here and now.

        Found once for each size of image: the time grows with the area, more or less.
        """
        scale = self._equal_time.get(image.shape)
        if scale is None:
            target = self._ms("patch", image)
            scale = 1.0
            for _ in range(3):
                scale = min(1.0, scale * (target / self._ms("dense", image, scale)) ** 0.5)
            self._equal_time[image.shape] = scale
        return scale

    def _ms(self, mode: str, image: NDArray[np.uint8], scale: float = 1.0) -> float:
        """Return the median time of a mode, after a run that warms up."""
        self._pipeline.reconfigure(self._base.model_copy(update={"mode": mode}))
        found = [
            self._pipeline.segment(image, confidence=False, dense_scale=scale).times.total
            for _ in range(_TIMED + 1)
        ]
        return float(np.median(found[1:]))


def check_modes(modes: tuple[str, ...]) -> None:
    """Raise InputError when a mode is unknown or there is none."""
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes:
        raise InputError(f"mode {','.join(unknown) or '(none)'}: give some of {','.join(MODES)}")
