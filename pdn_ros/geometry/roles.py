"""Role codes: what a pixel means to geometry, whatever the class set.

Of two codes the larger is the safer one for a planner. Where several pixels are merged the largest
counts: a thin obstacle is kept, and the result is ground only where all of them are.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

GROUND: Final = 0
UNKNOWN: Final = 1
SKY: Final = 2
STATIC: Final = 3
DYNAMIC: Final = 4


def confident_roles(
    labels: NDArray[np.uint8],
    table: NDArray[np.uint8],
    confidence: NDArray[np.uint8] | None,
    least: int,
) -> NDArray[np.uint8]:
    """Return the role of each pixel, unknown where the label is not confident.

    Args:
        labels: (H, W) uint8.
        table: (256,) uint8 role code of each label.
        confidence: (H, W) uint8 or None.
        least: Pixels with less confidence are unknown.

    Returns:
        (H, W) uint8 role codes.
    """
    roles = cv2.LUT(labels, table)
    if confidence is not None:
        # On whole images bit masks take a fraction of the time of boolean indices.
        known = cv2.threshold(confidence, least - 1, 255, cv2.THRESH_BINARY)[1]
        doubt = cv2.threshold(confidence, least - 1, UNKNOWN, cv2.THRESH_BINARY_INV)[1]
        roles = cv2.bitwise_or(cv2.bitwise_and(roles, known), doubt)
    return np.asarray(roles, dtype=np.uint8)
