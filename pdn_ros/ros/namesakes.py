"""Another node of the same name: both answer the same services, and each gets half the requests."""

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from pdn_ros.ros.diagnostics import PERIOD_S, PROCESS

_HEARD_S = 3 * PERIOD_S


class Namesakes:
    """Finds out whether another process runs a node of this name.

    The graph alone cannot tell: it still shows a killed node for 20 s. So if the graph has the name
    twice, the other node counts only while its diagnostics arrive.

    Args:
        node: The node.
        status: Name of its diagnostic status.
    """

    def __init__(self, node: Node, status: str) -> None:
        self._node = node
        self._status = status
        self._subscription: Any = None
        self._heard = ("", float("-inf"))

    def poll(self) -> None:
        """Check whether the graph has the name twice, and listen while it does."""
        own = (self._node.get_name(), self._node.get_namespace())
        twice = self._node.get_node_names_and_namespaces().count(own) > 1
        if twice and self._subscription is None:
            self._subscription = self._node.create_subscription(
                DiagnosticArray, "/diagnostics", self._take, 10
            )
        elif not twice and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def other(self) -> str:
        """Return host and process id of the other node; empty while there is none."""
        process, at = self._heard
        return process if time.monotonic() - at < _HEARD_S else ""

    def _take(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._status:
                process = {value.key: value.value for value in status.values}.get("process", "")
                if process != PROCESS:
                    self._heard = (process or "unknown process", time.monotonic())
