"""The last look at the validation images: every mode of the trained network, and one before it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets import Sample, open_dataset
from pdn_ros.datasets.base import evenly
from pdn_ros.metrics import Confusion
from pdn_ros.metrics.confusion import at_size, mean
from pdn_ros.network import Options, PatchDriveNet, predict
from pdn_ros.network.predict import Mode
from pdn_ros.training.loop import SHIPPED
from pdn_ros.training.training_config import TrainingConfig

MOST: Final = 100
"""Most images that are looked at, evenly picked."""
COST: Final = 2.5
"""What an image costs, relative to one pass at full size."""
SHOWN: Final = 8
MODES: Final[tuple[Mode, ...]] = ("patch", "context", "dense")
BEFORE: Final = "before"

Segmenter = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A validation image with the masks of the network before and of patch mode, ids."""

    sample: Sample
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the validation images show.

    Attributes:
        images: How many there were.
        before: What the network before is.
        iou: IoU of each class, (C,), by mode and for `BEFORE`; nan where there is none.
        shown: Some of the images.
    """

    images: int
    before: str
    iou: dict[str, NDArray[np.float64]]
    shown: tuple[Shown, ...]

    def miou(self, mode: str) -> float:
        """Return the mean over the classes that have an IoU."""
        return mean(self.iou[mode])


@torch.inference_mode()
def evaluate(
    net: PatchDriveNet,
    config: TrainingConfig,
    classes: ClassSet,
    first: Path,
    device: torch.device,
) -> Evaluation:
    """Run the modes of a trained network, and the network before, over the validation images.

    Args:
        net: The trained network, on `device`.
        config: What it was trained by.
        classes: Its classes.
        first: Weights of the first validation: what there is to compare with where the start
            weights know none of the classes.
        device: Where the networks run.
    """
    validation = config.validation[0]
    images = open_dataset(validation.spec, validation.split, classes)
    hidden = {classes.id_of(h): classes.id_of(g) for h, g in images.hidden.items()}
    title, known, before = _before(config, classes, first, device)
    runs = {mode: _segmenter(net, mode, device) for mode in MODES} | {BEFORE: before}
    scores = {name: Confusion(len(classes.names), hidden) for name in runs}
    picked = evenly(len(images), MOST)
    in_report = {picked[i] for i in evenly(len(picked), SHOWN)}
    shown = []
    for i in picked:
        sample = images.sample(i)
        masks = {name: run(sample.image) for name, run in runs.items()}
        for name, mask in masks.items():
            scores[name].update(at_size(mask, sample.label.shape), sample.label)
        if i in in_report:
            shown.append(Shown(sample, masks[BEFORE], masks["patch"]))
    iou = {name: score.iou() for name, score in scores.items()}
    iou[BEFORE][[c for c in range(len(classes.names)) if c not in known]] = np.nan
    return Evaluation(len(picked), title, iou, tuple(shown))


def _before(
    config: TrainingConfig, classes: ClassSet, first: Path, device: torch.device
) -> tuple[str, tuple[int, ...], Segmenter]:
    """Return the network before: its title, the ids that it knows, and what it makes of an image.

    It is that of the start weights where they know one of the classes, its other ones void.
    """
    if config.init is not None:
        path = None if config.init == SHIPPED else config.init
        source = PatchDriveNet.load(path, device=str(device))
        names = ClassSet.model_validate_json(source.classes).names
        shared = {i: names.index(name) for i, name in enumerate(classes.names) if name in names}
        if shared:
            table = np.full(256, VOID, np.uint8)
            table[list(shared.values())] = list(shared)
            segment = _segmenter(source, "patch", device)
            return "the start weights", tuple(shared), lambda image: table[segment(image)]
    source = PatchDriveNet.load(first, device=str(device))
    everything = tuple(range(len(classes.names)))
    return "the context at the first validation", everything, _segmenter(source, "context", device)


def _segmenter(net: PatchDriveNet, mode: Mode, device: torch.device) -> Segmenter:
    options = Options(mode=mode, confidence=False)
    return lambda image: predict(net, net.config, image, options, device=device).mask
