"""What the perception node publishes; one process serves the whole module."""

import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from nav_msgs.msg import OccupancyGrid  # noqa: E402
from pdn_ros.msg import LabelInfo as ClassesMessage  # noqa: E402
from pdn_ros.msg import Patch  # noqa: E402
from perception_drive import FRAME, HEIGHT, TOPICS, WIDTH, pixels, stamp_of  # noqa: E402
from processes import wait_for  # noqa: E402
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy  # noqa: E402
from std_msgs.msg import Float32  # noqa: E402
from std_srvs.srv import Empty  # noqa: E402
from vision_msgs.msg import LabelInfo  # noqa: E402

from pdn_ros.classes import load_classes  # noqa: E402
from pdn_ros.messages import rle  # noqa: E402
from pdn_ros.ros.qos import LATCHED, RELIABLE  # noqa: E402


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


def test_run_length_masks(drive, network):
    assert drive.probe.set_parameter("perception", "mask_encoding", "rle").successful
    done = drive.ask("mask")
    assert drive.probe.set_parameter("perception", "mask_encoding", "raw").successful
    decoded = rle.decode(bytes(done.mask.data), done.mask.height, done.mask.width)
    np.testing.assert_array_equal(decoded, network.predict(done.image).mask)


def test_the_grid_of_a_dead_camera_is_cleared(drive):
    """What a planner had from a latched topic must not stay free for ever."""
    assert drive.probe.set_parameter("perception", "grid.decay_s", 1.0).successful
    last = drive.ask("occupancy")
    assert (np.array(last.occupancy.data) >= 0).any()
    grids = drive.probe.got["/perception/occupancy"]
    cleared = wait_for(lambda: grids[-1] if stamp_of(grids[-1]) > last.stamp_ns else None, 5, "-1")
    assert 1.0e9 <= stamp_of(cleared) - last.stamp_ns < 2.5e9
    assert set(cleared.data) == {-1}
    assert cleared.info.origin == last.occupancy.info.origin
    count = len(grids)
    time.sleep(0.6)
    assert len(grids) == count
    assert drive.probe.set_parameter("perception", "grid.decay_s", 5.0).successful


def test_reset_grid(drive):
    drive.ask("occupancy")
    drive.probe.call(Empty, "/perception/reset_grid", Empty.Request())
    assert drive.ask("occupancy").occupancy.header.frame_id == "odom"
