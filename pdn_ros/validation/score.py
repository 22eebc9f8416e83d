"""Accumulates the figures of one mode over a set, and the counts of each image beside them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import ClassSet, Role
from pdn_ros.metrics import (
    BoundaryIoU,
    Confusion,
    Interval,
    MendableErrors,
    Seams,
    SmallObjects,
    Waste,
    difference,
)
from pdn_ros.metrics.confusion import iou_of, means
from pdn_ros.metrics.small import f1
from pdn_ros.network import Prediction
from pdn_ros.validation.results import ModeFigures, SmallFigures

MERGED: Final = ("lane_marking", "road")
"""`miou_11`: the first counts as the second in prediction and label, as papers report CamVid."""


@dataclass
class Score:
    """Accumulates the figures of one mode."""

    classes: ClassSet
    hidden: dict[int, int]
    confusion: Confusion
    boundary: BoundaryIoU
    waste: Waste
    mendable: MendableErrors
    mendable_thin: MendableErrors
    by_entropy: MendableErrors
    by_entropy_thin: MendableErrors
    small: SmallObjects
    seams: Seams = field(default_factory=Seams)
    seams_of_labels: Seams = field(default_factory=Seams)
    gmac: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    pixel_counts: list[NDArray[np.int64]] = field(default_factory=list)
    small_counts: list[NDArray[np.int64]] = field(default_factory=list)

    @classmethod
    def of(cls, classes: ClassSet, hidden: dict[int, int]) -> "Score":
        """Make an empty one."""
        count = len(classes.classes)
        road = [i for i, name in enumerate(classes.names) if name == "road"]
        return cls(
            classes=classes,
            hidden=hidden,
            confusion=Confusion(count, hidden),
            boundary=BoundaryIoU(count, hidden),
            waste=Waste(plain=(*classes.with_role(Role.SKY), *road)),
            mendable=MendableErrors(),
            mendable_thin=MendableErrors(classes.thin),
            by_entropy=MendableErrors(),
            by_entropy_thin=MendableErrors(classes.thin),
            small=SmallObjects(classes.thin, hidden),
        )

    def update(
        self,
        mask: NDArray[np.uint8],
        label: NDArray[np.uint8],
        size: tuple[int, int],
        result: Prediction,
    ) -> None:
        """Add an image.

        Args:
            mask: (h, w) what was predicted, at the label's size.
            label: (h, w) uint8 class ids.
            size: (H, W) of the image.
            result: Where the mask comes from.
        """
        pixels, components = self.confusion.counts.copy(), self.small.counts.copy()
        self.confusion.update(mask, label)
        self.small.update(mask, label)
        self.pixel_counts.append(self.confusion.counts - pixels)
        self.small_counts.append((self.small.counts - components).sum(axis=1))
        self.boundary.update(mask, label)
        self.waste.update(result.selected, label, size, result.patch_size)
        self.seams.update(result.mask, result.selected, result.patch_size)
        if label.shape == result.mask.shape:
            self.seams_of_labels.update(label, result.selected, result.patch_size)
        self.times.append(result.times.total)

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
            small=SmallFigures(**asdict(self.small.scores()), by_size=self.small.by_size()),
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


def differences(ours: Sequence[Score], theirs: Sequence[Score]) -> dict[str, Interval]:
    """Bootstrap what one mode's scores are above another's, by the name of the figure.

    Several scores of a mode count by their mean.
    """
    classes, hidden = ours[0].classes, ours[0].hidden

    def miou(counts: NDArray[np.int64], ids: Sequence[int] | None = None) -> NDArray[np.float64]:
        iou = iou_of(counts, hidden)
        return means(iou if ids is None else iou[:, list(ids)])

    pixels, components = (
        ([np.stack(getattr(s, kind)) for s in ours], [np.stack(getattr(s, kind)) for s in theirs])
        for kind in ("pixel_counts", "small_counts")
    )
    return {
        "miou": difference(miou, *pixels),
        "thin_miou": difference(partial(miou, ids=classes.thin), *pixels),
        "small_f1": difference(f1, *components),
    }
