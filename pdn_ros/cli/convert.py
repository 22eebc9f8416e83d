"""`pdn convert`: recordings in other formats to rosbag2."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pdn_ros.cli.common import Config, progress
from pdn_ros.cli.interrupt import held_back
from pdn_ros.errors import InputError

if TYPE_CHECKING:
    from pdn_ros.bags.conversion import Conversion

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
    _report(made, out)


@app.command()
def nuscenes(
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help="Folder that holds v1.0-mini and samples.")
    ],
    *,
    scene: Annotated[
        str, typer.Option(metavar="NAME", help="Scene; may be left out where there is only one.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", metavar="BAG", help="The bag to make.")],
    config: Config = None,
) -> None:
    """Convert a nuScenes scene, complete or in part, to rosbag2: cameras, LiDAR, poses, boxes.

    Example: pdn convert nuscenes nuscenes --scene scene-0061 --out scene_0061
    """
    del config
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder: give the folder that holds v1.0-mini and samples"
        )

    with held_back():
        from pdn_ros.bags.nuscenes import convert_nuscenes

    with progress("convert") as report:
        made = convert_nuscenes(root, out, scene, report)
    _report(made, out)


def _report(made: "Conversion", out: Path) -> None:
    for note in made.notes:
        print(f"pdn: warning: {note}", file=sys.stderr)
    print(
        f"{made.images} images, {made.scans} scans, {made.poses} poses, {made.boxes} boxes: {out}"
    )
