"""The page of `pdn labels check`: one HTML file that needs no network."""

from pathlib import Path
from typing import Final

from pdn_ros.labels.check import Findings
from pdn_ros.page import write_page

_MOST_LINES: Final = 50


def write_check(path: Path, found: Findings) -> None:
    """Write what was found as a page."""
    data, total = found.data, max(1, int(found.pixels.sum()))
    classes = [
        (
            info.name,
            info.hex_color,
            str(info.role),
            info.thin,
            int(pixels) / total,
            int(occurs),
        )
        for info, pixels, occurs in zip(
            data.classes.classes, found.pixels, found.occurs, strict=False
        )
    ]
    problems = {kind: (len(lines), lines[:_MOST_LINES]) for kind, lines in found.problems.items()}
    write_page(
        path,
        "check.html.jinja",
        title=data.path.resolve().name,
        images=len(data.images),
        labels=len(data.labels.keys() & data.images.keys()),
        classes=classes,
        void=int(found.pixels[-1]) / total,
        problems=problems,
        rows=found.rows,
        note=found.note,
    )
