"""The whole evaluation, offline and live, on a small recording."""

import csv
import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import wall

from pdn_ros.bags.reader import COMPRESSED_IMAGE, Bag
from pdn_ros.bags.storage import typestore
from pdn_ros.bags.writer import RawWriter
from pdn_ros.cli.app import main
from pdn_ros.replay.run import run
from pdn_ros.replay.settings import ReplaySettings


def evaluate(bag: Path, out: Path, **values: object) -> dict[str, object]:
    settings = ReplaySettings(bag=bag, out=out, backend="torch", **values)
    settings.check()
    run(settings, lambda done, total: None)
    return json.loads((out / "metrics.json").read_text())


@pytest.fixture(scope="module")
def result(drive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluation")
    evaluate(drive, out)
    return out


def test_offline_writes_everything_and_nothing_else(result: Path) -> None:
    names = {path.name for path in result.iterdir()}
    assert names == {"metrics.json", "frames.csv", "report.html", "outputs"}
    metrics = json.loads((result / "metrics.json").read_text())
    assert (metrics["frames"], metrics["dropped"], metrics["failed"]) == (wall.FRAMES, 0, 0)
    assert metrics["latency_ms"]["p50"] > 0
    assert 0 <= metrics["miou"] <= 1
    # The LiDAR sees the wall whatever the network says of the random pixels.
    assert metrics["grid"]["lidar"]["false_free"] < 0.01
    assert metrics["grid"]["lidar"]["distance_error_cells_p50"] <= 1.5
    assert metrics["boxes"]["boxes"] == wall.FRAMES
    assert metrics["boxes"]["occupied_share"] == 1.0
    with (result / "frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == list(range(wall.FRAMES))
    assert all(row["prior_used"] == "1" for row in rows)


def test_the_outputs_carry_the_images_stamps_and_sizes(result: Path) -> None:
    with Bag(result / "outputs") as bag:
        found: dict[str, list[object]] = {}
        for message in bag.messages():
            decoded = typestore().deserialize_cdr(message.data, message.msgtype)
            found.setdefault(message.topic, []).append(decoded)
    stamps = [wall.START_NS + i * wall.PERIOD_NS for i in range(wall.FRAMES)]
    for topic in ("mask", "confidence", "patches", "occupancy"):
        headers = [m.header for m in found[f"/perception/{topic}"]]
        assert [h.stamp.sec * 10**9 + h.stamp.nanosec for h in headers] == stamps
    mask = found["/perception/mask"][0]
    assert (mask.height, mask.width, mask.encoding) == (wall.HEIGHT, wall.WIDTH, "mono8")
    array = found["/perception/patches"][0]
    assert len(array.patches) == array.rows * array.cols
    assert array.header.frame_id == "camera_optical"
    assert sum(p.selected for p in array.patches) == array.budget
    assert found["/perception/occupancy"][0].header.frame_id == "odom"


def test_offline_is_deterministic(drive: Path, result: Path, tmp_path: Path) -> None:
    evaluate(drive, tmp_path / "again")

    def data(path: Path) -> list[tuple[str, int, bytes]]:
        with Bag(path / "outputs") as bag:
            return sorted((m.topic, m.stamp_ns, bytes(m.data)) for m in bag.messages())

    assert data(tmp_path / "again") == data(result)


def test_without_lidar_and_with_a_limit(drive: Path, tmp_path: Path) -> None:
    metrics = evaluate(drive, tmp_path / "out", lidar=False, limit=2)
    assert metrics["frames"] == 2
    assert metrics["grid"]["lidar"]["free_iou"] is None
    assert metrics["returns_in_free_share"] is None


def test_a_damaged_image_is_counted_and_the_rest_goes_on(drive: Path, tmp_path: Path) -> None:
    """The second image names a size that its bytes do not have."""
    damaged = tmp_path / "damaged"
    with Bag(drive) as bag, RawWriter(damaged) as writer:
        for topic in bag.topics.values():
            writer.topic(topic.name, topic.msgtype)
        images = 0
        for message in bag.messages():
            data = bytearray(message.data)
            if message.topic == "/camera/image_raw":
                images += 1
                if images == 2:
                    at = data.index(wall.HEIGHT.to_bytes(4, "little"))
                    data[at : at + 4] = (wall.HEIGHT + 8).to_bytes(4, "little")
            writer.write(message.topic, message.stamp_ns, bytes(data))
    metrics = evaluate(damaged, tmp_path / "out")
    assert (metrics["frames"], metrics["failed"], metrics["dropped"]) == (wall.FRAMES, 1, 0)
    with (tmp_path / "out" / "frames.csv").open(newline="") as file:
        errors = [row["error"] for row in csv.DictReader(file)]
    assert [bool(error) for error in errors] == [False, True, False, False, False]
    assert "truncated" in errors[1]


def test_a_bag_without_images_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = tmp_path / "empty"
    with RawWriter(bag) as writer:
        writer.topic("/words", "std_msgs/msg/String")
        writer.write("/words", 1, b"\x00\x01\x00\x00\x02\x00\x00\x00a\x00")
    assert main(["evaluate", str(bag), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("pdn: error: ")
    assert "no camera images" in error
    assert not any((tmp_path / "out").iterdir())


def test_a_cut_off_bag_is_refused_in_one_line(
    drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = tmp_path / "cut"
    bag.mkdir()
    for file in drive.iterdir():
        content = file.read_bytes()
        keep = len(content) // 2 if file.suffix == ".mcap" else len(content)
        (bag / file.name).write_bytes(content[:keep])
    assert main(["evaluate", str(bag), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(bag) in error


def test_compressed_images_are_read(drive: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    types = typestore().types
    with Bag(drive) as bag, RawWriter(packed) as writer:
        writer.topic("/front/image/compressed", COMPRESSED_IMAGE)
        for message in bag.messages(["/camera/image_raw"]):
            raw = typestore().deserialize_cdr(message.data, message.msgtype)
            _, jpeg = cv2.imencode(".jpg", raw.data.reshape(wall.HEIGHT, wall.WIDTH, 3))
            new = types[COMPRESSED_IMAGE](raw.header, "bgr8; jpeg compressed bgr8", jpeg)
            data = typestore().serialize_cdr(new, COMPRESSED_IMAGE)
            writer.write("/front/image/compressed", message.stamp_ns, memoryview(data))
    metrics = evaluate(packed, tmp_path / "out", limit=2)
    assert (metrics["frames"], metrics["failed"]) == (2, 0)
    assert metrics["grid"]["fused"]["free_iou"] is None  # no calibration, no grid


@pytest.mark.ros
def test_live_measures(drive: Path, tmp_path: Path) -> None:
    pytest.importorskip("rclpy")
    out = tmp_path / "live"
    done = subprocess.run(
        [sys.executable, "-m", "pdn_ros.cli.app", "evaluate", str(drive), "--out", str(out),
         "--live", "--rate", "2hz", "--backend", "torch"],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["frames"] == wall.FRAMES
    masks = metrics["frames"] - metrics["dropped"]
    assert masks >= 1
    assert 0 < metrics["latency_ms"]["p50"] < 10_000
    assert np.isfinite(metrics["age_ms"]["p50"])
    with Bag(out / "outputs") as bag:
        assert bag.topics["/perception/mask"].count == masks


@pytest.mark.ros
def test_a_node_that_cannot_start_is_one_line(drive: Path, tmp_path: Path) -> None:
    pytest.importorskip("rclpy")
    out = tmp_path / "live"
    done = subprocess.run(
        [sys.executable, "-m", "pdn_ros.cli.app", "evaluate", str(drive), "--out", str(out),
         "--live", "--backend", "tensorrt"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("pdn: error: perception cannot start: ")
    assert "tensorrt" in done.stderr
    assert not any(out.iterdir())


@pytest.mark.ros
def test_an_interrupted_live_run_ends_its_nodes_and_leaves_nothing(
    drive: Path, tmp_path: Path
) -> None:
    pytest.importorskip("rclpy")
    out = tmp_path / "live"
    process = subprocess.Popen(
        [sys.executable, "-m", "pdn_ros.cli.app", "evaluate", str(drive), "--out", str(out),
         "--live", "--backend", "torch", "--rate", "0.01"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 120
    while not (children := _children(process.pid)) and time.monotonic() < end:
        assert process.poll() is None
        time.sleep(0.2)
    time.sleep(1.0)
    error = ""
    for _ in range(3):  # a library that is just being imported may swallow one
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            _, error = process.communicate(timeout=30)
            break
    assert process.returncode != 0
    assert "Traceback" not in error
    assert children
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not any(out.iterdir())


def _children(parent: int) -> list[int]:
    listing = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in listing.read_text().split()] if listing.exists() else []
