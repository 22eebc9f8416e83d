"""`comma10k:DIR`: comma.ai's driving images, `DIR/imgs/NAME.png` and `DIR/masks/NAME.png`.

The validation split is, as the data set says, the images whose name ends in 9.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pdn_ros.classes import ClassSet
from pdn_ros.datasets.base import ColorTable, ImageFiles, Pair, hidden_in, no_options
from pdn_ros.errors import InputError

COLORS: Final[Mapping[int, str | None]] = {
    0x402020: "road",
    0xFF0000: "lane_marking",
    0x808060: "building",  # undrivable: all that stands still, the sky too
    0x00FF66: "vehicle",  # movable: pedestrians and cyclists too
    0xCC00FF: None,  # my car
    0x000000: None,  # empty, in early masks
}
"""Our class for each mask color (RGB); None is void."""

HIDDEN: Final = {
    **dict.fromkeys(("sky", "pole", "sidewalk", "vegetation", "sign", "fence"), "building"),
    **dict.fromkeys(("pedestrian", "cyclist"), "vehicle"),
}


def open_split(
    folder: Path, split: str, classes: ClassSet, options: Mapping[str, str]
) -> ImageFiles:
    """List one split. Raises InputError if the folder does not have this layout."""
    no_options("comma10k", options)
    if split not in ("train", "val"):
        raise InputError(f"comma10k: no split {split!r}; it has train and val")
    masks = sorted((folder / "masks").glob("*.png"))
    masks = [mask for mask in masks if mask.stem.endswith("9") == (split == "val")]
    if not masks:
        raise InputError(f"{folder / 'masks'}: no {split} masks in it; name comma10k's root folder")
    return ImageFiles(
        name="comma10k",
        classes=classes.names,
        pairs=tuple(Pair(mask.stem, folder / "imgs" / mask.name, mask) for mask in masks),
        read_label=ColorTable("comma10k", COLORS, classes),
        hidden=hidden_in(classes, HIDDEN),
    )
