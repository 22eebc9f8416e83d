"""The report's plots."""

import math
import re

from pdn_ros.replay.plots import draw
from pdn_ros.replay.results import FrameRow, Metrics, Quantiles


def test_a_line_joins_the_masks_of_a_run_that_drops_every_other_image() -> None:
    rows = [
        FrameRow(i, i * 10**8, latency_ms=math.nan if i % 2 else 20.0 + (7 * i) % 11)
        for i in range(30)
    ]
    times = Quantiles.of([row.latency_ms for row in rows])
    metrics = Metrics(
        frames=30, rate_hz=5, dropped=15, failed=0, live=True, latency_ms=times, age_ms=times
    )
    title, _, svg = draw(rows, metrics)[0]
    assert title.startswith("Latency")
    longest = max(path.count("L") for path in re.findall(r'<path d="([^"]*)"', svg))
    assert longest == 14  # between 15 masks
