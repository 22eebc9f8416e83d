"""Scores of the network's modes on labelled images, from one run: `validate.json` and a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import ClassSet, Role
from pdn_ros.config import build
from pdn_ros.datasets import LabelledImages, open_dataset
from pdn_ros.errors import InputError
from pdn_ros.metrics import BoundaryIoU, Confusion, MendableErrors, Seams, Waste
from pdn_ros.network import Prediction
from pdn_ros.network.selector import select
from pdn_ros.perception import Pipeline, PipelineConfig
from pdn_ros.validation.cost import COUNTER, Cost
from pdn_ros.validation.results import ModeFigures, Validation
from pdn_ros.validation.selectors import coarse_entropy

MODES: Final = ("context", "patch", "dense", "equal_cost", "all_patches")
"""What runs: the network's modes, one pass of the dense network over the image scaled down to the
cost of patch mode, and patch mode with every patch refined."""

ALL_PATCHES: Final = 65535
MERGED: Final = ("lane_marking", "road")
"""`miou_11`: the first counts as the second in prediction and label, as papers report CamVid."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to validate.

    Attributes:
        dataset: Specification as for `pdn_ros.datasets.open_dataset`.
        split: Split of the data set.
        modes: Of `MODES`.
        weights: Path of the weights; empty for those that ship.
        backend: Inference backend.
        precision: Its precision.
        budget: K of patch mode; 0 is a quarter of the patches.
        limit: Only the first images; 0 for all.
    """

    dataset: str
    split: str = "val"
    modes: Sequence[str] = MODES
    weights: str = ""
    backend: str = "auto"
    precision: str = "auto"
    budget: int = 0
    limit: int = 0

    def __post_init__(self) -> None:
        unknown = [mode for mode in self.modes if mode not in MODES]
        if unknown or not self.modes:
            raise InputError(
                f"mode {','.join(unknown) or '(none)'}: give some of {','.join(MODES)}"
            )


class Runner:
    """Runs each mode on one pipeline.

    Raises:
        InputError: The weights or the backend cannot be had.
    """

    def __init__(self, settings: Settings):
        names = ("weights", "backend", "precision", "budget")
        self._base = build(PipelineConfig, {name: getattr(settings, name) for name in names})
        self._pipeline = Pipeline(self._base)
        self._cost = Cost(self._pipeline.network)
        self._warm: set[tuple[str, tuple[int, ...]]] = set()
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
        scale = 1.0
        match mode:
            case "equal_cost":
                size = image.shape[0], image.shape[1]
                scale = self._cost.equal_scale(*size, self._base.budget or None)
                update: dict[str, Any] = {"mode": "dense"}
            case "all_patches":
                update = {"mode": "patch", "budget": ALL_PATCHES}
            case _:
                update = {"mode": mode}
        return self._base.model_copy(update=update), scale


@dataclass
class Score:
    """Accumulates the figures of one mode."""

    classes: ClassSet
    confusion: Confusion
    boundary: BoundaryIoU
    waste: Waste
    mendable: MendableErrors
    mendable_thin: MendableErrors
    by_entropy: MendableErrors
    by_entropy_thin: MendableErrors
    seams: Seams = field(default_factory=Seams)
    seams_of_labels: Seams = field(default_factory=Seams)
    gmac: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, classes: ClassSet, hidden: dict[int, int]) -> "Score":
        """Make an empty one."""
        count = len(classes.classes)
        road = [i for i, name in enumerate(classes.names) if name == "road"]
        return cls(
            classes=classes,
            confusion=Confusion(count, hidden),
            boundary=BoundaryIoU(count, hidden),
            waste=Waste(plain=(*classes.with_role(Role.SKY), *road)),
            mendable=MendableErrors(),
            mendable_thin=MendableErrors(classes.thin),
            by_entropy=MendableErrors(),
            by_entropy_thin=MendableErrors(classes.thin),
        )

    def figures(self) -> ModeFigures:
        """Return the figures over what was added."""
        names = self.classes.names
        eleven = self.confusion
        if set(MERGED) <= set(names):
            eleven = eleven.merged(*(names.index(name) for name in MERGED))
        return ModeFigures(
            miou=self.confusion.miou(),
            miou_11=eleven.miou(),
            thin_miou=self.confusion.miou(self.classes.thin),
            boundary_iou=self.boundary.mean(),
            per_class_iou=dict(zip(names, self.confusion.iou().tolist(), strict=True)),
            gmac=float(np.mean(self.gmac)),
            refined_share=self.waste.refined_share,
            wasted_share=self.waste.wasted_share,
            ms_p50=float(np.median(self.times)),
            seam_ratio=self.seams.ratio,
            seam_ratio_labels=self.seams_of_labels.ratio,
            mendable_recall=self.mendable.recall,
            mendable_recall_entropy=self.by_entropy.recall,
            mendable_recall_oracle=self.mendable.best_recall,
            mendable_recall_thin=self.mendable_thin.recall,
            mendable_recall_entropy_thin=self.by_entropy_thin.recall,
            mendable_recall_oracle_thin=self.mendable_thin.best_recall,
        )


def validate(settings: Settings, report: Callable[[int, int], None] | None = None) -> Validation:
    """Run the modes over a data set, image by image in turn, so that all see the same machine.

    Args:
        settings: What to validate.
        report: Called with the images done and their number.

    Raises:
        InputError: The data set or the weights cannot be used.
    """
    runner = Runner(settings)
    data = open_dataset(settings.dataset, settings.split, runner.classes)
    ids = {name: i for i, name in enumerate(data.classes)}
    hidden = {ids[h]: ids[g] for h, g in data.hidden.items()}
    scores = {mode: Score.of(runner.classes, hidden) for mode in settings.modes}
    count = min(len(data), settings.limit or len(data))
    for index in range(count):
        _add_image(runner, data, index, scores)
        if report:
            report(index + 1, count)
    return Validation(
        dataset=settings.dataset,
        split=settings.split,
        images=count,
        classes=runner.classes.names,
        hidden=dict(data.hidden),
        weights=settings.weights or "shipped",
        backend=runner.backend,
        gmac_counter=COUNTER,
        modes={mode: score.figures() for mode, score in scores.items()},
    )


def _add_image(runner: Runner, data: LabelledImages, index: int, scores: dict[str, Score]) -> None:
    """Run the modes on one image and add it to their scores."""
    sample = data.sample(index)
    label, size = sample.label, (sample.image.shape[0], sample.image.shape[1])
    results = {mode: runner.run(mode, sample.image) for mode in scores}
    masks = {mode: at_size(result.mask, label.shape) for mode, result in results.items()}
    for mode, score in scores.items():
        result = results[mode]
        score.confusion.update(masks[mode], label)
        score.boundary.update(masks[mode], label)
        score.waste.update(result.selected, label, size, result.patch_size)
        score.seams.update(result.mask, result.selected, result.patch_size)
        if label.shape == result.mask.shape:
            score.seams_of_labels.update(label, result.selected, result.patch_size)
        score.gmac.append(runner.gmac(mode, sample.image, len(result.selected)))
        score.times.append(result.times.total)
        if mode == "patch" and {"context", "all_patches"} <= results.keys():
            picked = runner.by_entropy(sample.image, len(result.selected))
            for errors, selected in (
                (score.mendable, result.selected),
                (score.mendable_thin, result.selected),
                (score.by_entropy, picked),
                (score.by_entropy_thin, picked),
            ):
                errors.update(
                    selected,
                    label=label,
                    context=masks["context"],
                    refined=masks["all_patches"],
                    image_size=size,
                    patch_size=result.patch_size,
                )


def at_size(mask: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Resize a mask to a label of another size: the id of the pixel whose centre is nearest."""
    if mask.shape == size:
        return mask
    resized = cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, dtype=np.uint8)
