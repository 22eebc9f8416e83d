"""Running a lifecycle node as a process that ends within two seconds of a signal."""

import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rclpy
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from rclpy.utilities import remove_ros_args

GRACE_S = 0.6
"""Seconds that a native call may delay the process's end after a signal."""


def run(make: Callable[[], LifecycleNode], argv: list[str] | None = None) -> int:
    """Spin a node until SIGINT or SIGTERM; with parameter `autostart` bring it to active first.

    A callback that raises is logged and the node goes on. Returns the process's exit status.
    """
    argv = sys.argv if argv is None else argv
    try:
        unknown = remove_ros_args(argv)[1:]
    except Exception as error:  # noqa: BLE001 - rclpy raises bindings' types that it hides
        sys.stderr.write(f"{_line(error)}\n")
        return 2
    if unknown:
        sys.stderr.write(f"unknown arguments {' '.join(unknown)}: give --ros-args ...\n")
        return 2
    finished = threading.Event()
    stop: Future = Future()
    nodes: list[LifecycleNode] = []
    with _signals(stop, finished, nodes):
        try:
            rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
        except Exception as error:  # noqa: BLE001 - rclpy raises bindings' types that it hides
            sys.stderr.write(f"{_line(error)}\n")
            return 2
        executor = SingleThreadedExecutor()
        try:
            node = make()
        except RuntimeError as error:  # rcl's, such as missing security
            sys.stderr.write(f"{_line(error)}\n")
            return 1
        nodes.append(node)
        executor.add_node(node)
        if node.get_parameter("autostart").value and not stop.done():
            _start(node)
        # Not spin_until_future_complete: it adds a callback to the future with every message it
        # handles and never takes one away.
        stop.add_done_callback(lambda _: executor.create_task(lambda: None))  # ends the last wait
        while not stop.done():
            try:
                executor.spin_once()
            except (ExternalShutdownException, ROSInterruptException):
                break
            except Exception as error:  # noqa: BLE001 - one callback must not end the node
                node.get_logger().error(f"{type(error).__name__}: {error}")
        executor.shutdown(timeout_sec=0.0)
        node.destroy_node()
        _leave_graph(node)
        rclpy.try_shutdown()
        finished.set()
    # Tearing the interpreter down with its native libraries can take longer than a signal allows.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _line(error: Exception) -> str:
    """Return rcl's message in one line, without the places in its sources."""
    return re.sub(r"\s*, at \S+:\d+", "", " ".join(str(error).split()))


def _start(node: LifecycleNode) -> None:
    if node.trigger_configure() is TransitionCallbackReturn.SUCCESS:
        node.trigger_activate()


def _leave_graph(node: LifecycleNode) -> None:
    """Free what is left of a node in the middleware.

    Without this, others see the node for 20 s after its process ends. The state machine keeps a
    reference to the node, and rclpy does not free it with the node.
    """
    Node.destroy_node(node)
    node._state_machine.destroy_when_not_in_use()


@contextmanager
def _signals(stop: Future, finished: threading.Event, nodes: list[LifecycleNode]) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into `stop`, and insist when that does not help.

    Python runs signal handlers only between two bytecodes of the main thread, which may be inside a
    native call for seconds (loading a model). The C handler writes to the wake-up descriptor, so
    that a thread of ours notices the signal at once.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def watch() -> None:
        reader.recv(1)
        stop.set_result(None)
        if not finished.wait(GRACE_S):
            get_logger("pdn_ros").warning("a native call did not end in time; stopped all the same")
            for node in nodes:
                _leave_graph(node)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)

    threading.Thread(target=watch, name="signals", daemon=True).start()
    yield
