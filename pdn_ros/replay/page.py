"""Pages: HTML files that stand alone and need no network."""

import math
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pdn_ros.files import atomic


def write_page(path: Path, template: str, **values: object) -> None:
    """Write a page from one of the templates; values are escaped."""
    environment = Environment(
        loader=PackageLoader("pdn_ros.replay", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    environment.filters["share"] = share
    text = environment.get_template(template).render(values)
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def figure(value: float, unit: str = "") -> str:
    """Write a number with three digits or so; `n/a` when it is unknown."""
    if not math.isfinite(value):
        return "n/a"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}{unit}"


def share(value: float) -> str:
    """Write a share in percent; `n/a` when it is unknown."""
    if not math.isfinite(value):
        return "n/a"
    return f"{100 * value:.{2 if abs(value) < 0.01 else 1}f} %"
