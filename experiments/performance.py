"""Write the tables of docs/performance.md from the runs of `pdn benchmark` in results/.

cp DIR/benchmark.json results/benchmark-NAME.json; python experiments/performance.py

A run NAME-before is shown in the table of stages alone.
"""

import math
from collections.abc import Mapping
from typing import Final

from evidence import DOCS, RESULTS, replace_block, table

from pdn_ros.benchmark.measurements import Benchmark, Row

DOCUMENT: Final = DOCS / "performance.md"
BEFORE: Final = "-before"
NOTHING: Final = "No run is in `results/` yet."
STAGES_OF: Final = ("network", "patch", 1920, 1080)
"""Whose stages are shown: name, mode, width, height; of the fastest backend, default K."""


def figures(runs: Mapping[str, Benchmark]) -> str:
    """Return a section for each run: machine, timings, other figures, ratios."""
    shown = [_run(name, run) for name, run in runs.items() if not name.endswith(BEFORE)]
    return "\n\n".join(shown) or NOTHING


def stages(runs: Mapping[str, Benchmark]) -> str:
    """Return where the network's time goes: a row a stage, a column a run; milliseconds."""
    found = {name: row for name, run in runs.items() if (row := _stage_row(run)) is not None}
    if not found:
        return NOTHING
    names = list(dict.fromkeys(stage for row in found.values() for stage in row.stages_ms))
    header = ["ms, median", *(f"{name}: {row.backend}, K {row.k}" for name, row in found.items())]
    return table(
        header,
        [
            [stage, *(_number(row.stages_ms.get(stage, math.nan)) for row in found.values())]
            for stage in names
        ],
    )


def _stage_row(run: Benchmark) -> Row | None:
    rows = [
        row
        for row in run.rows
        if (row.name, row.mode, row.width, row.height) == STAGES_OF
        and row.stages_ms
        and not row.share
    ]
    return min(rows, key=lambda row: row.p50_ms, default=None)


def _run(name: str, run: Benchmark) -> str:
    machine = ", ".join(run.machine.values())
    versions = ", ".join(f"{key} {value}" for key, value in run.versions.items())
    load = " to ".join(f"{value:.1f}" for value in run.load.values())
    timings = [row for row in run.rows if math.isfinite(row.p50_ms)]
    values = [row for row in run.rows if math.isfinite(row.value)]
    parts = [f"### {name}", f"{machine}; {versions}; load {load}; energy {run.energy}."]
    if timings:
        parts.append(
            table(
                ["what", "p50 ms", "p95 ms", "p99 ms", "frames", "peak MB", "J a frame"],
                [
                    [
                        row.label,
                        *(_number(ms) for ms in (row.p50_ms, row.p95_ms, row.p99_ms)),
                        str(row.frames),
                        _number(row.peak_mb, 0),
                        _number(row.joules, 2),
                    ]
                    for row in timings
                ],
            )
        )
    if values:
        parts.append(
            table(
                ["what", "value", "unit", "frames", ""],
                [
                    [row.label, f"{row.value:.3g}", row.unit, str(row.frames), row.note]
                    for row in values
                ],
            )
        )
    if run.ratios:
        parts.append(
            table(["ratio", ""], [[key, _number(value, 2)] for key, value in run.ratios.items()])
        )
    if run.skipped:
        parts += [f"Not measured: {suite} ({why})." for suite, why in run.skipped.items()]
    return "\n\n".join(parts)


def _number(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def read_runs() -> dict[str, Benchmark]:
    """Read results/benchmark-NAME.json, by name."""
    paths = sorted(RESULTS.glob("benchmark-*.json"))
    return {path.stem.removeprefix("benchmark-"): Benchmark.read(path) for path in paths}


def main() -> None:
    """Write the blocks."""
    runs = read_runs()
    replace_block(DOCUMENT, "figures", figures(runs))
    replace_block(DOCUMENT, "stages", stages(runs))


if __name__ == "__main__":
    main()
