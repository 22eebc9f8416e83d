"""Rigid transforms as matrices.

`T_a_b` is a (4, 4) float64 matrix that maps points of frame b into frame a.
"""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix: TypeAlias = NDArray[np.float64]


def from_quaternion(translation: ArrayLike, quaternion: ArrayLike) -> Matrix:
    """Make a transform from a position (x, y, z) and a quaternion (x, y, z, w).

    Raises:
        ValueError: Not finite, or no unit quaternion within 1e-3.
    """
    position = np.asarray(translation, dtype=np.float64)
    q = np.asarray(quaternion, dtype=np.float64)
    if position.shape != (3,) or q.shape != (4,):
        raise ValueError("transform: needs three numbers of position and four of rotation")
    norm = np.linalg.norm(q)
    if not np.isfinite(position).all() or not np.isfinite(norm):
        raise ValueError("transform: position or rotation is not finite")
    if abs(norm - 1) > 1e-3:
        raise ValueError(f"transform: a quaternion of length {norm:.4g} is no rotation")
    x, y, z, w = q / norm
    matrix = np.eye(4)
    matrix[:3, :3] = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    matrix[:3, 3] = position
    return matrix


def to_quaternion(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit quaternion (x, y, z, w) of a rotation matrix (3, 3).

    It is the eigenvector of the largest eigenvalue of a symmetric matrix (Bar-Itzhack 2000), which
    is exact at every angle.
    """
    r = rotation
    k = np.empty((4, 4))
    k[:3, :3] = r + r.T - np.trace(r) * np.eye(3)
    k[3, :3] = k[:3, 3] = r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
    k[3, 3] = np.trace(r)
    return np.asarray(np.linalg.eigh(k)[1][:, -1])


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
    # OpenCV's loop, for a matrix product wakes BLAS' threads, which fight with the network's.
    moved = cv2.transform(points.astype(np.float32, copy=False)[None], transform[:3])
    return np.asarray(moved[0], dtype=np.float32)


def finite(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which points (N, 3) have three finite coordinates."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.isfinite(points[:, 0] + points[:, 1] + points[:, 2]))
