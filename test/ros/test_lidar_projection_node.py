"""The LiDAR projection node as a process, asked through DDS."""

import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import TransformStamped  # noqa: E402
from pdn_ros.msg import PatchPrior  # noqa: E402
from processes import wait_for  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from scans import cloud, scan  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, PointCloud2  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from pdn_ros.geometry.camera import Camera  # noqa: E402
from pdn_ros.geometry.lidar import project_scan  # noqa: E402
from pdn_ros.messages.cdr import Header  # noqa: E402
from pdn_ros.messages.images import write_image  # noqa: E402
from pdn_ros.ros.qos import LATCHED, RELIABLE, SENSOR  # noqa: E402

WIDTH, HEIGHT, SIZE = 320, 240, 64
FRAME = "camera_optical"
K = (200.0, 0.0, 159.5, 0.0, 200.0, 119.5, 0.0, 0.0, 1.0)
CAMERA = Camera(WIDTH, HEIGHT, np.array(K).reshape(3, 3), np.zeros(5), "plumb_bob")
# Frames whose axes are known by hand: the optical z axis looks along x of the robot.
T_BASE_CAMERA = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]], float)
T_BASE_LIDAR = np.eye(4)
T_BASE_LIDAR[2, 3] = 1.8


def transform(parent: str, child: str, stamp_ns: int, xyz=(0, 0, 0), q=(0, 0, 0, 1)):
    one = TransformStamped(child_frame_id=child)
    one.header.frame_id = parent
    one.header.stamp.sec, one.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    move, turn = one.transform.translation, one.transform.rotation
    move.x, move.y, move.z = map(float, xyz)
    turn.x, turn.y, turn.z, turn.w = map(float, q)
    return one


class Lidar:
    def __init__(self, probe, process) -> None:
        self.probe, self.process = probe, process
        self.clouds = probe.publisher(PointCloud2, "/points", SENSOR)
        self.infos = probe.publisher(CameraInfo, "/camera_info", SENSOR)
        self.tf = probe.publisher(TFMessage, "/tf", 100)
        statics = probe.publisher(TFMessage, "/tf_static", LATCHED)
        camera = transform("base_link", FRAME, 0, (0, 0, 1.5), (-0.5, 0.5, -0.5, 0.5))
        lidar = transform("base_link", "lidar", 0, (0, 0, 1.8))
        statics.publish(TFMessage(transforms=[camera, lidar]))
        probe.listen(DiagnosticArray, "/diagnostics", 10)
        probe.listen(PatchPrior, "/lidar_projection/prior", RELIABLE)
        probe.listen(Image, "/lidar_projection/depth", RELIABLE)

    def info(self, stamp_ns: int) -> None:
        info = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k = list(K)
        info.header.frame_id = FRAME
        info.header.stamp.sec, info.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        self.infos.publish(info)
        time.sleep(0.1)

    def ask(self, points: np.ndarray, stamp_ns: int) -> tuple[PatchPrior, np.ndarray]:
        self.clouds.publish(cloud(points, stamp_ns))
        prior = self.wait("/lidar_projection/prior", stamp_ns)
        depth = self.wait("/lidar_projection/depth", stamp_ns)
        assert (depth.encoding, depth.width, depth.height) == ("32FC1", WIDTH, HEIGHT)
        assert depth.header == prior.header
        return prior, np.frombuffer(depth.data, np.float32).reshape(HEIGHT, WIDTH)

    def wait(self, topic: str, stamp_ns: int) -> Any:
        def found():
            stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in self.probe.got[topic]]
            wish = divmod(stamp_ns, 10**9)
            return self.probe.got[topic][stamps.index(wish)] if wish in stamps else None

        return wait_for(found, 20, topic)

    def last_error(self) -> str:
        for message in reversed(self.probe.got["/diagnostics"]):
            for status in message.status:
                if status.name == "lidar_projection: frames":
                    return {v.key: v.value for v in status.values}["last_error"]
        return ""


@pytest.fixture(scope="module")
def lidar(probe, start_node):
    with start_node("lidar_projection", "-p", f"patch_size:={SIZE}") as process:
        wait_for(lambda: probe.state("lidar_projection") == "active", 60, "active")
        yield Lidar(probe, process)


def test_without_camera_info_nothing_comes_and_it_is_said(lidar):
    lidar.clouds.publish(cloud(scan(), time.time_ns()))
    wait_for(lambda: "no camera_info yet" in lidar.last_error(), 10, "the reason")


