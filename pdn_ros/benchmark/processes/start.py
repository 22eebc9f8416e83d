"""From the start of the perception node's process to its first mask."""

import time
from dataclasses import replace
from typing import Final

from pdn_ros.benchmark.memory_use import most_memory_mb
from pdn_ros.benchmark.processes.session import FIRST_S, PERCEPTION, session
from pdn_ros.benchmark.results import Row
from pdn_ros.benchmark.settings import Settings
from pdn_ros.replay.settings import Progress

_PERIOD_S: Final = 0.1


def start(settings: Settings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
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
            peak_mb = max(peak_mb, most_memory_mb(running.pid(PERCEPTION)))
        progress(i + 1, settings.starts)
    width, height = settings.size
    row = Row(name="cold_start", mode="patch", width=width, height=height, note="files in cache")
    return [replace(row.timed(times), peak_mb=peak_mb)], {}
