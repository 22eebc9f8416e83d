"""Suites that measure nodes: their cost, losses, memory and start."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final

import numpy as np

from pdn_ros.benchmark.measurements import Row, ratio
from pdn_ros.benchmark.session import (
    FIRST_S,
    IMAGES,
    OVERHEAD,
    PERCEPTION,
    PLAIN,
    PROCESSING,
    ImagePublisher,
    Listener,
    Session,
    session,
)
from pdn_ros.benchmark.settings import UHD, BenchmarkSettings
from pdn_ros.benchmark.system import own_memory_mb
from pdn_ros.benchmark.timing import BLOCK
from pdn_ros.replay.settings import Progress

WARM_UP: Final = 5
_FRAME_S: Final = 30.0


@dataclass
class NodeTimes:
    """Times of one node's frames, milliseconds.

    Attributes:
        overhead: From the image's receipt by DDS to the last output, minus the network's time.
        processing: The network's time.
        whole: From just before publishing the image to receiving the last output.
    """

    overhead: list[float] = field(default_factory=list)
    processing: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


def node(settings: BenchmarkSettings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Time both nodes on the same images, in turn, one image at a time.

    Raises:
        ChildProcessError: A node ended or gives no output.
    """
    names = (PERCEPTION, PLAIN)
    times = {name: NodeTimes() for name in names}
    # A grid for each image, as the other node makes it.
    with session(settings, names, "grid.rate:=0.0") as running:
        ends = {
            name: (
                running.probe.camera(f"/{name}", settings.size),
                running.probe.listen(name, *IMAGES, PROCESSING, OVERHEAD),
            )
            for name in names
        }
        for camera, listener in ends.values():
            running.wait_matched(camera, listener)
            running.round_trip(camera, listener, FIRST_S)
            for _ in range(WARM_UP - 1):
                running.round_trip(camera, listener, _FRAME_S)
        # Short runs take turns too.
        turn = max(1, min(BLOCK, settings.frames // 4))
        done = 0
        while done < settings.frames:
            count = min(turn, settings.frames - done)
            for name in names:
                _turn(running, *ends[name], times[name], count)
            done += count
            progress(done, settings.frames)
        said = running.probe.diagnostics()
        peaks = {name: running.memory_mb(name) for name in names}
    rows = rows_of(times, peaks, said["backend"], settings.size)
    return [replace(row, precision=said["precision"]) for row in rows], ratios_of(times)


def rows_of(
    times: Mapping[str, NodeTimes], peaks: Mapping[str, float], backend: str, size: tuple[int, int]
) -> list[Row]:
    """Return the rows of both nodes: overhead, and the whole way through DDS."""
    rows = []
    for name, spent in times.items():
        blank = Row(name="", mode="patch", backend=backend, width=size[0], height=size[1])
        parts = {"overhead": spent.overhead, "network": spent.processing, "end_to_end": spent.whole}
        for part, values in parts.items():
            row = replace(blank, name=f"{name}_node_{part}").timed(values)
            rows.append(replace(row, peak_mb=peaks[name]) if part == "end_to_end" else row)
    return rows


def ratios_of(times: Mapping[str, NodeTimes]) -> dict[str, float]:
    """Return the plain node's medians divided by ours."""
    ours, plain = times[PERCEPTION], times[PLAIN]
    return {
        "plain_over_perception_node.overhead": ratio(
            _median(plain.overhead), _median(ours.overhead)
        ),
        "plain_over_perception_node.end_to_end": ratio(_median(plain.whole), _median(ours.whole)),
    }


def _turn(
    running: Session, camera: ImagePublisher, listener: Listener, times: NodeTimes, count: int
) -> None:
    running.round_trip(camera, listener, _FRAME_S)  # the first frame of a turn is slower
    for _ in range(count):
        stamp_ns = running.round_trip(camera, listener, _FRAME_S)
        found = listener.of(stamp_ns, 0.0)
        if found is None:
            raise ChildProcessError("outputs were lost")
        times.overhead.append(found[OVERHEAD].value)
        times.processing.append(found[PROCESSING].value)
        last_ns = max(found[output].at_ns for output in IMAGES)
        times.whole.append((last_ns - stamp_ns) / 1e6)


def _median(values: Sequence[float]) -> float:
    return Row(name="").timed(values).p50_ms


RATE_HZ: Final = 30.0
UHD_RATE_HZ: Final = 15.0
SURPLUS: Final = 3.0
"""How many times faster than the node's own rate images come."""


def live(settings: BenchmarkSettings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Measure loss and age with the shipped settings.

    Raises:
        ChildProcessError: The node ended or gives no output.
    """
    rows: list[Row] = []
    streams = ((settings.size, RATE_HZ), (UHD, UHD_RATE_HZ))
    steps = 2 * len(streams) + 1
    with session(settings, [PERCEPTION]) as running:
        cameras = [running.probe.camera(f"/{PERCEPTION}", size) for size, _ in streams]
        # Idle first: without a subscriber the node takes images and computes nothing.
        for at_work in (False, True):
            for (size, rate_hz), camera in zip(streams, cameras, strict=True):
                listener = running.probe.listen(PERCEPTION, "mask") if at_work else None
                row = _loss(running, camera, listener, rate_hz, settings.frames)
                rows.append(replace(row, width=size[0], height=size[1]))
                progress(len(rows), steps)
                if listener is not None:
                    listener.close()
        age, processing_ms = _age(running, cameras[0], settings.frames)
        rows.append(replace(age, width=settings.size[0], height=settings.size[1]))
        progress(steps, steps)
    return rows, {"mask_age_p99_in_processing_times": ratio(age.p99_ms, processing_ms)}


def _loss(
    running: Session, camera: ImagePublisher, listener: Listener | None, rate_hz: float, count: int
) -> Row:
    """Measure the share of published images that the node's subscription did not receive."""
    running.wait_matched(camera, *([listener] if listener else []))
    if listener is not None:
        running.round_trip(camera, listener, FIRST_S)
    before = int(running.probe.diagnostics()["received"])
    stamps = list(camera.stream(count, rate_hz))
    received = int(running.probe.diagnostics()["received"]) - before
    name = "image_loss_at_work" if listener else "image_loss_idle"
    achieved = 1e9 * (count - 1) / max(1, stamps[-1] - stamps[0])
    return Row(
        name=name,
        value=loss(count, received),
        unit="share",
        frames=count,
        note=f"{achieved:.1f} images/s published, {rate_hz:g} wanted",
    )


def loss(published: int, received: int) -> float:
    """Return the share of images that did not arrive."""
    return 1.0 - received / published


def _age(running: Session, camera: ImagePublisher, frames: int) -> tuple[Row, float]:
    """Send images faster than the node works; returns the masks' ages and its time."""
    listener = running.probe.listen(PERCEPTION, "mask", PROCESSING, OVERHEAD)
    running.wait_matched(camera, listener)
    alone = []
    for _ in range(20):
        stamp_ns = running.round_trip(camera, listener, _FRAME_S)
        found = listener.of(stamp_ns, 0.0) or {}
        alone.append(sum(found[output].value for output in (PROCESSING, OVERHEAD)))
    capacity_hz = 1e3 / median(alone)
    listener.forget()
    stamps = list(camera.stream(round(SURPLUS * frames), SURPLUS * capacity_hz))
    masks = listener.arrivals("mask")
    processing_ms = median(arrival.value for arrival in listener.arrivals(PROCESSING))
    listener.close()
    # The first masks belong to images that came before the node was busy.
    ages = [(mask.at_ns - mask.stamp_ns) / 1e6 for mask in masks[2:]]
    seconds = (stamps[-1] - stamps[0]) / 1e9
    row = Row(
        name="mask_age_in_overload",
        note=f"{len(stamps) / seconds:.1f} images/s in, {len(masks) / seconds:.1f} masks/s out, "
        f"network {processing_ms:.1f} ms",
    )
    return row.timed(ages), processing_ms


SIZE: Final = (320, 240)
"""Small: leaks come with each frame or cycle, whatever the image's size."""
SAMPLES: Final = 50
PER_FRAMES: Final = 10_000
PER_CYCLES: Final = 20
SETTLING: Final = 0.3
"""Share of the first samples that is left out, while caches fill."""
CYCLE: Final = ("deactivate", "cleanup", "configure", "activate")


def memory(settings: BenchmarkSettings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Watch the private memory of the node's process.

    Raises:
        ChildProcessError: The node ended, refuses a transition, or gives no output.
    """
    steps = settings.growth_frames + settings.cycles
    with session(settings, [PERCEPTION]) as running:
        pid = running.pid(PERCEPTION)
        camera = running.probe.camera(f"/{PERCEPTION}", SIZE)
        listener = running.probe.listen(PERCEPTION, *IMAGES[:3])
        running.wait_matched(camera, listener)
        running.round_trip(camera, listener, FIRST_S)
        every = max(1, settings.growth_frames // SAMPLES)
        frames, cycles = [], []
        for i in range(settings.growth_frames):
            running.round_trip(camera, listener, _FRAME_S)
            if i % every == every - 1:
                frames.append(own_memory_mb(pid))
                progress(i, steps)
        for i in range(settings.cycles):
            for transition in CYCLE:
                if not running.probe.transition(PERCEPTION, transition):
                    raise ChildProcessError(f"{PERCEPTION} refused to {transition}")
            running.wait_matched(camera, listener)
            running.round_trip(camera, listener, FIRST_S)
            cycles.append(own_memory_mb(pid))
            progress(settings.growth_frames + i + 1, steps)
    return [
        _row("memory_growth_frames", frames, every, PER_FRAMES, "frames", settings.growth_frames),
        _row("memory_growth_cycles", cycles, 1, PER_CYCLES, "cycles", settings.cycles),
    ], {}


def growth(samples: Sequence[float], every: float, per: float) -> tuple[float, float]:
    """Return the slope of samples of memory, taken `every` so many frames, and its standard error.

    Both in MB per `per` frames, by least squares over what comes after the settling.
    """
    values = np.asarray(samples[int(SETTLING * len(samples)) :], dtype=np.float64)
    if len(values) < 4:
        return float("nan"), float("nan")
    at = every * np.arange(len(values))
    fit, covariance = np.polyfit(at, values, 1, cov=True)
    return float(fit[0] * per), float(np.sqrt(covariance[0, 0]) * per)


def _row(name: str, samples: Sequence[float], every: int, per: int, unit: str, count: int) -> Row:
    slope, error = growth(samples, every, per)
    first, last = (samples[0], samples[-1]) if samples else (float("nan"),) * 2
    return Row(
        name=name,
        value=slope,
        unit=f"MB/{per} {unit}",
        frames=count,
        note=f"+- {error:.3g}; {first:.0f} MB at first, {last:.0f} at last, own memory alone",
    )


_PERIOD_S: Final = 0.1


def start(settings: BenchmarkSettings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Start the node again and again while a camera publishes at 10 Hz.

    Raises:
        ChildProcessError: The node ended or gives no mask.
    """
    times, peak_mb = [], 0.0
    for i in range(settings.starts):
        with session(settings, [PERCEPTION]) as running:
            camera = running.probe.camera(f"/{PERCEPTION}", settings.size)
            listener = running.probe.listen(PERCEPTION, "mask")
            end = time.monotonic() + FIRST_S
            while not (arrivals := listener.arrivals("mask")):
                running.check()
                if time.monotonic() > end:
                    raise ChildProcessError(f"no mask within {FIRST_S:.0f} s")
                camera.publish()
                time.sleep(_PERIOD_S)
            times.append((arrivals[0].at_ns - running.begun_ns) / 1e6)
            peak_mb = max(peak_mb, running.memory_mb(PERCEPTION))
        progress(i + 1, settings.starts)
    width, height = settings.size
    row = Row(name="cold_start", mode="patch", width=width, height=height, note="files in cache")
    return [replace(row.timed(times), peak_mb=peak_mb)], {}
