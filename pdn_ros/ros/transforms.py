"""Transforms from /tf and /tf_static: by tf2_ros where installed, else by a buffer of ours."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from tf2_msgs.msg import TFMessage

from pdn_ros.geometry.transforms import TransformBuffer
from pdn_ros.messages.cdr import join_stamp
from pdn_ros.messages.transforms import from_quaternion

Matrix = NDArray[np.float64]
_JUMP_NS = 1_000_000_000
WAIT_S = 0.05
"""How long a frame waits for a transform that is under way."""


class Transforms(Protocol):
    """Where a frame was at a time."""

    def lookup(self, target: str, source: str, stamp_ns: int) -> Matrix:
        """Return the 4x4 matrix that maps points of `source` into `target` at the stamp.

        Raises:
            LookupError: With one line, when TF does not say.
        """

    def connected(self, target: str, source: str) -> bool:
        """Say whether TF joins the two frames at any time."""

    def clear(self, stamp_ns: int | None = None) -> None:
        """Forget what moves; with a stamp, only where that lies behind. Static transforms stay."""

    def close(self) -> None:
        """Stop listening."""


def listen(node: Node) -> Transforms:
    """Start listening to transforms on a node."""
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        return BufferedTransforms(node)
    return Tf2Transforms(node)


def lookup_soon(transforms: Transforms, target: str, source: str, stamp_ns: int) -> Matrix:
    """Look up, and wait a moment for a transform that may still be under way.

    Raises:
        LookupError: With one line, when TF does not say in time.
    """
    end = time.monotonic() + WAIT_S
    while True:
        try:
            return transforms.lookup(target, source, stamp_ns)
        except LookupError:
            if time.monotonic() > end or not transforms.connected(target, source):
                raise
            time.sleep(0.005)


class BufferedTransforms:
    """Own subscriptions that feed `geometry.TransformBuffer`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer = TransformBuffer()
        self._parents: dict[str, str] = {}
        self._newest: dict[str, int] = {}
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._subscriptions = [
            node.create_subscription(TFMessage, "/tf", self._moving, 100),
            node.create_subscription(TFMessage, "/tf_static", self._static, latched),
        ]

    def lookup(self, target: str, source: str, stamp_ns: int) -> Matrix:
        """See `Transforms.lookup`."""
        return self._buffer.lookup(target, source, stamp_ns)

    def connected(self, target: str, source: str) -> bool:
        """See `Transforms.connected`."""
        return self._root(target) == self._root(source)

    def clear(self, stamp_ns: int | None = None) -> None:
        """See `Transforms.clear`."""
        newest = max(self._newest.values(), default=0)
        if stamp_ns is not None and newest <= stamp_ns + _JUMP_NS:
            return  # the transforms have started again already
        self._buffer.clear()
        for child in self._newest:
            self._parents.pop(child, None)
        self._newest.clear()

    def close(self) -> None:
        """See `Transforms.close`."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _root(self, frame: str) -> str:
        for _ in range(len(self._parents)):
            frame = self._parents.get(frame, frame)
        return frame

    def _moving(self, message: TFMessage) -> None:
        for one in message.transforms:
            stamp_ns = join_stamp(one.header.stamp.sec, one.header.stamp.nanosec)
            parent, child = _frames(one)
            newest = self._newest.get(child, stamp_ns)
            if stamp_ns < newest - _JUMP_NS:
                # A recording that starts again: what came before must not be mixed in.
                self.clear()
                newest = stamp_ns
            with self._reported(parent, child):
                self._buffer.set(parent, child, stamp_ns, _matrix(one.transform))
                self._newest[child] = max(stamp_ns, newest)
                self._parents[child] = parent

    def _static(self, message: TFMessage) -> None:
        for one in message.transforms:
            parent, child = _frames(one)
            with self._reported(parent, child):
                self._buffer.set_static(parent, child, _matrix(one.transform))
                self._parents[child] = parent

    @contextmanager
    def _reported(self, parent: str, child: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            self._node.get_logger().warning(
                f"tf {parent} -> {child} ignored: {error}", throttle_duration_sec=5.0
            )


class Tf2Transforms:
    """tf2_ros behind the same interface."""

    def __init__(self, node: Node) -> None:
        import tf2_ros

        self._error = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer(node=node)
        self._listener = tf2_ros.TransformListener(self._buffer, node, spin_thread=False)

    def lookup(self, target: str, source: str, stamp_ns: int) -> Matrix:
        """See `Transforms.lookup`."""
        try:
            found = self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp_ns))
        except self._error as error:
            raise LookupError(str(error)) from error
        return _matrix(found.transform)

    def connected(self, target: str, source: str) -> bool:
        """See `Transforms.connected`."""
        return bool(self._buffer.can_transform(target, source, Time()))

    def clear(self, stamp_ns: int | None = None) -> None:  # noqa: ARG002 - tf2 ignores old data
        """See `Transforms.clear`."""
        self._buffer.clear()

    def close(self) -> None:
        """See `Transforms.close`."""
        self._listener.unregister()


def _frames(message: Any) -> tuple[str, str]:
    """Parent and child; the leading slash of ROS 1 means nothing."""
    return message.header.frame_id.lstrip("/"), message.child_frame_id.lstrip("/")


def _matrix(transform: Any) -> Matrix:
    move, turn = transform.translation, transform.rotation
    return from_quaternion((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
