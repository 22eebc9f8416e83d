"""Several recordings: names, shares of the cores, failures, resuming, the command."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pdn_ros.cli.app import main
from pdn_ros.errors import InputError
from pdn_ros.files import write_json
from pdn_ros.replay import many
from pdn_ros.replay.settings import ReplaySettings
from pdn_ros.replay.worker import Record, Share, Worker, _key, _reason, is_complete, plain


class Pretended:
    """A place that writes results at once, or does what `act` says of a bag's name."""

    def __init__(self, act: Callable[[str], str] = lambda name: "") -> None:
        self.act, self.seen, self.stopped = act, [], False

    def __call__(self, settings: ReplaySettings) -> str:
        self.seen.append(settings.bag.name)
        error = self.act(settings.bag.name)
        if not error:
            pretend(settings)
        return error

    def stop(self) -> None:
        self.stopped = True


def pretend(settings: ReplaySettings) -> None:
    """Write what an evaluation leaves, as far as a summary reads it."""
    settings.out.mkdir(parents=True, exist_ok=True)
    (settings.out / "metrics.json").write_text('{"frames": 5, "miou": 0.5, "thin_miou": null}')
    write_json(settings.out / "evaluation.json", Record(_key(settings), plain(settings), ["so"]))


@pytest.fixture
def bags(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "bags" / name for name in ("a", "b", "c")]
    for path in found:
        path.mkdir(parents=True)
        (path / "data.mcap").write_bytes(b"x")
    return found


def evaluate(bags: list[Path], out: Path, *places: Pretended, **options: object) -> dict[str, str]:
    wanted = many.tasks(ReplaySettings(bag=bags[0], out=out, **options.pop("settings", {})), bags)
    rows = many.evaluate(wanted, places, lambda done, total: None, **options)
    return {row.name: row.error for row in rows}


def test_names_are_the_bags_own_and_unique() -> None:
    def of(*paths: str) -> list[str]:
        return many.names([Path(path) for path in paths])

    assert of("/x/a", "/x/b.mcap") == ["a", "b"]
    assert of("/x/monday/drive", "/x/tuesday/drive") == ["monday-drive", "tuesday-drive"]
    assert of("/x/a-b", "/x/a/b") == ["a-b", "b"]
    assert len(set(of("/a-b/c", "/a/b-c", "/z/b-c", "/b-c"))) == 4
    with pytest.raises(InputError, match=r"/x/a: is named twice"):
        of("/x/a", "/x/y/../a")


def test_shares_are_disjoint_equal_and_cover_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2, 5, 6, 7})
    assert [Share(i, 2).cores() for i in range(2)] == [[1, 2], [5, 6, 7]]
    assert [Share(i, 5).cores() for i in range(5)] == [[1], [2], [5], [6], [7]]
    assert {len(Share(i, 8).cores()) for i in range(8)} == {1}


def test_a_bag_that_fails_is_its_own_row_and_the_others_go_on(
    bags: list[Path], tmp_path: Path
) -> None:
    def act(name: str) -> str:
        if name == "c":
            raise OSError(28, "No space left on device", "/x")
        return "is damaged" if name == "b" else ""

    rows = evaluate(bags, tmp_path / "out", Pretended(act))
    assert rows == {"a": "", "b": "is damaged", "c": "/x: No space left on device"}


def test_places_work_at_the_same_time_each_on_one_bag(bags: list[Path], tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=20)
    places = [
        Pretended(lambda name: both.wait() and ""),
        Pretended(lambda name: both.wait() and ""),
    ]
    assert set(evaluate(bags[:2], tmp_path / "out", *places)) == {"a", "b"}
    assert [len(place.seen) for place in places] == [1, 1]


