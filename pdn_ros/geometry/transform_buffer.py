"""Rigid transforms over time, as tf2 keeps them."""

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Protocol

import numpy as np

from pdn_ros.geometry.transforms import Matrix, invert
from pdn_ros.messages.transforms import from_quaternion, to_quaternion

ALWAYS_NS = 2**63 - 1
"""`latest_ns` of frames that do not move relative to each other."""


class Transforms(Protocol):
    """Where transforms are looked up."""

    def lookup(self, target: str, source: str, stamp_ns: int) -> Matrix:
        """Return `T_target_source` at a time.

        Raises:
            LookupError: A frame is unknown, the two are not connected, or the time is not covered.
        """

    def connected(self, target: str, source: str) -> bool:
        """Say whether the two frames are joined at any time."""

    def latest_ns(self, target: str, source: str) -> int:
        """Return the latest time at which `lookup` can succeed; `ALWAYS_NS` if at all times.

        Raises:
            LookupError: A frame is unknown or the two are not connected.
        """


def wait_for_transform(
    transforms: Transforms, target: str, source: str, stamp_ns: int, tolerance_s: float
) -> Matrix:
    """Return `T_target_source` at a time, waiting up to `tolerance_s` seconds for it.

    Raises:
        LookupError: It did not come within the tolerance, or the frames are not connected.
    """
    end = time.monotonic() + tolerance_s
    while True:
        try:
            return transforms.lookup(target, source, stamp_ns)
        except LookupError:
            if time.monotonic() >= end or not transforms.connected(target, source):
                raise
            time.sleep(0.005)


