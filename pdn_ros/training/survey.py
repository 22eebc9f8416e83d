"""What a folder of own images holds, before anything is trained on it."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets import folder as layout
from pdn_ros.datasets import open_dataset
from pdn_ros.datasets.base import ImageFiles, evenly, read_ids
from pdn_ros.errors import InputError
from pdn_ros.files import read_yaml

log = logging.getLogger(__name__)

LEAST: Final = 3
"""Images without which there is nothing to split."""
LOOKED_AT: Final = 200
"""Labels that are read, evenly picked: of more the first look would take minutes."""


@dataclass(frozen=True, slots=True)
class Survey:
    """A data set as a schedule needs it.

    Attributes:
        spec: Specification as for `pdn_ros.datasets.open_dataset`.
        train: Names of the training images.
        val: Names of the validation images.
        height: Median height of the images, pixels.
        width: Median width.
        shares: (2, C) share of each class in the labels of training and validation.
        order: `train`, `val` or `gap` (in neither) of each image in the order of time, where the
            split was made by time.
    """

    spec: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    height: int
    width: int
    shares: NDArray[np.float64]
    order: tuple[str, ...]


def survey(folder: Path, classes: ClassSet) -> Survey:
    """Look at a data set and say what is wrong with it.

    Args:
        folder: As for the layout `folder`, split or not.
        classes: The classes that will be trained.

    Raises:
        InputError: There is nothing that can be trained on.
    """
    if len(classes.names) < 2:
        raise InputError(f"classes {classes.name}: one class alone; give two or more")
    if not any((folder / name).is_dir() for name in ("labels", "train")):
        raise InputError(f"{folder}: no labels in it; `pdn labels import` writes them")
    spec = f"folder:{folder}"
    unsplit = layout.is_unsplit(folder)
    train, val = (_opened(spec, split, classes) for split in ("train", "val"))
    in_order = tuple(p.name for p in _opened(spec, "all", classes).pairs) if unsplit else ()
    if unsplit and len(in_order) < LEAST:
        raise InputError(
            f"{folder}: labeled images: {len(in_order)}; at least {LEAST} are needed, 12 make sense"
        )
    names = read_yaml(folder / "dataset.yaml", layout.Description).classes
    shares = np.stack([_shares(s, len(names), classes) for s in (train, val)])
    if not shares[0].any():
        raise InputError(
            f"{folder}: no pixel of the training labels has a class of {classes.name}: all are void"
        )
    if absent := [n for n, share in zip(classes.names, shares[0], strict=True) if not share]:
        log.warning("%s: in no training label, cannot be learned: %s", folder, absent)
    sizes = [_size(train.pairs[i].image) for i in evenly(len(train.pairs), LOOKED_AT)]
    height, width = (int(np.median([size[axis] for size in sizes])) for axis in (1, 0))
    names_of_train, names_of_val = (tuple(p.name for p in s.pairs) for s in (train, val))
    kinds = dict.fromkeys(names_of_train, "train") | dict.fromkeys(names_of_val, "val")
    order = tuple(kinds.get(name, "gap") for name in in_order)
    return Survey(spec, names_of_train, names_of_val, height, width, shares, order)


def _opened(spec: str, split: str, classes: ClassSet) -> ImageFiles:
    images = open_dataset(spec, split, classes)
    assert isinstance(images, ImageFiles)
    return images


def _shares(images: ImageFiles, known: int, classes: ClassSet) -> NDArray[np.float64]:
    """Return the share of each class among the pixels that have one, (C,); zeros without any.

    Raises:
        InputError: A label has an id that the data set's own list of classes does not have.
    """
    counts = np.zeros(256)
    for i in evenly(len(images.pairs), LOOKED_AT):
        path = images.pairs[i].label
        if unknown := [n for n in np.unique(read_ids(path)).tolist() if known <= n < VOID]:
            raise InputError(
                f"{path}: id {unknown[0]} has no class: dataset.yaml lists {known}, 0 to"
                f" {known - 1}; add it there, or make these pixels {VOID}"
            )
        counts += np.bincount(images.read_label(path)[::2, ::2].ravel(), minlength=256)
    own = counts[: len(classes.names)]
    shares: NDArray[np.float64] = own / max(own.sum(), 1)
    return shares


def _size(path: Path) -> tuple[int, int]:
    """Return width and height of an image file without decoding it.

    Raises:
        InputError: It is damaged.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: damaged or not an image ({error}); replace it") from error
