"""Whether frames keep their deadline while other processes come and go."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean
from typing import Final

from pdn_ros.benchmark.measurements import Row, ratio
from pdn_ros.benchmark.network import best, chosen_backends
from pdn_ros.benchmark.settings import BenchmarkSettings
from pdn_ros.benchmark.system import spinning
from pdn_ros.benchmark.timing import EAGER, Case, Lap
from pdn_ros.benchmark.worker import WARM_UP, Backend, picture
from pdn_ros.perception.backends import available
from pdn_ros.replay.results import Quantiles
from pdn_ros.replay.settings import Progress

FREE_SHARE: Final = 0.8
"""Share of the deadline that a frame with all its patches takes on the idle machine."""
PHASES: Final = ("idle", "loaded") * 2
ENDLESS_MS: Final = 1e6
IMPOSSIBLE_MS: Final = 1e-3
"""No patch is refined."""
CONTEXT: Final = "context_alone"


def deadline(settings: BenchmarkSettings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Time frames with a deadline in phases without and with load; returns rows and ratios."""
    names = [name for name in chosen_backends(settings) if name != EAGER] or available()
    backend = best(settings, names)
    runner = Backend(backend, settings.device, settings.weights, settings.precision)
    case = Case("deadline", backend, "patch", *settings.size, deadline_ms=ENDLESS_MS)
    count = max(1, settings.frames // len(PHASES))
    steps = len(PHASES) + 2

    _laps(runner, case, WARM_UP)
    free = _laps(runner, case, count)
    limit_ms = Quantiles.of([lap.ms for lap in free]).p50 / FREE_SHARE
    progress(1, steps)
    spinners, context = _bearable(runner, case, limit_ms, count)
    progress(2, steps)

    # A changed deadline makes the runner forget what it learned under load.
    case = replace(case, deadline_ms=limit_ms)
    laps: dict[str, list[Lap]] = {"idle": [], "loaded": [], CONTEXT: context}
    for done, phase in enumerate(PHASES, start=3):
        with spinning(spinners if phase == "loaded" else 0):
            laps[phase] += _laps(runner, case, count)
        progress(done, steps)
    return deadline_rows(case, laps, free[-1].k, spinners), deadline_ratios(laps, limit_ms)


def deadline_rows(
    case: Case, laps: Mapping[str, Sequence[Lap]], wanted: int, spinners: int
) -> list[Row]:
    """Return two rows of each kind of frame: its times, and the share that was late.

    Args:
        case: What was timed, with its deadline.
        laps: Frames by kind: `idle`, `loaded`, `context_alone`.
        wanted: K without a deadline.
        spinners: Processes that made the load.
    """
    times, shares = [], []
    for kind, found in laps.items():
        load = f", {spinners} spinning processes, {os.cpu_count()} cores" if kind != "idle" else ""
        blank = replace(
            case.row(0),
            name=f"deadline_{kind}",
            note=f"mean K {mean(lap.k for lap in found):.1f} of {wanted}, "
            f"deadline {case.deadline_ms:.1f} ms{load}",
        )
        times.append(blank.timed([lap.ms for lap in found]))
        late = mean(lap.ms > case.deadline_ms for lap in found)
        name = f"deadline_{kind}_late"
        shares.append(replace(blank, name=name, value=late, unit="share", frames=len(found)))
    return times + shares


def deadline_ratios(laps: Mapping[str, Sequence[Lap]], limit_ms: float) -> dict[str, float]:
    """Return p95 / deadline: of both phases, and of frames without patches under load.

    Where the last is above 1, no K could have met the deadline.
    """
    p95 = {kind: Quantiles.of([lap.ms for lap in found]).p95 for kind, found in laps.items()}
    return {
        "deadline.p95_over_deadline.idle": ratio(p95["idle"], limit_ms),
        "deadline.p95_over_deadline.loaded": ratio(p95["loaded"], limit_ms),
        "deadline.context_alone.loaded": ratio(p95[CONTEXT], limit_ms),
    }


def _bearable(runner: Backend, case: Case, limit_ms: float, count: int) -> tuple[int, list[Lap]]:
    """Return the load, in processes, and frames without patches under it.

    One process per core; half as many where even the context alone would then be late.
    """
    cores = os.cpu_count() or 1
    case = replace(case, deadline_ms=IMPOSSIBLE_MS)
    for spinners in (cores, max(1, cores // 2)):
        with spinning(spinners):
            _laps(runner, case, WARM_UP)  # the first frame refines: no times are known yet
            context = _laps(runner, case, count)
        if Quantiles.of([lap.ms for lap in context]).p95 < limit_ms:
            break
    return spinners, context


def _laps(runner: Backend, case: Case, count: int) -> list[Lap]:
    return [runner.run(case, picture(case.width, case.height)) for _ in range(count)]
