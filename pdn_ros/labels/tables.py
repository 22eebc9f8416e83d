"""Tables of mask colors: class files, CVAT's labelmap.txt, lists as text or CSV."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pdn_ros.classes import VOID, ClassInfo, load_classes
from pdn_ros.errors import InputError
from pdn_ros.labels.source import Category, Color

_NUMBERS: Final = re.compile(r"(?<![\w.])(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})(?![\w.])")
_HEX: Final = re.compile(r"(?<!\w)#([0-9a-fA-F]{6})(?!\w)")
_NO_COLOR: Final = re.compile(r"[^:#][^:]*:::\s*")
TABLE: Final = "labelmap.txt"
_TABLES: Final = (TABLE, "label_colors.txt", "class_dict.csv")


def read_table(path: Path) -> tuple[Category, ...]:
    """Read names and colors: a class file (.yaml), or a name and a color in every line.

    A color is `R,G,B`, `R G B` or `#rrggbb`; it may stand before or behind the name. A line
    `name:::` has the color that Pascal VOC gives its number.

    Raises:
        InputError: The file cannot be read, or a line holds no name or no color.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        return tuple(Category(c.name, c.color) for c in load_classes(path).classes)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}): give a table of colors") from error
    found: list[Category] = []
    for number, line in enumerate(lines, start=1):
        color, rest = _color(line)
        if color is None and _NO_COLOR.fullmatch(line) and len(found) <= VOID:
            color = voc_colors()[len(found)]
        name = _name(rest)
        if color is not None and name:
            found.append(Category(name, color))
        elif found and line.strip():  # before the first color there may be titles
            raise InputError(f"{path}: line {number}: {line.strip()!r}: give a name and a color")
    if not found:
        raise InputError(f"{path}: no line with a name and a color R,G,B in it")
    return tuple(found)


def find_table(folder: Path) -> Path | None:
    """Return the table that lies in a folder of masks or above it."""
    places = (where / name for where in (folder, folder.parent) for name in _TABLES)
    return next((place for place in places if place.is_file()), None)


def voc_colors() -> list[Color]:
    """Return the 256 colors of Pascal VOC's masks (RGB), the first one black."""
    colors = []
    for i in range(256):
        channels = [0, 0, 0]
        for bit in range(8):  # of the number, in turn to red, green and blue, highest first
            channels[bit % 3] |= ((i >> bit) & 1) << (7 - bit // 3)
        colors.append((channels[0], channels[1], channels[2]))
    return colors


def write_table(path: Path, classes: Iterable[ClassInfo | Category]) -> None:
    """Write names and colors as CVAT's labelmap.txt."""
    rows = (f"{c.name}:{','.join(map(str, c.color))}::\n" for c in classes if c.color is not None)
    path.write_text("".join(["# label:color_rgb:parts:actions\n", *rows]), encoding="utf-8")


def _color(line: str) -> tuple[Color | None, str]:
    """Return a line's color and the rest of the line."""
    if match := _HEX.search(line):
        value = int(match[1], 16)
        return (value >> 16, value >> 8 & 255, value & 255), _without(line, match)
    if match := _NUMBERS.search(line):
        red, green, blue = (int(part) for part in match.groups())
        if max(red, green, blue) <= 255:
            return (red, green, blue), _without(line, match)
    return None, line


def _without(line: str, match: re.Match[str]) -> str:
    return f"{line[: match.start()]} {line[match.end() :]}"


def _name(rest: str) -> str:
    """Return the first field that is a name: not empty, and no number."""
    fields = (field.strip().strip("\"'") for field in re.split(r"[:,;\t]", rest))
    return next((field for field in fields if field and not field.isdecimal()), "")
