"""`cityscapes:DIR`: Cityscapes' own layout (Cordts et al., CVPR 2016).

`DIR/leftImg8bit/{split}/CITY/NAME_leftImg8bit.png` and
`DIR/gtFine/{split}/CITY/NAME_gtFine_labelIds.png`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pdn_ros.classes import ClassSet
from pdn_ros.datasets.base import IdTable, ImageFiles, Pair, hidden_in, no_options
from pdn_ros.errors import InputError

NAMES: Final[Mapping[int, str]] = {
    7: "road",
    8: "sidewalk",
    11: "building",
    12: "building",  # wall
    13: "fence",
    14: "fence",  # guard rail
    17: "pole",
    18: "pole",  # pole group
    19: "sign",  # traffic light
    20: "sign",
    21: "vegetation",
    22: "vegetation",  # terrain
    23: "sky",
    24: "pedestrian",
    25: "cyclist",  # rider
    26: "vehicle",  # car
    27: "vehicle",  # truck
    28: "vehicle",  # bus
    29: "vehicle",  # caravan
    30: "vehicle",  # trailer
    31: "vehicle",  # train
    32: "cyclist",  # motorcycle
    33: "cyclist",  # bicycle
}
"""Our class of Cityscapes' label ids; the others (ego vehicle, parking, bridge ...) are void."""

VOID_IDS: Final = (0, 1, 2, 3, 4, 5, 6, 9, 10, 15, 16)
HIDDEN: Final = {"lane_marking": "road"}
IMAGE_END, LABEL_END = "_leftImg8bit.png", "_gtFine_labelIds.png"


def open_split(
    folder: Path, split: str, classes: ClassSet, options: Mapping[str, str]
) -> ImageFiles:
    """List one split. Raises InputError if the folder does not have this layout."""
    no_options("cityscapes", options)
    images, labels = folder / "leftImg8bit" / split, folder / "gtFine" / split
    pairs = []
    for label in sorted(labels.glob(f"*/*{LABEL_END}")):
        name = label.name.removesuffix(LABEL_END)
        pairs.append(Pair(name, images / label.parent.name / f"{name}{IMAGE_END}", label))
    if not pairs:
        raise InputError(f"{labels}: no CITY/NAME{LABEL_END} in it; name Cityscapes' root folder")
    return ImageFiles(
        name="cityscapes",
        classes=classes.names,
        pairs=tuple(pairs),
        read_label=IdTable("cityscapes", NAMES, classes, void=VOID_IDS),
        hidden=hidden_in(classes, HIDDEN),
    )
