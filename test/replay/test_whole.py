"""A simulated drive through the command line, from nothing to the report."""

import json
from pathlib import Path

import pytest

from pdn_ros.bags.reader import Bag
from pdn_ros.cli.app import main


@pytest.mark.whole
def test_simulate_then_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag, out = tmp_path / "drive", tmp_path / "result"
    size = ["--size", "320x192", "--seconds", "0.4", "--rate", "10"]
    assert main(["simulate", "--out", str(bag), *size]) == 0
    with Bag(bag) as recording:
        assert recording.image_topic().count == 4
    arguments = ["evaluate", str(bag), "--out", str(out), "--true-masks", "--backend", "torch"]
    assert main(arguments) == 0
    assert {path.name for path in out.iterdir()} == {
        "metrics.json",
        "frames.csv",
        "report.html",
        "outputs",
    }
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["frames"], metrics["dropped"], metrics["failed"]) == (4, 0, 0)
    fused = metrics["grid"]["fused"]
    assert fused["free_iou"] > 0.9
    assert fused["distance_error_cells_p50"] <= 1.0
    assert metrics["boxes"]["boxes"] > 0
    captured = capsys.readouterr()
    assert "4 images, 0 dropped, 0 failed" in captured.out
    assert str(out / "report.html") in captured.out
    assert "Traceback" not in captured.err
