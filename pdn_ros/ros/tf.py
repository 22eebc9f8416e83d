"""TfListener from /tf and /tf_static."""

import threading
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from pdn_ros.errors import InputError
from pdn_ros.geometry.transform_buffer import TransformBuffer
from pdn_ros.geometry.transforms import Matrix
from pdn_ros.messages.transforms import read_poses

Report = Callable[[str, str], None]
_RESTART_S = 1.0
_POLL_S = 0.5
_DEPTH = 1000  # messages that may come between two polls


class TfListener:
    """Looks up transforms from /tf and /tf_static. Thread-safe; nothing is received before `open`.

    Robots publish hundreds of transforms a second, of which a camera needs few. The executor, which
    in Python takes longer per message than everything here, is bypassed: messages wait in the
    middleware until a lookup, are taken as bytes, and become matrices only if a lookup needs them.

    Args:
        node: The node that listens.
        report: Called with a kind and one line when a message is damaged or makes no sense.
    """

    def __init__(self, node: Node, report: Report) -> None:
        self._node = node
        self._report = report
        self._buffer = TransformBuffer(restart_s=_RESTART_S)
        self._lock = threading.Lock()
        self._subscriptions: dict[Any, bool] = {}
        self._timer: Any = None

    def open(self) -> None:
        """Start listening, unless it already does."""
        with self._lock:
            if self._subscriptions:
                return
            latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            group = _NeverExecuted()
            for topic, qos, static in (("/tf_static", latched, True), ("/tf", _DEPTH, False)):
                subscription = self._node.create_subscription(
                    TFMessage, topic, lambda _: None, qos, callback_group=group, raw=True
                )
                self._subscriptions[subscription] = static
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._timer = self._node.create_timer(_POLL_S, self._take, clock=steady)

    def close(self) -> None:
        """Stop listening, which costs time with each message; known transforms stay."""
        with self._lock:
            if self._subscriptions:
                self._node.destroy_timer(self._timer)
                for subscription in self._subscriptions:
                    self._node.destroy_subscription(subscription)
                self._subscriptions = {}

    def lookup(self, target: str, source: str, stamp_ns: int) -> Matrix:
        """Return the (4, 4) float64 matrix that maps points of `source` into `target` at the stamp.

        Raises:
            LookupError: TF does not have the transform.
        """
        self._take()
        return self._buffer.lookup(target, source, stamp_ns)

    def latest_ns(self, target: str, source: str) -> int:
        """Return the latest stamp at which TF connects two frames; `ALWAYS_NS` if all is static.

        Raises:
            LookupError: TF does not connect them.
        """
        self._take()
        return self._buffer.latest_ns(target, source)

    def connected(self, target: str, source: str) -> bool:
        """Say whether TF connects the two frames at any time."""
        self._take()
        return self._buffer.connected(target, source)

    def clear(self, stamp_ns: int | None = None) -> None:
        """After a jump back in time, forget moving transforms later than a stamp, or than now."""
        self._take()
        if stamp_ns is None:
            stamp_ns = self._node.get_clock().now().nanoseconds
        self._buffer.clear(stamp_ns + round(_RESTART_S * 1e9))

    def _take(self) -> None:
        """Take the messages that have arrived since the last call."""
        with self._lock:
            for subscription, static in self._subscriptions.items():
                handle = subscription.handle
                with handle:
                    while (taken := handle.take_message(TFMessage, True)) is not None:
                        self._put(taken[0], static=static)

    def _put(self, data: bytes, *, static: bool) -> None:
        try:
            for stamp_ns, parent, child, pose in read_poses(data):
                try:
                    if static:
                        self._buffer.add_static(parent, child, pose)
                    else:
                        self._buffer.add(parent, child, stamp_ns, pose)
                except ValueError as error:
                    self._report("transform", f"{error}; ignored")
        except InputError as error:
            self._report("transform", f"tf: {error}")


class _NeverExecuted(CallbackGroup):  # type: ignore[misc]  # rclpy is untyped here
    """Keeps subscriptions out of the executor: messages are taken when needed."""

    def can_execute(self, entity: Any) -> bool:  # noqa: ARG002
        return False

    def beginning_execution(self, entity: Any) -> bool:  # noqa: ARG002
        return False

    def ending_execution(self, entity: Any) -> None:
        pass
