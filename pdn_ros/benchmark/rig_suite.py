"""Suite `rig`: three cameras that share one budget, against one camera."""

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.benchmark.measurements import Row, ratio
from pdn_ros.benchmark.network import best, chosen_backends
from pdn_ros.benchmark.settings import BenchmarkSettings, Size
from pdn_ros.benchmark.timing import BLOCK, EAGER, Case, take_turns
from pdn_ros.benchmark.worker import WorkerProcess
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.lidar import project_scans
from pdn_ros.geometry.transforms import Matrix, invert
from pdn_ros.replay.settings import Progress

if TYPE_CHECKING:
    from pdn_ros.benchmark.session import ImagePublisher, Listener, Session

NAMES: Final = ("front", "left", "right")
YAWS: Final = (0.0, 60.0, -60.0)
"""Where the cameras look, degrees to the left."""
VIEW: Final = 75.0
"""Their horizontal field of view, degrees."""
SHARE: Final = 0.15
"""Of the patches of all images: K."""
ONE, THREE, SCAN_ONE, SCAN_THREE = (
    "rig_1_camera",
    "rig_3_cameras",
    "rig_scan_into_1",
    "rig_scan_into_3",
)
NODE_ONE, NODE_THREE = "rig_node_1_camera", "rig_node_3_cameras"
SURPLUS: Final = 2.0
"""How many times faster than the node's own rate sets come."""
_STEPS: Final = 6
_PATCH: Final = 128
_FRAME_S: Final = 30.0


def rig(settings: BenchmarkSettings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Time sets of three images and single ones, scans into both, and the node with both.

    Raises:
        ChildProcessError: A node ended or gives no output.
    """
    rows = _network(settings, progress)
    rows += _scans(settings)
    progress(3, _STEPS)
    if find_spec("rclpy") is None:
        rows.append(Row(name=NODE_THREE, note="needs ROS 2"))
    else:
        rows += [_node(settings, NAMES[:1]), _node(settings, NAMES)]
    progress(_STEPS, _STEPS)
    three = next(row for row in rows if row.name == THREE)
    rows.append(
        replace(
            three.untimed(), name="rig_sets", value=ratio(1e3, three.p50_ms), unit="sets a second"
        )
    )
    return rows, rig_ratios(rows)


def rig_ratios(rows: Sequence[Row]) -> dict[str, float]:
    """Return three cameras over one: time (of three single images), memory, and a scan's time."""
    named = {row.name: row for row in rows}
    ratios = {}
    if {ONE, THREE} <= named.keys():
        one, three = named[ONE], named[THREE]
        ratios["rig.set_over_three_images"] = ratio(three.p50_ms, 3 * one.p50_ms)
        ratios["rig.peak_memory.three_over_one"] = ratio(three.peak_mb, one.peak_mb)
    if {SCAN_ONE, SCAN_THREE} <= named.keys():
        ratios["rig.scan.three_over_one"] = ratio(named[SCAN_THREE].p50_ms, named[SCAN_ONE].p50_ms)
    if {NODE_ONE, NODE_THREE} <= named.keys():
        one, three = named[NODE_ONE], named[NODE_THREE]
        ratios["rig.node_peak_memory.three_over_one"] = ratio(three.peak_mb, one.peak_mb)
    return ratios


def _network(settings: BenchmarkSettings, progress: Progress) -> list[Row]:
    """Time a set and a single image in turn, each in a process of its own."""
    backends = [name for name in chosen_backends(settings) if name != EAGER]
    one = Case(ONE, best(settings, backends), "patch", *settings.rig_size, SHARE, whole=True)
    cases = (one, replace(one, name=THREE, cameras=len(NAMES)))
    done = iter((1, 2))
    with ExitStack() as stack:
        workers = {
            case: stack.enter_context(
                closing(WorkerProcess(case, settings.device, settings.weights, settings.precision))
            )
            for case in cases
        }
        rows = take_turns(
            cases,
            workers,
            frames=settings.frames,
            seconds=settings.seconds,
            done=lambda: progress(next(done), _STEPS),
        )
        return [workers[case].with_memory(row) for row, case in zip(rows, cases, strict=True)]


def _scans(settings: BenchmarkSettings) -> list[Row]:
    """Time the projection of a scan into one camera and into three, in turn."""
    points, mount = street_scan(), np.eye(4)
    mount[2, 3] = 1.9
    cameras = [(_camera(settings.rig_size), invert(_pose(yaw)) @ mount) for yaw in YAWS]
    times: dict[str, list[float]] = {SCAN_ONE: [], SCAN_THREE: []}
    while min(map(len, times.values())) < settings.frames:
        for name, into in ((SCAN_ONE, cameras[:1]), (SCAN_THREE, cameras)):
            for i in range(1 + min(BLOCK, settings.frames)):
                start = time.perf_counter()
                project_scans(points, cameras=into, T_base_lidar=mount, patch_size=_PATCH)
                if i:  # the first one of a turn is slower
                    times[name].append(1e3 * (time.perf_counter() - start))
    width, height = settings.rig_size
    blank = Row(name="", width=width, height=height, note=f"{len(points)} returns")
    return [replace(blank, name=name).timed(found) for name, found in times.items()]


def _node(settings: BenchmarkSettings, names: Sequence[str]) -> Row:
    """Send sets faster than the node works; returns the ages of the masks."""
    from pdn_ros.benchmark.session import FIRST_S, PERCEPTION, session

    width, height = settings.rig_size
    patches = -(-width // _PATCH) * -(-height // _PATCH)
    budget = max(1, round(SHARE * len(names) * patches))
    parameters = (f"cameras:=[{','.join(names)}]", f"budget:={budget}", "sync_ms:=20.0")
    with session(settings, [PERCEPTION], *parameters) as running:
        cameras = [running.probe.camera(f"/{name}", (width, height)) for name in names]
        listener = running.probe.listen(PERCEPTION, *(f"{name}/mask" for name in names))
        for camera in cameras:
            running.wait_matched(camera, listener)
        _round_trip(running, cameras, listener, FIRST_S)
        alone = [_round_trip(running, cameras, listener, _FRAME_S) for _ in range(10)]
        rate_hz = SURPLUS * 1e3 / median(alone)
        listener.forget()
        count = round(SURPLUS * min(settings.frames, 60))
        start = time.monotonic()
        for i in range(count):
            time.sleep(max(0.0, start + i / rate_hz - time.monotonic()))
            _publish(cameras)
        seconds = time.monotonic() - start
        said = running.probe.diagnostics()
        masks = [listener.arrivals(f"{name}/mask")[2:] for name in names]
        memory_mb = running.memory_mb(PERCEPTION)
    ages = [(one.at_ns - one.stamp_ns) / 1e6 for camera in masks for one in camera]
    row = Row(
        name=NODE_THREE if len(names) > 1 else NODE_ONE,
        mode="patch",
        backend=said["backend"],
        precision=said["precision"],
        width=width,
        height=height,
        k=budget,
        peak_mb=memory_mb,
        note=f"age of the masks; {count / seconds:.1f} sets/s in, "
        f"{median(map(len, masks)) / seconds:.1f} sets/s out",
    )
    return row.timed(ages)


def _publish(cameras: Sequence["ImagePublisher"]) -> int:
    stamp_ns = time.time_ns()
    for camera in cameras:
        camera.publish(stamp_ns)
    return stamp_ns


def _round_trip(
    running: "Session", cameras: Sequence["ImagePublisher"], listener: "Listener", patience_s: float
) -> float:
    """Publish sets, one after the other, until all masks of one came; return its milliseconds.

    Raises:
        ChildProcessError: The node ended, or the masks did not come.
    """
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        running.check()
        listener.forget()
        stamp_ns = _publish(cameras)
        found = listener.of(stamp_ns, min(5.0, patience_s))
        if found is not None:
            return (max(one.at_ns for one in found.values()) - stamp_ns) / 1e6
    raise ChildProcessError(f"no masks of a set within {patience_s:.0f} s")


def _camera(size: Size) -> Camera:
    width, height = size
    focal = width / 2 / float(np.tan(np.deg2rad(VIEW) / 2))
    k = np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1.0]])
    return Camera(width=width, height=height, k=k, d=np.zeros(0), model="")


