"""Faults of camera and LiDAR: what the perception node does, and what it says."""

import signal
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from pdn_ros.msg import PatchPrior  # noqa: E402
from perception_drive import FRAME, HEIGHT, WIDTH, scene  # noqa: E402
from processes import wait_for  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from sensors import ERROR, OK, WARN  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from pdn_ros.messages.cdr import Header  # noqa: E402
from pdn_ros.messages.images import write_image  # noqa: E402
from pdn_ros.messages.patches import PatchPrior as Prior  # noqa: E402
from pdn_ros.messages.patches import write_prior  # noqa: E402
from pdn_ros.ros.qos import SENSOR  # noqa: E402


@pytest.fixture(autouse=True)
def _well_before(robot):
    robot.well()


def test_camera_lost_and_back(robot):
    with robot.fault(image=None, camera_info=None):
        robot.says(WARN, "no image on /image")
    robot.well()


def test_images_damaged(robot):
    good = write_image(Header(time.time_ns(), FRAME), scene(), "bgr8")
    with robot.fault(image=lambda _: robot.drive.images.publish(good[:5000])):
        robot.says(WARN, "truncated")
        robot.says(ERROR, r"images arrive and no mask has come for \d s: .*truncated")
    robot.well()


def test_image_over_max_pixels(robot):
    image = Image(width=12_000, height=12_000, encoding="mono8", step=12_000)
    image.data.frombytes(bytes(1000))
    data = serialize_message(image)
    with robot.fault(image=lambda _: robot.drive.images.publish(data)):
        robot.says(ERROR, "12000 ?x ?12000")
    robot.well()


def test_camera_info_of_absurd_size(robot):
    info = serialize_message(CameraInfo(width=20_000, height=20_000, k=[1.0] * 9))
    with robot.fault(camera_info=lambda _: robot.drive.infos.publish(info)):
        robot.says(WARN, "camera_info: 20000 x 20000 pixels")
        robot.masks(3)
    robot.well()


def test_images_lost_on_their_way(robot):
    count = iter(range(10**6))

    def few(stamp_ns: int) -> None:
        if next(count) % 4 == 0:
            robot.send_image(stamp_ns)

    with robot.fault(image=few):
        robot.says(WARN, "images for .* camera_infos")
    robot.well()


def test_stamps_of_a_recording(robot):
    robot.clock = lambda: time.time_ns() - 10 * 3600 * 10**9
    try:
        robot.says(WARN, "stamps are 10 hours away.*use_sim_time")
    finally:
        robot.clock = time.time_ns
    robot.well()


def test_masks_too_old_and_too_few(robot):
    with robot.parameter("health.min_rate", 50.0, 0.5):
        robot.says(WARN, "masks a second, below 50")
    robot.well()
    with robot.parameter("health.max_age_ms", 0.001, 0.0):
        robot.says(WARN, "masks are .* ms old, above 0.001")
    robot.well()


def prior(robot, stamp_ns: int) -> None:
    weights = np.zeros((-(-HEIGHT // 128), -(-WIDTH // 128)), np.float32)
    publisher = robot.probe.publisher(PatchPrior, "/lidar_prior", SENSOR, matched=False)
    publisher.publish(write_prior(Prior(Header(stamp_ns, FRAME), (WIDTH, HEIGHT), 128, weights, 9)))


def test_prior_lost_and_back(robot):
    with robot.fault(prior=lambda stamp_ns: prior(robot, stamp_ns)):
        wait_for(lambda: robot.drive.diagnostics("prior") == "used", 30, "the prior")
        robot.well()
        with robot.fault(prior=None):
            robot.says(WARN, r"the LiDAR's prior is lost for \d s")
            robot.masks(2)
        robot.well()
    robot.says(WARN, "prior is lost")
    robot.expect_no_prior()


def test_disabled_and_enabled(robot):
    def enable(wish: bool) -> None:
        assert robot.probe.call(SetBool, "/perception/enable", SetBool.Request(data=wish)).success

    enable(False)
    try:
        robot.says(OK, "left alone")
        time.sleep(3)  # longer than any condition needs
        robot.says(OK, "left alone")
        with robot.fault(image=None, camera_info=None):
            robot.says(WARN, "no image")
    finally:
        enable(True)
    robot.well()


def test_stopped_for_five_seconds(robot):
    robot.process.send(signal.SIGSTOP)
    time.sleep(5)
    robot.process.send(signal.SIGCONT)
    robot.well()
    assert robot.process.process.poll() is None


HOSTILE = [b"\x00\x01\x00\x00", b"\xff" * 64, bytes(200), b"\x00\x01\x00\x00" + b"\xff" * 400]


def test_hostile_bytes_on_every_input(robot):
    """Masks go on, the process lives, and every kind of problem is said."""
    from sensor_msgs.msg import CompressedImage
    from tf2_msgs.msg import TFMessage

    topics = {
        "/camera_info": CameraInfo, "/lidar_prior": PatchPrior, "/lidar_depth": Image,
        "/image": Image, "/tf": TFMessage, "/image/compressed": CompressedImage,
    }  # fmt: skip
    publishers = {n: robot.probe.publisher(k, n, SENSOR, matched=False) for n, k in topics.items()}
    rounds = iter(range(10**6))

    def hostile(_: int) -> None:
        for publisher in publishers.values():
            publisher.publish(HOSTILE[next(rounds) % len(HOSTILE)])

    with robot.fault(hostile=hostile):
        for topic in ("camera_info", "lidar_prior", "image"):
            robot.says(WARN, topic)
        robot.masks(5)
    robot.well()
    assert "Traceback" not in robot.process.output()
