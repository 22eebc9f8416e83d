"""Three cameras, one perception node: a set at a time, whatever happens to one of them."""

import re
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from nav_msgs.msg import OccupancyGrid  # noqa: E402
from pdn_ros.msg import PatchArray  # noqa: E402
from perception_drive import HEIGHT, WIDTH, moving, scene, stamp_of  # noqa: E402
from processes import wait_for  # noqa: E402
from scans import cloud, scan  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, PointCloud2  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from pdn_ros.messages.cdr import Header  # noqa: E402
from pdn_ros.messages.images import write_image  # noqa: E402
from pdn_ros.ros.qos import LATCHED, RELIABLE, SENSOR  # noqa: E402

# Optical axes of cameras that look ahead, to the left and to the right, as quaternions.
TURNS = {"front": (-0.5, 0.5, -0.5, 0.5), "left": (-(0.5**0.5), 0, 0, 0.5**0.5)}
TURNS["right"] = (0, 0.5**0.5, -(0.5**0.5), 0)
LEVELS = {b"\0": "OK", b"\1": "WARN", b"\2": "ERROR"}


class Rig:
    def __init__(self, probe, process) -> None:
        self.probe, self.process = probe, process
        self.images = {n: probe.publisher(Image, f"/{n}/image", SENSOR) for n in TURNS}
        self.infos = {n: probe.publisher(CameraInfo, f"/{n}/camera_info", SENSOR) for n in TURNS}
        self.tf = probe.publisher(TFMessage, "/tf", 100)
        statics = probe.publisher(TFMessage, "/tf_static", LATCHED)
        places = [moving("base_link", name, 0, z=1.5) for name in TURNS]
        for place, turn in zip(places, TURNS.values(), strict=True):
            q = place.transform.rotation
            q.x, q.y, q.z, q.w = map(float, turn)
        lidar = moving("base_link", "lidar", 0, z=1.8)
        statics.publish(TFMessage(transforms=[*places, lidar]))
        probe.listen(DiagnosticArray, "/diagnostics", 10)
        probe.listen(OccupancyGrid, "/perception/occupancy", LATCHED)
        for name in TURNS:
            probe.listen(Image, f"/perception/{name}/mask", RELIABLE)
            probe.listen(PatchArray, f"/perception/{name}/patches", RELIABLE)

    def send(self, *names: str, broken: str = "") -> dict[str, int]:
        """Send an image of each camera, a millisecond apart; return their stamps."""
        now_ns = time.time_ns()
        known = [moving("odom", "base_link", now_ns + away, x=7.0) for away in (-(10**9), 10**8)]
        self.tf.publish(TFMessage(transforms=known))
        stamps = {name: now_ns + 1_000_000 * i for i, name in enumerate(names)}
        for name, stamp_ns in stamps.items():
            info = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5)
            info.k = [200.0, 0.0, 159.5, 0.0, 200.0, 119.5, 0.0, 0.0, 1.0]
            info.header.frame_id = name
            info.header.stamp.sec, info.header.stamp.nanosec = divmod(stamp_ns, 10**9)
            self.infos[name].publish(info)
            image = write_image(Header(stamp_ns, name), scene(), "bgr8")
            self.images[name].publish(image[:5000] if name == broken else image)
        return stamps

    def got(self, topic: str) -> dict[int, Any]:
        return {stamp_of(m): m for m in self.probe.got[f"/perception/{topic}"]}

    def answer(self, *names: str, broken: str = "") -> tuple[dict[str, int], dict[str, Any]]:
        """Send sets until each good image of one has its mask and patches; return the patches."""
        for _ in range(20):
            stamps = self.send(*names, broken=broken)
            good = {name: stamp_ns for name, stamp_ns in stamps.items() if name != broken}

            def found(good: dict[str, int] = good) -> bool:
                topics = ("mask", "patches")
                return all(
                    stamp_ns in self.got(f"{name}/{topic}")
                    for name, stamp_ns in good.items()
                    for topic in topics
                )

            try:
                wait_for(found, 2.0, "masks")
            except TimeoutError:
                continue
            return stamps, {n: self.got(f"{n}/patches")[stamp_ns] for n, stamp_ns in good.items()}
        raise AssertionError(self.process.output()[-2000:])

    def status(self, node: str = "perception") -> Any:
        found = [s for m in self.probe.got["/diagnostics"] for s in m.status]
        return next(s for s in reversed(found) if s.name == f"{node}: frames")

    def says(self, level: str, pattern: str) -> bool:
        status = self.status()
        return LEVELS[status.level] == level and bool(re.search(pattern, status.message))


