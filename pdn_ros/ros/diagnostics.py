"""What a node says about itself: throttled log lines and /diagnostics twice a second.

Levels follow results: a node whose inputs arrive and whose outputs do not is an ERROR, whatever it
believes of itself.
"""

import threading
import time
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

PERIOD_S = 0.5
REPEAT_S = 5.0
"""The same kind of problem is logged at most this often."""
RECENT_S = 3.0
"""For so long a problem shows in the level of the diagnostics."""


class Level(IntEnum):
    """Levels of a diagnostic status."""

    OK = 0
    WARN = 1
    ERROR = 2


class Condition(NamedTuple):
    """Something that holds at present, and how bad it is."""

    level: Level
    message: str


class Health:
    """Collects problems and counts of a node and publishes them. Safe between threads.

    Args:
        node: The node.
        state: Returns its lifecycle state.
        conditions: Called before each message: what holds now; the worst one gives the level.
        values: Called before each message: what else to report, name -> text.
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
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}
        self._error, self._error_at = "", float("-inf")
        self._failure = ""
        self._done = 0
        self._recent: list[float] = []
        self._last_done_at = time.monotonic()
        self.age_ms = 0.0
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Steady: the report must come when simulated time stands still.
        node.create_timer(PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def done(self, age_ms: float) -> None:
        """Count a message that was worked through, `age_ms` after its stamp."""
        now = time.monotonic()
        with self._lock:
            self._done += 1
            self._last_done_at = now
            self._recent = [at for at in self._recent if now - at < RECENT_S] + [now]
            self.age_ms = age_ms

    def restart(self) -> None:
        """Begin to wait for results from now on."""
        with self._lock:
            self._last_done_at = time.monotonic()

    def since_done_s(self) -> float:
        """Return the seconds since the last result."""
        with self._lock:
            return time.monotonic() - self._last_done_at

    def rate_hz(self) -> float:
        """Return the results a second over the last seconds."""
        now = time.monotonic()
        with self._lock:
            return sum(now - at < RECENT_S for at in self._recent) / RECENT_S

    @property
    def last_error(self) -> str:
        """The newest problem; empty when there was none."""
        return self._error

    def report(self, kind: str, message: str) -> None:
        """Report a problem that the node survives; each kind is logged every few seconds."""
        now = time.monotonic()
        with self._lock:
            self._error, self._error_at = message, now
            if now - self._logged.get(kind, float("-inf")) < REPEAT_S:
                return
            self._logged[kind] = now
        self._node.get_logger().warning(message)

    def configuration_failed(self, message: str) -> None:
        """Report why the node could not be configured; "" when it could."""
        self._failure = message
        if message:
            self._node.get_logger().error(message)

    def _publish(self) -> None:
        now = time.monotonic()
        with self._lock:
            error, since = self._error, now - self._error_at
            done, age_ms = self._done, self.age_ms
        state = self._state()
        found = list(self._conditions())
        if self._failure:
            found.append(Condition(Level.ERROR, self._failure))
        if since < RECENT_S:
            found.append(Condition(Level.WARN, error))
        worst = max((condition.level for condition in found), default=Level.OK)
        messages = [condition.message for condition in found if condition.level == worst]
        values = {
            "state": state,
            "rate_hz": f"{self.rate_hz():.2f}",
            "age_ms": f"{age_ms:.1f}",
            "frames": str(done),
            **self._values(),
            "last_error": f"{error} ({since:.0f} s ago)" if error else "none",
        }
        status = DiagnosticStatus(
            level=bytes([worst]),
            name=f"{self._node.get_fully_qualified_name().lstrip('/')}: frames",
            message="; ".join(dict.fromkeys(messages)) or state,
            hardware_id="pdn_ros",
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
