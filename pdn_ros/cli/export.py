"""`pdn export`: write a backend's models before the first frame needs them."""

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import typer

from pdn_ros.cli.common import Config, Weights, image_size, words
from pdn_ros.cli.interrupt import held_back
from pdn_ros.errors import InputError
from pdn_ros.perception.config import Precision

Mode: TypeAlias = Literal["patch", "context", "dense"]
_MODES: Final[tuple[Mode, ...]] = ("patch", "context", "dense")


def export(
    backend: Annotated[
        Literal["openvino", "onnxruntime", "tensorrt"], typer.Option(help="Backend to export for.")
    ] = "openvino",
    size: Annotated[
        str, typer.Option(metavar="WxH,...", help="Image sizes, pixels.")
    ] = "1920x1080",
    mode: Annotated[str, typer.Option(metavar="MODE,...", help="patch, context, dense.")] = "patch",
    precision: Annotated[
        Precision,
        typer.Option(help="What the models are checked in; auto: the most exact offered."),
    ] = "auto",
    weights: Weights = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder; default: beside the weights."),
    ] = None,
    config: Config = None,
) -> None:
    """Write the models of a backend beside the weights and compare each with torch.

    Example: pdn export --backend openvino --size 1920x1080,1280x720 --mode patch,context
    """
    del config
    sizes = [image_size(word) for word in words(size)]
    modes = [_mode(word) for word in words(mode)]
    with held_back():
        from pdn_ros.perception.export import export as write

    print(write(backend, weights=weights, sizes=sizes, modes=modes, precision=precision, out=out))


def _mode(word: str) -> Mode:
    for mode in _MODES:
        if word == mode:
            return mode
    raise InputError(f"mode {word!r}: one of {', '.join(_MODES)}")
