"""Whether the perception node's memory grows: over many frames, and over lifecycle cycles."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from pdn_ros.benchmark.memory_use import own_memory_mb
from pdn_ros.benchmark.processes.probe import IMAGES
from pdn_ros.benchmark.processes.session import FIRST_S, PERCEPTION, session
from pdn_ros.benchmark.results import Row
from pdn_ros.benchmark.settings import Settings
from pdn_ros.replay.settings import Progress

SIZE: Final = (320, 240)
"""Small: leaks come a frame or a cycle at a time, whatever the size."""
SAMPLES: Final = 50
PER_FRAMES: Final = 10_000
PER_CYCLES: Final = 20
SETTLING: Final = 0.3
"""Share of the samples, from the start, that is left out: caches fill."""
CYCLE: Final = ("deactivate", "cleanup", "configure", "activate")
_FRAME_S: Final = 30.0


def memory(settings: Settings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Watch the memory that the node's process shares with nobody.

    Raises:
        ChildProcessError: The node ended, refuses a transition, or gives no output.
    """
    steps = settings.growth_frames + settings.cycles
    with session(settings, [PERCEPTION]) as running:
        pid = running.pid(PERCEPTION)
        camera = running.probe.camera(f"/{PERCEPTION}", SIZE)
        listener = running.probe.listen(PERCEPTION, *IMAGES[:3])
        running.wait_matched(camera, listener)
        running.shoot(camera, listener, FIRST_S)
        every = max(1, settings.growth_frames // SAMPLES)
        frames, cycles = [], []
        for i in range(settings.growth_frames):
            running.shoot(camera, listener, _FRAME_S)
            if i % every == every - 1:
                frames.append(own_memory_mb(pid))
                progress(i, steps)
        for i in range(settings.cycles):
            for transition in CYCLE:
                running.probe.change_state(PERCEPTION, transition)
            running.wait_matched(camera, listener)
            running.shoot(camera, listener, FIRST_S)
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
