"""The depth that an image gets is the one of its own time, however long the network takes."""

import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)

from pdn_ros.messages.cdr import Header
from pdn_ros.messages.images import write_image
from pdn_ros.ros.lidar_inputs import LidarInputs

SECOND = 1_000_000_000


def depth(stamp_ns: int) -> bytes:
    meters = np.full((4, 6), stamp_ns / SECOND, np.float32)
    return write_image(Header(stamp_ns, "camera"), meters, "32FC1")


def found(inputs: LidarInputs, stamp_ns: int) -> float | None:
    metres = inputs.depth(stamp_ns, (6, 4), max_age_ms=200)
    return None if metres is None else float(metres[0, 0])


def test_scans_that_come_while_the_network_runs_do_not_push_the_right_one_out() -> None:
    inputs = LidarInputs(trouble=lambda *_: None)
    inputs.put_depth(depth(10 * SECOND))
    inputs.expect(int(10.1 * SECOND))
    for tenths in range(101, 120):  # the image's own scan is the first of these
        inputs.put_depth(depth(tenths * SECOND // 10))
    assert found(inputs, int(10.1 * SECOND)) == pytest.approx(10.1)
    inputs.expect(12 * SECOND)
    assert found(inputs, 12 * SECOND) == pytest.approx(11.9)


def test_without_a_scan_near_the_image_there_is_no_depth() -> None:
    inputs = LidarInputs(trouble=lambda *_: None)
    assert found(inputs, SECOND) is None
    inputs.put_depth(depth(10 * SECOND))
    inputs.expect(11 * SECOND)
    assert found(inputs, 11 * SECOND) is None
    inputs.clear()
    inputs.expect(10 * SECOND)
    assert found(inputs, 10 * SECOND) is None


def test_a_damaged_depth_is_said_and_the_next_one_counts() -> None:
    troubles: list[str] = []
    inputs = LidarInputs(trouble=lambda _, line: troubles.append(line))
    inputs.expect(10 * SECOND)
    inputs.put_depth(depth(10 * SECOND)[:40])
    assert found(inputs, 10 * SECOND) is None
    assert len(troubles) == 1
    inputs.expect(11 * SECOND)
    inputs.put_depth(depth(11 * SECOND))
    assert found(inputs, 11 * SECOND) == pytest.approx(11.0)
