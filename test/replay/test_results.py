import csv
import json
import math
from pathlib import Path

import pytest

from pdn_ros.errors import InputError
from pdn_ros.files import write_json
from pdn_ros.replay.results import (
    BoxMetrics,
    FrameRow,
    GridMetrics,
    Metrics,
    Quantiles,
    write_csv,
)
from pdn_ros.replay.settings import Rate, ReplaySettings, parse_rate


def test_quantiles_leave_out_what_is_not_known() -> None:
    found = Quantiles.of([1.0, 2.0, math.nan, 3.0])
    assert found.p50 == 2.0
    assert found.p95 == pytest.approx(2.9)
    assert math.isnan(Quantiles.of([math.nan]).p99)


def test_metrics_keep_the_contracts_keys_and_write_null_for_nan(tmp_path: Path) -> None:
    metrics = Metrics(
        frames=3,
        rate_hz=9.5,
        dropped=1,
        failed=0,
        latency_ms=Quantiles(1.0, 2.0, 3.0),
        age_ms=Quantiles(),
        live=True,
        grid={kind: GridMetrics(free_iou=0.5) for kind in ("camera", "lidar", "fused")},
        boxes=BoxMetrics(occupied_share=0.25),
    )
    write_json(tmp_path / "metrics.json", metrics)
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert {"frames", "rate_hz", "dropped", "latency_ms", "age_ms", "miou", "grid", "boxes",
            "returns_in_free_share"} <= found.keys()  # fmt: skip
    assert found["latency_ms"] == {"p50": 1.0, "p95": 2.0, "p99": 3.0}
    assert found["age_ms"]["p50"] is None
    for kind in ("camera", "lidar", "fused"):
        assert found["grid"][kind].keys() == {
            "free_iou",
            "occupied_iou",
            "false_free",
            "distance_error_cells_p50",
            "distance_error_cells_p95",
            "unknown_share",
        }
    boxes = {"occupied_share", "small_refined_share", "small_refined_share_without_prior"}
    assert boxes <= found["boxes"].keys()


def test_frames_become_lines_with_empty_fields_for_the_unknown(tmp_path: Path) -> None:
    rows = [
        FrameRow(0, 17, latency_ms=12.5, selected=4, refined_share=0.25, prior_used=True),
        FrameRow(1, 18, error="truncated, 3 bytes"),
    ]
    write_csv(tmp_path / "frames.csv", rows)
    with (tmp_path / "frames.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["stamp_ns"], first["latency_ms"], first["prior_used"]) == ("17", "12.5000", "1")
    assert (second["latency_ms"], second["error"]) == ("", "truncated, 3 bytes")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1", Rate(1.0)),
        ("0.5", Rate(0.5)),
        ("15hz", Rate(15.0, True)),
        (" 7.5 Hz", Rate(7.5, True)),
    ],
)
def test_rates(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "1e400", "15 khz"])
def test_bad_rates_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="rate"):
        parse_rate(text)


def test_settings_are_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    with pytest.raises(InputError, match="no such bag"):
        ReplaySettings(bag=bag, out=tmp_path / "out").check()
    bag.mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        ReplaySettings(bag=bag, out=tmp_path / "file").check()
    with pytest.raises(InputError, match="cannot be written"):
        ReplaySettings(bag=bag, out=tmp_path / "file" / "below").check()
    with pytest.raises(InputError, match="bag itself"):
        ReplaySettings(bag=bag, out=bag).check()
    ReplaySettings(bag=bag, out=tmp_path / "out").check()
    assert not any((tmp_path / "out").iterdir())
