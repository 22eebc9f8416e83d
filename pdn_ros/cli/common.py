"""Options and progress on stderr, shared by several commands."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from pdn_ros.config import flatten
from pdn_ros.errors import InputError
from pdn_ros.perception import config
from pdn_ros.perception.config import PipelineConfig


def _read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Take the options' values from a YAML file; the command line wins over them."""
    if path is None:
        return None
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}): give a YAML file") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise InputError(f"{path}: must hold `option: value` lines")
    known = {p.name for p in ctx.command.params if p.name} - {"config", "help"}
    # A key may be spelled like the option, `camera-info`, or as usual in YAML, `camera_info`.
    settings: dict[str, Any] = {str(k).replace("-", "_"): v for k, v in values.items()}
    if unknown := sorted(set(settings) - known):
        raise InputError(
            f"{path}: unknown option {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    # Numbers pass as text, as on the command line: YAML does not know what the option takes.
    ctx.default_map = {
        k: str(v) if type(v) in (int, float) else v for k, v in settings.items() if v is not None
    }
    for parameter in ctx.command.params:
        value = ctx.default_map.get(parameter.name or "")
        if parameter.nargs == -1 and isinstance(value, str):  # else each letter is a value
            ctx.default_map[parameter.name] = [value]
    return path


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="YAML",
        callback=_read_config,
        is_eager=True,
        help="YAML file of `option: value` lines; the command line takes precedence.",
    ),
]


def words(text: str) -> tuple[str, ...]:
    """Split a comma-separated list of words; each word once."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def image_size(text: str) -> tuple[int, int]:
    """Read width and height, `1920x1080`.

    Raises:
        InputError: The text is not a size.
    """
    width, _, height = text.strip().lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"size {text}: give width x height, for example 1920x1080")
    return int(width), int(height)


def describe(name: str) -> str:
    """Return what a field of the pipeline's configuration means: the option's help."""
    return flatten(PipelineConfig())[name].description


Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results.")]
Mode = Annotated[config.Mode, typer.Option(help=describe("mode"))]
Budget = Annotated[int, typer.Option(min=0, help=describe("budget"))]
Backend = Annotated[config.Backend, typer.Option(help=describe("backend"))]
Precision = Annotated[config.Precision, typer.Option(help=describe("precision"))]
Weights = Annotated[str, typer.Option(metavar="FILE", help=describe("weights"))]


Progress = Callable[[int, int], None]
"""Called with the steps done and their total (0: not known)."""

_SECONDS_BETWEEN_LINES: Final = 5.0


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """Show a job's progress; yields the function that the job reports to."""
    if sys.stderr.isatty():
        with _bar(label) as report:
            yield report
    else:
        yield _lines(label)


@contextmanager
def _bar(label: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)


def _lines(label: str) -> Progress:
    last = time.monotonic() - _SECONDS_BETWEEN_LINES

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _SECONDS_BETWEEN_LINES and (not total or done < total):
            return
        last = now
        print(f"{label}: {done}/{total}" if total else f"{label}: {done}", file=sys.stderr)

    return report
