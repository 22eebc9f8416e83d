"""What the node costs around the network, and what a straightforward node costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pdn_ros.benchmark.memory_use import most_memory_mb
from pdn_ros.benchmark.processes.probe import (
    IMAGES,
    OVERHEAD,
    PROCESSING,
    Camera,
    Listener,
)
from pdn_ros.benchmark.processes.session import (
    FIRST_S,
    PERCEPTION,
    PLAIN,
    Session,
    session,
)
from pdn_ros.benchmark.results import Row, ratio
from pdn_ros.benchmark.settings import Settings
from pdn_ros.benchmark.timing import BLOCK
from pdn_ros.replay.settings import Progress

WARM_UP: Final = 5
_FRAME_S: Final = 30.0


@dataclass
class Times:
    """Of one node's frames, milliseconds.

    Attributes:
        overhead: From the image's receipt by DDS to the last output, less the network's time.
        processing: The network's.
        whole: From just before publishing the image to receiving the last output.
    """

    overhead: list[float] = field(default_factory=list)
    processing: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


def node(settings: Settings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Time both nodes on the same images, in turn, one image at a time.

    Raises:
        ChildProcessError: A node ended or gives no output.
    """
    names = (PERCEPTION, PLAIN)
    times = {name: Times() for name in names}
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
            running.shoot(camera, listener, FIRST_S)
            for _ in range(WARM_UP - 1):
                running.shoot(camera, listener, _FRAME_S)
        # Short runs take turns too.
        turn = max(1, min(BLOCK, settings.frames // 4))
        done = 0
        while done < settings.frames:
            count = min(turn, settings.frames - done)
            for name in names:
                _turn(running, *ends[name], times[name], count)
            done += count
            progress(done, settings.frames)
        backend = running.probe.diagnostics()["backend"]
        peaks = {name: most_memory_mb(running.pid(name)) for name in names}
    return rows_of(times, peaks, backend, settings.size), ratios_of(times)


def rows_of(
    times: Mapping[str, Times], peaks: Mapping[str, float], backend: str, size: tuple[int, int]
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


def ratios_of(times: Mapping[str, Times]) -> dict[str, float]:
    """Return the straightforward node over ours, medians."""
    ours, plain = times[PERCEPTION], times[PLAIN]
    return {
        "plain_over_perception_node.overhead": ratio(
            _median(plain.overhead), _median(ours.overhead)
        ),
        "plain_over_perception_node.end_to_end": ratio(_median(plain.whole), _median(ours.whole)),
    }


def _turn(running: Session, camera: Camera, listener: Listener, times: Times, count: int) -> None:
    running.shoot(camera, listener, _FRAME_S)  # the first of a turn is not like the others
    for _ in range(count):
        stamp_ns = running.shoot(camera, listener, _FRAME_S)
        found = listener.of(stamp_ns, 0.0)
        if found is None:
            raise ChildProcessError("outputs were lost")
        times.overhead.append(found[OVERHEAD].value)
        times.processing.append(found[PROCESSING].value)
        last_ns = max(found[output].at_ns for output in IMAGES)
        times.whole.append((last_ns - stamp_ns) / 1e6)


def _median(values: Sequence[float]) -> float:
    return Row(name="").timed(values).p50_ms
