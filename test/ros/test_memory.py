"""Memory of a node process that runs for long."""

import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from processes import wait_for  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

LIDAR = "lidar_projection"
MANY = 8000


def resident_kb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4.096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_messages_leave_nothing_behind(probe, start_node):
    with start_node(LIDAR) as process:
        wait_for(lambda: probe.state(LIDAR) == "active", 60, "active")
        publisher = probe.publisher(TFMessage, "/tf", 100)

        def send(count: int) -> None:
            for _ in range(count):
                publisher.publish(TFMessage())
                time.sleep(0.0003)

        send(MANY // 4)
        before = resident_kb(process.process.pid)
        send(MANY)
        time.sleep(0.5)
        # 300 bytes a message were 2400 kB.
        assert resident_kb(process.process.pid) - before < 800
