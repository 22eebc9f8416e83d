"""The benchmark's nodes and probe: a short real run, and the sums behind its figures."""

import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("psutil")

from pdn_ros.benchmark.node_suites import NodeTimes, growth, loss, ratios_of
from pdn_ros.benchmark.run import run
from pdn_ros.benchmark.settings import BenchmarkSettings


def test_growth_is_the_slope_after_settling() -> None:
    rng = np.random.default_rng(1)
    settling = [100.0, 300.0, 400.0, 480.0]
    leak = 500 + 0.02 * 30 * np.arange(16) + rng.normal(0, 0.1, 16)  # 0.02 MB a frame
    slope, error = growth([*settling, *leak], 30, 10_000)
    assert slope == pytest.approx(200, abs=4 * error)
    assert 0 < error < 20
    slope, error = growth([*settling, *(500 + rng.normal(0, 0.1, 16))], 30, 10_000)
    assert abs(slope) < 4 * error
    assert np.isnan(growth([1.0, 2.0], 30, 10_000)[0])


def test_loss_and_ratios() -> None:
    assert loss(200, 150) == 0.25
    times = {
        "perception": NodeTimes(overhead=[1, 2, 9], whole=[10, 10, 10]),
        "plain": NodeTimes(overhead=[8, 10, 12], whole=[15, 40, 15]),
    }
    assert ratios_of(times) == {
        "plain_over_perception_node.overhead": 5.0,
        "plain_over_perception_node.end_to_end": 1.5,
    }


@pytest.mark.ros
def test_both_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE"):  # put back afterwards
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "")
    found = run(BenchmarkSettings(suites=("node",), frames=3, size=(320, 240)), _silent)
    rows = {row.name: row for row in found.rows}
    for name in ("perception", "plain"):
        overhead, network, whole = (
            rows[f"{name}_node_{part}"] for part in ("overhead", "network", "end_to_end")
        )
        assert overhead.frames == network.frames == whole.frames == 3
        assert 0 < overhead.p50_ms < whole.p50_ms
        assert network.p50_ms < whole.p50_ms
        assert whole.peak_mb > 100
    assert set(found.ratios) == {
        "plain_over_perception_node.overhead",
        "plain_over_perception_node.end_to_end",
    }


class _silent:
    def __init__(self, name: str) -> None:
        assert name == "node"

    def __enter__(self):
        return lambda done, total: None

    def __exit__(self, *_: object) -> None:
        return None
