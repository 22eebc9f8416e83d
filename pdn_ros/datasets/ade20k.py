"""`ade20k:DIR`: ADE20K's scene parsing (Zhou et al., CVPR 2017), DIR is ADEChallengeData2016.

`DIR/images/{training,validation}/NAME.jpg` and `DIR/annotations/{training,validation}/NAME.png`.
Class set `ade20k` has all of its classes; `train` and `val` name the splits.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.datasets.base import IdTable, ImageFiles, Pair, as_named, hidden_in, no_options
from pdn_ros.errors import InputError

STREET: Final[Mapping[str, str]] = {
    **dict.fromkeys(("wall", "house", "skyscraper", "hovel", "tower", "bridge"), "building"),
    **dict.fromkeys(("tree", "grass", "plant", "field", "palm", "flower"), "vegetation"),
    **dict.fromkeys(("car", "bus", "truck", "van"), "vehicle"),
    **dict.fromkeys(("minibike", "bicycle"), "cyclist"),
    **dict.fromkeys(("signboard", "traffic light"), "sign"),
    **dict.fromkeys(("fence", "railing", "bannister"), "fence"),
    "person": "pedestrian",
    "streetlight": "pole",
}
"""Our street class of ADE20K's classes; sky, building, road, sidewalk and pole are called alike."""

HIDDEN: Final = {"lane_marking": "road"}
SPLITS: Final = {"train": "training", "val": "validation"}


def open_split(
    folder: Path, split: str, classes: ClassSet, options: Mapping[str, str]
) -> ImageFiles:
    """List one split. Raises InputError if the folder does not have this layout."""
    no_options("ade20k", options)
    part = SPLITS.get(split, split)
    labels = sorted((folder / "annotations" / part).glob("*.png"))
    if not labels:
        raise InputError(
            f"{folder / 'annotations' / part}: no labels in it; name the folder"
            " ADEChallengeData2016, and the split train or val"
        )
    published = dict(enumerate(load_classes("ade20k").names, start=1))
    return ImageFiles(
        name="ade20k",
        classes=classes.names,
        pairs=tuple(
            Pair(label.stem, folder / "images" / part / f"{label.stem}.jpg", label)
            for label in labels
        ),
        read_label=IdTable("ade20k", as_named(published, STREET, classes), classes, void=(0,)),
        hidden=hidden_in(classes, HIDDEN),
    )
