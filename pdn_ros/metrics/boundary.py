"""Boundary IoU (Cheng et al., CVPR 2021), accumulated over a whole set.

For a class with label mask G and predicted mask P, where G_d are the pixels of G no further than d
from its contour: `|G_d & P_d| / |G_d | P_d|`. As in the authors' implementation d is 2 % of the
image's diagonal in steps of a 3x3 erosion, and the image's border is a contour too. Here the sums
run over the set before the division, as for mIoU, and void pixels are in neither mask.
"""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import VOID
from pdn_ros.metrics.confusion import mean

DISTANCE = 0.02


class BoundaryIoU:
    """Boundary IoU of every class.

    Args:
        num_classes: Number of classes.
        hidden: Class ids that are predicted but labelled as another, with that other.
        distance: Width of the band along contours, share of the image's diagonal.
    """

    def __init__(
        self,
        num_classes: int,
        hidden: Mapping[int, int] | None = None,
        distance: float = DISTANCE,
    ):
        self.hidden = dict(hidden or {})
        self.distance = distance
        self.intersection = np.zeros(num_classes, dtype=np.int64)
        self.union = np.zeros(num_classes, dtype=np.int64)

    def update(self, prediction: NDArray[np.uint8], label: NDArray[np.uint8]) -> None:
        """Add one image; both (H, W) uint8 class ids."""
        if prediction.shape != label.shape:
            raise ValueError(
                f"prediction {prediction.shape} and label {label.shape} differ in size"
            )
        classes = len(self.union)
        table = np.arange(256, dtype=np.uint8)
        for source, target in self.hidden.items():
            table[source] = target
        table[classes:] = VOID
        label = table[label]
        prediction = np.where(label == VOID, np.uint8(VOID), table[prediction])
        width = max(1, round(self.distance * float(np.hypot(*label.shape))))
        at_label, at_prediction = boundary(label, width), boundary(prediction, width)
        both = at_label & at_prediction & (label == prediction)
        counts = [
            np.bincount(ids, minlength=256)[:classes]
            for ids in (label[both], label[at_label], prediction[at_prediction])
        ]
        self.intersection += counts[0]
        self.union += counts[1] + counts[2] - counts[0]

    def iou(self) -> NDArray[np.float64]:
        """Return the boundary IoU of each class, (C,); nan where there is none."""
        result = np.full(self.union.shape, np.nan)
        np.divide(self.intersection, self.union, out=result, where=self.union > 0)
        return result

    def mean(self) -> float:
        """Return the mean over the classes that have one."""
        return mean(self.iou())


def boundary(ids: NDArray[np.uint8], width: int) -> NDArray[np.bool_]:
    """Tell which pixels have another id, or the image's outside, within `width` (chessboard).

    Eroding the mask of each class with a square leaves the pixels around which all ids in the
    square are the same: one minimum and one maximum do it for all classes.

    Args:
        ids: (H, W) uint8; void (255) is on a boundary or not like any other id.
        width: Distance in pixels, at least 1.
    """
    # One ring of an id that meets no class; further out OpenCV ignores what is not there.
    padded = cv2.copyMakeBorder(ids, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(VOID,))
    square = np.ones((2 * width + 1, 2 * width + 1), dtype=np.uint8)
    lowest, highest = cv2.erode(padded, square), cv2.dilate(padded, square)
    return np.asarray(lowest != highest)[1:-1, 1:-1]
