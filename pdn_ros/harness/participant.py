"""This process's side of DDS: a node whose executor spins in a thread."""

import importlib
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from pdn_ros.errors import InputError

try:
    import rclpy
except ImportError as error:
    raise InputError(
        f"needs ROS 2, but rclpy cannot be imported ({error}): `. ./env.sh` first"
    ) from error
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions

REPLY_S: Final = 60.0
SENSOR: Final = qos_profile_sensor_data
_ASK_AGAIN_S: Final = 3.0
DISCOVERY_S: Final = 0.25
"""Discovery is not symmetric: at most this much earlier, this side sees the other."""
_Own = TypeVar("_Own", bound="Participant")


class Participant:
    """A node in this process that handles no signals; use it as a context manager.

    Attributes:
        node: The rclpy node.
    """

    def __init__(self, name: str, domain: int | None = None) -> None:
        self._context = Context()
        rclpy.init(
            context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO
        )
        self.node = rclpy.create_node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._spin, name=name, daemon=True)
        self._thread.start()

    def __enter__(self: _Own) -> _Own:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take everything down in order: left to the garbage collector, rclpy can crash."""
        self._executor.shutdown(timeout_sec=5)
        self._thread.join(timeout=5)
        self.node.destroy_node()
        self._context.try_shutdown()

    def poll(self, kind: Any, service: str, request: Any, again_s: float) -> Callable[[], Any]:
        """Return a function that calls a service and returns the reply, None until it comes.

        A server that has not discovered this client yet loses its reply, so the request is sent
        again every `again_s` seconds. Give infinity for a request that must not be repeated.
        """
        next_s = time.monotonic()
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, service)
            next_s += DISCOVERY_S
        client = self._clients[service]
        calls: list[Any] = []

        def reply() -> Any:
            nonlocal next_s
            if not client.service_is_ready():
                next_s = time.monotonic() + DISCOVERY_S
            elif time.monotonic() >= next_s:
                calls.append(client.call_async(request))
                next_s = time.monotonic() + again_s
            replies = [call.result() for call in calls if call.done()]
            return replies[-1] if replies else None

        return reply

    def call(
        self,
        kind: Any,
        service: str,
        request: Any,
        timeout_s: float = REPLY_S,
        again_s: float = float("inf"),
    ) -> Any:
        """Call a service and return its reply.

        Raises:
            TimeoutError: None came in time.
        """
        poll = self.poll(kind, service, request, again_s)
        return wait_for(poll, timeout_s, f"a reply of {service}")

    def state(self, name: str) -> str:
        """Return the state of a lifecycle node, for example `active`."""
        reply = self.call(GetState, f"/{name}/get_state", GetState.Request(), again_s=_ASK_AGAIN_S)
        return str(reply.current_state.label)

    def poll_state(self, name: str) -> Callable[[], str]:
        """Return a function that returns a lifecycle node's state; empty while unknown."""
        service = f"/{name}/get_state"
        poll = self.poll(GetState, service, GetState.Request(), _ASK_AGAIN_S)

        def state() -> str:
            nonlocal poll
            reply = poll()
            if reply is None:
                return ""
            poll = self.poll(GetState, service, GetState.Request(), _ASK_AGAIN_S)
            return str(reply.current_state.label)

        return state

    def transition(self, name: str, label: str) -> bool:
        """Ask a lifecycle node for a transition, for example `configure`; return its success."""
        if label == "shutdown":
            label = f"{self.state(name)}_shutdown"
        number = getattr(Transition, f"TRANSITION_{label.upper()}")
        request = ChangeState.Request(transition=Transition(id=number))
        return bool(self.call(ChangeState, f"/{name}/change_state", request).success)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return


def wait_for(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Wait until a condition holds and return its value.

    Raises:
        TimeoutError: It does not hold in time.
    """
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(0.01)
    return value


def reliable(depth: int = 5, *, latched: bool = False) -> QoSProfile:
    """Return a reliable QoS profile; `latched` keeps messages for late subscribers."""
    durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=depth, durability=durability)


def serialize(message: Any) -> bytes:
    """Return a message as the bytes that DDS sends (CDR)."""
    return bytes(serialize_message(message))


def message_type(name: str) -> Any:
    """Return the class of a message type such as `sensor_msgs/msg/Image`."""
    package, _, kind = name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), kind)
