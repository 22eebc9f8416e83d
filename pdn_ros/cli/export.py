"""`pdn export`: a backend's models, written before the first frame needs them."""

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import typer

from pdn_ros.cli.options import Config, Weights
from pdn_ros.errors import InputError

Mode: TypeAlias = Literal["patch", "context", "dense"]
_MODES: Final[tuple[Mode, ...]] = ("patch", "context", "dense")


def export(
    backend: Annotated[
        Literal["openvino", "onnxruntime", "tensorrt"], typer.Option(help="Who shall run them.")
    ] = "openvino",
    size: Annotated[
        str, typer.Option(metavar="WxH,...", help="Sizes of the images, pixels.")
    ] = "1920x1080",
    mode: Annotated[str, typer.Option(metavar="MODE,...", help="patch, context, dense.")] = "patch",
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
    sizes = [_size(word) for word in size.split(",") if word.strip()]
    modes = [_mode(word.strip()) for word in mode.split(",") if word.strip()]
    from pdn_ros.inference.export import export as write

    print(write(backend, weights=weights, sizes=sizes, modes=modes, out=out))


def _size(word: str) -> tuple[int, int]:
    width, _, height = word.strip().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"size {word!r}: give width and height in pixels, 1920x1080")
    return int(width), int(height)


def _mode(word: str) -> Mode:
    for mode in _MODES:
        if word == mode:
            return mode
    raise InputError(f"mode {word!r}: one of {', '.join(_MODES)}")
