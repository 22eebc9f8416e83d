"""The prior and the depth that an image gets are those of its own time."""

import threading
import time

import numpy as np
import pytest

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.patches import PatchPrior
from pdn_ros.perception.config import LidarConfig
from pdn_ros.perception.lidar import DepthImage, LidarBuffer

SECOND = 1_000_000_000
SIZE = (256, 128)


def buffer(reports: list[str] | None = None, **config: float) -> LidarBuffer:
    lines = [] if reports is None else reports
    return LidarBuffer(LidarConfig(**config), lambda _, line: lines.append(line))


def depth(stamp_ns: int) -> DepthImage:
    meters = np.full((SIZE[1], SIZE[0]), stamp_ns / SECOND, np.float32)
    return DepthImage.of(stamp_ns, meters)


def prior(stamp_ns: int, size: tuple[int, int] = SIZE) -> PatchPrior:
    weights = np.array([[0.25, 0.75]], np.float32)
    return PatchPrior(Header(stamp_ns, "camera"), size, 128, weights, 9)


def found(lidar: LidarBuffer, stamp_ns: int) -> float | None:
    meters = lidar.depth(stamp_ns, SIZE)
    return None if meters is None else float(meters[0, 0])


def test_scans_that_come_while_the_network_runs_do_not_push_the_right_one_out() -> None:
    lidar = buffer()
    lidar.put_depth(depth(10 * SECOND))
    lidar.expect(int(10.1 * SECOND))
    for tenths in range(101, 120):  # the image's own scan is the first of these
        lidar.put_depth(depth(tenths * SECOND // 10))
    assert found(lidar, int(10.1 * SECOND)) == pytest.approx(10.1)
    lidar.expect(12 * SECOND)
    assert found(lidar, 12 * SECOND) == pytest.approx(11.9)


def test_without_a_scan_near_the_image_there_is_no_depth() -> None:
    lidar = buffer(max_age_ms=200)
    assert found(lidar, SECOND) is None
    lidar.put_depth(depth(10 * SECOND))
    lidar.expect(11 * SECOND)
    assert found(lidar, 11 * SECOND) is None
    lidar.clear()
    lidar.expect(10 * SECOND)
    assert found(lidar, 10 * SECOND) is None


def test_a_damaged_depth_is_reported_and_the_next_one_counts() -> None:
    def damaged() -> np.ndarray:
        raise InputError("depth image: truncated")

    reports: list[str] = []
    lidar = buffer(reports)
    lidar.expect(10 * SECOND)
    lidar.put_depth(DepthImage(10 * SECOND, damaged))
    assert found(lidar, 10 * SECOND) is None
    assert reports == ["depth image: truncated"]
    lidar.expect(11 * SECOND)
    lidar.put_depth(depth(11 * SECOND))
    assert found(lidar, 11 * SECOND) == pytest.approx(11.0)


@pytest.mark.parametrize(("age_ms", "state"), [(199, "used"), (201, "201 ms away from the image")])
def test_a_prior_counts_while_it_is_near(age_ms: int, state: str) -> None:
    lidar = buffer(max_age_ms=200)
    lidar.put_prior(prior(10 * SECOND))
    weights = lidar.prior(10 * SECOND + age_ms * 1_000_000, SIZE, 128)
    assert (weights is not None) == (state == "used")
    assert lidar.state == state


def test_a_prior_of_another_grid_is_refused_with_both_sizes() -> None:
    reports: list[str] = []
    lidar = buffer(reports)
    lidar.put_prior(prior(10 * SECOND, (640, 128)))
    assert lidar.prior(10 * SECOND, SIZE, 128) is None
    assert "640x128" in reports[0]
    assert "256x128" in reports[0]


def test_an_image_waits_for_the_prior_of_its_own_scan() -> None:
    lidar = buffer(wait_ms=1000)
    lidar.put_prior(prior(9_900_000_000))
    late = threading.Timer(0.1, lidar.put_prior, [prior(10 * SECOND, (512, 128))])
    late.start()
    start = time.monotonic()
    # The late one is of another size: that it is refused shows that it was waited for.
    assert lidar.prior(10 * SECOND, SIZE, 128) is None
    assert 0.05 < time.monotonic() - start < 0.9
    late.join()


def test_without_a_lidar_nothing_waits() -> None:
    lidar = buffer(wait_ms=1000)
    start = time.monotonic()
    assert lidar.prior(10 * SECOND, SIZE, 128) is None
    assert time.monotonic() - start < 0.5


def test_the_first_prior_is_waited_for_where_somebody_sends_them() -> None:
    lidar = buffer(wait_ms=1000)
    lidar.awaited = True
    late = threading.Timer(0.1, lidar.put_prior, [prior(10 * SECOND)])
    late.start()
    assert lidar.prior(10 * SECOND, SIZE, 128) is not None
    late.join()
