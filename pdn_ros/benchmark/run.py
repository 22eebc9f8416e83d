"""Runs the suites and gathers what they find."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from pdn_ros.benchmark import host, network
from pdn_ros.benchmark.energy import Energy
from pdn_ros.benchmark.results import Benchmark, Row
from pdn_ros.benchmark.settings import Settings
from pdn_ros.errors import InputError
from pdn_ros.replay.settings import Progress

Found = tuple[list[Row], dict[str, float]]
Suite = Callable[[Settings, Progress], Found]


def run(
    settings: Settings, progress: Callable[[str], AbstractContextManager[Progress]]
) -> Benchmark:
    """Run the suites; one that cannot run here or fails is named with the reason.

    Args:
        settings: What to measure.
        progress: Makes the function that a suite of this name reports its steps to.

    Raises:
        InputError: The only suite cannot run here.
        ChildProcessError: The only suite's process ended or gave no answer.
    """
    before = host.load()
    skipped: dict[str, str] = {}
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    for name in settings.suites:
        try:
            suite = _suite(name)
            with progress(name) as report:
                found, found_ratios = suite(settings, report)
        except (InputError, ChildProcessError) as error:
            # What the other suites measured is worth keeping.
            if len(settings.suites) == 1:
                raise
            skipped[name] = str(error)
            continue
        rows += found
        ratios |= found_ratios
    return Benchmark(
        machine=host.machine(),
        versions=host.versions(),
        load={"before": before, "after": host.load()},
        energy=Energy().source,
        skipped=skipped,
        rows=rows,
        ratios=ratios,
    )


def _suite(name: str) -> Suite:
    """Return a suite.

    Raises:
        InputError: What it needs is not installed.
    """
    if name == "network":
        return network.network
    if name == "segformer":
        network.require_transformers()
        return network.against_segformer
    if name == "deadline":
        from pdn_ros.benchmark import deadline

        return deadline.deadline
    from pdn_ros.benchmark.processes import live, memory, node, start

    return {"node": node.node, "live": live.live, "memory": memory.memory, "start": start.start}[
        name
    ]
