"""The suite of rigs: the sums behind its figures, its scan, and a tiny real run."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("psutil")

from pdn_ros.benchmark import rig_suite
from pdn_ros.benchmark.measurements import Row
from pdn_ros.benchmark.settings import BenchmarkSettings
from pdn_ros.benchmark.timing import Case, Lap
from pdn_ros.benchmark.worker import make_runner, picture


def test_ratios_compare_three_cameras_with_three_times_one() -> None:
    rows = [
        Row(name=rig_suite.ONE, p50_ms=50.0, peak_mb=400.0),
        Row(name=rig_suite.THREE, p50_ms=120.0, peak_mb=500.0),
        Row(name=rig_suite.SCAN_ONE, p50_ms=10.0),
        Row(name=rig_suite.SCAN_THREE, p50_ms=14.0),
        Row(name=rig_suite.NODE_ONE, p50_ms=80.0, peak_mb=600.0),
        Row(name=rig_suite.NODE_THREE, p50_ms=200.0, peak_mb=720.0),
    ]
    assert rig_suite.rig_ratios(rows) == pytest.approx(
        {
            "rig.set_over_three_images": 0.8,
            "rig.peak_memory.three_over_one": 1.25,
            "rig.scan.three_over_one": 1.4,
            "rig.node_peak_memory.three_over_one": 1.2,
        }
    )
    assert rig_suite.rig_ratios([Row(name=rig_suite.NODE_THREE, note="needs ROS 2")]) == {}


def test_the_scan_is_a_street() -> None:
    points = rig_suite.street_scan()
    assert 60_000 < len(points) <= 64 * 1800
    assert np.isfinite(points).all()
    assert np.abs(points[:, 1]).max() < 9.2
    on_ground = np.abs(points[:, 2] + 1.9) < 0.1
    assert 0.2 < on_ground.mean() < 0.8
    beside = (np.abs(np.abs(points[:, 1]) - 4.6) < 0.95) & (np.abs(points[:, 0] - 4) < 2.3)
    assert (beside & (points[:, 2] > -0.6)).sum() > 100  # a parked car


def test_a_set_shares_its_budget() -> None:
    case = Case("rig", "torch", "patch", 256, 128, share=0.5, cameras=3)
    lap = make_runner(case, "cpu", "", "auto").run(case, picture(256, 128))
    assert lap.k == 3  # of six patches
    assert lap.precision == "float32"
    assert 0 < lap.stages_ms["total"] <= lap.ms


class Here:
    """Runs the cases in this process."""

    def __init__(self, case: Case, device: str, weights: str, precision: str) -> None:
        self.runner = make_runner(case, device, weights, precision)

    def laps(self, case: Case, count: int, seconds: float) -> list[Lap]:
        del seconds
        return [self.runner.run(case, picture(case.width, case.height)) for _ in range(count)]

    def with_memory(self, row: Row) -> Row:
        return replace(row, peak_mb=100.0 + len(row.name))

    def close(self) -> None:
        pass


def test_a_tiny_run_without_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig_suite, "find_spec", lambda name: None)
    monkeypatch.setattr(rig_suite, "WorkerProcess", Here)
    steps: list[int] = []
    settings = BenchmarkSettings(
        suites=("rig",), frames=2, rig_size=(256, 128), backends=("torch",), device="cpu"
    )
    rows, ratios = rig_suite.rig(settings, lambda done, total: steps.append(done))
    named = {row.name: row for row in rows}
    assert named[rig_suite.THREE].frames == named[rig_suite.SCAN_ONE].frames == 2
    assert named[rig_suite.THREE].k == 1  # 15 % of six patches
    assert named["rig_sets"].value == pytest.approx(1e3 / named[rig_suite.THREE].p50_ms)
    assert named[rig_suite.NODE_THREE].note == "needs ROS 2"
    assert ratios["rig.set_over_three_images"] > 0
    assert steps == sorted(steps)