def test_prior_and_depth_are_those_of_the_geometry(lidar):
    stamp_ns = time.time_ns()
    lidar.info(stamp_ns)
    prior, depth = lidar.ask(scan(), stamp_ns)
    expected = project_scan(
        scan(),
        camera=CAMERA,
        T_camera_lidar=np.linalg.inv(T_BASE_CAMERA) @ T_BASE_LIDAR,
        T_base_lidar=T_BASE_LIDAR,
        patch_size=SIZE,
    )
    assert prior.header.frame_id == FRAME
    assert (prior.image_width, prior.image_height, prior.patch_size) == (WIDTH, HEIGHT, SIZE)
    assert (prior.rows, prior.cols) == (4, 5)
    np.testing.assert_allclose(prior.weights, expected.weights.ravel(), atol=1e-5)
    assert prior.returns == expected.returns > 0
    assert (depth > 0).sum() == (expected.depth > 0).sum()
    # By hand: the post's top, 2 m to the left at 15 m, 0.4 m above the LiDAR, 0.7 above the camera.
    u, v = round(159.5 - 200 * 2 / 15), round(119.5 - 200 * 0.7 / 15)
    assert depth[v, u] == pytest.approx(15.0)


def test_a_scan_is_moved_to_the_images_time(lidar):
    scan_ns = time.time_ns()
    image_ns = scan_ns + 50_000_000
    # 20 m/s ahead: the post is 1 m nearer when the image is taken.
    lidar.tf.publish(
        TFMessage(
            transforms=[
                transform("odom", "base_link", scan_ns, (0, 0, 0)),
                transform("odom", "base_link", image_ns, (1, 0, 0)),
            ]
        )
    )
    lidar.info(image_ns)
    _, depth = lidar.ask(scan(), scan_ns)
    u, v = round(159.5 - 200 * 2 / 14), round(119.5 - 200 * 0.7 / 14)
    assert depth[v, u] == pytest.approx(14.0, abs=1e-3)


def test_the_cameras_clock_can_be_set_right(lidar):
    """The image is stamped as the scan is, and was taken 50 ms later, 1 m farther on."""
    scan_ns = time.time_ns()
    later_ns = scan_ns + 50_000_000
    lidar.tf.publish(
        TFMessage(
            transforms=[
                transform("odom", "base_link", scan_ns, (0, 0, 0)),
                transform("odom", "base_link", later_ns, (1, 0, 0)),
            ]
        )
    )
    lidar.info(scan_ns)
    lidar.probe.set_parameter("lidar_projection", "camera_time_offset_ms", 50.0)
    _, depth = lidar.ask(scan(), scan_ns)
    lidar.probe.set_parameter("lidar_projection", "camera_time_offset_ms", 0.0)
    u, v = round(159.5 - 200 * 2 / 14), round(119.5 - 200 * 0.7 / 14)
    assert depth[v, u] == pytest.approx(14.0, abs=1e-3)


def test_overlay_takes_images_only_while_it_is_looked_at(lidar):
    images = lidar.probe.publisher(Image, "/image", SENSOR, matched=False)
    assert images.get_subscription_count() == 0
    lidar.probe.listen(Image, "/lidar_projection/overlay", RELIABLE)
    wait_for(images.get_subscription_count, 10, "the image's subscriber")
    stamp_ns = time.time_ns()
    lidar.info(stamp_ns)
    images.publish(
        write_image(Header(stamp_ns, FRAME), np.full((HEIGHT, WIDTH, 3), 90, np.uint8), "bgr8")
    )
    time.sleep(0.2)
    lidar.ask(scan(), stamp_ns)
    overlay = lidar.wait("/lidar_projection/overlay", stamp_ns)
    assert (overlay.encoding, overlay.width, overlay.height) == ("bgr8", WIDTH, HEIGHT)
    lidar.probe.unlisten("/lidar_projection/overlay")
    wait_for(lambda: images.get_subscription_count() == 0, 10, "nobody at the image")


def bad_clouds() -> dict[str, bytes]:
    good = cloud(scan(), 1)
    no_z = cloud(scan(), 1)
    no_z.fields = no_z.fields[:2]
    cut = cloud(scan(), 1)
    cut.data = cut.data[:600]
    return {
        "message: truncated": serialize_message(good)[:3000],
        "no field 'z'": serialize_message(no_z),
        "cloud: truncated": serialize_message(cut),
        "none in the image": serialize_message(cloud(np.full((50, 3), np.nan, np.float32), 0)),
        "cloud of 0 points": serialize_message(cloud(np.zeros((0, 3), np.float32), 0)),
        "frame 'unheard'|unheard": serialize_message(cloud(scan(), 0, frame="unheard")),
    }


@pytest.mark.parametrize("reason", list(bad_clouds()))
def test_after_a_bad_cloud_comes_a_good_prior(lidar, reason):
    import re

    stamp_ns = time.time_ns()
    lidar.info(stamp_ns)
    lidar.clouds.publish(bad_clouds()[reason])
    wait_for(lambda: re.search(reason, lidar.last_error()), 15, reason)
    prior, _ = lidar.ask(scan(), stamp_ns)
    assert prior.returns > 0
