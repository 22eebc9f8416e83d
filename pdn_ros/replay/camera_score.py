"""The scores of one camera's images, and of several cameras together."""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import ClassSet
from pdn_ros.metrics import Confusion
from pdn_ros.metrics.small import SmallObjects
from pdn_ros.replay.boxes import BoxTally
from pdn_ros.replay.drive import RecordedImage
from pdn_ros.replay.output import Output
from pdn_ros.replay.results import NAN, CameraMetrics, FrameRow, MaskMetrics


@dataclass(slots=True)
class CameraScore:
    """Counts over the images of a camera."""

    classes: ClassSet
    rows: list[FrameRow] = field(default_factory=list)
    boxes: BoxTally = field(default_factory=BoxTally)
    _confusion: Confusion = field(init=False)
    _small: SmallObjects = field(init=False)
    _pixels: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._confusion = Confusion(len(self.classes.names))
        self._small = SmallObjects(self.classes.thin)
        self._pixels = np.zeros(256, dtype=np.int64)

    @classmethod
    def of(cls, classes: ClassSet, cameras: Collection["CameraScore"]) -> "CameraScore":
        """Return the score of all images of some cameras."""
        total = cls(classes)
        for one in cameras:
            total.rows += one.rows
            total._confusion.merge(one._confusion)
            total._small.counts += one._small.counts
            total._pixels += one._pixels
        total.boxes = BoxTally.of(one.boxes for one in cameras)
        return total

    def add(self, image: RecordedImage, output: Output) -> FrameRow:
        """Score one image's mask, where the true one has its size, and return its row."""
        miou = NAN
        if output.mask is not None:
            self._pixels += np.bincount(output.mask.reshape(-1), minlength=256)
            if image.mask is not None and image.mask.shape == output.mask.shape:
                miou = self._score_mask(output.mask, image.mask)
        patches = output.patches
        row = FrameRow(
            index=image.index,
            stamp_ns=image.header.stamp_ns,
            latency_ms=output.latency_ms,
            age_ms=output.age_ms,
            selected=len(patches.selected) if patches else 0,
            refined_share=len(patches.selected) / patches.weights.size if patches else NAN,
            prior_used=patches is not None and patches.prior is not None,
            miou=miou,
            error=image.error or output.error,
            camera=image.camera,
        )
        self.rows.append(row)
        return row

    def masks(self) -> MaskMetrics:
        """Return how good the masks are."""
        iou = self._confusion.iou()
        known = zip(self.classes.names, iou, strict=True)
        return MaskMetrics(
            miou=self._confusion.miou(),
            thin_miou=self._confusion.miou(self.classes.thin),
            per_class_iou={n: float(v) for n, v in known} if np.isfinite(iou).any() else {},
            small=self._small.scores(),
        )

    def metrics(self) -> CameraMetrics:
        """Return the figures of the camera."""
        return CameraMetrics(
            frames=len(self.rows),
            failed=self.failed,
            refined_share=self.refined_share,
            masks=self.masks(),
            boxes=self.boxes.metrics(),
        )

    @property
    def failed(self) -> int:
        """Images that cannot be decoded or whose processing failed."""
        return sum(bool(row.error) for row in self.rows)

    @property
    def refined_share(self) -> float:
        """Share of the patches that was refined, mean over the images."""
        known = [row.refined_share for row in self.rows if np.isfinite(row.refined_share)]
        return float(np.mean(known)) if known else NAN

    def class_share(self) -> dict[str, float]:
        """Return the share of the predicted pixels of each class."""
        total = max(1, int(self._pixels.sum()))
        return {n: float(self._pixels[i] / total) for i, n in enumerate(self.classes.names)}

    def _score_mask(self, mask: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
        alone = Confusion(len(self.classes.names))
        alone.update(mask, truth)
        self._confusion.merge(alone)
        self._small.update(mask, truth)
        return alone.miou()
