"""`pdn convert`: recordings in other formats to rosbag2."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pdn_ros.cli.common import Config, progress
from pdn_ros.cli.interrupt import held_back
from pdn_ros.errors import InputError

app = typer.Typer(
    help="Convert recordings to rosbag2.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def convert() -> None:
    """Convert recordings to rosbag2."""


@app.command()
def kitti(
    drive: Annotated[Path, typer.Argument(metavar="DRIVE", help="Folder of a KITTI raw drive.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="BAG", help="The bag to make.")],
    config: Config = None,
) -> None:
    """Convert a KITTI raw drive, complete or in part, to rosbag2.

    Example: pdn convert kitti 2011_09_26/2011_09_26_drive_0005_sync --out drive_0005
    """
    del config
    if not drive.is_dir():
        raise InputError(f"{drive}: no such folder: give the folder of a KITTI raw drive")

    with held_back():
        from pdn_ros.bags.kitti import convert_kitti

    with progress("convert") as report:
        made = convert_kitti(drive, out, report)
    for note in made.notes:
        print(f"pdn: warning: {note}", file=sys.stderr)
    print(
        f"{made.images} images, {made.scans} scans, {made.poses} poses, {made.boxes} boxes: {out}"
    )
