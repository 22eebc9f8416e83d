"""What a node says about itself: throttled log lines and /diagnostics once a second."""

import threading
import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

PERIOD_S = 1.0
REPEAT_S = 5.0
"""The same kind of trouble is logged at most this often."""
FRESH_S = 3.0
"""For so long trouble shows in the level of the diagnostics."""


class Health:
    """Collects troubles and figures of a node and publishes them. Safe between threads.

    Args:
        node: The node; its state of life is part of the message.
        figures: Called before each message: what else to report, name -> text.
        silent: Called before each message: a warning when the node waits for input, else "".
    """

    def __init__(
        self,
        node: LifecycleNode,
        figures: Callable[[], dict[str, str]],
        silent: Callable[[], str],
    ) -> None:
        self._node = node
        self._figures = figures
        self._silent = silent
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}
        self._error, self._error_at = "", float("-inf")
        self._frames, self._frames_before = 0, 0
        self._age_ms = 0.0
        self._failed = ""
        self._published_at = time.monotonic()
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Steady: the report must come when simulated time stands still.
        node.create_timer(PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def frames(self) -> int:
        """How many frames were worked through."""
        return self._frames

    def frame(self, age_ms: float) -> None:
        """Count a frame that was worked through, published `age_ms` after its stamp."""
        with self._lock:
            self._frames += 1
            self._age_ms = age_ms

    def trouble(self, kind: str, message: str) -> None:
        """Report trouble that the node survives; each kind is logged every few seconds."""
        now = time.monotonic()
        with self._lock:
            self._error, self._error_at = message, now
            if now - self._logged.get(kind, float("-inf")) < REPEAT_S:
                return
            self._logged[kind] = now
        self._node.get_logger().warning(message)

    def failed(self, message: str) -> None:
        """Report why the node could not be configured; "" when it could."""
        self._failed = message
        if message:
            self._node.get_logger().error(message)

    def _publish(self) -> None:
        now = time.monotonic()
        with self._lock:
            rate = (self._frames - self._frames_before) / (now - self._published_at)
            self._frames_before, self._published_at = self._frames, now
            error, since = self._error, now - self._error_at
            age_ms = self._age_ms
        state = self._node._state_machine.current_state[1]
        status = DiagnosticStatus(
            name=f"{self._node.get_fully_qualified_name().lstrip('/')}: frames",
            hardware_id="pdn_ros",
        )
        silent = self._silent() if state == "active" else ""
        if self._failed:
            status.level, status.message = DiagnosticStatus.ERROR, self._failed
        elif since < FRESH_S:
            status.level, status.message = DiagnosticStatus.WARN, error
        elif silent:
            status.level, status.message = DiagnosticStatus.WARN, silent
        else:
            status.level, status.message = DiagnosticStatus.OK, state
        values = {
            "state": state,
            "rate_hz": f"{rate:.2f}",
            "age_ms": f"{age_ms:.1f}",
            "frames": str(self._frames),
            **self._figures(),
            "last_error": f"{error} ({since:.0f} s ago)" if error else "none",
        }
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
