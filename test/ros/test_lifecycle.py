"""States and signals of real node processes. The LiDAR node starts fastest; the code is shared."""

import itertools
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from processes import wait_for  # noqa: E402

from pdn_ros.messages.cdr import Header  # noqa: E402
from pdn_ros.messages.images import write_image  # noqa: E402
from pdn_ros.ros.qos import RELIABLE, SENSOR  # noqa: E402

LIDAR = "lidar_projection"
# ROS 2 design: managed nodes. What each state allows, and where it leads.
MACHINE = {
    "unconfigured": {"configure": "inactive"},
    "inactive": {"activate": "active", "cleanup": "unconfigured"},
    "active": {"deactivate": "inactive"},
}
LABELS = ("configure", "activate", "deactivate", "cleanup")
WAY = {"unconfigured": (), "inactive": ("configure",), "active": ("configure", "activate")}


@pytest.fixture(scope="module")
def lidar(probe, start_node):
    with start_node(LIDAR, "-p", "autostart:=false") as process:
        wait_for(lambda: probe.state(LIDAR) == "unconfigured", 60, "start")
        yield process


def test_every_order_of_transitions(probe, lidar):
    state = probe.state(LIDAR)
    for pair in itertools.product(LABELS, repeat=3):
        for label in pair:
            expected = MACHINE[state].get(label)
            assert probe.transition(LIDAR, label) == (expected is not None), (state, label)
            state = expected or state
    assert probe.state(LIDAR) == state
    assert lidar.process.poll() is None


def test_shutdown_is_final(probe, start_node):
    with start_node(LIDAR, "-r", "__node:=last") as process:
        wait_for(lambda: probe.state("last") == "active", 60, "active")
        assert probe.transition("last", "shutdown")
        assert probe.state("last") == "finalized"
        assert not probe.transition("last", "configure")
        assert process.end() < 2.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("state", list(WAY))
def test_signals_end_the_node_within_two_seconds(probe, start_node, state, number):
    name = f"node_{state}_{number}"
    with start_node(LIDAR, "-p", "autostart:=false", "-r", f"__node:={name}") as process:
        wait_for(lambda: probe.state(name), 60, "start")
        for label in WAY[state]:
            assert probe.transition(name, label)
        assert process.end(number) < 2.0
        wait_for(lambda: name not in probe.node.get_node_names(), 1.0, "its leave from the graph")
        assert process.process.returncode == 0
        assert "Traceback" not in process.output()


def test_a_signal_while_the_model_loads(probe, start_node):
    pytest.importorskip("torch")
    with start_node("perception", "-r", "__node:=loading") as process:
        wait_for(lambda: "loading" in probe.node.get_node_names(), 60, "start")
        assert process.end() < 2.0
        wait_for(lambda: "loading" not in probe.node.get_node_names(), 1.0, "its leave")
        assert "Traceback" not in process.output()


def test_a_bad_parameter_is_one_line_and_can_be_mended(probe, start_node):
    with start_node(LIDAR, "-p", "patch_size:=5", "-r", "__node:=bad") as process:
        wait_for(lambda: "patch_size" in process.output(), 60, "the reason")
        assert "parameter patch_size = 5: give one int from 16 to 1024" in process.output()
        assert len(process.output().strip().splitlines()) == 1
        assert probe.state("bad") == "unconfigured"
        assert not probe.transition("bad", "configure")
        assert probe.set_parameter("bad", "patch_size", 64).successful
        assert probe.transition("bad", "configure")
        process.end()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("--nonsense", "--nonsense"),
        ("--ros-args --params-file /nowhere/x.yaml", "/nowhere/x.yaml"),
        ("--ros-args --params-file {bad}", "bad.yaml"),
        ("--ros-args -r image", "-r image"),
        ("--ros-args -r image:=a!b", "-r image:=a!b"),
        ("--ros-args -p patch_size", "-p patch_size"),
        ("--ros-args --log-level loud", "loud"),
    ],
)
def test_arguments_that_cannot_be_read_are_one_line(tmp_path, arguments, named):
    (tmp_path / "bad.yaml").write_text("a: [\n")
    words = arguments.format(bad=tmp_path / "bad.yaml").split()
    code = "import sys; from pdn_ros.ros.lidar_projection_node import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert ".c:" not in done.stderr


def test_misspelt_parameters_are_named_with_the_nearest(probe, start_node, tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text(
        "speller:\n  ros__parameters:\n    patch_sise: 64\n    use_sim_time: false\n"
        "    qos_overrides: {/tf: {subscription: {depth: 5}}}\n"
        "another:\n  ros__parameters: {pacth_size: 32}\n"
        "/**:\n  ros__parameters: {patch_size: 64}\n"
    )
    arguments = ["--params-file", str(file), "-r", "__node:=speller", "-p", "autostrat:=false"]
    with start_node(LIDAR, *arguments) as process:
        wait_for(lambda: probe.state("speller") == "active", 60, "active")
        warnings = [line for line in process.output().splitlines() if "not known" in line]
        assert len(warnings) == 2
        assert "autostrat" in warnings[0] and "the nearest is autostart" in warnings[0]
        assert "patch_sise" in warnings[1] and "the nearest is patch_size" in warnings[1]


def test_missing_weights_are_one_line(probe, start_node):
    pytest.importorskip("torch")
    with start_node(
        "perception", "-p", "weights:=/nowhere/x.safetensors", "-r", "__node:=lost"
    ) as process:
        wait_for(lambda: "/nowhere/x.safetensors" in process.output(), 90, "the reason")
        assert probe.state("lost") == "unconfigured"
        assert "Traceback" not in process.output()
        assert process.end() < 2.0


def test_signal_while_the_network_loads(start_node):
    pytest.importorskip("torch")
    with start_node("perception", "-p", "backend:=torch") as process:
        time.sleep(1.5)  # in the imports, or in the loading: whatever a busy machine has reached
        assert process.end(signal.SIGTERM) < 2.0


def test_signal_with_a_frame_in_work(probe, start_node):
    pytest.importorskip("torch")
    from sensor_msgs.msg import Image

    with start_node(
        "perception", "-p", "backend:=torch", "-p", "mode:=dense", "-r", "__node:=busy"
    ) as process:
        wait_for(lambda: probe.state("busy") == "active", 90, "active")
        probe.listen(Image, "/busy/mask", RELIABLE)
        images = probe.publisher(Image, "/image", SENSOR)
        pixels = np.zeros((1080, 1920, 3), np.uint8)
        for _ in range(5):
            images.publish(write_image(Header(time.time_ns(), "c"), pixels, "bgr8"))
            time.sleep(0.1)
        assert process.end(signal.SIGINT) < 2.0
        assert process.process.returncode == 0
