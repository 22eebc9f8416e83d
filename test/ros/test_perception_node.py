"""The perception node as a process, asked through DDS; one process serves the whole module."""

import time
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import TransformStamped  # noqa: E402
from nav_msgs.msg import OccupancyGrid  # noqa: E402
from pdn_ros.msg import LabelInfo as ClassesMessage  # noqa: E402
from pdn_ros.msg import Patch, PatchArray, PatchPrior  # noqa: E402
from processes import wait_for  # noqa: E402
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2  # noqa: E402
from std_msgs.msg import Float32  # noqa: E402
from std_srvs.srv import Empty  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from vision_msgs.msg import LabelInfo  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from pdn_ros import PatchDriveNet  # noqa: E402
from pdn_ros.classes import load_classes  # noqa: E402
from pdn_ros.ros import cdr, rle  # noqa: E402
from pdn_ros.ros.cdr import Header  # noqa: E402
from pdn_ros.ros.patches import Prior, write_prior  # noqa: E402
from pdn_ros.ros.qos import LATCHED, RELIABLE, SENSOR  # noqa: E402

WIDTH, HEIGHT = 320, 240
FRAME = "camera_optical"
TOPICS: dict[str, tuple[type, Any]] = {
    "mask": (Image, RELIABLE),
    "confidence": (Image, RELIABLE),
    "overlay": (Image, RELIABLE),
    "saliency": (Image, RELIABLE),
    "patches": (PatchArray, RELIABLE),
    "patch_markers": (MarkerArray, RELIABLE),
    "occupancy": (OccupancyGrid, LATCHED),
    "costmap/mask": (Image, SENSOR),
    "costmap/confidence": (Image, SENSOR),
    "costmap/points": (PointCloud2, SENSOR),
}


def scene(seed: int = 0) -> np.ndarray:
    """A smooth picture, so that not every pixel is a draw between classes."""
    small = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def pixels(message: Image) -> np.ndarray:
    shape = (message.height, message.width, 3)[: 3 if message.encoding == "bgr8" else 2]
    return np.frombuffer(message.data, np.uint8).reshape(shape)


def stamp_of(message: Any) -> int:
    header = message.markers[0].header if isinstance(message, MarkerArray) else message.header
    return header.stamp.sec * 10**9 + header.stamp.nanosec


def moving(parent: str, child: str, stamp_ns: int, x: float = 0.0, z: float = 0.0):
    one = TransformStamped(child_frame_id=child)
    one.header.frame_id = parent
    one.header.stamp.sec, one.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    one.transform.translation.x, one.transform.translation.z = x, z
    return one


class Drive:
    """Sends images with all that belongs to them and collects what comes back."""

    def __init__(self, probe, process) -> None:
        self.probe, self.process = probe, process
        self.images = probe.publisher(Image, "/image", SENSOR)
        self.infos = probe.publisher(CameraInfo, "/camera_info", SENSOR)
        self.tf = probe.publisher(TFMessage, "/tf", 100)
        self.statics = probe.publisher(TFMessage, "/tf_static", LATCHED)
        camera = moving("base_link", FRAME, 0, z=1.5)
        turn = camera.transform.rotation  # optical axes (REP 103) in a body's
        turn.x, turn.y, turn.z, turn.w = -0.5, 0.5, -0.5, 0.5
        self.statics.publish(TFMessage(transforms=[camera]))
        probe.listen(DiagnosticArray, "/diagnostics", 10)

    def send(self, image: np.ndarray, stamp_ns: int) -> None:
        info = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k = [200.0, 0.0, 159.5, 0.0, 200.0, 119.5, 0.0, 0.0, 1.0]
        info.header.frame_id = FRAME
        info.header.stamp.sec, info.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        self.infos.publish(info)
        self.tf.publish(TFMessage(transforms=[moving("odom", "base_link", stamp_ns, x=12.34)]))
        self.images.publish(cdr.write_bgr8(Header(stamp_ns, FRAME), image))

    def ask(
        self, *names: str, image: np.ndarray | None = None, before=lambda stamp_ns: None
    ) -> Any:
        """Send images until one of them came out on every topic; return those messages."""
        for name in names:
            kind, qos = TOPICS[name]
            self.probe.listen(kind, f"/perception/{name}", qos)
        image = scene() if image is None else image
        for _ in range(10):
            stamp_ns = time.time_ns()
            before(stamp_ns)
            self.send(image, stamp_ns)

            def found(stamp_ns: int = stamp_ns) -> dict[str, Any] | None:
                hits = {
                    name: [
                        m for m in self.probe.got[f"/perception/{name}"] if stamp_of(m) == stamp_ns
                    ]
                    for name in names
                }
                return {n: h[0] for n, h in hits.items()} if all(hits.values()) else None

            try:
                hits = wait_for(found, 4.0, "outputs")
                return SimpleNamespace(
                    stamp_ns=stamp_ns,
                    image=image,
                    **{n.replace("/", "_"): m for n, m in hits.items()},
                )
            except TimeoutError:
                continue
        have = {name: len(self.probe.got[f"/perception/{name}"]) for name in names}
        raise AssertionError(f"no complete output: {have}\n{self.process.output()[-2000:]}")

    def diagnostics(self, key: str = "", newer: bool = True) -> Any:
        messages = self.probe.got["/diagnostics"]
        start = len(messages) if newer else 0

        def newest():
            own = [s for m in messages[start:] for s in m.status if s.name == "perception: frames"]
            return own[-1] if own else None

        status = wait_for(newest, 10, "diagnostics")
        return {v.key: v.value for v in status.values}[key] if key else status


