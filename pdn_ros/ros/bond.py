"""The bond by which nav2's lifecycle_manager notices that a node has died."""

from typing import Any
from uuid import uuid4

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

PERIOD_S = 0.5
TIMEOUT_S = 4.0
"""How long the manager waits for a heartbeat by default (`bond_timeout`), seconds."""


class Bond:
    """Heartbeats on `bond` from `start` to `stop`, while a node is active.

    This is a node's half of bond_core's protocol, without its state machine: the manager watches
    the node, but the node need not watch the manager.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._instance = str(uuid4())
        self._publisher: Any = None
        self._timer: Any = None

    def start(self) -> bool:
        """Begin; returns False if the package `bond` is not installed."""
        try:
            from bond.msg import Status
        except ImportError:
            return False
        if self._publisher is None:
            self._publisher = self._node.create_publisher(Status, "bond", 10)
        if self._timer is None:
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._timer = self._node.create_timer(PERIOD_S, self._beat, clock=steady)
        return True

    def stop(self) -> None:
        """End, and tell the manager that it is not a crash."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
            self._beat(active=False)

    def _beat(self, *, active: bool = True) -> None:
        from bond.msg import Status

        message = Status(id=self._node.get_name(), instance_id=self._instance, active=active)
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.heartbeat_period, message.heartbeat_timeout = PERIOD_S, TIMEOUT_S
        self._publisher.publish(message)
