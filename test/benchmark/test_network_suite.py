"""A small real run of the network's timings through the command line."""

import json
import math
from pathlib import Path

import pytest

from pdn_ros.cli.app import main

pytest.importorskip("torch")
pytest.importorskip("psutil")


def test_a_small_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    options = ["--frames", "3", "--seconds", "0.1", "--sizes", "320x240", "--size", "320x240"]
    arguments = ["benchmark", "--out", str(out), "--suite", "network", "--backend", "torch"]
    assert main([*arguments, *options]) == 0
    assert {path.name for path in out.iterdir()} == {"benchmark.json", "network.png"}
    found = json.loads((out / "benchmark.json").read_text())
    rows = {(row["mode"], row["k"]): row for row in found["rows"]}
    # Six patches of 128 in 320x240: a quarter (1.5, to the even), and the shares' K.
    assert set(rows) == {("context", 0), ("dense", 0), *(("patch", k) for k in (1, 2, 3, 6))}
    assert all(0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] for row in rows.values())
    patch, dense = rows["patch", 2], rows["dense", 0]
    assert (patch["frames"], patch["width"], patch["height"]) == (3, 320, 240)
    assert found["ratios"]["patch_over_dense.torch"] == pytest.approx(
        patch["p50_ms"] / dense["p50_ms"], rel=1e-4
    )
    stages = patch["stages_ms"]
    assert math.isclose(
        sum(ms for name, ms in stages.items() if name != "total"), stages["total"], rel_tol=0.5
    )
    assert "network patch torch float32 320x240 K 2" in capsys.readouterr().out
    assert {row["precision"] for row in rows.values()} == {"float32"}
    assert found["machine"]["processor"]
    assert found["machine"]["instructions"]
    assert found["versions"]["torch"]


def test_what_fails_in_the_process_is_said(tmp_path: Path) -> None:
    from pdn_ros.benchmark.timing import Case
    from pdn_ros.benchmark.worker import WorkerProcess

    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"nothing")
    case = Case("network", "torch", "patch", 64, 64)
    worker = WorkerProcess(case, "cpu", str(weights))
    try:
        with pytest.raises(ChildProcessError, match=r"weights\.safetensors"):
            worker.laps(case, 1, 0.0)
    finally:
        worker.close()


def test_memory_of_a_process_is_its_own() -> None:
    import numpy as np

    from pdn_ros.benchmark.system import forget_most_memory, most_memory_mb

    block = np.ones(30_000_000)  # 240 MB
    high = most_memory_mb()
    assert high >= 240
    del block
    forget_most_memory()
    assert most_memory_mb() < high - 200
