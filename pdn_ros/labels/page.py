"""The page of `pdn labels check`: one HTML file that needs no network."""

from pathlib import Path
from typing import Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from pdn_ros.files import atomic
from pdn_ros.labels.check import Findings

_MOST_LINES: Final = 50


def write_page(path: Path, found: Findings) -> None:
    """Write what was found as a page, in the style of the evaluation's report."""
    environment = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("pdn_ros.labels", "templates"),
                PackageLoader("pdn_ros.replay", "templates"),
            ]
        ),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data, total = found.data, max(1, int(found.pixels.sum()))
    classes = [
        (
            info.name,
            "#{:02x}{:02x}{:02x}".format(*info.color),
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
    text = environment.get_template("check.html.jinja").render(
        title=data.path.resolve().name,
        images=len(data.images),
        labels=len(data.labels.keys() & data.images.keys()),
        classes=classes,
        void=int(found.pixels[-1]) / total,
        problems=problems,
        rows=found.rows,
        note=found.note,
    )
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")
