"""Intersection over union, accumulated over a whole set."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self


class Confusion:
    """Counts of (label, prediction) pixel pairs and the scores that follow from them.

    Pixels whose label is void count nowhere; a void prediction on a labelled pixel is wrong. A
    class in `hidden` has no label of its own in the set: its predictions count as those of the
    class that stands for it, and it is left out of every mean.

    A class without labels and without predictions has no IoU (nan) and is left out of the means;
    one that is only predicted has 0, as in torchmetrics and mmsegmentation.

    Args:
        num_classes: Number of classes, at most 255; other ids are void.
        hidden: Class ids and the ids of the classes they are labelled as.
    """

    def __init__(self, num_classes: int, hidden: Mapping[int, int] | None = None):
        self.hidden = dict(hidden or {})
        if self.hidden.keys() & set(self.hidden.values()):
            raise ValueError(f"hidden classes {self.hidden}: one stands for another")
        # The last row and column take void.
        self.counts = np.zeros((num_classes + 1, num_classes + 1), dtype=np.int64)

    def update(self, prediction: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
        """Add the pixels of one image; both (H, W) uint8 class ids.

        Raises:
            ValueError: The sizes differ.
        """
        check_sizes(prediction, label)
        side = len(self.counts)
        void = side - 1
        pairs = np.minimum(label, void).astype(np.uint16) * np.uint16(side)
        pairs += np.minimum(prediction, void)
        self.counts += np.bincount(pairs.ravel(), minlength=side * side).reshape(side, side)

    def merge(self, other: Self) -> None:
        """Add the pixels that another one counted, for example on another process."""
        self.counts += other.counts

    def merged(self, source: int, target: int) -> "Confusion":
        """Return the score with `source` counted as `target`, in prediction and label."""
        result = Confusion(len(self.counts) - 1, {**self.hidden, source: target})
        result.counts += self.counts
        return result

    def matrix(self) -> NDArray[np.int64]:
        """Return the counts (C + 1, C + 1), [label, prediction], hidden classes merged."""
        return _merged(self.counts, self.hidden)

    def iou(self) -> NDArray[np.float64]:
        """Return the IoU of each class, (C,); nan where there is none."""
        return iou_of(self.counts, self.hidden)

    def miou(self, ids: Sequence[int] | None = None) -> float:
        """Return the mean IoU over the classes, or over those of `ids` that have one."""
        return mean(self.iou() if ids is None else self.iou()[list(ids)])


def at_size(mask: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Resize a mask to a label of another size: the id of the pixel whose center is nearest."""
    if mask.shape == size:
        return mask
    resized = cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, dtype=np.uint8)


def check_sizes(prediction: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
    """Raise ValueError when a prediction and its label differ in size."""
    if prediction.shape != label.shape:
        raise ValueError(f"prediction {prediction.shape} and label {label.shape} differ in size")


def iou_of(counts: NDArray[np.int64], hidden: Mapping[int, int]) -> NDArray[np.float64]:
    """IoU of each class from counts as `Confusion.counts`.

    Args:
        counts: (..., C + 1, C + 1).
        hidden: Class ids and the ids of the classes they are labelled as.

    Returns:
        (..., C); nan where there is none.
    """
    rows = _merged(counts, hidden)[..., :-1, :]
    hits = np.diagonal(rows, axis1=-2, axis2=-1)
    union = rows.sum(axis=-1) + rows[..., :-1].sum(axis=-2) - hits
    return _ratio(hits, union)


def mean(values: NDArray[np.float64]) -> float:
    """Mean of what is not nan; nan when there is nothing."""
    return float(means(values))


def means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean along the last axis of what is not nan; nan where there is nothing."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0).sum(axis=-1)
    return _ratio(total, count)


def _ratio(part: NDArray[Any], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    result = np.full(np.shape(part), np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def _merged(counts: NDArray[np.int64], hidden: Mapping[int, int]) -> NDArray[np.int64]:
    counts = counts.copy()
    for source, target in hidden.items():
        for view in (counts, counts.swapaxes(-1, -2)):
            view[..., target, :] += view[..., source, :]
            view[..., source, :] = 0
    return counts