@pytest.fixture(scope="module")
def drive(probe, start_node):
    with start_node("perception", "-p", "backend:=torch", "-p", "grid.rate:=0") as process:
        wait_for(lambda: probe.state("perception") == "active", 60, "active")
        yield Drive(probe, process)


@pytest.fixture(scope="module")
def network():
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield PatchDriveNet.load()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def everything(drive):
    return drive.ask(*TOPICS)


def test_masks_have_the_images_header_and_size(everything):
    for message in (
        everything.mask,
        everything.confidence,
        everything.overlay,
        everything.saliency,
    ):
        assert (message.width, message.height) == (WIDTH, HEIGHT)
        assert message.header.frame_id == FRAME
        assert stamp_of(message) == everything.stamp_ns
    assert everything.mask.encoding == everything.confidence.encoding == "mono8"
    assert everything.mask.step == WIDTH
    assert everything.overlay.encoding == everything.saliency.encoding == "bgr8"
    assert everything.overlay.step == 3 * WIDTH


def test_mask_equals_predict_bit_for_bit(everything, network):
    prediction = network.predict(everything.image)
    np.testing.assert_array_equal(pixels(everything.mask), prediction.mask)
    np.testing.assert_array_equal(pixels(everything.confidence), prediction.confidence)
    selected = [p.index for p in everything.patches.patches if p.selected]
    assert selected == sorted(prediction.selected.tolist())


def test_overlay_shows_the_mask(everything):
    from pdn_ros.visualization import overlay

    expected = overlay(everything.image, pixels(everything.mask), load_classes("street"))
    np.testing.assert_array_equal(pixels(everything.overlay), expected)


