"""`pdn frames`: frames worth labeling."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pdn_ros.cli.common import Config, Weights, progress
from pdn_ros.cli.interrupt import held_back


def frames(
    source: Annotated[
        Path, typer.Argument(metavar="BAG", help="rosbag2 recording, folder of images, or video.")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to make.")],
    count: Annotated[int, typer.Option(min=1, max=10_000, help="Number of frames.")] = 60,
    topic: Annotated[
        str, typer.Option(metavar="TOPIC", help="Image topic; default: found by its type.")
    ] = "",
    classes: Annotated[
        str,
        typer.Option(metavar="YAML", help="Class set of the proposals; default: the weights'."),
    ] = "",
    weights: Weights = "",
    config: Config = None,
) -> None:
    """Pick frames worth labeling: sharp, unlike each other, doubtful for the weights.

    Writes images/, frames.csv, frames.jpg (all of them, small) and proposals/, the masks of the
    weights: `pdn labels export cvat DIR --labels proposals --out DIR2` lets you start from them.

    Example: pdn frames drive --out frames --count 60
    """
    del config
    with held_back():
        from pdn_ros.frames.pick import pick_frames

    with progress("frames") as report:
        picked = pick_frames(
            source, out, count=count, topic=topic, weights=weights, classes=classes, report=report
        )
    for note in picked.notes:
        print(f"pdn: warning: {note}", file=sys.stderr)
    print(f"{picked.frames} of {picked.of} frames: {out}")
