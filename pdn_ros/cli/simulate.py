"""`pdn simulate`: a drive through a generated street."""

from pathlib import Path
from typing import Annotated

import typer

from pdn_ros.cli.common import Config, image_size, progress
from pdn_ros.cli.interrupt import held_back


def simulate(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="BAG", help="The bag to make.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of the drive.")] = 20.0,
    rate: Annotated[float, typer.Option(min=0.5, max=60, help="Frames per second.")] = 10.0,
    size: Annotated[str, typer.Option(metavar="WxH", help="Size of the images.")] = "1280x720",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the street and its traffic.")] = 0,
    scene: Annotated[str, typer.Option(help="Kind of street.")] = "street",
    rig: Annotated[
        str, typer.Option(help="Cameras on the vehicle: one, two, three or six.")
    ] = "one",
    config: Config = None,
) -> None:
    """Simulate a drive with one camera or several, LiDAR and truth, as rosbag2.

    Example: pdn simulate --out drive --seconds 20 --seed 3
    """
    del config
    width, height = image_size(size)

    with held_back():
        from pdn_ros.simulation import DriveConfig
        from pdn_ros.simulation import simulate as run

    settings = DriveConfig(
        seconds=seconds,
        rate=rate,
        width=width,
        height=height,
        seed=seed,
        scene=scene,
        rig=rig,
    )
    with progress("simulate") as report:
        run(settings, out, report)
    print(out)
