"""docs/performance.md holds what its script makes of the runs in results/."""

import importlib.util
import sys
from pathlib import Path

import pytest

from pdn_ros.benchmark.measurements import Benchmark, Row

ROOT = Path(__file__).resolve().parents[2]
DOCS, EXPERIMENTS = ROOT / "docs", ROOT / "experiments"


@pytest.fixture(scope="module")
def page():
    pytest.importorskip("embreex")  # what the scripts share brings the simulator
    sys.path.insert(0, str(EXPERIMENTS))
    try:
        spec = importlib.util.spec_from_file_location("page", EXPERIMENTS / "performance.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXPERIMENTS))
    return module


def test_the_page_is_up_to_date(page) -> None:
    document = (DOCS / "performance.md").read_text("utf-8")
    runs = page.read_runs()
    for name, text in (("figures", page.figures(runs)), ("stages", page.stages(runs))):
        assert f"<!-- {name} -->\n{text}\n<!-- end {name} -->" in document


def test_tables_of_a_run(page) -> None:
    stages = {"context": 20.0, "total": 50.0}
    rows = [
        Row(name="network", mode="patch", backend="a", width=1920, height=1080, k=34)
        for _ in range(3)
    ]
    from dataclasses import replace

    slow = replace(rows[0], stages_ms={"context": 90.0}).timed([90.0])
    fast = replace(rows[1], backend="b", stages_ms=stages, joules=1.5).timed([50.0] * 3)
    less = replace(rows[2], k=17, share=0.125, stages_ms={"context": 1.0}).timed([1.0])
    run = Benchmark(
        machine={"processor": "Z80"},
        versions={"torch": "1"},
        load={"before": 0.0, "after": 1.0},
        energy="RAPL",
        skipped={"live": "no ROS"},
        rows=[slow, fast, less, Row(name="image_loss_idle", value=0.25, unit="share")],
        ratios={"patch_over_dense.b": 0.4},
    )
    assert page.stages({"laptop": run}).splitlines() == [
        "| ms, median | laptop: b, K 34 |",
        "| --- | --- |",
        "| context | 20.0 |",
        "| total | 50.0 |",
    ]
    text = page.figures({"laptop": run})
    assert "| network patch b 1920x1080 K 34 | 50.0 | 50.0 | 50.0 | 3 |  | 1.50 |" in text
    assert "| image loss idle | 0.25 | share | 0 |  |" in text
    assert "| patch_over_dense.b | 0.40 |" in text
    assert "Not measured: live (no ROS)." in text
