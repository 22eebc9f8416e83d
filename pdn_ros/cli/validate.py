"""`pdn validate`: the modes' figures on a labelled data set."""

from typing import Annotated

import typer

from pdn_ros.cli.options import Backend, Budget, Config, Out, Weights
from pdn_ros.cli.progress import progress


def validate(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET", help="folder:DIR, cityscapes:DIR, comma10k:DIR or drive:BAG."
        ),
    ],
    out: Out,
    split: Annotated[str, typer.Option(help="Split of the data set.")] = "val",
    mode: Annotated[
        str,
        typer.Option(
            metavar="MODE,...",
            help="context, patch, dense, equal_cost (dense, scaled down to the cost of patch),"
            " all_patches.",
        ),
    ] = "context,patch,dense,equal_cost,all_patches",
    budget: Budget = 0,
    limit: Annotated[int, typer.Option(min=0, help="First N images only; 0: all.")] = 0,
    backend: Backend = "auto",
    weights: Weights = "",
    config: Config = None,
) -> None:
    """Score the network's modes on labelled images: a table and validate.json.

    Example: pdn validate folder:data/camvid --split val --mode patch,dense --out result
    """
    del config
    from rich.console import Console

    from pdn_ros.evaluation import validation

    modes = tuple(dict.fromkeys(word.strip() for word in mode.split(",") if word.strip()))
    settings = validation.Settings(
        dataset=dataset,
        split=split,
        modes=modes,
        weights=weights,
        backend=backend,
        budget=budget,
        limit=limit,
    )
    with progress("validate") as report:
        result = validation.validate(settings, report)
    result.write(out / "validate.json")
    Console().print(result.table())
    print(out / "validate.json")
