"""Rigid transforms as matrices.

`T_a_b` is a (4, 4) float64 matrix that maps points of frame b into frame a.
"""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]


def invert(transform: Matrix) -> Matrix:
    """Return the inverse of a rigid transform."""
    inverse = np.eye(4)
    inverse[:3, :3] = transform[:3, :3].T
    inverse[:3, 3] = -transform[:3, :3].T @ transform[:3, 3]
    return inverse


def move_points(points: NDArray[np.floating], transform: Matrix) -> NDArray[np.float32]:
    """Map points (N, 3) of frame b into frame a by `T_a_b`, in float32."""
    if not len(points):
        return np.empty((0, 3), dtype=np.float32)
    # OpenCV's loop, because a matrix product wakes BLAS's threads, which slow the network's.
    moved = cv2.transform(points.astype(np.float32, copy=False)[None], transform[:3])
    return np.asarray(moved[0], dtype=np.float32)


def finite(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which points (N, 3) have three finite coordinates."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.isfinite(points[:, 0] + points[:, 1] + points[:, 2]))