def test_resuming_keeps_what_is_complete_and_unchanged(bags: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    evaluate(bags, out, Pretended(lambda name: "no" if name == "b" else ""))
    place = Pretended()
    assert evaluate(bags, out, place, resume=True) == {"a": "", "b": "", "c": ""}
    assert place.seen == ["b"]
    (bags[2] / "data.mcap").write_bytes(b"longer")
    (out / "a" / "evaluation.json").write_text('{"key": "half')
    evaluate(bags, out, place, resume=True)
    assert sorted(place.seen[1:]) == ["a", "c"]
    evaluate(bags[:1], out / "a", place, resume=True, settings={"mode": "context"})
    assert place.seen[3:] == ["a"]
    shutil.move(out, tmp_path / "moved")
    assert evaluate(bags, tmp_path / "moved", place, resume=True).keys() == {"a", "b", "c"}
    assert place.seen[4:] == ["a"]


def test_several_files_for_the_viewer_lie_in_the_bags_folders(
    bags: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("rerun", exc_type=ImportError)
    settings = ReplaySettings(bag=bags[0], out=tmp_path / "out", rerun=Path("drive.rrd"))
    (alone,) = many.tasks(settings, bags[:1])
    assert alone.settings.rerun == Path("drive.rrd")
    first, second = many.tasks(settings, bags[:2])
    assert first.settings.rerun == tmp_path / "out" / "a" / "drive.rrd"
    pretend(first.settings)
    assert not is_complete(first.settings)
    first.settings.rerun.touch()
    assert is_complete(first.settings)
    assert second.settings.rerun == tmp_path / "out" / "b" / "drive.rrd"


def test_an_interruption_stops_the_places(bags: list[Path], tmp_path: Path) -> None:
    place = Pretended()
    wanted = many.tasks(ReplaySettings(bag=bags[0], out=tmp_path / "out"), bags)

    def progress(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(many.evaluate(wanted, [place], progress))
    assert place.stopped


def test_a_process_that_is_killed_says_by_what() -> None:
    assert _reason(0, []) == ""
    assert _reason(1, ["warning", "the error", ""]) == "the error"
    assert _reason(-9, []) == "its process was ended by SIGKILL (out of memory?)"
    assert _reason(-11, ["x"]) == "its process was ended by SIGSEGV"


def test_a_bags_process_ends_with_its_standard_input(tmp_path: Path) -> None:
    code = (
        "import threading, time; from pdn_ros.replay import worker\n"
        "threading.Thread(target=worker._end_with_input, daemon=True).start()\n"
        "try: print('works', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt: print('cleans up')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "works\n"
    said, _ = process.communicate(timeout=60)  # closes its standard input
    assert (said, process.returncode) == ("cleans up\n", 0)


def test_a_stopped_worker_starts_nothing(bags: list[Path], tmp_path: Path) -> None:
    worker = Worker(Share())
    worker.stop()
    assert worker(ReplaySettings(bag=bags[0], out=tmp_path)) == "interrupted"


def test_the_command_goes_on_after_a_bad_bag_resumes_and_compares(
    drive: Path, bags: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["--out", str(out), "--limit", "2", "--backend", "torch", "--mode", "context"]
    assert main(["evaluate", str(drive), str(bags[0]), *arguments, "--jobs", "2"]) == 1
    said = capfd.readouterr()
    assert "1 of 2 bags evaluated" in said.out
    (error,) = [line for line in said.err.splitlines() if "error" in line]
    assert error.startswith(f"pdn: error: {bags[0]}")
    assert not any((out / "a").iterdir())
    names = {path.name for path in (out / "wall").iterdir()}
    assert names == {"metrics.json", "frames.csv", "report.html", "outputs", "evaluation.json"}
    record = Record(**json.loads((out / "wall" / "evaluation.json").read_text()))
    assert record.settings["limit"] == 2

    shutil.copytree(out / "wall", tmp_path / "again")
    resumed = [*arguments, "--resume", "--compare", str(out), "--fail-on-regression"]
    resumed[1] = str(tmp_path / "again")
    written = (tmp_path / "again" / "metrics.json").stat().st_mtime_ns
    assert main(["evaluate", str(drive), *resumed]) == 0
    assert (tmp_path / "again" / "metrics.json").stat().st_mtime_ns == written
    comparison = json.loads((tmp_path / "again" / "summary.json").read_text())["comparison"]
    assert comparison["unmatched"] == ["a"]
    assert {found["mean"] for found in comparison["figures"].values()} == {0.0}


def test_ray_runs_the_same(drive: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    out = tmp_path / "out"
    arguments = ["evaluate", str(drive), "--out", str(out), "--limit", "1", "--backend", "torch"]
    assert main([*arguments, "--mode", "context", "--ray", "local"]) == 0
    assert is_complete(ReplaySettings(drive, out, limit=1, backend="torch", mode="context"))
    assert json.loads((out / "summary.json").read_text())["bags"][0]["error"] == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--compare", "/no/such"], "holds no summary.json"),
        (["--fail-on-regression"], "needs earlier results"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(
    words: list[str], says: str, drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(drive), "--out", str(tmp_path / "out"), *words]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))
