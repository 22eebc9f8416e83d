"""`voc`: palette masks as Pascal VOC has them; the stored value is the class, 255 is void.

Names come from a labelmap.txt (the line's number is the value), else from the class file. CVAT's
`Segmentation mask` has this layout, its masks in color: those are read by color.
"""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets.base import read_ids
from pdn_ros.errors import InputError
from pdn_ros.labels import colors
from pdn_ros.labels.folder import LabelledFolder
from pdn_ros.labels.source import BACKGROUND, Categories, Category, Ids, Item, Request, Source
from pdn_ros.labels.tables import TABLE, find_table, read_table, write_table
from pdn_ros.visualization import save_mask

MASKS = "SegmentationClass"


def read(request: Request) -> Source:
    """List the masks of a folder, or of `SegmentationClass` in it.

    Raises:
        InputError: There are no masks, or a value has no name.
    """
    folder = request.path / MASKS if (request.path / MASKS).is_dir() else request.path
    masks = colors.mask_files(folder)
    table = request.table or find_table(folder)
    if _in_color(masks[0]):
        return colors.read(Request(folder, request.classes, table, request.void))
    names = _names(request.classes, table)
    categories = Categories(Category(name) for name in names)
    place: dict[int, str] = {}
    for mask in masks:
        ids = read_ids(mask)
        for value in np.unique(ids).tolist():
            if value not in place and value != VOID:
                y, x = divmod(int(np.argmax(ids.ravel() == value)), ids.shape[1])
                place[value] = f"{mask}: pixel x={x} y={y}"
    codes = np.full(256, VOID, dtype=np.uint8)
    for value, where in sorted(place.items()):
        if names and value >= len(names):
            raise InputError(
                f"{where}: value {value} has no name: there are {len(names)} ({', '.join(names)})"
            )
        name = names[value] if names else f"class_{value}" if value else BACKGROUND
        codes[value] = categories.add(Category(name, place=where))
    return Source(categories.all(), tuple(Item(m.stem, m, partial(_read, m, codes)) for m in masks))


def write(data: LabelledFolder, out: Path, tolerance: float) -> None:  # noqa: ARG001
    """Write JPEGImages, SegmentationClass, the list of names and labelmap.txt."""
    names = []
    for name, label in data.read_labels():
        names.append(name)
        save_mask(out / MASKS / f"{name}.png", label, data.classes)
        data.link_image(name, out / "JPEGImages")
    lists = out / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "default.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    known = data.classes.classes
    taken = BACKGROUND in data.classes.names
    # Void is black in our palette, and other programs ask for the name of every color.
    black = Category("void" if taken else BACKGROUND, (0, 0, 0))
    write_table(
        out / TABLE, known if any(c.color == black.color for c in known) else [*known, black]
    )


def _names(classes: ClassSet | None, table: Path | None) -> tuple[str, ...]:
    """Return the names of the values, from the table or the class set; empty if neither is."""
    if table is not None:
        return tuple(category.name for category in read_table(table))
    return classes.names if classes else ()


def _in_color(mask: Path) -> bool:
    try:
        with Image.open(mask) as image:
            return image.mode in ("RGB", "RGBA")
    except OSError as error:
        raise InputError(f"{mask}: damaged or not an image ({error}): replace it") from error


def _read(mask: Path, codes: NDArray[np.uint8]) -> Ids:
    return codes[read_ids(mask)]
