"""Faults of whole processes: killed, twice there, ended while it compiles, without a cache."""

import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from perception_drive import FRAME, moving, scene  # noqa: E402
from processes import wait_for  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from scans import cloud, scan  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, PointCloud2  # noqa: E402
from sensors import ERROR, WARN  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from pdn_ros.messages.cdr import Header  # noqa: E402
from pdn_ros.messages.images import write_image  # noqa: E402
from pdn_ros.ros.qos import RELIABLE, SENSOR  # noqa: E402

LIDAR = "lidar_projection"


def test_lidar_node_killed_and_restarted(robot, start_node):
    clouds = robot.probe.publisher(PointCloud2, "/points", SENSOR, matched=False)
    above = moving("base_link", "lidar", 0, z=1.8)
    above.transform.rotation.w = 1.0
    robot.drive.statics.publish(TFMessage(transforms=[robot.drive.camera, above]))
    points = scan()

    def used() -> bool:
        return robot.drive.diagnostics("prior") == "used"

    to_perception = ("-r", "~/prior:=/lidar_prior")
    with robot.fault(scan=lambda stamp_ns: clouds.publish(cloud(points, stamp_ns))):
        with start_node(LIDAR, *to_perception) as process:
            wait_for(used, 60, "the prior")
            robot.well()
            process.end(signal.SIGKILL)
            robot.says(WARN, "the LiDAR's prior is lost")
            robot.masks(2)
        with start_node(LIDAR, *to_perception):
            wait_for(used, 60, "the prior of the new node")
            robot.well()
    robot.expect_no_prior()


def test_lidar_node_whose_camera_is_absurd(robot, start_node):
    clouds = robot.probe.publisher(PointCloud2, "/points", SENSOR, matched=False)
    absurd = serialize_message(CameraInfo(width=20_000, height=20_000, k=[1.0] * 9))
    points = scan()
    with (
        robot.fault(
            camera_info=lambda _: robot.drive.infos.publish(absurd),
            scan=lambda stamp_ns: clouds.publish(cloud(points, stamp_ns)),
        ),
        start_node(LIDAR, "-r", "~/prior:=/lidar_prior"),
    ):
        robot.says(ERROR, "clouds arrive and no prior .*20000 x 20000", node=LIDAR)


def test_two_nodes_of_one_name(robot, start_node):
    robot.well()
    with start_node("perception", "-p", "autostart:=false") as other:
        robot.says(WARN, f"another node is called /perception: .*:{other.process.pid}")
        robot.masks(2)
        other.end(signal.SIGKILL)  # the graph shows it for longer, and that must not matter
        robot.well()


def builds(start_node, cache: Path, name: str):
    """Start a perception node whose models go to a cache folder."""
    pytest.importorskip("openvino")
    arguments = ("-p", "mode:=context", "-r", f"__node:={name}")
    return start_node("perception", *arguments, XDG_CACHE_HOME=str(cache))


def first_mask(probe, name: str) -> None:
    """Send images until a mask comes."""
    images = probe.publisher(Image, "/image", SENSOR)
    probe.listen(Image, f"/{name}/mask", RELIABLE)

    def mask() -> list:
        images.publish(write_image(Header(time.time_ns(), FRAME), scene(), "bgr8"))
        time.sleep(0.1)
        return probe.got[f"/{name}/mask"]

    wait_for(mask, 120, f"a mask of {name}")


def test_a_cache_that_is_a_file(robot, start_node, tmp_path):
    cache = tmp_path / "cache"
    cache.write_text("no folder")
    with builds(start_node, cache, "uncached") as process:
        first_mask(robot.probe, "uncached")
        assert "models stay in memory" in process.output()
        assert "Traceback" not in process.output()


def test_sigterm_while_compiling_and_a_damaged_cache(robot, start_node, tmp_path):
    probe = robot.probe
    with builds(start_node, tmp_path, "first") as process:
        wait_for(lambda: probe.state("first") == "active", 120, "active")
        probe.listen(Image, "/first/mask", RELIABLE)  # and the robot's images begin to count
        robot.says(WARN, "building the models for 320x240 images", node="first")
        assert process.end(signal.SIGTERM) < 2.0
        assert process.process.returncode == 0
    with builds(start_node, tmp_path, "second"):
        first_mask(probe, "second")
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert files
    for path in files:
        data = bytearray(path.read_bytes())
        data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
        path.write_bytes(data)
    with builds(start_node, tmp_path, "third") as process:
        first_mask(probe, "third")
        assert "Traceback" not in process.output()
