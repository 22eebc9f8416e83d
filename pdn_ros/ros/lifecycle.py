"""What a lifecycle node owes those who manage it: a bond, and an answer to every request."""

from collections.abc import Callable
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


def answer_refused_transitions(node: Node, state: Callable[[], str]) -> None:
    """Have a node answer a transition that its state does not allow; rclpy raises, never replies.

    Args:
        node: A lifecycle node.
        state: Returns the name of its state, for the log.
    """
    service = getattr(node, "_service_change_state", None)
    if service is None:  # not public: other versions may do better by themselves
        return
    change_state = service.callback

    def answer(request: Any, response: Any) -> Any:
        try:
            return change_state(request, response)
        except Exception:  # noqa: BLE001 - of a type of the bindings, which is not public
            wish = request.transition.label or f"transition {request.transition.id}"
            node.get_logger().warning(f"{wish} refused: the node is {state()}")
            response.success = False
            return response

    service.callback = answer