def test_patches(everything):
    message = everything.patches
    size = message.patch_size
    assert (message.rows, message.cols) == (-(-HEIGHT // size), -(-WIDTH // size))
    assert len(message.patches) == message.rows * message.cols
    assert 1 <= sum(p.selected for p in message.patches) <= message.budget
    assert all((p.reason != Patch.REASON_NONE) == p.selected for p in message.patches)
    assert all(0 <= p.weight <= 1 for p in message.patches)
    assert max(p.x + p.width for p in message.patches) == WIDTH
    assert max(p.y + p.height for p in message.patches) == HEIGHT


def test_markers_outline_the_selected_patches(everything):
    frames = next(m for m in everything.patch_markers.markers if m.ns == "patches")
    assert frames.header.frame_id == FRAME
    assert len(frames.points) == 8 * sum(p.selected for p in everything.patches.patches)
    corner = frames.points[0]
    first = [p for p in everything.patches.patches if p.selected]
    lefts = {(p.x - 159.5) / 200 * corner.z for p in first}
    assert any(abs(corner.x - left) < 1e-4 for left in lefts)


def test_costmap_outputs_are_aligned(everything):
    mask, confidence = everything.costmap_mask, everything.costmap_confidence
    cloud = everything.costmap_points
    assert (mask.width, mask.height, mask.step) == (400, 300, 400)
    assert (confidence.width, confidence.height) == (cloud.width, cloud.height) == (400, 300)
    assert cloud.row_step == cloud.width * cloud.point_step
    assert cloud.header == mask.header == confidence.header
    assert cloud.header.frame_id == FRAME
    np.testing.assert_array_equal(
        pixels(mask),
        cv2.resize(pixels(everything.mask), (400, 300), interpolation=cv2.INTER_NEAREST_EXACT),
    )
    assert [f.name for f in cloud.fields] == ["x", "y", "z", "rgb"]
    words = np.frombuffer(cloud.data, np.uint32).reshape(300, 400, 4)
    red, green, blue = load_classes("street").colors[pixels(mask)].astype(np.uint32).T
    np.testing.assert_array_equal(words[..., 3].T, red << 16 | green << 8 | blue)
    points = words[..., :3].view(np.float32)
    seen = np.isfinite(points).all(axis=2)
    # A trusted point lies on its pixel's ray: u = fx * x / z + cx, scaled to this size.
    v, u = np.nonzero(seen)
    x, y, z = points[seen].T
    scale = 400 / WIDTH
    np.testing.assert_allclose(200 * scale * x / z + (159.5 + 0.5) * scale - 0.5, u, atol=0.05)
    np.testing.assert_allclose(200 * scale * y / z + (119.5 + 0.5) * scale - 0.5, v, atol=0.05)


def test_grid_obeys_static_layer(everything):
    grid = everything.occupancy
    assert grid.header.frame_id == "odom"
    assert stamp_of(grid) == everything.stamp_ns
    assert (grid.info.width, grid.info.height) == (500, 500)
    assert grid.info.resolution == pytest.approx(0.1)
    assert len(grid.data) == grid.info.width * grid.info.height
    assert set(grid.data) <= {-1, *range(101)}
    origin = grid.info.origin
    assert (origin.orientation.x, origin.orientation.y, origin.orientation.z) == (0, 0, 0)
    assert origin.orientation.w == 1
    for value in (origin.position.x, origin.position.y):
        assert value / 0.1 == pytest.approx(round(value / 0.1), abs=1e-6)
    # The robot at x = 12.34 m lies inside the window.
    assert origin.position.x < 12.34 < origin.position.x + 50


def test_late_listeners_get_grid_and_classes(drive, everything):
    probe = drive.probe
    probe.unlisten("/perception/occupancy")
    for kind, name in (
        (OccupancyGrid, "occupancy"),
        (LabelInfo, "label_info"),
        (ClassesMessage, "classes"),
    ):
        topic = f"/perception/{name}"
        probe.listen(kind, topic, LATCHED)
        wait_for(lambda topic=topic: probe.got[topic], 10, topic)
    street = load_classes("street")
    labels = probe.got["/perception/label_info"][0]
    assert [(c.class_id, c.class_name) for c in labels.class_map] == list(enumerate(street.names))
    classes = probe.got["/perception/classes"][0]
    assert list(classes.ids) == list(range(len(street.names)))
    assert list(classes.names) == list(street.names)
    colors = zip(classes.red, classes.green, classes.blue, strict=True)
    assert list(colors) == [tuple(c.color) for c in street.classes]
    assert list(classes.roles) == [c.role.value for c in street.classes]
    assert [i for i, thin in enumerate(classes.thin) if thin] == list(street.thin)


def test_qos_of_every_output(drive, everything):
    latched = ("occupancy", "label_info", "classes")
    best_effort = ("costmap/mask", "costmap/confidence", "costmap/points")
    for name in (*TOPICS, "label_info", "classes"):
        (info,) = drive.probe.node.get_publishers_info_by_topic(f"/perception/{name}")
        reliability, durability = info.qos_profile.reliability, info.qos_profile.durability
        assert (reliability == ReliabilityPolicy.BEST_EFFORT) == (name in best_effort), name
        assert (durability == DurabilityPolicy.TRANSIENT_LOCAL) == (name in latched), name


def test_debug_times(drive):
    for name in ("processing_time_ms", "pipeline_latency_ms"):
        drive.probe.listen(Float32, f"/perception/debug/{name}", RELIABLE)
    drive.ask("mask")
    got = drive.probe.got
    times = (
        got["/perception/debug/processing_time_ms"],
        got["/perception/debug/pipeline_latency_ms"],
    )
    wait_for(lambda: all(times), 5, "times")
    assert 0 < times[0][-1].data <= times[1][-1].data < 10_000


def test_diagnostics(drive):
    drive.ask("mask")
    status = drive.diagnostics()
    values = {v.key: v.value for v in status.values}
    assert values["backend"] == "torch"
    assert values["state"] == "active"
    assert values["mode"] == "patch"
    assert int(values["K"]) >= 1
    assert int(values["frames"]) >= 1
    for key in ("rate_hz", "age_ms", "dropped", "prior", "last_error"):
        assert key in values


def send_prior(drive, stamp_ns: int, *, width: int = WIDTH, size: int = 128) -> None:
    publisher = drive.probe.publisher(PatchPrior, "/lidar_prior", RELIABLE)
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
        depth.publish(cdr.write_32fc1(Header(stamp_ns, FRAME), metres))
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
    good = cdr.write_bgr8(Header(time.time_ns(), FRAME), scene())
    short = cdr.write_bgr8(Header(1, FRAME), scene())[:5000]
    unknown = deserialize_message(good, Image)
    unknown.encoding = "octarine8"
    wrong = deserialize_message(good, Image)
    wrong.height += 7
    tiny = cdr.write_bgr8(Header(time.time_ns(), FRAME), np.zeros((2, 3, 3), np.uint8))
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
    drive.images.publish(cdr.write_mono8(Header(stamp_ns, "other"), scene()[:96, :160, 0]))
    got = drive.probe.got["/perception/mask"]
    (mask,) = wait_for(lambda: [m for m in got if stamp_of(m) == stamp_ns], 10, "mask")
    assert (mask.width, mask.height, mask.header.frame_id) == (160, 96, "other")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("mode", "fast", "mode"),
        ("lidar.weight", 1.5, "out of range"),
        ("budget", -1, "out of range"),
        ("budget", "many", "type"),
        ("grid.free_threshold", 80, "out of range"),
        ("weights", "other.safetensors", "only while the node is unconfigured"),
        ("grid.resolution", 0.2, "only while the node is unconfigured"),
        ("device", "cuda", "only while the node is unconfigured"),
    ],
)
def test_parameters_refused(drive, name, value, reason):
    result = drive.probe.set_parameter("perception", name, value)
    assert not result.successful
    assert reason in result.reason


