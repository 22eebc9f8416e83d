"""The deadline under load: the sums behind its figures, real load, and a tiny real run."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch")
pytest.importorskip("psutil")

import psutil

from pdn_ros.benchmark.deadline_suite import deadline, deadline_ratios, deadline_rows
from pdn_ros.benchmark.settings import BenchmarkSettings
from pdn_ros.benchmark.system import spinning
from pdn_ros.benchmark.timing import Case, Lap

LAPS = {
    "idle": [Lap(60.0, {}, 8)] * 4,
    "loaded": [Lap(90.0, {}, 2)] * 3 + [Lap(110.0, {}, 8)],
    "context_alone": [Lap(50.0, {}, 0)] * 4,
}


def test_ratios_are_p95_over_the_deadline() -> None:
    ratios = deadline_ratios(LAPS, 100.0)
    assert ratios == pytest.approx(
        {
            "deadline.p95_over_deadline.idle": 0.6,
            # Between 90 and 110 at 0.95 * 3 = 2.85: 90 + 0.85 * 20
            "deadline.p95_over_deadline.loaded": 1.07,
            "deadline.context_alone.loaded": 0.5,
        }
    )


def test_rows_tell_what_was_late_and_how_many_patches_there_were() -> None:
    case = Case("deadline", "torch", "patch", 64, 48, deadline_ms=100.0)
    rows = {row.name: row for row in deadline_rows(case, LAPS, 8, 2)}
    assert len({row.key for row in rows.values()}) == 6
    loaded, late = rows["deadline_loaded"], rows["deadline_loaded_late"]
    assert (loaded.p50_ms, loaded.frames, loaded.backend, loaded.width) == (90.0, 4, "torch", 64)
    assert (late.value, late.unit, late.frames) == (0.25, "share", 4)
    assert loaded.note.startswith("mean K 3.5 of 8, deadline 100.0 ms, 2 spinning processes")
    assert rows["deadline_idle_late"].value == 0
    assert "spinning" not in rows["deadline_idle"].note


def test_load_is_real_and_ends_with_the_block() -> None:
    before = set(multiprocessing.active_children())
    with pytest.raises(KeyError), spinning(2):
        spinners = [psutil.Process(p.pid) for p in set(multiprocessing.active_children()) - before]
        assert len(spinners) == 2
        spent = [sum(p.cpu_times()[:2]) for p in spinners]
        end = time.monotonic() + 20
        while any(
            sum(p.cpu_times()[:2]) < then + 0.2 for p, then in zip(spinners, spent, strict=True)
        ):
            assert time.monotonic() < end
            time.sleep(0.05)
        raise KeyError
    assert not any(p.is_running() for p in spinners)


def test_load_dies_with_a_killed_parent(tmp_path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import multiprocessing, time\n"
        "from pdn_ros.benchmark.system import spinning\n"
        "if __name__ == '__main__':\n"
        "    with spinning(1):\n"
        "        print(multiprocessing.active_children()[0].pid, flush=True)\n"
        "        time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        spinner = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
    gone, alive = psutil.wait_procs([spinner], timeout=10)
    assert gone
    assert not alive


def test_a_tiny_run() -> None:
    steps: list[tuple[int, int]] = []
    settings = BenchmarkSettings(frames=8, size=(320, 240), backends=("torch",), device="cpu")
    rows, ratios = deadline(settings, lambda done, of: steps.append((done, of)))
    by_name = {row.name: row for row in rows}
    assert steps == [(i, 6) for i in range(1, 7)]
    assert by_name["deadline_idle"].frames == by_name["deadline_loaded"].frames == 4
    assert by_name["deadline_context_alone"].note.startswith("mean K 0.0 of 2,")
    limit_ms = float(by_name["deadline_idle"].note.split("deadline ")[1].split(" ms")[0])
    assert ratios["deadline.p95_over_deadline.loaded"] == pytest.approx(
        by_name["deadline_loaded"].p95_ms / limit_ms, rel=0.01
    )
    assert len(ratios) == 3
