"""What a pixel means to a planner, coded so that of two pixels the larger code is the safer one.

Where several pixels fall into one the largest counts: a thin obstacle stays, and ground is ground
only where all of them are.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry import roles as role

GROUND, UNKNOWN, SKY, STATIC, DYNAMIC = range(5)
_OF_ROLE: Final = np.full(256, UNKNOWN, dtype=np.uint8)
_OF_ROLE[[role.GROUND, role.SKY, role.STATIC, role.DYNAMIC]] = GROUND, SKY, STATIC, DYNAMIC


def caution_table(roles: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Return the (256,) uint8 table for `cautious`, given the role code of each label.

    Args:
        roles: (256,) uint8 codes of `pdn_ros.geometry.roles`; None where labels are such codes.
    """
    codes = _OF_ROLE if roles is None else _OF_ROLE[roles]
    return codes - np.uint8(UNKNOWN)  # wraps: unknown is 0, as a bit mask leaves it


def cautious(
    labels: NDArray[np.uint8],
    table: NDArray[np.uint8],
    confidence: NDArray[np.uint8] | None,
    least: int,
) -> NDArray[np.uint8]:
    """Code an image of labels.

    Args:
        labels: (H, W) uint8.
        table: Of `caution_table`.
        confidence: (H, W) uint8 or None.
        least: Pixels of less confidence are unknown.

    Returns:
        (H, W) uint8 of the codes above.
    """
    codes = cv2.LUT(labels, table)
    if confidence is not None:
        known = cv2.threshold(confidence, least - 1, 255, cv2.THRESH_BINARY)[1]
        codes = cv2.bitwise_and(codes, known)
    codes += np.uint8(UNKNOWN)
    return np.asarray(codes, dtype=np.uint8)
