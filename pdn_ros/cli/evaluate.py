"""`pdn evaluate`: recordings through the pipeline or the nodes, scored and reported."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pdn_ros.cli.common import (
    Backend,
    Budget,
    Config,
    Mode,
    Out,
    Precision,
    Weights,
    progress,
    words,
)
from pdn_ros.cli.interrupt import held_back
from pdn_ros.errors import InputError

if TYPE_CHECKING:
    from pdn_ros.replay.many import Place
    from pdn_ros.replay.settings import ReplaySettings
    from pdn_ros.replay.summary import Summary

Topic = Annotated[str, typer.Option(metavar="TOPIC", help="Topic; default: found by its type.")]


def evaluate(
    bag: Annotated[list[Path], typer.Argument(metavar="BAG...", help="rosbag2 recordings.")],
    *,
    out: Out,
    live: Annotated[
        bool, typer.Option("--live", help="Run through both nodes and DDS, as on the vehicle.")
    ] = False,
    rate: Annotated[
        str, typer.Option(metavar="R", help="Live speed as a factor, or images per second: `15hz`.")
    ] = "1",
    cameras: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="A rig's cameras; `{camera}` in a topic stands for the name. Default: one camera.",
        ),
    ] = "",
    image: Topic = "",
    camera_info: Topic = "",
    points: Topic = "",
    mode: Mode = "patch",
    budget: Budget = 0,
    limit: Annotated[int, typer.Option(min=0, help="Only the first N images; 0: all.")] = 0,
    lidar: Annotated[bool, typer.Option("--lidar/--no-lidar", help="Use the LiDAR.")] = True,
    true_masks: Annotated[
        bool, typer.Option("--true-masks", help="Make the grid from the recording's true masks.")
    ] = False,
    rerun: Annotated[
        Path | None,
        typer.Option(
            metavar="RRD", help="For rerun's viewer; of several bags, one in each folder."
        ),
    ] = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    weights: Weights = "",
    jobs: Annotated[
        int, typer.Option(min=1, help="Bags at a time; they share the cores of a machine.")
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep complete results of the same options and files.")
    ] = False,
    compare: Annotated[
        Path | None, typer.Option(metavar="EARLIER", help="Results to compare with: a folder.")
    ] = None,
    fail_on_regression: Annotated[
        bool,
        typer.Option("--fail-on-regression", help="Exit status 1 if a figure has become worse."),
    ] = False,
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Run on a Ray cluster: `auto`, HOST:PORT; sees the same paths."
        ),
    ] = "",
    config: Config = None,
) -> int:
    """Evaluate recordings: metrics.json, frames.csv, report.html and outputs/ (rosbag2).

    Several have a folder each, and a summary.json and summary.html for all.

    Example: pdn evaluate drive --out result --live
    """
    del config
    from pdn_ros.replay.settings import ReplaySettings, parse_rate

    if fail_on_regression and compare is None:
        raise InputError("fail-on-regression: needs earlier results: add --compare EARLIER")
    settings = ReplaySettings(
        bag=bag[0],
        out=out,
        live=live,
        rate=parse_rate(rate),
        cameras=words(cameras),
        image=image,
        camera_info=camera_info,
        points=points,
        mode=mode,
        budget=budget,
        limit=limit,
        lidar=lidar,
        true_masks=true_masks,
        backend=backend,
        precision=precision,
        weights=weights,
        rerun=rerun,
    )
    if len(bag) > 1 or compare or resume or ray:
        summary = _several(settings, bag, jobs, ray, compare, resume=resume)
        worse = fail_on_regression and summary.comparison and summary.comparison.regressions
        return 1 if worse or any(row.error for row in summary.bags) else 0
    settings.check()
    return _one(settings)


def _one(settings: "ReplaySettings") -> int:
    with held_back():
        from pdn_ros.replay.run import run

        if settings.live:
            import pdn_ros.replay.live  # noqa: F401 - `run` needs it

    with progress("evaluate") as report:
        outcome = run(settings, report)
    print(outcome.summary)
    for line in outcome.problems:
        print(f"pdn: warning: {line}", file=sys.stderr)
    print(f"report: {(settings.out / 'report.html').resolve()}")
    return 0


def _several(
    settings: "ReplaySettings",
    bags: Sequence[Path],
    jobs: int,
    ray: str,
    compare: Path | None,
    *,
    resume: bool,
) -> "Summary":
    with held_back():
        from pdn_ros import machine
        from pdn_ros.files import write_json
        from pdn_ros.replay import many
        from pdn_ros.replay.compare import Earlier
        from pdn_ros.replay.compare import compare as compared
        from pdn_ros.replay.overview import write_overview
        from pdn_ros.replay.summary import Summary
        from pdn_ros.replay.worker import plain

    earlier = Earlier.read(compare) if compare else None
    if earlier:
        earlier.matched(many.names(bags))
    tasks = many.tasks(settings, bags)
    rows = {}
    with (
        _places(ray, jobs) as places,
        progress("evaluate") as report,
        closing(many.evaluate(tasks, places, report, resume=resume)) as done,
    ):
        for row in done:
            rows[row.name] = row
            if row.error:
                line = row.error if row.bag in row.error else f"{row.bag}: {row.error}"
                print(f"pdn: error: {line}", file=sys.stderr)
    ordered = [rows[task.name] for task in tasks]
    summary = Summary.of(ordered, plain(settings), jobs, {} if ray else machine.hardware())
    if earlier:
        summary = replace(summary, comparison=compared(summary, earlier))
    write_json(settings.out / "summary.json", summary)
    write_overview(settings.out / "summary.html", summary)
    print("\n".join(summary.lines))
    for line in summary.comparison.regressions if summary.comparison else ():
        print(f"pdn: warning: worse: {line}", file=sys.stderr)
    print(f"summary: {(settings.out / 'summary.html').resolve()}")
    return summary


@contextmanager
def _places(ray: str, jobs: int) -> "Iterator[Sequence[Place]]":
    """Yield where bags are evaluated: on this machine, or on those of a Ray cluster."""
    if ray:
        from pdn_ros.replay.cluster import on_cluster

        with on_cluster(ray, jobs) as places:
            yield places
    else:
        from pdn_ros.replay.many import here

        yield here(jobs)
