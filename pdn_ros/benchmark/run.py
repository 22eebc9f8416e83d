"""Running the suites of a benchmark."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from pdn_ros import machine
from pdn_ros.benchmark.measurements import Benchmark, Row
from pdn_ros.benchmark.settings import BenchmarkSettings
from pdn_ros.benchmark.system import Energy
from pdn_ros.errors import InputError
from pdn_ros.replay.settings import Progress

Found = tuple[list[Row], dict[str, float]]
Suite = Callable[[BenchmarkSettings, Progress], Found]


def run(
    settings: BenchmarkSettings, progress: Callable[[str], AbstractContextManager[Progress]]
) -> Benchmark:
    """Run the suites; the result names a suite that cannot run or fails, with the reason.

    Args:
        settings: What to measure.
        progress: Makes the function that a suite of this name reports its steps to.

    Raises:
        InputError: The only suite cannot run here.
        ChildProcessError: The only suite's process ended or gave no answer.
        TimeoutError: The only suite's node did not answer.
    """
    before = machine.load()
    skipped: dict[str, str] = {}
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    for name in settings.suites:
        try:
            suite = _suite(name)
            with progress(name) as report:
                found, found_ratios = suite(settings, report)
        except (InputError, ChildProcessError, TimeoutError) as error:
            # What the other suites measured is worth keeping.
            if len(settings.suites) == 1:
                raise
            skipped[name] = str(error)
            continue
        rows += found
        ratios |= found_ratios
    return Benchmark(
        machine=machine.hardware(),
        versions=machine.versions(),
        load={"before": before, "after": machine.load()},
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
    # Each suite's libraries are loaded only when it runs.
    if name == "network":
        from pdn_ros.benchmark.network import network

        return network
    if name == "segformer":
        from pdn_ros.benchmark.segformer import against_segformer, require_transformers

        require_transformers()
        return against_segformer
    if name == "deadline":
        from pdn_ros.benchmark.deadline_suite import deadline

        return deadline
    if name == "rig":
        from pdn_ros.benchmark.rig_suite import rig

        return rig
    if name == "soak":
        from pdn_ros.benchmark.soak import soak

        return soak
    from pdn_ros.benchmark.node_suites import live, memory, node, start

    return {"node": node, "live": live, "memory": memory, "start": start}[name]
