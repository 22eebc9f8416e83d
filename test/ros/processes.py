"""Talking to node processes: a probe of our own and the processes themselves."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

START_S = 60.0
REPLY_S = 20.0


def wait_for(condition: Callable[[], Any], timeout: float, what: str) -> Any:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise TimeoutError(f"{what}: not within {timeout} s")


class Probe:
    """A node of ours in this process that talks to the node under test; spins in a thread."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("probe", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.got: dict[str, list[Any]] = defaultdict(list)
        self._subscriptions: dict[str, Any] = {}
        self._publishers: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        from rclpy.executors import ExternalShutdownException

        with suppress(ExternalShutdownException):
            while not self._closing.is_set():
                self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        """Take everything down in order: left to the garbage collector, rclpy can crash."""
        self._closing.set()
        self._thread.join()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

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
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(kind, topic, qos)
        if matched:
            count = self._publishers[topic].get_subscription_count
            wait_for(count, REPLY_S, f"a subscriber of {topic}")
        return self._publishers[topic]

    def call(
        self,
        kind: type,
        service: str,
        request: Any,
        timeout: float = REPLY_S,
        again_s: float = float("inf"),
    ) -> Any:
        """Call a service. A server that has not found our end yet loses its reply: `again_s`."""
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, service)
        client = self._clients[service]
        assert client.wait_for_service(timeout), service
        asked: list[tuple[Any, float]] = []

        def reply() -> Any:
            if not asked or time.monotonic() - asked[-1][1] > again_s:
                asked.append((client.call_async(request), time.monotonic()))
            return next((future.result() for future, _ in asked if future.done()), None)

        return wait_for(reply, timeout, f"a reply of {service}")

    def transition(self, node: str, label: str) -> bool:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        ids = {
            "configure": Transition.TRANSITION_CONFIGURE,
            "cleanup": Transition.TRANSITION_CLEANUP,
            "activate": Transition.TRANSITION_ACTIVATE,
            "deactivate": Transition.TRANSITION_DEACTIVATE,
        }
        shutdown = {
            "unconfigured": Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
            "inactive": Transition.TRANSITION_INACTIVE_SHUTDOWN,
            "active": Transition.TRANSITION_ACTIVE_SHUTDOWN,
        }
        number = ids[label] if label in ids else shutdown[self.state(node)]
        request = ChangeState.Request(transition=Transition(id=number))
        return self.call(ChangeState, f"/{node}/change_state", request, START_S).success

    def state(self, node: str) -> str:
        from lifecycle_msgs.srv import GetState

        reply = self.call(GetState, f"/{node}/get_state", GetState.Request(), START_S, again_s=3.0)
        return reply.current_state.label

    def set_parameter(self, node: str, name: str, value: Any) -> Any:
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        return self.call(SetParameters, f"/{node}/set_parameters", request).results[0]


class NodeProcess:
    """One of our nodes in a process of its own."""

    def __init__(self, name: str, log: Path, *arguments: str) -> None:
        code = f"import sys; from pdn_ros.ros.{name}_node import main; sys.exit(main())"
        self.log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, "--ros-args", *arguments],
                # Threads that spin while they wait would slow the tests' processes down.
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        return self.log.read_text()

    def end(self, number: int = signal.SIGINT, within: float = 30.0) -> float:
        """Send a signal; return the seconds until the end."""
        start = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(within)
        return time.monotonic() - start

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
