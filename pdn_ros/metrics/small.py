"""Small things: connected components of the thin classes, found or missed, real or made up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import VOID
from pdn_ros.metrics.confusion import check_sizes

SIZES: Final = (30, 100, 300, 1000)
"""Bounds of the size classes, pixels of the label: 30 to 99, 100 to 299, 300 to 999."""
SHARE: Final = 0.5
"""A component is found when at least this share of its pixels is."""
TOLERANCE: Final = 2
"""Pixels by which the label is dilated before predicted components are judged."""


def components(
    mask: NDArray[np.uint8], class_id: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Find the connected components (8 neighbors) of a class.

    Args:
        mask: (H, W) class ids.
        class_id: The class.

    Returns:
        (H, W) int32 component of each pixel, 0 for none, and (n,) areas in pixels; the area of
        component i stands at i - 1.
    """
    _, ids, stats, _ = cv2.connectedComponentsWithStats(
        (mask == class_id).astype(np.uint8), connectivity=8
    )
    return np.asarray(ids, np.int32), stats[1:, cv2.CC_STAT_AREA].astype(np.int64)


class SmallObjects:
    """Recall, precision and F1 of small components over a set.

    A component of a class in the label counts as found when half of its pixels have the class;
    one in the prediction as real when half of its pixels lie on the label's class dilated by
    `TOLERANCE`. Both count when they have 30 to 999 px. Void pixels predict nothing.

    Args:
        thin: Ids of the classes that count.
        hidden: Ids of classes without a label of their own and of those they are labelled as:
            the former are left out, their predictions count as the latter.
    """

    def __init__(self, thin: Sequence[int], hidden: Mapping[int, int] | None = None):
        self.hidden = dict(hidden or {})
        self.classes = tuple(c for c in thin if c not in self.hidden)
        self.counts = np.zeros((4, len(SIZES) - 1), np.int64)
        """Components of the label, those found, components predicted, those real; by size."""

    def update(self, prediction: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
        """Add one image; both (H, W) uint8 class ids.

        Raises:
            ValueError: The sizes differ.
        """
        check_sizes(prediction, label)
        seen = np.where(label == VOID, np.uint8(VOID), prediction)
        for source, target in self.hidden.items():
            seen[seen == source] = target
        kernel = np.ones((2 * TOLERANCE + 1,) * 2, np.uint8)
        for class_id in self.classes:
            wanted, found = label == class_id, seen == class_id
            if wanted.any():
                self.counts[:2] += _hits(label, class_id, found)
            if found.any():
                near = cv2.dilate(wanted.astype(np.uint8), kernel) > 0
                self.counts[2:] += _hits(seen, class_id, near)

    def scores(self) -> "DetectionScores":
        """Return the figures over all sizes."""
        return DetectionScores.of(self.counts.sum(axis=1))

    def by_size(self) -> "dict[str, DetectionScores]":
        """Return the figures of each size class, named by its bounds."""
        bounds = zip(SIZES[:-1], SIZES[1:], self.counts.T, strict=True)
        return {f"{low}-{high}": DetectionScores.of(counts) for low, high, counts in bounds}


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """Shares of components; nan where there is none to share.

    Attributes:
        recall: Found of the label's components.
        precision: Real of the predicted components.
        f1: Harmonic mean of both.
    """

    recall: float
    precision: float
    f1: float

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> "DetectionScores":
        """Make it from counts (4,): components, found, predicted, real."""
        wanted, found, predicted, real = (int(n) for n in counts)
        recall = found / wanted if wanted else float("nan")
        precision = real / predicted if predicted else float("nan")
        return cls(recall, precision, float(f1(counts)))


def f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 from counts (..., 4): components, found, predicted, real.

    Nan where the label has no component; 0 where nothing is found.
    """
    wanted, found, predicted, real = (counts[..., i].astype(np.float64) for i in range(4))
    # 2 / (wanted / found + predicted / real), without dividing by what may be zero.
    both = wanted * real + predicted * found
    hits = 2 * found * real
    ratio = np.divide(hits, both, out=np.zeros_like(both), where=both > 0)
    return np.where(wanted > 0, ratio, np.nan)


def _hits(mask: NDArray[np.uint8], class_id: int, where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count a class's components by size, and those that lie on `where` by half; (2, sizes)."""
    ids, areas = components(mask, class_id)
    inside = np.bincount(ids[where], minlength=len(areas) + 1)[1:]
    hit = inside >= SHARE * areas
    bounds = (*SIZES[:-1], SIZES[-1] - 1)  # the last bin holds its upper edge
    return np.stack([np.histogram(a, bounds)[0] for a in (areas, areas[hit])])
