"""Progress on stderr: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

Progress = Callable[[int, int], None]
"""Called with the steps done and their total (0: not known)."""

_SECONDS_BETWEEN_LINES: Final = 5.0


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """Show how far a job is; yields the function that the job reports to."""
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
