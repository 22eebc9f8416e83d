"""`pdn train`: train a network, for own classes or from a configuration file."""

from pathlib import Path
from typing import Annotated

import typer

from pdn_ros.cli.interrupt import held_back
from pdn_ros.errors import InputError


def train(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Labeled images, a `folder:` data set.")
    ] = None,
    *,
    classes: Annotated[
        str | None,
        typer.Option(metavar="YAML", help="Class file; by default classes.yaml in DIR."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for weights and report.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Time that the training may take.")] = 60,
    start: Annotated[
        str,
        typer.Option(metavar="street|imagenet|FILE", help="Weights to start from."),
    ] = "street",
    processes: Annotated[
        int, typer.Option(min=1, help="Data-parallel processes on this machine.")
    ] = 1,
    resume: Annotated[bool, typer.Option(help="Continue an interrupted run.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="YAML", help="A training configuration with its stages, not DIR."),
    ] = None,
) -> None:
    """Train on your own labeled images, or as a configuration file says.

    DIR needs images/, labels/, dataset.yaml and classes.yaml, as `pdn labels import` writes them.
    --out gets weights.safetensors, report.html and model_card.md.

    Example: pdn train my_data --out runs/mine --minutes 60
    """
    if (folder is None) == (config is None):
        raise InputError("train: give DIR with your images, or --config YAML")
    if config is not None:
        if not config.is_file():
            raise InputError(f"{config}: no such file: give a training configuration")
        with held_back():
            from pdn_ros import training
        _say(training.run(config, resume=resume))
        return
    assert folder is not None
    if folder.is_file():
        raise InputError(f"{folder}: a file, not a folder; a configuration comes after --config")
    if out is None:
        raise InputError("--out: name a folder for the weights, for example --out runs/mine")

    with held_back():
        from pdn_ros.training.own_classes import Order, resume_own, train_own

    if resume:
        resume_own(folder, out)
    else:
        train_own(Order(folder, out, classes, minutes, start, processes))
    _say(out / "weights.safetensors")


def _say(result: Path) -> None:
    """Print where the result lies, on the first of several processes."""
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    if getattr(rank_zero_only, "rank", 0) == 0:
        print(result)
