"""`pdn view` beside a running node."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rerun", exc_type=ImportError)
pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from node_fixtures import drive, probe, start_node  # noqa: E402
from perception_drive import HEIGHT, WIDTH, pixels  # noqa: E402
from ports import free_port  # noqa: E402
from rrd import read  # noqa: E402

from pdn_ros.harness.participant import wait_for  # noqa: E402
from pdn_ros.messages.compressed import decode_compressed  # noqa: E402

__all__ = ["drive", "probe", "start_node"]


class View:
    """`pdn view` as a process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log, self.port = folder / "log.txt", free_port()
        command = [sys.executable, "-m", "pdn_ros", "view", "--no-browser", "--port"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, str(self.port), *arguments], stdout=log, stderr=subprocess.STDOUT
            )

    def wait_for(self, text: str) -> str:
        return wait_for(lambda: re.search(text, self.log.read_text()), 40, text)[0]


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    started = View(tmp_path, "--save", str(tmp_path / "live.rrd"))
    yield started
    started.process.kill()
    started.process.wait()


def test_a_running_node_is_seen_and_saved(view: View, drive, tmp_path: Path) -> None:
    page = view.wait_for(r"http://127.0.0.1:\S+")
    view.wait_for("image: /image\n")
    view.wait_for("camera_info: /camera_info\n")
    with urllib.request.urlopen(page, timeout=10) as reply:
        assert b"<html" in reply.read().lower()
    answers = [drive.ask("mask", "patches", "occupancy") for _ in range(2)]
    drive.diagnostics()
    time.sleep(2.0)  # what came last is shown
    view.process.send_signal(signal.SIGINT)
    assert view.process.wait(20) == 0, view.log.read_text()
    assert "Traceback" not in view.log.read_text()
    logged = read(tmp_path / "live.rrd")
    masks = logged["world/robot/camera/mask"]["SegmentationImage:buffer"]
    last = [answer for answer in answers if answer.stamp_ns in masks][-1]  # a busy one skips some
    mask = masks[last.stamp_ns]
    assert np.array_equal(mask[0], pixels(last.mask).reshape(-1))
    (blob,) = logged["world/robot/camera/image"]["EncodedImage:blob"][last.stamp_ns]
    shown = decode_compressed(bytes(blob)).astype(int)
    assert shown.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(shown - last.image).mean() < 5
    selected = logged["figures/patches/selected"]["Scalars:scalars"][last.stamp_ns]
    assert selected == [sum(p.selected for p in last.patches.patches)]
    assert last.stamp_ns in logged["saliency"]["EncodedImage:blob"]
    assert logged["world/robot"]["Transform3D:translation"][last.stamp_ns] == [
        pytest.approx([12.34, 0, 0], abs=1e-5)
    ]
    assert logged["world/robot/camera"]["Transform3D:translation"][last.stamp_ns] == [[0, 0, 1.5]]
    assert logged["world/grid"]["GridMap:data"]
    assert logged["figures/age/age"]["Scalars:scalars"]
    (context,) = logged[""]["AnnotationContext:context"][None]
    assert context[0]["class_description"]["info"]["label"] == "sky"


def test_images_are_shown_without_a_node(probe, tmp_path: Path) -> None:
    """Topics may come in any order: here the camera alone, after the viewer."""
    from sensor_msgs.msg import Image

    from pdn_ros.messages.cdr import Header
    from pdn_ros.messages.images import write_image
    from pdn_ros.ros.qos import SENSOR

    rrd = tmp_path / "live.rrd"
    view = View(tmp_path, "--save", str(rrd), "--remap", "image:=/alone", "--node", "absent")
    try:
        view.wait_for("mask: /absent/mask\n")
        camera = probe.publisher(Image, "/alone", SENSOR)
        stamp_ns = time.time_ns()
        header = Header(stamp_ns, "camera_optical")
        for _ in range(15):
            camera.publish(write_image(header, np.full((48, 64, 3), 90, np.uint8), "bgr8"))
            time.sleep(0.1)
        os.kill(view.process.pid, signal.SIGTERM)
        assert view.process.wait(20) == 0, view.log.read_text()
    finally:
        view.process.kill()
    assert list(read(rrd)["world/robot/camera/image"]["EncodedImage:blob"]) == [stamp_ns]


def test_a_port_that_is_taken_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from pdn_ros.cli.app import main

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["view", "--port", port, "--no-browser"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"port {port}: cannot be listened on (Address already in use)" in line
    assert main(["view", "--host", "here", "--no-browser"]) == 2
    assert "host here: give an IP address" in capsys.readouterr().err
