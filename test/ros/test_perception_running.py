"""The perception node while it runs: parameters, listeners, many configurations."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from pdn_ros.msg import PatchPrior  # noqa: E402
from perception_drive import pixels, scene  # noqa: E402
from processes import wait_for  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from pdn_ros.ros.qos import RELIABLE, SENSOR  # noqa: E402


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


def test_lidar_nodes_rest_while_nobody_wants_masks(drive):
    """A LiDAR node works only for subscribers: the perception node must be none without a need."""
    prior = drive.probe.publisher(PatchPrior, "/lidar_prior", SENSOR, matched=False)
    depth = drive.probe.publisher(Image, "/lidar_depth", SENSOR, matched=False)
    counts = (prior.get_subscription_count, depth.get_subscription_count)
    drive.probe.listen(Image, "/perception/mask", RELIABLE)
    wait_for(lambda: [count() for count in counts] == [1, 1], 10, "subscribed")
    drive.probe.unlisten(keep=("/diagnostics",))
    wait_for(lambda: [count() for count in counts] == [0, 0], 10, "unsubscribed")
    assert drive.images.get_subscription_count() == 1, "not lazy"


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
