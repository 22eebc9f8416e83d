"""The tables on the terminal."""

import math
from collections.abc import Sequence

from rich.table import Table

from pdn_ros.benchmark.results import Benchmark, Row


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
