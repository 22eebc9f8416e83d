"""`coco:DIR`: COCO-Stuff (Caesar et al., CVPR 2018), things and stuff of COCO 2017.

`DIR/images/{split}2017/NAME.jpg` and `DIR/annotations/{split}2017/NAME.png`, as its authors unpack
`stuffthingmaps_trainval2017.zip`. Class set `coco_stuff` has all of its classes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.datasets.base import IdTable, ImageFiles, Pair, as_named, hidden_in, no_options
from pdn_ros.errors import InputError

WITHOUT_LABELS: Final = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
"""Stored values of the things that COCO never labeled: street sign, hat, shoe, ..."""

_WALLS: Final = ("brick", "concrete", "other", "panel", "stone", "tile", "wood")
STREET: Final[Mapping[str, str]] = {
    **dict.fromkeys(("car", "bus", "train", "truck"), "vehicle"),
    **dict.fromkeys(("bicycle", "motorcycle"), "cyclist"),
    **dict.fromkeys(("traffic light", "stop sign"), "sign"),
    **dict.fromkeys(("building-other", "house", "skyscraper", "roof", "bridge"), "building"),
    **{f"wall-{kind}": "building" for kind in _WALLS},
    **dict.fromkeys(("tree", "bush", "grass", "plant-other", "branch", "flower"), "vegetation"),
    **dict.fromkeys(("sky-other", "clouds", "fog"), "sky"),
    "person": "pedestrian",
    "pavement": "sidewalk",
    "railing": "fence",
}
"""Our street class of COCO-Stuff's classes; road and fence are called alike."""

HIDDEN: Final = {"lane_marking": "road"}


def open_split(
    folder: Path, split: str, classes: ClassSet, options: Mapping[str, str]
) -> ImageFiles:
    """List one split. Raises InputError if the folder does not have this layout."""
    no_options("coco", options)
    images = folder / "images" / f"{split}2017"
    labels = sorted((folder / "annotations" / f"{split}2017").glob("*.png"))
    if not labels:
        raise InputError(
            f"{folder / 'annotations' / f'{split}2017'}: no labels (PNG) in it; unpack"
            " stuffthingmaps_trainval2017.zip into annotations"
        )
    values = (value for value in range(182) if value not in WITHOUT_LABELS)
    published = dict(zip(values, load_classes("coco_stuff").names, strict=True))
    return ImageFiles(
        name="coco",
        classes=classes.names,
        pairs=tuple(Pair(label.stem, images / f"{label.stem}.jpg", label) for label in labels),
        read_label=IdTable(
            "coco", as_named(published, STREET, classes), classes, void=WITHOUT_LABELS
        ),
        hidden=hidden_in(classes, HIDDEN),
    )
