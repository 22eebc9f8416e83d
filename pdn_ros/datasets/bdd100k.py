"""`bdd100k:DIR`: BDD100K's semantic segmentation (Yu et al., CVPR 2020).

`DIR/images/10k/{train,val}/NAME.jpg` and `DIR/labels/sem_seg/masks/{train,val}/NAME.png`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pdn_ros.classes import ClassSet
from pdn_ros.datasets.base import IdTable, ImageFiles, Pair, as_named, hidden_in, no_options
from pdn_ros.errors import InputError

NAMES: Final = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
"""Its classes in id order: those of Cityscapes' training ids."""

STREET: Final[Mapping[str, str]] = {
    **dict.fromkeys(("car", "truck", "bus", "train"), "vehicle"),
    **dict.fromkeys(("rider", "motorcycle", "bicycle"), "cyclist"),
    **dict.fromkeys(("traffic light", "traffic sign"), "sign"),
    "wall": "building",
    "terrain": "vegetation",
    "person": "pedestrian",
}
"""Our street class of those that are not called alike."""

HIDDEN: Final = {"lane_marking": "road"}


def open_split(
    folder: Path, split: str, classes: ClassSet, options: Mapping[str, str]
) -> ImageFiles:
    """List one split. Raises InputError if the folder does not have this layout."""
    no_options("bdd100k", options)
    masks = folder / "labels" / "sem_seg" / "masks" / split
    images = folder / "images" / "10k" / split
    labels = sorted(masks.glob("*.png"))
    if not labels:
        raise InputError(f"{masks}: no masks in it; name BDD100K's root folder, split train or val")
    return ImageFiles(
        name="bdd100k",
        classes=classes.names,
        pairs=tuple(Pair(label.stem, images / f"{label.stem}.jpg", label) for label in labels),
        read_label=IdTable("bdd100k", as_named(dict(enumerate(NAMES)), STREET, classes), classes),
        hidden=hidden_in(classes, HIDDEN),
    )