def _pose(yaw: float) -> Matrix:
    """Return T_base_optical of a camera 1.5 m above the ground."""
    c, s = np.cos(np.deg2rad(yaw)), np.sin(np.deg2rad(yaw))
    return np.array([[s, 0, c, 0.8], [-c, 0, s, 0.0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]])


def street_scan() -> NDArray[np.float32]:
    """Return a scan of 64 rings in a street between houses and parked cars, (N, 3) meters.

    It is in the frame of a LiDAR 1.9 m above the ground, x along the street.
    """
    up = np.deg2rad(np.linspace(-24.8, 2.0, 64))[:, None]
    turn = np.linspace(-np.pi, np.pi, 1800, endpoint=False)[None]
    rays = np.stack(
        np.broadcast_arrays(np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)), -1
    ).reshape(-1, 3)
    with np.errstate(divide="ignore"):
        ground = np.where(rays[:, 2] < 0, -1.9 / rays[:, 2], np.inf)
        distance = np.minimum(ground, 9.0 / np.abs(rays[:, 1]))
        for x in range(-36, 40, 8):
            for side in (-4.6, 4.6):
                near, far = (np.array([x, side, -1.9]) + np.array(d) for d in _CAR)
                a, b = near / rays, far / rays
                first = np.minimum(a, b).max(axis=1)
                hit = (first > 0) & (first < np.maximum(a, b).min(axis=1))
                distance[hit] = np.minimum(distance[hit], first[hit])
    rays, distance = rays[distance < 100], distance[distance < 100]
    distance += np.random.default_rng(0).normal(0, 0.02, len(rays))
    return np.asarray(rays * distance[:, None], np.float32)


_CAR: Final = ((-2.2, -0.9, 0.2), (2.2, 0.9, 1.5))
"""Opposite corners of a car from the middle of its place, meters."""
