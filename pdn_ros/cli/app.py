"""The command `pdn`."""

import os
import sys
from collections.abc import Sequence

import typer
from pydantic import ValidationError

from pdn_ros.errors import InputError, one_line

DONE, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130  # the shell's status of a process ended by SIGINT; typer returns it


def build() -> typer.Typer:
    """Build the app from its commands."""
    from pdn_ros.cli import (
        benchmark,
        convert,
        doctor,
        evaluate,
        export,
        frames,
        labels,
        segment,
        simulate,
        train,
        validate,
        view,
    )

    app = typer.Typer(
        name="pdn",
        help="PatchDriveNet: camera segmentation that spends its precision where it matters.",
        epilog="Start with: pdn segment street.jpg --out result",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def common(
        debug: bool = typer.Option(
            False, "--debug", envvar="PDN_DEBUG", help="Show the traceback of an error."
        ),
    ) -> None:
        """Take the options that come before the command."""
        del debug  # read from the arguments in main(): it must hold for usage errors too

    app.command()(segment.segment)
    app.command()(simulate.simulate)
    app.add_typer(convert.app, name="convert")
    app.command()(evaluate.evaluate)
    app.command()(view.view)
    app.command()(frames.frames)
    app.add_typer(labels.app, name="labels")
    app.command()(train.train)
    app.command()(validate.validate)
    app.command()(benchmark.benchmark)
    app.command()(export.export)
    app.command()(doctor.doctor)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `pdn` and return its exit status: 0 done, 1 failed, 2 wrong usage or input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or bool(os.environ.get("PDN_DEBUG"))
    # --debug may stand anywhere.
    words = [word for word in words if word != "--debug"]
    try:
        result = typer.main.get_command(build()).main(words, "pdn", standalone_mode=False)
    except Exception as error:  # the one place where errors become a line
        if debug:
            raise
        return _fail(*_line_and_status(error))
    if result == INTERRUPTED:
        return _fail("interrupted", INTERRUPTED)
    return result if isinstance(result, int) else DONE


def _line_and_status(error: Exception) -> tuple[str, int]:
    """Return the line that the user reads for an error, and the exit status."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        name = ".".join(str(key) for key in first["loc"])
        return f"{name} = {first['input']!r}: {first['msg']}", USAGE
    if isinstance(error, typer.exceptions.TyperException):
        hint = " (see --help)" if error.exit_code == USAGE else ""
        return f"{error.format_message().rstrip('.')}{hint}", error.exit_code
    return one_line(error), USAGE if isinstance(error, InputError) else FAILED


def _fail(line: str, status: int) -> int:
    print(f"pdn: error: {' '.join(line.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
