"""The plots beside benchmark.json."""

import math
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from pdn_ros.benchmark.results import Benchmark, Row
from pdn_ros.files import atomic

_COLOURS: Final = {"context": "#8da0cb", "patch": "#1b9e77", "dense": "#d95f02", "": "#7570b3"}


def draw(found: Benchmark, folder: Path) -> list[Path]:
    """Draw what the run measured: network.png and others.png; returns their paths."""
    timings = [row for row in found.rows if math.isfinite(row.p50_ms)]
    groups = {
        "network.png": [row for row in timings if row.name == "network"],
        "others.png": [row for row in timings if row.name != "network"],
    }
    made = []
    for name, rows in groups.items():
        if rows:
            with atomic(folder / name) as part:
                _bars(rows, " | ".join(found.machine.values())).savefig(part, dpi=120)
            made.append(folder / name)
    return made


def _bars(rows: list[Row], title: str) -> Figure:
    """Draw p50 as a bar with a line to p99, one bar a row."""
    figure = Figure(figsize=(9, 1.2 + 0.26 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(rows))
    p50 = np.array([row.p50_ms for row in rows])
    p99 = np.array([row.p99_ms for row in rows])
    axes.barh(places, p50, height=0.7, color=[_COLOURS.get(row.mode, "#999999") for row in rows])
    axes.hlines(places, p50, p99, color="#333333", linewidth=1)
    for place, low, high in zip(places.tolist(), p50.tolist(), p99.tolist(), strict=True):
        axes.text(high, place, f" {low:.1f}", va="center", fontsize=8)
    axes.set_yticks(places, [row.label for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("ms: p50, line to p99")
    axes.set_title(title, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.15)
    return figure
