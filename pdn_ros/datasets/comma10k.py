"""`comma10k:DIR`: comma.ai's driving images, `DIR/imgs/NAME.png` and `DIR/masks/NAME.png`.

The validation split is, as the data set says, the images whose name ends in 9.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets.base import ImageFiles, Pair, hidden_in, log, no_options
from pdn_ros.errors import InputError
from pdn_ros.messages.compressed import read_image_file

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


class ColorTable:
    """Reads masks whose colors are the classes; unknown colors are void, with one warning."""

    def __init__(self, classes: ClassSet):
        ids = {name: i for i, name in enumerate(classes.names)}
        self.colors = np.array(sorted(COLORS), dtype=np.uint32)
        names = (COLORS[color] for color in sorted(COLORS))
        self.ids = np.array([ids.get(name or "", VOID) for name in names], dtype=np.uint8)
        if (self.ids == VOID).all():
            raise InputError(
                f"comma10k: shares no class with class set {classes.name}; give a class file"
                " with its names"
            )
        self.warned = False

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Read a mask as (h, w) uint8 class ids."""
        bgr = read_image_file(path).astype(np.uint32)
        packed = (bgr[..., 2] << 16) | (bgr[..., 1] << 8) | bgr[..., 0]
        place = np.searchsorted(self.colors, packed).clip(max=len(self.colors) - 1)
        known = self.colors[place] == packed
        if not self.warned and not known.all():
            self.warned = True
            log.warning("%s: %d pixels of unknown color, void", path, np.sum(~known))
        return np.where(known, self.ids[place], np.uint8(VOID))


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
        read_label=ColorTable(classes),
        hidden=hidden_in(classes, HIDDEN),
    )
