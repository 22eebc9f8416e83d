"""`pdn evaluate`: a recording through the pipeline or the nodes, scored and reported."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pdn_ros.cli.common import Backend, Budget, Config, Mode, Out, Precision, Weights, progress
from pdn_ros.cli.interrupt import held_back

Topic = Annotated[str, typer.Option(metavar="TOPIC", help="Topic; default: found by its type.")]


def evaluate(
    bag: Annotated[Path, typer.Argument(metavar="BAG", help="rosbag2 recording.")],
    *,
    out: Out,
    live: Annotated[
        bool, typer.Option("--live", help="Run through both nodes and DDS, as on the vehicle.")
    ] = False,
    rate: Annotated[
        str, typer.Option(metavar="R", help="Live speed as a factor, or images per second: `15hz`.")
    ] = "1",
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
        Path | None, typer.Option(metavar="RRD", help="Write a file for rerun's viewer, too.")
    ] = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    weights: Weights = "",
    config: Config = None,
) -> None:
    """Evaluate a recording: metrics.json, frames.csv, report.html and outputs/ (rosbag2).

    Example: pdn evaluate drive --out result --live
    """
    del config
    from pdn_ros.replay.settings import ReplaySettings, parse_rate

    settings = ReplaySettings(
        bag=bag,
        out=out,
        live=live,
        rate=parse_rate(rate),
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
    settings.check()

    with held_back():
        from pdn_ros.replay.run import run

        if live:
            import pdn_ros.replay.live  # noqa: F401 - `run` needs it

    with progress("evaluate") as report:
        outcome = run(settings, report)
    print(outcome.summary)
    for line in outcome.problems:
        print(f"pdn: warning: {line}", file=sys.stderr)
    print(f"report: {(out / 'report.html').resolve()}")