def test_parameters_accepted(drive, network):
    assert drive.probe.set_parameter("perception", "budget", 1).successful
    done = drive.ask("patches").patches
    assert (done.budget, sum(p.selected for p in done.patches)) == (1, 1)
    assert drive.probe.set_parameter("perception", "mode", "context").successful
    done = drive.ask("patches", "mask")
    assert not any(p.selected for p in done.patches.patches)
    expected = network.predict(done.image, mode="context")
    np.testing.assert_array_equal(pixels(done.mask), expected.mask)
    for name, value in (("mode", "patch"), ("budget", 0), ("costmap.width", 200)):
        assert drive.probe.set_parameter("perception", name, value).successful
    assert drive.ask("costmap/mask").costmap_mask.width == 200
    assert drive.probe.set_parameter("perception", "costmap.width", 400).successful


def test_run_length_masks(drive, network):
    assert drive.probe.set_parameter("perception", "mask_encoding", "rle").successful
    done = drive.ask("mask")
    assert drive.probe.set_parameter("perception", "mask_encoding", "raw").successful
    decoded = rle.decode(bytes(done.mask.data), done.mask.height, done.mask.width)
    np.testing.assert_array_equal(decoded, network.predict(done.image).mask)


def test_reset_grid(drive):
    drive.ask("occupancy")
    drive.probe.call(Empty, "/perception/reset_grid", Empty.Request())
    assert drive.ask("occupancy").occupancy.header.frame_id == "odom"


def test_nothing_is_computed_without_listeners(drive):
    drive.ask("mask")
    drive.probe.unlisten(keep=("/diagnostics",))
    time.sleep(0.5)
    frames = int(drive.diagnostics("frames"))
    for _ in range(5):
        drive.send(scene(), time.time_ns())
        time.sleep(0.1)
    assert int(drive.diagnostics("frames")) == frames
    assert drive.diagnostics("state") == "active"


def test_lazy_node_leaves_the_camera_alone(drive):
    drive.probe.unlisten(keep=("/diagnostics",))
    assert drive.probe.set_parameter("perception", "lazy", True).successful
    count = drive.images.get_subscription_count
    wait_for(lambda: count() == 0, 10, "unsubscribed")
    drive.probe.listen(Image, "/perception/mask", RELIABLE)
    wait_for(lambda: count() == 1, 10, "subscribed")
    drive.ask("mask")
    assert drive.probe.set_parameter("perception", "lazy", False).successful


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


def test_twenty_configurations_leak_nothing(drive):
    def resident_mb() -> float:
        with open(f"/proc/{drive.process.process.pid}/statm") as statm:  # noqa: PTH123
            return int(statm.read().split()[1]) * 4096 / 1e6

    def cycle() -> None:
        for label in ("deactivate", "cleanup", "configure", "activate"):
            assert drive.probe.transition("perception", label), label

    for _ in range(5):
        cycle()
    before = resident_mb()
    for _ in range(15):
        cycle()
    drive.ask("mask")
    assert resident_mb() - before < 60