@pytest.fixture(scope="module")
def rig(probe, start_node):
    cameras = ("-p", f"cameras:=[{', '.join(TURNS)}]")
    parameters = ("-p", "backend:=torch", "-p", "grid.rate:=0.0", "-p", "sync_ms:=500.0")
    parameters += ("-p", "lidar.max_age_ms:=10000.0")  # a busy machine takes its time
    joined = [("-r", f"{name}/lidar_prior:=lidar_projection/{name}/prior") for name in TURNS]
    arguments = (*cameras, *parameters, *(part for pair in joined for part in pair))
    with (
        start_node("lidar_projection", *cameras),
        start_node("perception", *arguments) as process,
    ):
        for name in ("lidar_projection", "perception"):
            wait_for(lambda name=name: probe.state(name) == "active", 60, "active")
        yield Rig(probe, process)


def test_every_camera_gets_its_mask_of_one_budget_and_one_grid(rig):
    rig.answer(*TURNS)  # nobody waits for cameras that have not been heard
    stamps, patches = rig.answer(*TURNS)
    for name, stamp_ns in stamps.items():
        mask = rig.got(f"{name}/mask")[stamp_ns]
        assert (mask.header.frame_id, mask.width, mask.height) == (name, WIDTH, HEIGHT)
    total = sum(len(found.patches) for found in patches.values())
    budget = round(0.25 * total)
    assert {found.budget for found in patches.values()} == {budget}
    assert sum(p.selected for found in patches.values() for p in found.patches) == budget
    grid = wait_for(lambda: rig.got("occupancy").get(max(stamps.values())), 10, "the grid")
    assert grid.header.frame_id == "odom"
    origin, side = grid.info.origin.position, grid.info.width * grid.info.resolution
    assert (origin.x + side / 2, origin.y + side / 2) == pytest.approx((7.0, 0.0), abs=0.1)
    # Each camera has left evidence on its own side of the robot.
    cells = np.array(grid.data).reshape(grid.info.height, grid.info.width) >= 0
    half = grid.info.width // 2
    assert cells[:, half + 20 :].any() and cells[half + 20 :].any() and cells[: half - 20].any()
    names = [name for name, _ in rig.probe.node.get_topic_names_and_types()]
    assert not [name for name in names if name in ("/image", "/perception/mask")]


def test_one_scan_steers_every_camera(rig):
    clouds = rig.probe.publisher(PointCloud2, "/points", SENSOR)
    front = scan()
    turned = front[:, [1, 0, 2]]
    around = np.concatenate([front, turned, turned * [1, -1, 1]]).astype(np.float32)
    end = time.monotonic() + 30
    while True:
        clouds.publish(cloud(around, time.time_ns()))
        time.sleep(0.1)
        _, patches = rig.answer(*TURNS)
        priors = {n: [p.prior for p in found.patches] for n, found in patches.items()}
        if all(np.isfinite(prior).all() and max(prior) > 0 for prior in priors.values()):
            break
        assert time.monotonic() < end, rig.status("lidar_projection")

    def used() -> bool:
        values = {v.key: v.value for v in rig.status().values}
        return all(values[f"{name}.prior"] == "used" for name in TURNS)

    wait_for(used, 10, "diagnostics that say so")


def test_a_broken_camera_is_named_and_costs_the_others_nothing(rig):
    end = time.monotonic() + 30
    pattern = "left: images arrive and no mask has come for . s: .*truncated"
    while not rig.says("ERROR", pattern):
        assert time.monotonic() < end, rig.status()
        rig.answer(*TURNS, broken="left")
    rig.answer(*TURNS)
    wait_for(lambda: rig.send(*TURNS) and not rig.says("ERROR", "left"), 10, "its recovery")


def test_a_silent_camera_is_named_and_not_waited_for(rig):
    rig.answer(*TURNS)
    silent = time.monotonic()
    while not rig.says("WARN", "no image on /right/image(;|$)"):
        assert time.monotonic() < silent + 5, rig.status()
        rig.answer("front", "left")
    start = time.monotonic()
    rig.answer("front", "left")
    assert time.monotonic() - start < 2.0