class TransformBuffer:
    """The tree of frames, with the last seconds of those transforms that move.

    Between two samples positions are interpolated linearly and rotations spherically, as tf2 does;
    there is no extrapolation. Safe to fill from one thread and to read from another.

    A new parent does not erase an old one: of several, the latest that covers the time counts. If
    transforms form a ring, one that does not cover the time is left out, else the one updated least
    recently. So a wrong transform does no harm once correct ones follow.

    Args:
        window_s: How long samples are kept, in seconds before the newest one.
        restart_s: A sample older than the newest one by more than this, in seconds, restarts its
            transform, as when a recording is played again.
    """

    def __init__(self, window_s: float = 10.0, restart_s: float = math.inf) -> None:
        self._window_ns = round(window_s * 1e9)
        self._restart_ns = restart_s * 1e9
        self._lock = Lock()
        self._edges: dict[str, dict[str, _Edge]] = {}  # child, parent; latest update last
        self._count = 0

    def set(self, parent: str, child: str, stamp_ns: int, transform: Matrix) -> None:
        """Add a sample of `T_parent_child`; see `add`."""
        self.add(parent, child, stamp_ns, _pose(parent, child, transform))

    def set_static(self, parent: str, child: str, transform: Matrix) -> None:
        """Set `T_parent_child` for all times; see `add_static`."""
        self.add_static(parent, child, _pose(parent, child, transform))

    def add(self, parent: str, child: str, stamp_ns: int, pose: Sequence[float]) -> None:
        """Add a sample of `T_parent_child`; those older than the window are forgotten.

        Args:
            parent: The frame above.
            child: The frame below.
            stamp_ns: Time of the sample.
            pose: x, y, z in meters and the quaternion x, y, z, w.

        Raises:
            ValueError: The frames are the same or the pose is not a rigid transform.
        """
        _check(parent, child, pose)
        with self._lock:
            edge = self._edge(parent, child, static=False)
            if edge.stamps and edge.stamps[-1] - stamp_ns > self._restart_ns:
                edge.cut(0)
            edge.add(stamp_ns, pose, self._window_ns)

    def add_static(self, parent: str, child: str, pose: Sequence[float]) -> None:
        """Set `T_parent_child` for all times; the arguments and errors are those of `add`."""
        _check(parent, child, pose)
        with self._lock:
            self._edge(parent, child, static=True).poses = [pose]

    def lookup(self, target: str, source: str, stamp_ns: int) -> Matrix:
        """Return `T_target_source` at a time; see `Transforms.lookup`."""
        if target == source:
            return np.eye(4)
        with self._lock:
            down, up = self._path(target, source, stamp_ns)
            result = np.eye(4)
            for edge in up:
                result = edge.at(stamp_ns) @ result
            for edge in reversed(down):
                result = invert(edge.at(stamp_ns)) @ result
        return result

    def latest_ns(self, target: str, source: str) -> int:
        """Return the latest time at which `lookup` can succeed; `ALWAYS_NS` if at all times.

        Raises:
            LookupError: A frame is unknown or the two are not connected.
        """
        if target == source:
            return ALWAYS_NS
        with self._lock:
            down, up = self._path(target, source, None)
            return min(edge.latest_ns for edge in (*down, *up))

    def connected(self, target: str, source: str) -> bool:
        """Say whether the two frames are joined at any time."""
        try:
            self.latest_ns(target, source)
        except LookupError:
            return False
        return True

    def clear(self, after_ns: int | None = None) -> None:
        """Forget the samples later than a time, or all; static transforms stay."""
        with self._lock:
            for child, edges in list(self._edges.items()):
                for edge in edges.values():
                    if not edge.static:
                        edge.cut(0 if after_ns is None else bisect_right(edge.stamps, after_ns))
                kept = {parent: e for parent, e in edges.items() if e.static or e.stamps}
                self._edges[child] = kept
                if not kept:
                    del self._edges[child]

    def _edge(self, parent: str, child: str, *, static: bool) -> "_Edge":
        """Return the edge between two frames, moved to the end as the latest update."""
        edges = self._edges.setdefault(child, {})
        edge = edges.pop(parent, None)
        if edge is None or edge.static != static:
            edge = _Edge(parent, child, static=static)
        self._count += 1
        edge.heard = self._count
        edges[parent] = edge
        return edge

    def _path(
        self, target: str, source: str, stamp_ns: int | None
    ) -> tuple[list["_Edge"], list["_Edge"]]:
        """Return the edges from target and from source up to their common frame."""
        known = {*self._edges, *(parent for edges in self._edges.values() for parent in edges)}
        for frame in (target, source):
            if frame not in known:
                raise LookupError(f"transform {target} <- {source}: no frame {frame!r} yet")
        ignored: list[_Edge] = []
        down, up = (list(self._ancestry(frame, stamp_ns, ignored)) for frame in (target, source))
        above = {source: 0} | {edge.parent: i for i, edge in enumerate(up, 1)}
        for i, frame in enumerate((target, *(edge.parent for edge in down))):
            if frame in above:
                return down[:i], up[: above[frame]]
        raise LookupError(f"transform {target} <- {source}: the two frames are not connected")

    def _ancestry(
        self, frame: str, stamp_ns: int | None, ignored: "list[_Edge]"
    ) -> Iterator["_Edge"]:
        """Return the edges from a frame up to its root."""
        path: list[_Edge] = []
        here = frame
        while (edge := self._above(here, stamp_ns, ignored)) is not None:
            path.append(edge)
            here = edge.parent
            start = next((i for i, one in enumerate(path) if one.child == here), None)
            if start is not None:  # a ring: open it and begin again
                ignored.append(min(path[start:], key=lambda e: (e.covers(stamp_ns), e.heard)))
                path, here = [], frame
        return iter(path)

    def _above(self, frame: str, stamp_ns: int | None, ignored: "list[_Edge]") -> "_Edge | None":
        edges = [e for e in reversed(self._edges.get(frame, {}).values()) if e not in ignored]
        return next((e for e in edges if e.covers(stamp_ns)), edges[0] if edges else None)


