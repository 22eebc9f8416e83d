"""Which frames are worth labeling: the sharp ones, far from each other, where doubt is great."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.messages.compressed import Pixels

_WIDTH: Final = 640
_NEIGHBORS: Final = 4
"""Frames on each side that a frame's sharpness is compared with."""
_BLURRED: Final = 0.5
"""A frame is blurred if its sharpness is below this share of its neighbors' median."""


def sharpness(image: Pixels) -> float:
    """Return the variance of the Laplacian of an image (H, W, 3) BGR, shrunk to 640 columns.

    It depends on the scene: only frames near each other can be compared.
    """
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if gray.shape[1] > _WIDTH:
        scale = _WIDTH / gray.shape[1]
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(gray, cv2.CV_32F).var())


def sharp(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which frames, in the order of time, are not blurred in comparison with their neighbors.

    Args:
        values: (N,) sharpness.
    """
    last = len(values)
    medians = [
        np.median(values[max(0, i - _NEIGHBORS) : min(last, i + _NEIGHBORS + 1)])
        for i in range(last)
    ]
    return np.asarray(values >= _BLURRED * np.array(medians))


def choose(
    features: NDArray[np.float32], doubt: NDArray[np.float64], count: int
) -> NDArray[np.intp]:
    """Pick frames by farthest-point sampling (Gonzalez, 1985), doubtful ones first.

    The next frame is the one with the largest distance to those picked so far, times 0.5 to 1.5 by
    the rank of its doubt. Frames equal to one that is picked are never picked.

    Args:
        features: (N, F) what each frame looks like.
        doubt: (N,) how doubtful each is.
        count: How many to pick.

    Returns:
        (K,) indices in the order of time, K at most `count`.
    """
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread > 1e-6, spread, np.inf)
    weight = 0.5 + np.argsort(np.argsort(doubt)) / max(1, len(doubt) - 1)
    picked = [int(np.argmax(weight))]
    nearest = np.full(len(features), np.inf)
    while len(picked) < min(count, len(features)):
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[picked[-1]], axis=1))
        following = int(np.argmax(nearest * weight))
        if nearest[following] < 1e-6:
            break
        picked.append(following)
    return np.sort(np.array(picked, dtype=np.intp))
