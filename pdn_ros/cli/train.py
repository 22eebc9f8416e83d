"""`pdn train`: train a network from a configuration file."""

from pathlib import Path
from typing import Annotated

import typer

from pdn_ros.cli.interrupt import held_back
from pdn_ros.errors import InputError


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training configuration.")],
    resume: Annotated[bool, typer.Option(help="Continue from the run's last checkpoint.")] = False,
) -> None:
    """Train a network: runs/NAME/ with config, metrics, curves, checkpoint and best weights.

    Example: pdn train config/training/street.yaml --resume
    """
    if not config.is_file():
        raise InputError(f"{config}: no such file: give a training configuration")

    with held_back():
        from pdn_ros import training

    print(training.run(config, resume=resume))
