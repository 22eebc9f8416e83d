"""`pdn validate`: score the modes on a labeled data set."""

from typing import Annotated

import typer

from pdn_ros.cli.common import Backend, Budget, Config, Out, Precision, Weights, progress, words
from pdn_ros.cli.interrupt import held_back
from pdn_ros.files import atomic


def validate(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="folder:DIR, drive:BAG, or a published set: cityscapes:DIR, ade20k:DIR, ...",
        ),
    ],
    out: Out,
    split: Annotated[str, typer.Option(help="Split of the data set.")] = "val",
    mode: Annotated[
        str,
        typer.Option(
            metavar="MODE,...",
            help="context, patch, dense, equal_cost (dense, scaled down to the cost of patch),"
            " all_patches, best_single (the best single pass that costs no more than patch),"
            " equal_time (one that takes as long).",
        ),
    ] = "context,patch,dense,equal_cost,all_patches,best_single",
    budget: Budget = 0,
    limit: Annotated[int, typer.Option(min=0, help="Only the first N images; 0: all.")] = 0,
    backend: Backend = "auto",
    precision: Precision = "auto",
    weights: Weights = "",
    config: Config = None,
) -> None:
    """Score the network's modes on labeled images: a table and validate.json.

    Example: pdn validate folder:data/camvid --split val --mode patch,dense --out result
    """
    del config
    with held_back():
        from rich.console import Console

        from pdn_ros.files import write_json
        from pdn_ros.validation import validate as validation

    modes = words(mode)
    settings = validation.Settings(
        dataset=dataset,
        split=split,
        modes=modes,
        weights=weights,
        backend=backend,
        precision=precision,
        budget=budget,
        limit=limit,
    )
    # Opened before the work, so that an unwritable folder shows at once.
    with atomic(out / "validate.json") as part, progress("validate") as report:
        result = validation.validate(settings, report)
        write_json(part, result)
    console = Console()
    for table in result.tables():
        console.print(table)
    print(out / "validate.json")
