"""What DDS loses of large images, and how old a mask is when images come faster than it can go."""

from dataclasses import replace
from statistics import median
from typing import Final

from pdn_ros.benchmark.processes.probe import (
    OVERHEAD,
    PROCESSING,
    Camera,
    Listener,
)
from pdn_ros.benchmark.processes.session import FIRST_S, PERCEPTION, Session, session
from pdn_ros.benchmark.results import Row, ratio
from pdn_ros.benchmark.settings import UHD, Settings
from pdn_ros.replay.settings import Progress

RATE_HZ: Final = 30.0
UHD_RATE_HZ: Final = 15.0
SURPLUS: Final = 3.0
"""Images come so many times as fast as the node can work."""
_FRAME_S: Final = 30.0


def live(settings: Settings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Measure loss and age with the shipped settings.

    Raises:
        ChildProcessError: The node ended or gives no output.
    """
    rows: list[Row] = []
    streams = ((settings.size, RATE_HZ), (UHD, UHD_RATE_HZ))
    steps = 2 * len(streams) + 1
    with session(settings, [PERCEPTION]) as running:
        cameras = [running.probe.camera(f"/{PERCEPTION}", size) for size, _ in streams]
        # Idle first: nobody listens, so that the node takes images and does nothing with them.
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
    running: Session, camera: Camera, listener: Listener | None, rate_hz: float, count: int
) -> Row:
    """Count which share of the published images the node's subscription received."""
    running.wait_matched(camera, *([listener] if listener else []))
    if listener is not None:
        running.shoot(camera, listener, FIRST_S)
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


def _age(running: Session, camera: Camera, frames: int) -> tuple[Row, float]:
    """Let images come faster than the node works; returns the masks' ages and its time."""
    listener = running.probe.listen(PERCEPTION, "mask", PROCESSING, OVERHEAD)
    running.wait_matched(camera, listener)
    alone = []
    for _ in range(20):
        stamp_ns = running.shoot(camera, listener, _FRAME_S)
        found = listener.of(stamp_ns, 0.0) or {}
        alone.append(sum(found[output].value for output in (PROCESSING, OVERHEAD)))
    capacity_hz = 1e3 / median(alone)
    listener.forget()
    stamps = list(camera.stream(round(SURPLUS * frames), SURPLUS * capacity_hz))
    masks = listener.arrivals("mask")
    processing_ms = median(arrival.value for arrival in listener.arrivals(PROCESSING))
    listener.close()
    # The first masks are of images that came before it was busy.
    ages = [(mask.at_ns - mask.stamp_ns) / 1e6 for mask in masks[2:]]
    seconds = (stamps[-1] - stamps[0]) / 1e9
    row = Row(
        name="mask_age_in_overload",
        note=f"{len(stamps) / seconds:.1f} images/s in, {len(masks) / seconds:.1f} masks/s out, "
        f"network {processing_ms:.1f} ms",
    )
    return row.timed(ages), processing_ms
