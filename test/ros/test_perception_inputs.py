"""What the perception node makes of its inputs, good and bad ones."""

import time
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from pdn_ros.msg import PatchPrior  # noqa: E402
from perception_drive import FRAME, HEIGHT, TOPICS, WIDTH, pixels, scene, stamp_of  # noqa: E402
from processes import wait_for  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from pdn_ros.classes import load_classes  # noqa: E402
from pdn_ros.messages.cdr import Header, read_header  # noqa: E402
from pdn_ros.messages.images import read_image, write_image  # noqa: E402
from pdn_ros.messages.patches import PatchPrior as Prior  # noqa: E402
from pdn_ros.messages.patches import write_prior  # noqa: E402
from pdn_ros.ros.qos import RELIABLE, SENSOR  # noqa: E402


def send_prior(drive, stamp_ns: int, *, width: int = WIDTH, size: int = 128) -> None:
    publisher = drive.probe.publisher(PatchPrior, "/lidar_prior", RELIABLE)
    wait_for(publisher.get_subscription_count, 10, "the node's subscription")
    weights = np.zeros((-(-HEIGHT // size), -(-width // size)), np.float32)
    weights[0, 1] = 1
    publisher.publish(
        write_prior(Prior(Header(stamp_ns, FRAME), (width, HEIGHT), size, weights, 9))
    )
    time.sleep(0.1)


def test_a_fresh_prior_takes_part(drive):
    size = drive.ask("patches").patches.patch_size
    done = drive.ask(
        "patches", before=lambda stamp: send_prior(drive, stamp - 50_000_000, size=size)
    )
    patches = done.patches.patches
    assert [p.prior for p in patches] == [0, 1] + [0] * (len(patches) - 2)
    # config: lidar.weight 0.5
    assert patches[1].score == pytest.approx(0.5 * patches[1].weight + 0.5, abs=1e-6)
    assert drive.diagnostics("prior") == "used"


@pytest.mark.parametrize("age_ms", [900, -900])
def test_a_prior_of_another_time_is_left_out(drive, age_ms):
    size = drive.ask("patches").patches.patch_size
    before = lambda stamp: send_prior(drive, stamp - age_ms * 10**6, size=size)  # noqa: E731
    done = drive.ask("patches", before=before)
    assert all(np.isnan(p.prior) for p in done.patches.patches)
    assert "away from the image" in drive.diagnostics("prior")


def test_a_prior_of_another_grid_is_refused(drive):
    done = drive.ask("patches", before=lambda stamp: send_prior(drive, stamp, width=640))
    assert all(np.isnan(p.prior) for p in done.patches.patches)
    assert "lidar_prior refused: of 640x240" in drive.diagnostics("last_error")


def test_lidar_ranges_fill_the_costmap_cloud(drive):
    depth = drive.probe.publisher(Image, "/lidar_depth", RELIABLE)
    metres = np.full((HEIGHT, WIDTH), 7.5, np.float32)

    def before(stamp_ns: int) -> None:
        depth.publish(write_image(Header(stamp_ns, FRAME), metres, "32FC1"))
        time.sleep(0.1)

    done = drive.ask("costmap/points", "costmap/mask", before=before)
    street = load_classes("street")
    points = np.frombuffer(done.costmap_points.data, np.float32).reshape(300, 400, 4)
    standing = [i for i, c in enumerate(street.classes) if c.role in ("static", "dynamic")]
    pixels_of = np.isin(pixels(done.costmap_mask), standing)
    pixels_of[:150] = False  # above the horizon things hang higher than a vehicle
    if pixels_of.any():
        assert (points[pixels_of][:, 2] == 7.5).mean() > 0.9


def bad_images() -> dict[str, bytes]:
    good = write_image(Header(time.time_ns(), FRAME), scene(), "bgr8")
    short = write_image(Header(1, FRAME), scene(), "bgr8")[:5000]
    unknown = deserialize_message(good, Image)
    unknown.encoding = "octarine8"
    wrong = deserialize_message(good, Image)
    wrong.height += 7
    tiny = write_image(Header(time.time_ns(), FRAME), np.zeros((2, 3, 3), np.uint8), "bgr8")
    empty = serialize_message(Image())
    return {
        "truncated": short,
        "encoding 'octarine8'": serialize_message(unknown),
        "of wrong size|truncated": serialize_message(wrong),
        "3x2": tiny,
        "encoding ''|empty": empty,
    }


@pytest.mark.parametrize("reason", list(bad_images()))
def test_after_a_bad_image_comes_a_good_mask(drive, reason):
    import re

    drive.images.publish(bad_images()[reason])
    wait_for(lambda: re.search(reason, drive.diagnostics("last_error")), 10, reason)
    assert drive.ask("mask").mask.width == WIDTH


def test_mono_images_and_other_sizes(drive):
    kind, qos = TOPICS["mask"]
    drive.probe.listen(kind, "/perception/mask", qos)
    stamp_ns = time.time_ns()
    drive.images.publish(write_image(Header(stamp_ns, "other"), scene()[:96, :160, 0], "mono8"))
    got = drive.probe.got["/perception/mask"]
    (mask,) = wait_for(lambda: [m for m in got if stamp_of(m) == stamp_ns], 10, "mask")
    assert (mask.width, mask.height, mask.header.frame_id) == (160, 96, "other")


def painted(encoding: str, step: int, width: int = 64, height: int = 64, **scale) -> bytes:
    """An image of `encoding` whose rows end in padding, as cameras with aligned rows send them."""
    rows = height * 3 // 2 if encoding.startswith("nv") else height
    message = Image(width=width, height=height, encoding=encoding, step=step, **scale)
    message.header.frame_id = FRAME
    stamp_ns = time.time_ns()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    noise = np.random.default_rng(0).integers(0, 255, step * rows, dtype=np.uint8)
    message.data.frombytes(noise.tobytes())
    return serialize_message(message)


def answer(drive, image: bytes) -> Any:
    """Send an image until its mask comes."""
    kind, qos = TOPICS["mask"]
    drive.probe.listen(kind, "/perception/mask", qos)
    stamp_ns = read_header(image).stamp_ns
    got = drive.probe.got["/perception/mask"]

    def mask():
        drive.images.publish(image)
        return wait_for(lambda: [m for m in got if stamp_of(m) == stamp_ns], 10, "mask")

    for _ in range(3):
        try:
            return mask()[0]
        except TimeoutError:
            continue
    raise AssertionError(drive.process.output()[-2000:])


@pytest.mark.parametrize(
    ("encoding", "step"),
    [
        ("bgr8", 256), ("rgb8", 200), ("bgra8", 272), ("rgba8", 256), ("mono8", 96),
        ("mono16", 160), ("bgr16", 512), ("bayer_rggb8", 80), ("bayer_grbg16", 144),
        ("yuv422", 160), ("yuv422_yuy2", 128), ("nv12", 96), ("nv21", 64),
    ],
)  # fmt: skip
def test_encodings_with_padded_rows(drive, network, encoding, step):
    image = painted(encoding, step)
    _, bgr = read_image(image)
    np.testing.assert_array_equal(pixels(answer(drive, image)), network.predict(bgr).mask)


def test_sizes_that_change_in_mid_stream(drive):
    """From the smallest to the largest, and back; nothing of one frame disturbs the next."""
    assert drive.probe.set_parameter("perception", "mode", "context").successful
    try:
        for width, height in ((64, 64), (7680, 4320), (320, 240), (321, 241), (64, 64)):
            header = Header(time.time_ns(), FRAME)
            grey = np.full((height, width), 127, np.uint8)
            mask = answer(drive, write_image(header, grey, "mono8"))
            assert (mask.width, mask.height) == (width, height)
    finally:
        assert drive.probe.set_parameter("perception", "mode", "patch").successful
    drive.ask("mask", "occupancy")


def test_an_older_image_resets_the_state(drive):
    drive.ask("mask")
    drive.send(scene(), time.time_ns() - 60 * 10**9)
    said = "state reset: an image is older than the one before"
    wait_for(lambda: said in drive.process.output(), 10, "reset")
    drive.ask("mask", "occupancy")


def test_simulated_time_that_jumps_back(drive):
    clock = drive.probe.publisher(Clock, "/clock", 10, matched=False)
    assert drive.probe.set_parameter("perception", "use_sim_time", True).successful
    wait_for(clock.get_subscription_count, 10, "clock")
    for second in (100, 101, 50):
        message = Clock()
        message.clock.sec = second
        clock.publish(message)
        time.sleep(0.2)
    said = "state reset: time jumped back"
    wait_for(lambda: said in drive.process.output(), 10, "reset")
    assert drive.probe.set_parameter("perception", "use_sim_time", False).successful
    drive.ask("mask")


def test_compressed_images_after_reconfiguration(drive, network):
    probe = drive.probe
    for label in ("deactivate", "cleanup"):
        assert probe.transition("perception", label)
    assert probe.set_parameter("perception", "image_transport", "compressed").successful
    for label in ("configure", "activate"):
        assert probe.transition("perception", label)
    images = probe.publisher(CompressedImage, "/image/compressed", SENSOR)
    probe.listen(Image, "/perception/mask", RELIABLE)
    message = CompressedImage(format="png")
    stamp_ns = time.time_ns()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.header.frame_id = FRAME
    message.data.frombytes(cv2.imencode(".png", scene())[1].tobytes())
    got = probe.got["/perception/mask"]

    def mask():
        images.publish(message)
        time.sleep(0.2)
        return [m for m in got if stamp_of(m) == stamp_ns]

    found = wait_for(mask, 20, "mask")[0]
    np.testing.assert_array_equal(pixels(found), network.predict(scene()).mask)
    broken = CompressedImage(format="jpeg")
    broken.data.frombytes(b"\xff\xd8 no picture")
    images.publish(broken)
    wait_for(lambda: "compressed image" in drive.diagnostics("last_error"), 10, "error")
    for label in ("deactivate", "cleanup"):
        assert probe.transition("perception", label)
    assert probe.set_parameter("perception", "image_transport", "raw").successful
    for label in ("configure", "activate"):
        assert probe.transition("perception", label)
    drive.ask("mask")
