"""Rigid transforms over time: what tf2 does, behind an interface that also suits tf2.

`T_a_b` is a (4, 4) float64 matrix that maps points of frame b into frame a.
"""

from bisect import bisect_left
from threading import Lock
from typing import Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pytransform3d.transform_manager import (
    StaticTransform,
    TemporalTransformManager,
    TimeVaryingTransform,
)
from pytransform3d.transformations import pq_from_transform, pq_slerp, transform_from_pq

Matrix: TypeAlias = NDArray[np.float64]


class Transforms(Protocol):
    """Where transforms are looked up."""

    def lookup(self, target: str, source: str, stamp_ns: int) -> Matrix:
        """Return `T_target_source` at a time.

        Raises:
            LookupError: A frame is unknown, the two are not connected, or the time is not covered;
                one line.
        """


class TransformBuffer:
    """The tree of frames, with the last seconds of those transforms that move.

    Between two samples positions are interpolated linearly and rotations spherically, as tf2 does;
    there is no extrapolation. Safe to fill from one thread and to read from another.
    """

    def __init__(self, window_s: float = 10.0) -> None:
        self._window_ns = int(window_s * 1e9)
        self._lock = Lock()
        self._parents: dict[str, str] = {}
        self._moving: dict[str, _Series] = {}
        self._manager = TemporalTransformManager(check=False)

    def set(self, parent: str, child: str, stamp_ns: int, transform: Matrix) -> None:
        """Add a sample of `T_parent_child`; those older than the window are forgotten.

        Raises:
            ValueError: The frames are the same or the matrix is no rigid transform.
        """
        _check(parent, child, transform)
        with self._lock:
            series = self._moving.get(child)
            if series is None or self._parents.get(child) != parent:
                series = self._moving[child] = _Series(parent, child, self._window_ns)
                self._connect(parent, child, series)
            series.add(stamp_ns, transform)

    def set_static(self, parent: str, child: str, transform: Matrix) -> None:
        """Set `T_parent_child` for all times.

        Raises:
            ValueError: The frames are the same or the matrix is no rigid transform.
        """
        _check(parent, child, transform)
        with self._lock:
            self._moving.pop(child, None)
            self._connect(parent, child, StaticTransform(np.array(transform, dtype=np.float64)))

    def lookup(self, target: str, source: str, stamp_ns: int) -> Matrix:
        """Return `T_target_source` at a time; see `Transforms.lookup`."""
        if target == source:
            return np.eye(4)
        with self._lock:
            for frame in (target, source):
                if frame not in self._manager.nodes:
                    raise LookupError(f"transform {target} <- {source}: no frame {frame!r} yet")
            try:
                found = self._manager.get_transform_at_time(source, target, stamp_ns)
            except KeyError as error:
                raise LookupError(
                    f"transform {target} <- {source}: the two frames are not connected"
                ) from error
            return np.array(found, dtype=np.float64)

    def clear(self) -> None:
        """Forget what moves, as after a jump back in time; static transforms stay."""
        with self._lock:
            for child in self._moving:
                self._manager.remove_transform(child, self._parents.pop(child))
            self._moving.clear()

    def _connect(self, parent: str, child: str, transform: TimeVaryingTransform) -> None:
        """Hang a frame under a parent; it has one parent at a time."""
        before = self._parents.get(child)
        if before is not None and before != parent:
            self._manager.remove_transform(child, before)
        self._parents[child] = parent
        self._manager.add_transform(child, parent, transform)


class _Series(TimeVaryingTransform):  # type: ignore[misc]  # the library has no types
    """Samples of one moving transform, oldest first."""

    def __init__(self, parent: str, child: str, window_ns: int) -> None:
        self._name = f"transform {parent} <- {child}"
        self._window_ns = window_ns
        self._stamps: list[int] = []
        self._poses: list[NDArray[np.float64]] = []  # position and quaternion (w, x, y, z)

    def add(self, stamp_ns: int, transform: Matrix) -> None:
        pose = pq_from_transform(transform, strict_check=False)
        i = bisect_left(self._stamps, stamp_ns)
        if i < len(self._stamps) and self._stamps[i] == stamp_ns:
            self._poses[i] = pose
        else:
            self._stamps.insert(i, stamp_ns)
            self._poses.insert(i, pose)
        old = bisect_left(self._stamps, self._stamps[-1] - self._window_ns)
        del self._stamps[:old], self._poses[:old]

    def as_matrix(self, query_time: int) -> Matrix:
        i = bisect_left(self._stamps, query_time)
        if i == len(self._stamps) or (i == 0 and query_time < self._stamps[0]):
            raise LookupError(
                f"{self._name}: nothing at {query_time / 1e9:.3f} s; known from "
                f"{self._stamps[0] / 1e9:.3f} to {self._stamps[-1] / 1e9:.3f} s"
            )
        if self._stamps[i] == query_time:
            pose = self._poses[i]
        else:
            elapsed = query_time - self._stamps[i - 1]
            span = self._stamps[i] - self._stamps[i - 1]
            pose = pq_slerp(self._poses[i - 1], self._poses[i], elapsed / span)
        matrix: Matrix = transform_from_pq(pose)
        return matrix

    def check_transforms(self) -> "_Series":
        return self


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


def _check(parent: str, child: str, transform: Matrix) -> None:
    if not parent or not child or parent == child:
        raise ValueError(f"transform {parent!r} <- {child!r}: needs two different frames")
    matrix = np.asarray(transform, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"transform {parent} <- {child}: needs 16 finite numbers")
    rotation = matrix[:3, :3]
    rigid = np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-3 and np.linalg.det(rotation) > 0
    if not rigid or np.abs(matrix[3] - [0, 0, 0, 1]).max() > 1e-6:
        raise ValueError(f"transform {parent} <- {child}: the matrix is no rigid transform")
