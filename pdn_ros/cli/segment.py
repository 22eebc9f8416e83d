"""`pdn segment`: images in, masks and pictures out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pdn_ros.cli.common import Backend, Budget, Config, Mode, Out, Precision, Weights, progress
from pdn_ros.errors import InputError


def segment(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    *,
    out: Out,
    mode: Mode = "patch",
    budget: Budget = 0,
    backend: Backend = "auto",
    precision: Precision = "auto",
    weights: Weights = "",
    config: Config = None,
) -> None:
    """Segment images: NAME.mask.png, NAME.overlay.jpg, NAME.saliency.jpg, NAME.json each.

    Example: pdn segment street.jpg --out result
    """
    del config
    repeated = len(images) - len({path.stem for path in images})
    if repeated:
        raise InputError(f"{repeated} images share a name with another one: rename them")
    if missing := [path for path in images if not path.is_file()]:
        raise InputError(f"{missing[0]}: no such file ({len(missing)} of {len(images)} missing)")

    from pdn_ros.replay.settings import require_writable

    require_writable(out)

    from pdn_ros.messages.compressed import read_image_file
    from pdn_ros.perception import Frame, Pipeline, PipelineConfig
    from pdn_ros.replay.image_files import write_result

    settings = PipelineConfig(
        weights=weights, backend=backend, precision=precision, mode=mode, budget=budget
    )
    pipeline = Pipeline(settings)
    failures = 0
    with progress("segment") as report:
        for number, path in enumerate(images):
            try:
                image = read_image_file(path, upright=True)
                result = pipeline.process(Frame(image=image))
            except InputError as error:
                failures += 1
                print(f"pdn: error: {error}", file=sys.stderr)
            else:
                write_result(path, image, result, pipeline, out)
            report(number + 1, len(images))
    print(f"{len(images) - failures} of {len(images)} images segmented: {out}")
    if failures:
        raise typer.Exit(1)
