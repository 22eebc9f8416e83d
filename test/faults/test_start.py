"""What is wrong before the first image: weights, caches, shared memory; and compressed bombs."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from sensor_msgs.msg import CompressedImage  # noqa: E402
from sensors import ERROR  # noqa: E402

from pdn_ros.network.checkpoint import read_checkpoint, write_checkpoint  # noqa: E402
from pdn_ros.ros.qos import SENSOR  # noqa: E402


def configure_anew(robot, name: str, value: str) -> bool:
    """Set a parameter that needs an unconfigured node; return whether it comes up again."""
    for label in ("deactivate", "cleanup"):
        robot.probe.transition("perception", label)
    assert robot.probe.set_parameter("perception", name, value).successful
    return robot.probe.transition("perception", "configure") and robot.probe.transition(
        "perception", "activate"
    )


def not_finite(path: Path) -> None:
    checkpoint = read_checkpoint()
    next(iter(checkpoint.state.values())).view(-1)[0] = np.nan
    write_checkpoint(path, checkpoint)


def cut(path: Path) -> None:
    write_checkpoint(path, read_checkpoint())
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize("damage", [not_finite, cut])
def test_bad_weights(robot, tmp_path, damage):
    path = tmp_path / "bad.safetensors"
    damage(path)
    robot.well()
    try:
        assert not configure_anew(robot, "weights", str(path))
        robot.says(ERROR, "bad.safetensors")
        assert robot.probe.state("perception") == "unconfigured"
    finally:
        assert configure_anew(robot, "weights", "")
    robot.well()


def test_decompression_bomb(robot):
    """420 kB that would be 430 MB: refused from the header."""
    bomb = cv2.imencode(".png", np.zeros((12_000, 12_000, 3), np.uint8))[1].tobytes()
    good = cv2.imencode(".png", np.zeros((240, 320, 3), np.uint8))[1].tobytes()
    assert configure_anew(robot, "image_transport", "compressed")
    images = robot.probe.publisher(CompressedImage, "/image/compressed", SENSOR)

    def send(data: bytes, stamp_ns: int) -> None:
        message = CompressedImage(format="png")
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        message.header.frame_id = "camera_optical"
        message.data.frombytes(data)
        images.publish(message)

    try:
        with robot.fault(image=lambda stamp_ns: send(good, stamp_ns)):
            robot.well()
            before = most_memory_mb(robot)
            with robot.fault(image=lambda stamp_ns: send(bomb, stamp_ns)):
                robot.says(ERROR, "12000 ?x ?12000")
            assert most_memory_mb(robot) - before < 100
            robot.well()
    finally:
        assert configure_anew(robot, "image_transport", "raw")
    robot.well()


def most_memory_mb(robot) -> float:
    status = Path(f"/proc/{robot.process.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


def test_ten_lifecycle_cycles(robot):
    for _ in range(10):
        for label in ("deactivate", "cleanup", "configure", "activate"):
            assert robot.probe.transition("perception", label), label
    robot.well()


SHARED_MEMORY = """
import json, sys, time
sys.path[:0] = {paths!r}
import node_fixtures
from perception_drive import Drive, scene
from processes import Probe, wait_for
from pdn_ros.harness.processes import NodeProcess
node = NodeProcess("perception", ["--ros-args", "-p", "backend:=torch", "-p", "mode:=context"])
try:
    with Probe() as probe:
        wait_for(lambda: probe.state("perception") == "active", 120, "active")
        mask = Drive(probe, node).ask("mask").mask
        print(json.dumps([mask.width, mask.height]))
finally:
    node.close()
"""


def test_shared_memory_of_64_kb(tmp_path):
    """As a container may have it: DDS goes on by UDP."""
    mount = "mount -t tmpfs -o size=64k tmpfs /dev/shm"
    inside = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    try:
        subprocess.run([*inside, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small /dev/shm needs root and unshare(1)")
    here = Path(__file__).resolve().parents[1]
    code = SHARED_MEMORY.format(paths=[str(here), str(here.parent)])
    done = subprocess.run(
        [*inside, sys.executable, "-c", code], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [320, 240]
