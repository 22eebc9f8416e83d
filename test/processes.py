"""Talking to the node under test: what comes of its topics, and its parameters."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from pdn_ros.harness.participant import DISCOVERY_S, Participant, wait_for

__all__ = ["Probe", "wait_for"]

REPLY_S = 20.0


class Probe(Participant):
    """Keeps every message of the topics that it listens to in `got`."""

    def __init__(self) -> None:
        super().__init__("probe")
        self.got: dict[str, list[Any]] = defaultdict(list)
        self._subscriptions: dict[str, Any] = {}
        self._publishers: dict[str, Any] = {}

    def do(self, task: Callable[[], Any]) -> Any:
        """Run something in the executor's thread: no other may destroy what it waits for."""
        future = self._executor.create_task(task)
        wait_for(future.done, REPLY_S, "the executor")
        return future.result()

    def listen(self, kind: type, topic: str, qos: Any, *, raw: bool = False) -> None:
        if topic not in self._subscriptions:
            self._subscriptions[topic] = self.node.create_subscription(
                kind, topic, self.got[topic].append, qos, raw=raw
            )
            matched = self._subscriptions[topic].get_publisher_count
            wait_for(matched, REPLY_S, f"a publisher of {topic}")

    def unlisten(self, *topics: str, keep: tuple[str, ...] = ()) -> None:
        """Leave these topics, or all but those to keep."""
        for topic in topics or [t for t in self._subscriptions if t not in keep]:
            self.node.destroy_subscription(self._subscriptions.pop(topic))
            self.got[topic].clear()

    def publisher(self, kind: type, topic: str, qos: Any, *, matched: bool = True) -> Any:
        new = topic not in self._publishers
        if new:
            self._publishers[topic] = self.node.create_publisher(kind, topic, qos)
        if matched:
            count = self._publishers[topic].get_subscription_count
            wait_for(count, REPLY_S, f"a subscriber of {topic}")
            if new:
                time.sleep(DISCOVERY_S)  # a message sent earlier can be lost
        return self._publishers[topic]

    def set_parameter(self, node: str, name: str, value: Any) -> Any:
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        return self.call(SetParameters, f"/{node}/set_parameters", request).results[0]
