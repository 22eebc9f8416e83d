"""Class colours: masks as pictures and as palette PNG."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdn_ros.classes import ClassSet
from pdn_ros.files import atomic


@lru_cache(maxsize=8)
def color_table(classes: ClassSet) -> NDArray[np.uint8]:
    """Colour of every id, (256, 1, 3) uint8 BGR as cv2 takes it; black where there is no class."""
    table = np.zeros((256, 1, 3), dtype=np.uint8)
    table[: len(classes.classes), 0] = classes.colors[:, ::-1]
    table.flags.writeable = False
    return table


def colours(mask: NDArray[np.uint8], classes: ClassSet) -> NDArray[np.uint8]:
    """Colour a mask of class ids.

    Args:
        mask: (H, W) uint8 class ids; void is black.
        classes: The class set.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    return np.asarray(cv2.applyColorMap(mask, color_table(classes)), dtype=np.uint8)


def save_mask(path: Path, mask: NDArray[np.uint8], classes: ClassSet) -> None:
    """Write a mask as palette PNG: the stored values are the ids, any viewer shows the colours.

    Raises:
        InputError: The folder cannot be written.
    """
    picture = Image.fromarray(mask)
    picture.putpalette(color_table(classes)[:, 0, ::-1].tobytes())
    with atomic(path) as part:
        picture.save(part, format="PNG")
