import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pdn_ros.cli import app
from pdn_ros.cli.app import main
from pdn_ros.cli.common import progress

COMMANDS = (
    "benchmark",
    "segment",
    "simulate",
    "evaluate",
    "train",
    "validate",
    "view",
    "doctor",
    "convert kitti",
    "convert nuscenes",
    "frames",
    "labels import",
    "labels export",
    "labels check",
)


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the error line; there must be exactly one."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("pdn: error: ")
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--help"]) == 0
    assert f"Example: pdn {command}" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from pdn_ros.cli.app import main; status = main(['--help']); "
        "heavy = {'torch', 'cv2', 'rosbags', 'matplotlib', 'rclpy'} & set(sys.modules); "
        "sys.exit(f'loaded {heavy}' if heavy or status else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evaluate"], "Missing argument"),
        (["evaluate", "bag", "--out", "x", "--no-such"], "--no-such"),
        (["evaluate", "bag", "--out", "x", "--limit", "-3"], "--limit"),
        (["evaluate", "bag", "--out", "x", "--mode", "fast"], "fast"),
        (["evaluate", "/no/such/bag", "--out", "x"], "/no/such/bag: no such bag"),
        (["no-such-command"], "no-such-command"),
        (["segment", "/no/such.jpg", "--out", "x"], "/no/such.jpg: no such file"),
        (["simulate", "--out", "x", "--size", "big"], "size big"),
        (["convert", "kitti", "/no/such", "--out", "x"], "/no/such: no such folder"),
        (["convert", "nuscenes", "/no/such", "--out", "x"], "/no/such: no such folder"),
        (["labels", "import", "voc", "/no/such", "--out", "x"], "/no/such: no such file"),
        (["labels", "import", "pdf", ".", "--out", "x"], "format 'pdf': give one of colors"),
        (["labels", "export", "voc", "/no/such", "--out", "x"], "/no/such: no such folder"),
        (["train", "--config", "/no/such.yaml"], "/no/such.yaml: no such file"),
    ],
)
def test_wrong_usage_and_input_is_one_line_and_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in error_of(capsys)


def test_other_errors_are_one_line_and_status_1() -> None:
    full = OSError(28, "No space left on device", "/out/report.html")
    assert app._line_and_status(full) == ("/out/report.html: No space left on device", 1)
    line, status = app._line_and_status(ValueError("two\nlines"))
    assert status == 1
    assert line.startswith("ValueError: two")


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no such bag"):
        main(["evaluate", "/no/such/bag", "--out", "x", "--debug"])
    monkeypatch.setenv("PDN_DEBUG", "1")
    with pytest.raises(ValueError, match="no such bag"):
        main(["evaluate", "/no/such/bag", "--out", "x"])


def test_config_gives_values_and_the_command_line_wins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("size: huge\nseconds: 1\n")
    base = ["simulate", "--out", str(tmp_path / "bag"), "--config", str(file)]
    assert main(base) == 2
    assert "size huge" in error_of(capsys)
    assert main([*base, "--size", "small"]) == 2
    assert "size small" in error_of(capsys)


def test_config_values_have_the_options_types(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("rate: 2\nlidar: false\nlimit: 3\ncamera-info: /info\n")
    arguments = ["evaluate", "/no/such/bag", "--out", "x", "--config", str(file)]
    assert main(arguments) == 2
    assert "/no/such/bag: no such bag" in error_of(capsys)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sise: 1x1\n", "unknown option sise"),
        ("size: [1\n", "not valid YAML"),
        ("- size\n", "must hold"),
        ("seconds: soon\n", "--seconds"),
    ],
)
def test_a_bad_config_is_refused(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    assert main(["simulate", "--out", str(tmp_path / "bag"), "--config", str(file)]) == 2
    assert words in error_of(capsys)
    assert not (tmp_path / "bag").exists()


def test_progress_is_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("work") as report:
        for done in range(1, 101):
            report(done, 100)
    assert capsys.readouterr().err.splitlines() == ["work: 1/100", "work: 100/100"]


def test_segment_writes_four_files_and_goes_on_after_a_damaged_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = np.random.default_rng(0).integers(0, 255, (160, 224, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "street.png"), image)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 this is none")
    (tmp_path / "empty.png").touch()
    paths = [str(tmp_path / name) for name in ("broken.jpg", "empty.png", "street.png")]
    out = tmp_path / "out"
    assert main(["segment", *paths, "--out", str(out), "--backend", "torch"]) == 1
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("pdn: error: ")]
    assert len(errors) == 2
    assert "broken.jpg" in errors[0]
    assert "empty.png" in errors[1]
    assert {path.name for path in out.iterdir()} == {
        "street.mask.png",
        "street.overlay.jpg",
        "street.saliency.jpg",
        "street.json",
    }
    with Image.open(out / "street.mask.png") as mask:
        assert (mask.mode, mask.size) == ("P", (224, 160))
    figures = json.loads((out / "street.json").read_text())
    assert len(figures["patches"]) == figures["rows"] * figures["columns"]
    assert sum(patch["selected"] for patch in figures["patches"]) >= 1
    assert figures["times_ms"]["total"] > 0


def test_segment_goes_on_after_whatever_is_no_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = np.random.default_rng(0).integers(0, 255, (96, 96, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "good.png"), good)
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    huge = struct.pack(">II", 30_000, 30_000) + whole[24:29]
    checksum = struct.pack(">I", zlib.crc32(b"IHDR" + huge))
    (tmp_path / "huge.png").write_bytes(whole[:16] + huge + checksum + whole[33:])
    cv2.imwrite(str(tmp_path / "tiny.png"), good[:8, :8])
    long = tmp_path / ("x" * 300 + ".png")
    bad = [tmp_path / f"{name}.png" for name in ("truncated", "empty", "folder", "pipe", "huge")]
    bad += [tmp_path / "tiny.png", long]
    if os.geteuid():  # nothing is closed to root
        bad.append(tmp_path / "closed.png")
        bad[-1].touch(mode=0)
    out = tmp_path / "out"
    arguments = [*map(str, bad), str(tmp_path / "good.png"), "--out", str(out)]
    assert main(["segment", *arguments, "--backend", "torch"]) == 1
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("pdn: error: ")]
    assert len(errors) == len(bad)
    for line, path in zip(errors, bad, strict=True):
        assert str(path) in line
    assert f"1 of {len(bad) + 1} images" in captured.out
    assert len(list(out.iterdir())) == 4


def test_an_unwritable_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    cv2.imwrite(str(tmp_path / "street.png"), np.zeros((128, 128, 3), dtype=np.uint8))
    out = tmp_path / "file" / "out"
    arguments = ["segment", str(tmp_path / "street.png"), "--out", str(out), "--backend", "torch"]
    assert main(arguments) == 2
    assert "cannot be written" in capsys.readouterr().err
