"""`colors`: a folder of masks whose colors are the classes.

The table of colors is a labelmap.txt beside the masks, a file that the user names, or the class
file. Without any, the colors that are found become classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from pdn_ros.classes import VOID
from pdn_ros.datasets.base import read_colors
from pdn_ros.errors import InputError
from pdn_ros.labels.folder import LabelledFolder
from pdn_ros.labels.source import (
    BACKGROUND,
    Categories,
    Category,
    Color,
    Ids,
    Item,
    Request,
    Source,
)
from pdn_ros.labels.tables import TABLE, find_table, read_table, write_table

_SUFFIXES: Final = (".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm")
_LOSSY: Final = (".jpg", ".jpeg")
_MOST: Final = 64
"""Colors that masks without a table may have: more are shades, not classes."""
_IDS: Final = frozenset(i * 0x010101 for i in range(_MOST))
"""Nearly black grays."""
_NAMES: Final = {
    0x000000: "black",
    0xFF0000: "red",
    0x00FF00: "green",
    0x0000FF: "blue",
    0xFFFF00: "yellow",
    0xFF00FF: "magenta",
    0x00FFFF: "cyan",
    0xFFFFFF: "white",
    0x808080: "gray",
}


def mask_files(path: Path) -> list[Path]:
    """Return the masks in a folder, in the order of their names.

    Raises:
        InputError: There are none, or they lie in folders below.
    """
    if not path.is_dir():
        raise InputError(f"{path}: no such folder: give the folder of the masks")
    masks = sorted(f for f in path.iterdir() if f.suffix.lower() in _SUFFIXES)
    if masks:
        return masks
    if any(f.suffix.lower() in _LOSSY for f in path.iterdir()):
        raise InputError(f"{path}: JPEG files are no masks: store the colors exactly, as PNG")
    below = sorted(f.name for f in path.iterdir() if f.is_dir())
    hint = f": name the one of its folders that holds them ({', '.join(below)})" if below else ""
    raise InputError(f"{path}: no masks (PNG) in it{hint}")


def read(request: Request) -> Source:
    """List the masks of a folder.

    Raises:
        InputError: There are no masks, or a color is not in the table.
    """
    masks = mask_files(request.path)
    table = request.table or find_table(request.path)
    known: tuple[Category, ...] = ()
    if table:
        known = read_table(table)
    elif request.classes:
        known = tuple(Category(c.name, c.color) for c in request.classes.classes)
    counts, places = _count(masks, VOID if known else _MOST)
    if not known and all(code in _IDS for code in counts):
        raise InputError(
            f"{request.path}: gray values up to {max(counts) & 255} look like ids, not colors:"
            " import them as voc"
        )
    categories = Categories()
    codes = np.full(1 << 24, VOID, dtype=np.uint8)
    for category in known or _named(counts):
        if category.color is not None:
            code = _packed(category.color)
            codes[code] = categories.add(replace(category, place=places.pop(code, "")))
    dropped = {word.lower() for word in request.void}
    for code, place in places.items():
        if f"#{code:06x}" not in dropped:
            raise InputError(
                f"{place}: color {_text(code)} is in no line of {table or 'the class file'}:"
                f" add it there, or drop it with --void '#{code:06x}'"
            )
    items = tuple(Item(mask.stem, mask, partial(_read, mask, codes)) for mask in masks)
    return Source(categories.all(), items)


def write(data: LabelledFolder, out: Path, tolerance: float) -> None:  # noqa: ARG001
    """Write images/, masks/ and the table of colors, labelmap.txt, which has one for void too.

    Raises:
        InputError: Two classes have one color.
    """
    colors = [info.color for info in data.classes.classes]
    for info in data.classes.classes:
        if colors.count(info.color) > 1:
            raise InputError(
                f"{data.path}: class {info.name} shares its color with another one: change it in"
                " classes.yaml"
            )
    void = next(c for c in ((i, i, i) for i in range(256)) if c not in colors)
    table = np.zeros((256, 1, 3), dtype=np.uint8)
    table[:] = void
    table[: len(colors), 0] = np.array(colors)[:, ::-1]
    (out / "masks").mkdir()
    write_table(out / TABLE, [*data.classes.classes, Category("void", void)])
    for name, label in data.read_labels():
        _, file = cv2.imencode(".png", cv2.applyColorMap(label, table))
        (out / "masks" / f"{name}.png").write_bytes(file.tobytes())
        data.link_image(name, out / "images")


def _count(masks: Sequence[Path], most: int) -> tuple[dict[int, int], dict[int, str]]:
    """Return, for each color 0xRRGGBB, its pixels and the place where it occurs first."""
    counts: dict[int, int] = {}
    places: dict[int, str] = {}
    for mask in masks:
        codes = read_colors(mask)
        colors, numbers = np.unique(codes, return_counts=True)
        together = len(counts.keys() | set(colors.tolist()))
        if together > most:
            raise InputError(
                f"{mask}: {together} colors so far, more than {most}: shades are no classes; store"
                " masks without smoothing or JPEG, or name the folder that holds them"
            )
        for code, number in zip(colors.tolist(), numbers.tolist(), strict=True):
            if code not in places:
                y, x = divmod(int(np.argmax(codes.ravel() == code)), codes.shape[1])
                places[code] = f"{mask}: pixel x={x} y={y}"
            counts[code] = counts.get(code, 0) + number
    return counts, places


def _named(counts: Mapping[int, int]) -> tuple[Category, ...]:
    """Name colors: the most frequent one is the background, the others by how they look."""
    by_count = sorted(counts, key=lambda code: -counts[code])
    names = [BACKGROUND, *(_NAMES.get(code, f"color_{code:06x}") for code in by_count[1:])]
    return tuple(Category(n, _color(c)) for n, c in zip(names, by_count, strict=True))


def _read(mask: Path, codes: Ids) -> Ids:
    return codes[read_colors(mask)]


def _packed(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def _color(code: int) -> Color:
    return code >> 16, code >> 8 & 255, code & 255


def _text(code: int) -> str:
    return ",".join(map(str, _color(code)))
