"""What a benchmark computes from its measurements, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pdn_ros import machine
from pdn_ros.benchmark.measurements import Benchmark, Row, require_same_machine
from pdn_ros.benchmark.network import chosen_backends, network_ratios
from pdn_ros.benchmark.segformer import ALONE, segformer_ratios
from pdn_ros.benchmark.settings import BenchmarkSettings
from pdn_ros.benchmark.show import tables
from pdn_ros.benchmark.system import Energy
from pdn_ros.benchmark.timing import BLOCK, EAGER, SEGFORMER, Case, Lap, take_turns
from pdn_ros.cli.app import main
from pdn_ros.cli.common import image_size
from pdn_ros.errors import InputError
from pdn_ros.perception.backends import available

MACHINE = {"processor": "Z80, 1 cores", "system": "CP/M", "memory": "0 GiB", "gpu": "none"}


def row(name: str, p50: float, **more: object) -> Row:
    return Row(name=name, p50_ms=p50, width=64, height=48, **more)  # type: ignore[arg-type]


def benchmark(*rows: Row) -> Benchmark:
    return Benchmark(
        machine=MACHINE,
        versions={"torch": "1"},
        load={"before": 0.1, "after": 1.9},
        energy="unknown",
        skipped={},
        rows=list(rows),
        ratios={"a": 2.0, "b": float("nan")},
    )


def test_percentiles_are_numpys() -> None:
    times = np.random.default_rng(0).gamma(3.0, 10.0, 257)
    timed = Row(name="x").timed(times.tolist())
    assert timed.frames == 257
    assert [timed.p50_ms, timed.p95_ms, timed.p99_ms] == pytest.approx(
        np.percentile(times, [50, 95, 99])
    )


def test_ratios_of_the_network() -> None:
    rows = [
        row("network", 30.0, backend="a", mode="patch"),
        row("network", 90.0, backend="a", mode="dense"),
        row("network", 20.0, backend="b", mode="patch"),
        row("network", 100.0, backend=EAGER, mode="patch"),
        replace(row("network", 1.0, backend="b", mode="dense"), width=1),  # another size
    ]
    ratios = network_ratios(rows, (64, 48))
    assert ratios["patch_over_dense.a"] == pytest.approx(1 / 3)
    assert np.isnan(ratios["patch_over_dense.b"])
    assert ratios["torch_eager_over_best.b"] == pytest.approx(5.0)


def test_a_k_of_its_own_is_not_the_default() -> None:
    rows = [
        row("network", 30.0, backend="a", mode="patch", k=2, frames=200),
        row("network", 70.0, backend="a", mode="patch", k=8, frames=9, share=1.0),
        row("network", 90.0, backend="a", mode="dense"),
    ]
    assert network_ratios(rows, (64, 48))["patch_over_dense.a"] == pytest.approx(1 / 3)


def test_ratios_against_segformer() -> None:
    rows = [
        row(ALONE, 10.0, backend="a", mode="patch", peak_mb=100.0, running_mb=50.0),
        row(SEGFORMER, 60.0, backend="a", peak_mb=250.0, running_mb=200.0),
        row(ALONE, 10.0, backend="b", mode="patch"),
    ]
    assert segformer_ratios(rows) == {
        "segformer_over_patch.latency.a": 6.0,
        "segformer_over_patch.peak_memory.a": 2.5,
        "segformer_over_patch.running_memory.a": 4.0,
    }


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    found = benchmark(row("x", 1.5, stages_ms={"context": 1.0}), Row(name="y", value=2.0))
    path = tmp_path / "benchmark.json"
    found.write(path)
    record = json.loads(path.read_text())
    keys = {"name", "mode", "backend", "width", "height", "k", "p50_ms", "p95_ms", "p99_ms"}
    assert keys <= set(record["rows"][0])
    assert {"machine", "versions", "load", "rows", "ratios"} <= set(record)
    assert record["rows"][1]["p50_ms"] is None
    again = Benchmark.read(path)
    assert again.rows[0].stages_ms == {"context": 1.0}
    assert again.rows[0].p50_ms == 1.5
    assert np.isnan(again.rows[1].p50_ms)
    assert again.ratios["a"] == 2.0
    assert np.isnan(again.ratios["b"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "rows": [1]}'])
def test_another_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"other\.json"):
        Benchmark.read(path)


def test_another_machine_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require_same_machine(dict(MACHINE), benchmark(), "other.json")
    path = tmp_path / "other.json"
    benchmark().write(path)
    out = str(tmp_path / "out")
    assert main(["benchmark", "--out", out, "--suite", "network", "--compare", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "another machine (processor Z80, 1 cores, here" in lines[0]
    assert not (tmp_path / "out").exists()


def test_changes_against_another_run() -> None:
    before, now = benchmark(row("x", 10.0)), benchmark(row("x", 8.0), row("new", 1.0))
    changes = tables(now, before)[-1]
    assert [list(column.cells) for column in changes.columns] == [
        ["x 64x48"],
        ["10"],
        ["8"],
        ["-20 %"],
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--suite", "fast"], "suite fast"),
        (["--sizes", "big"], "size big"),
        (["--size", "8x8"], "size 8x8"),
        (["--weights", "/no/such"], "/no/such: no such file"),
        (["--suite", "network", "--backend", "abacus"], "backend abacus"),
        (
            ["--suite", "network", "--backend", "torch", "--precision", "bfloat16"],
            "precision bfloat16: not offered by torch on",
        ),
        (["--compare", "/no/such.json"], "/no/such.json"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["benchmark", "--out", str(tmp_path / "out"), *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert words in lines[0]


def test_machine_tells_its_instruction_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "instruction_sets", lambda: ("avx2", "avx512_bf16"))
    assert machine.hardware()["instructions"] == "avx2 avx512_bf16"
    monkeypatch.setattr(machine, "instruction_sets", lambda: ())
    assert machine.hardware()["instructions"] == "not known"


def test_backends_that_lack_the_precision_are_left_out() -> None:
    settings = BenchmarkSettings(device="cpu", precision="bfloat16")
    if "openvino" in available():
        assert chosen_backends(settings) == ("openvino",)
    exact = chosen_backends(replace(settings, precision="float32"))
    assert set(exact) == {*available(), EAGER} - {"tensorrt"}


def test_sizes() -> None:
    assert image_size("1920x1080") == (1920, 1080)
    assert BenchmarkSettings(sizes=((64, 48),)).quick().frames < 200


class Clockwork:
    """A worker whose frames take a known time."""

    def __init__(self, ms: float, order: list[str], name: str) -> None:
        self.ms, self.order, self.name = ms, order, name

    def laps(self, case: Case, count: int, seconds: float) -> list[Lap]:
        del case
        self.order.append(self.name)
        fitting = count if not seconds else min(count, int(1e3 * seconds / self.ms) + 1)
        return [Lap(self.ms + i, {"context": self.ms / 2}, 7, 0.5) for i in range(fitting)]


class Broken:
    """A worker that cannot run."""

    def laps(self, case: Case, count: int, seconds: float) -> list[Lap]:
        raise ChildProcessError("no such thing")


def test_cases_take_turns() -> None:
    order: list[str] = []
    fast = Case("network", "fast", "patch", 64, 48, whole=True)
    slow = Case("network", "slow", "patch", 64, 48)
    whole = Case("network", "whole", "patch", 64, 48, whole=True)
    bad = Case("network", "bad", "patch", 64, 48)
    workers = {
        fast: Clockwork(1.0, order, "fast"),
        slow: Clockwork(100.0, order, "slow"),
        whole: Clockwork(100.0, order, "whole"),
        bad: Broken(),
    }
    done: list[None] = []
    frames = 2 * BLOCK + 5
    rows = take_turns(
        list(workers), workers, frames=frames, seconds=1.0, done=lambda: done.append(None)
    )
    assert order == ["fast", "slow", "whole", "fast", "whole", "fast", "whole"]
    assert [r.frames for r in rows] == [frames, 11, frames, 0]
    assert len(done) == 4
    assert (rows[0].k, rows[0].stages_ms, rows[0].joules) == (7, {"context": 0.5}, 0.5)
    # 20 frames of 1 to 20 ms, twice, and five of 1 to 5
    expected = np.percentile([*range(1, 21), *range(1, 21), *range(1, 6)], 95)
    assert rows[0].p95_ms == pytest.approx(expected)
    assert rows[3].note == "no such thing"


def test_energy_of_all_packages_with_wrap_around(tmp_path: Path) -> None:
    assert Energy(tmp_path).source.startswith("unknown")
    assert np.isnan(Energy(tmp_path).lap())
    for name, now in (("intel-rapl:0", 900_000), ("intel-rapl:1", 0), ("intel-rapl:0:0", 5)):
        zone = tmp_path / name
        zone.mkdir()
        (zone / "energy_uj").write_text(f"{now}\n")
        (zone / "max_energy_range_uj").write_text("1000000\n")
    energy = Energy(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("400000\n")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("250000\n")
    (tmp_path / "intel-rapl:0:0" / "energy_uj").write_text("999999\n")
    assert energy.lap() == pytest.approx(0.75)
    assert energy.lap() == pytest.approx(0.0)
