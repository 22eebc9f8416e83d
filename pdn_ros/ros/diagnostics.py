"""A node's reports on itself: throttled log lines and /diagnostics twice a second.

Levels depend on results: a node with inputs but without outputs is an ERROR, whatever its own
state.
"""

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

PERIOD_S = 0.5
REPEAT_S = 5.0
"""The same kind of problem is logged at most this often."""
RECENT_S = 2.0
"""How long a problem counts in the level of the diagnostics, and a result in the rate."""
PROCESS = f"{socket.gethostname()}:{os.getpid()}"
"""Host and id of this process."""


class Level(IntEnum):
    """Levels of a diagnostic status."""

    OK = 0
    WARN = 1
    ERROR = 2


class Condition(NamedTuple):
    """Something that holds at present, and how bad it is."""

    level: Level
    message: str


@dataclass
class Problem:
    """The newest problem of a kind, when it was seen, and when its kind was logged."""

    message: str
    at: float
    logged_at: float


class Health:
    """Collects problems and counts of a node and publishes them. Thread-safe.

    Args:
        node: The node.
        state: Returns its lifecycle state.
        conditions: Called before each message; yields what holds now; the worst gives the level.
        values: Called before each message; returns what else to report, name -> text.
    """

    def __init__(
        self,
        node: LifecycleNode,
        *,
        state: Callable[[], str],
        conditions: Callable[[], Iterable[Condition]],
        values: Callable[[], dict[str, str]],
    ) -> None:
        self._node = node
        self._state = state
        self._conditions = conditions
        self._values = values
        self.name = f"{node.get_fully_qualified_name().lstrip('/')}: frames"
        """Name of the status."""
        self._lock = threading.Lock()
        self._problems: dict[str, Problem] = {}
        self._failure = ""
        self._done = 0
        self._results: deque[tuple[float, float]] = deque()  # when, and the age, milliseconds
        self._waiting_since: float | None = None
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Steady: the report must come when simulated time stands still.
        node.create_timer(PERIOD_S, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def expect(self) -> None:
        """Begin to wait for a result, unless one is already awaited."""
        with self._lock:
            self._waiting_since = self._waiting_since or time.monotonic()

    def done(self, age_ms: float) -> None:
        """Count a processed message, `age_ms` milliseconds after its stamp."""
        now = time.monotonic()
        with self._lock:
            self._done += 1
            self._waiting_since = None
            self._results.append((now, age_ms))
            # One more than the recent results: it begins the first interval.
            while len(self._results) > 2 and now - self._results[1][0] > RECENT_S:
                self._results.popleft()

    def restart(self) -> None:
        """Forget the results; none is awaited now."""
        with self._lock:
            self._waiting_since = None
            self._results.clear()

    def waited_s(self) -> float:
        """Return for how many seconds inputs have come without a result."""
        with self._lock:
            return 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since

    def rate_hz(self) -> float:
        """Return the results per second; 0 before the second one."""
        with self._lock:
            if len(self._results) < 2:
                return 0.0
            first, last, count = self._results[0][0], self._results[-1][0], len(self._results) - 1
            # The current interval counts once it is longer than the others.
            span = time.monotonic() - first
            return min(count / max(last - first, 1e-6), (count + 1) / span)

    def ages_ms(self) -> list[float]:
        """Return the ages of the recent results."""
        now = time.monotonic()
        with self._lock:
            return [age_ms for at, age_ms in self._results if now - at < RECENT_S]

    def reasons(self) -> list[str]:
        """Return the problems seen since a result has been awaited."""
        with self._lock:
            since = self._waiting_since
            return [p.message for p in self._problems.values() if since and p.at >= since]

    def report(self, kind: str, message: str) -> None:
        """Report a problem that the node survives; each kind is logged every few seconds."""
        now = time.monotonic()
        with self._lock:
            before = self._problems.get(kind)
            quiet = before is not None and now - before.logged_at < REPEAT_S
            logged_at = before.logged_at if before is not None and quiet else now
            self._problems[kind] = Problem(message, now, logged_at)
        if not quiet:
            self._node.get_logger().warning(message)

    def configuration_failed(self, message: str) -> None:
        """Report why the node could not be configured; "" when it could."""
        self._failure = message
        if message:
            self._node.get_logger().error(message)

    def publish(self) -> None:
        """Publish what holds now."""
        now = time.monotonic()
        with self._lock:
            problems = list(self._problems.values())
            done, age_ms = self._done, self._results[-1][1] if self._results else 0.0
        newest = max(problems, key=lambda problem: problem.at, default=None)
        state = self._state()
        found = list(self._conditions())
        if self._failure:
            found.append(Condition(Level.ERROR, self._failure))
        found += [Condition(Level.WARN, p.message) for p in problems if now - p.at < RECENT_S]
        worst = max((condition.level for condition in found), default=Level.OK)
        messages = [condition.message for condition in found if condition.level == worst]
        values = {
            "state": state,
            "rate_hz": f"{self.rate_hz():.2f}",
            "age_ms": f"{age_ms:.1f}",
            "frames": str(done),
            **self._values(),
            "process": PROCESS,
            "last_error": f"{newest.message} ({now - newest.at:.0f} s ago)" if newest else "none",
        }
        status = DiagnosticStatus(
            level=bytes([worst]),
            name=self.name,
            message="; ".join(dict.fromkeys(messages)) or state,
            hardware_id="pdn_ros",
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
