"""The tables on the terminal and the plots beside benchmark.json."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from pdn_ros.benchmark.measurements import Benchmark, Row
from pdn_ros.files import atomic


def tables(found: Benchmark, other: Benchmark | None = None) -> list[Table]:
    """Return the tables of a run: timings, other figures, ratios; with `other`, the changes."""
    timings = [row for row in found.rows if math.isfinite(row.p50_ms)]
    figures = [row for row in found.rows if math.isfinite(row.value)]
    failed = [row for row in found.rows if row not in timings and row not in figures]
    made = []
    if timings:
        made.append(_timings(timings))
    if figures:
        made.append(_figures(figures))
    if found.ratios:
        made.append(_ratios(found.ratios))
    if failed or found.skipped:
        made.append(_failures(failed, found.skipped))
    if other is not None:
        made.append(_changes(found, other))
    return made


def _timings(rows: Sequence[Row]) -> Table:
    table = Table(title="Milliseconds")
    table.add_column("what")
    columns: dict[str, list[str]] = {
        "p50": [_number(row.p50_ms, 1) for row in rows],
        "p95": [_number(row.p95_ms, 1) for row in rows],
        "p99": [_number(row.p99_ms, 1) for row in rows],
        "frames": [str(row.frames) for row in rows],
        "peak MB": [_number(row.peak_mb, 0) for row in rows],
        "running MB": [_number(row.running_mb, 0) for row in rows],
        "J": [_number(row.joules, 2) for row in rows],
    }
    known = {name: cells for name, cells in columns.items() if any(cells)}
    for name in known:
        table.add_column(name, justify="right", no_wrap=True)
    for row, *cells in zip(rows, *known.values(), strict=True):
        table.add_row(row.label, *cells)
    return table


def _figures(rows: Sequence[Row]) -> Table:
    table = Table(title="Other figures")
    table.add_column("what")
    for column in ("value", "unit", "frames"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("note")
    for row in rows:
        table.add_row(row.label, f"{row.value:.4g}", row.unit, str(row.frames or ""), row.note)
    return table


def _ratios(ratios: dict[str, float]) -> Table:
    table = Table("ratio", title="Ratios, each of one run's own figures")
    table.add_column("", justify="right")
    for name, value in ratios.items():
        table.add_row(name, _number(value, 2))
    return table


def _failures(rows: Sequence[Row], skipped: dict[str, str]) -> Table:
    table = Table("not measured", "why", title="Missing")
    for row in rows:
        table.add_row(row.label, row.note)
    for suite, why in skipped.items():
        table.add_row(f"suite {suite}", why)
    return table


def _changes(found: Benchmark, other: Benchmark) -> Table:
    table = Table("what", title="Against the other run")
    for column in ("before", "now", "change"):
        table.add_column(column, justify="right", no_wrap=True)
    before = {row.key: row for row in other.rows}
    for row in found.rows:
        then = before.get(row.key)
        if then is None:
            continue
        old, new = (r.p50_ms if math.isfinite(r.p50_ms) else r.value for r in (then, row))
        if not (math.isfinite(old) and math.isfinite(new)):
            continue
        change = f"{100 * (new / old - 1):+.0f} %" if old else ""
        table.add_row(row.label, f"{old:.4g}", f"{new:.4g}", change)
    return table


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


_COLORS: Final = {"context": "#8da0cb", "patch": "#1b9e77", "dense": "#d95f02", "": "#7570b3"}


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
                _bars(rows, _title(found)).savefig(part, dpi=120)
            made.append(folder / name)
    return made


def _title(found: Benchmark) -> str:
    """Return the machine in lines short enough for the figure."""
    return textwrap.fill(" | ".join(found.machine.values()), 130)


def _bars(rows: list[Row], title: str) -> Figure:
    """Draw p50 as a bar with a line to p99, one bar a row."""
    figure = Figure(figsize=(9, 1.2 + 0.26 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(rows))
    p50 = np.array([row.p50_ms for row in rows])
    p99 = np.array([row.p99_ms for row in rows])
    axes.barh(places, p50, height=0.7, color=[_COLORS.get(row.mode, "#999999") for row in rows])
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
