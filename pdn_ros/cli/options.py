"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from pdn_ros.errors import InputError


def _read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Take the options' values from a YAML file; the command line wins over them."""
    if path is None:
        return None
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}): give a YAML file") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: no YAML ({' '.join(str(error).split())})") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a list of `option: value` lines")
    known = {p.name for p in ctx.command.params if p.name} - {"config", "help"}
    # A key is written as the option is, `camera-info`, or as YAML likes it, `camera_info`.
    settings: dict[str, Any] = {str(k).replace("-", "_"): v for k, v in values.items()}
    if unknown := sorted(set(settings) - known):
        raise InputError(
            f"{path}: unknown option {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    # Numbers go the way of the command line, as text: YAML can't know what the option takes.
    ctx.default_map = {
        k: str(v) if type(v) in (int, float) else v for k, v in settings.items() if v is not None
    }
    return path


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="YAML",
        callback=_read_config,
        is_eager=True,
        help="Values for the options, one `option: value` a line; the command line wins.",
    ),
]


def words(text: str) -> tuple[str, ...]:
    """Read a list of words with commas between them; each word once."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def image_size(text: str) -> tuple[int, int]:
    """Read width and height, `1920x1080`.

    Raises:
        InputError: It is none.
    """
    width, _, height = text.strip().lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"size {text}: give width x height, for example 1920x1080")
    return int(width), int(height)


Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results.")]
Mode = Annotated[
    Literal["patch", "context", "dense"], typer.Option(help="How much of the image is refined.")
]
Budget = Annotated[
    int, typer.Option(min=0, help="Patches refined in an image (K); 0 is a quarter of them.")
]
Backend = Annotated[
    str, typer.Option(help="Inference backend; auto takes the fastest that is installed.")
]
Weights = Annotated[
    str, typer.Option(metavar="FILE", help="Weights (.safetensors); default: those that ship.")
]