class _Edge:
    """The known samples of the transform between two frames, oldest first."""

    def __init__(self, parent: str, child: str, *, static: bool) -> None:
        self.parent, self.child, self.static = parent, child, static
        self.heard = 0
        self.stamps: list[int] = []
        self.poses: list[Sequence[float]] = []  # x, y, z and quaternion x, y, z, w

    @property
    def latest_ns(self) -> int:
        return ALWAYS_NS if self.static else self.stamps[-1]

    def covers(self, stamp_ns: int | None) -> bool:
        return self.static or stamp_ns is None or self.stamps[0] <= stamp_ns <= self.stamps[-1]

    def add(self, stamp_ns: int, pose: Sequence[float], window_ns: int) -> None:
        i = bisect_left(self.stamps, stamp_ns)
        if i < len(self.stamps) and self.stamps[i] == stamp_ns:
            self.poses[i] = pose
        else:
            self.stamps.insert(i, stamp_ns)
            self.poses.insert(i, pose)
        if self.stamps[0] < self.stamps[-1] - window_ns:
            old = bisect_left(self.stamps, self.stamps[-1] - window_ns)
            del self.stamps[:old], self.poses[:old]

    def cut(self, count: int) -> None:
        del self.stamps[count:], self.poses[count:]

    def at(self, stamp_ns: int) -> Matrix:
        """Return the transform at a time; LookupError when it is not covered."""
        if not self.covers(stamp_ns):
            raise LookupError(
                f"transform {self.parent} <- {self.child}: nothing at {stamp_ns / 1e9:.3f} s; "
                f"known from {self.stamps[0] / 1e9:.3f} to {self.stamps[-1] / 1e9:.3f} s"
            )
        i = 0 if self.static else bisect_left(self.stamps, stamp_ns)
        pose = self.poses[i]
        if not self.static and self.stamps[i] != stamp_ns:
            before = self.stamps[i - 1]
            share = (stamp_ns - before) / (self.stamps[i] - before)
            pose = _between(self.poses[i - 1], pose, share)
        return from_quaternion(pose[:3], pose[3:])


def _between(a: Sequence[float], b: Sequence[float], share: float) -> list[float]:
    """Interpolate two poses, linearly and spherically (Shoemake 1985)."""
    dot = sum(p * q for p, q in zip(a[3:], b[3:], strict=True))
    angle = math.acos(min(1.0, abs(dot)))
    # Between rotations that are nearly the same the sines vanish, and the chord is the arc.
    small = angle < 1e-6
    first = 1 - share if small else math.sin((1 - share) * angle) / math.sin(angle)
    second = share if small else math.sin(share * angle) / math.sin(angle)
    second = math.copysign(second, dot)  # q and -q are one rotation: the shorter way
    position = [(1 - share) * p + share * q for p, q in zip(a[:3], b[:3], strict=True)]
    return position + [first * p + second * q for p, q in zip(a[3:], b[3:], strict=True)]


def _pose(parent: str, child: str, transform: Matrix) -> tuple[float, ...]:
    matrix = np.asarray(transform, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"transform {parent} <- {child}: needs 16 finite numbers")
    rotation = matrix[:3, :3]
    rigid = np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-3 and np.linalg.det(rotation) > 0
    if not rigid or np.abs(matrix[3] - [0, 0, 0, 1]).max() > 1e-6:
        raise ValueError(f"transform {parent} <- {child}: the matrix is not a rigid transform")
    return (*matrix[:3, 3].tolist(), *to_quaternion(rotation).tolist())


def _check(parent: str, child: str, pose: Sequence[float]) -> None:
    if not parent or not child or parent == child:
        raise ValueError(f"transform {parent!r} <- {child!r}: needs two different frames")
    if not all(map(math.isfinite, pose)):
        raise ValueError(f"transform {parent} <- {child}: position or rotation is not finite")
    length = math.hypot(*pose[3:])
    if not abs(length - 1) <= 1e-3:
        raise ValueError(
            f"transform {parent} <- {child}: a quaternion of length {length:.4g} is not a rotation"
        )
