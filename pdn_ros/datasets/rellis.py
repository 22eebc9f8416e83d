"""`rellis:DIR`: RELLIS-3D (Jiang et al., ICRA 2021), off the road. DIR is Rellis-3D.

`DIR/{train,val,test}.lst` (its "Image Split File") lists image and label of each frame:
`00000/pylon_camera_node/NAME.jpg 00000/pylon_camera_node_label_id/NAME.png`. Class set `rellis`
has all of its classes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.datasets.base import IdTable, ImageFiles, Pair, as_named, no_options
from pdn_ros.errors import InputError

IDS: Final = (1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 17, 18, 19, 23, 27, 31, 33, 34)
"""Stored values of the classes of class set `rellis`."""

STREET: Final[Mapping[str, str]] = {
    **dict.fromkeys(("grass", "tree", "bush"), "vegetation"),
    **dict.fromkeys(("asphalt", "concrete"), "road"),
    "person": "pedestrian",
    "barrier": "fence",
}
"""Our street class of its classes; sky, building, pole, fence and vehicle are called alike."""


def open_split(
    folder: Path, split: str, classes: ClassSet, options: Mapping[str, str]
) -> ImageFiles:
    """List one split. Raises InputError if the folder does not have this layout."""
    no_options("rellis", options)
    listing = folder / f"{split}.lst"
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{listing}: cannot be read ({error}); name the folder Rellis-3D, and put the files"
            " of its image split there"
        ) from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        files = line.split()
        if files and len(files) != 2:
            raise InputError(f"{listing}: line {number}: expected image and label: {line!r}")
        if files:
            image, label = (folder / file for file in files)
            pairs.append(Pair(f"{label.parent.parent.name}_{label.stem}", image, label))
    if not pairs:
        raise InputError(f"{listing}: no frames in it; name another split")
    published = dict(zip(IDS, load_classes("rellis").names, strict=True))
    return ImageFiles(
        name="rellis",
        classes=classes.names,
        pairs=tuple(pairs),
        read_label=IdTable("rellis", as_named(published, STREET, classes), classes, void=(0,)),
    )
