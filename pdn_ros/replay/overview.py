"""The page of several evaluations: summary.html."""

import math
from pathlib import Path
from typing import NamedTuple

from pdn_ros.page import write_page
from pdn_ros.replay.summary import ENOUGH, BagRow, Difference, Figure, Summary


class Cell(NamedTuple):
    """A figure of a bag: its text, the difference from the earlier one, whether that is worse."""

    text: str
    change: str = ""
    worse: bool = False


def write_overview(path: Path, summary: Summary) -> None:
    """Write the page beside the folders of the bags, to whose reports it links."""
    shown = [figure for figure, _ in summary.shown]
    comparison = summary.comparison
    write_page(
        path,
        "summary.html.jinja",
        title=path.resolve().parent.name,
        summary=summary,
        failed=[row for row in summary.bags if row.error],
        figures=shown,
        rows=[(row, [_cell(summary, figure, row) for figure in shown]) for row in summary.bags],
        means=[_mean(summary, figure) for figure in shown],
        worst=[(figure.text(total.worst), total.worst_bag) for figure, total in summary.shown],
        differences=[
            (figure, *_difference(figure, comparison.figures[figure.key]))
            for figure in shown
            if comparison and figure.key in comparison.figures
        ],
        enough=ENOUGH,
        problems=[(row.name, line) for row in summary.bags for line in row.problems],
    )


def _cell(summary: Summary, figure: Figure, row: BagRow) -> Cell:
    text = figure.text(row.figures.get(figure.key, math.nan))
    comparison = summary.comparison
    change = comparison.bags.get(row.name, {}).get(figure.key) if comparison else None
    if comparison is None or change is None:
        return Cell(text)
    worse = figure.key in comparison.worse.get(row.name, ())
    return Cell(text, figure.text(change, signed=True), worse)


def _mean(summary: Summary, figure: Figure) -> Cell:
    text = figure.text(summary.figures[figure.key].mean)
    change = summary.comparison.figures.get(figure.key) if summary.comparison else None
    if change is None:
        return Cell(text)
    return Cell(text, figure.text(change.mean, signed=True), change.regression)


def _difference(figure: Figure, found: Difference) -> tuple[Difference, str, str, str, str]:
    """Return a difference with the texts of its mean, interval, worst, and what it means."""
    values = (found.mean, found.low, found.high, found.worst)
    mean, low, high, worst = (figure.text(value, signed=True) for value in values)
    interval = f"{low} to {high}" if math.isfinite(found.low) else "n/a"
    verdict = "worse" if found.regression else "" if found.judged else "not judged"
    return found, mean, interval, worst, verdict
