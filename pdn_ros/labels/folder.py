"""The folder that `pdn labels import` writes and `pdn train` reads.

`dataset.yaml` (name, classes in id order), `classes.yaml` (the class set), `images/NAME.*` and
`labels/NAME.png` (palette PNG of ids, 255 void).
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets.base import read_ids
from pdn_ros.datasets.folder import IMAGE_SUFFIXES
from pdn_ros.errors import InputError
from pdn_ros.files import read_yaml
from pdn_ros.labels.source import BACKGROUND, Ids, plain

CLASSES: Final = "classes.yaml"
DATASET: Final = "dataset.yaml"
IMAGES: Final = "images"
LABELS: Final = "labels"
FRAMES: Final = "frames.csv"
"""When each frame was taken, where `pdn frames` made the folder."""


@dataclass(frozen=True)
class LabelledFolder:
    """An unsplit data set; images and labels by name, in the order of the names."""

    path: Path
    classes: ClassSet
    images: dict[str, Path]
    labels: dict[str, Path]

    def name_of(self, value: int) -> str:
        """Return the name of an id."""
        return "void" if value == VOID else self.classes.names[value]

    def drawn(self, label: Ids) -> list[int]:
        """Return the ids in a label (H, W) that formats of annotations must hold.

        Void is one where there is a class `background`: it would take what nothing covers.
        """
        void_matters = BACKGROUND in map(plain, self.classes.names)
        values: list[int] = np.unique(label).tolist()
        return [value for value in values if value != VOID or void_matters]

    def link_image(self, name: str, into: Path) -> Path:
        """Link or copy an image into a folder, which is made, and return its path there."""
        image = self.images[name]
        into.mkdir(exist_ok=True)
        link(image, into / image.name)
        return into / image.name

    def read_labels(self) -> Iterator[tuple[str, Ids]]:
        """Yield name and label, (H, W) uint8 ids, of every label that has an image.

        Raises:
            InputError: A label is damaged, or has an id without a class; the line says where.
        """
        for name in sorted(self.labels.keys() & self.images.keys()):
            label = read_ids(self.labels[name])
            unknown = (label >= len(self.classes.classes)) & (label != VOID)
            if unknown.any():
                y, x = (int(n) for n in np.argwhere(unknown)[0])
                raise InputError(
                    f"{self.labels[name]}: pixel x={x} y={y}: id {label[y, x]} has no class in"
                    f" {self.path / CLASSES}: add the class or correct the label"
                )
            yield name, label


def open_folder(path: Path, labels: str = LABELS) -> LabelledFolder:
    """List a data set.

    Args:
        path: The folder.
        labels: Name of the folder of the labels in it.

    Raises:
        InputError: It has no class file, no images or no labels.
    """
    for part in (path, path / IMAGES, path / labels):
        if not part.is_dir():
            raise InputError(f"{part}: no such folder: give what `pdn labels import` has written")
    classes = read_yaml(path / CLASSES, ClassSet)
    files = sorted((path / IMAGES).iterdir())
    return LabelledFolder(
        path,
        classes,
        {file.stem: file for file in files if file.suffix.lower() in IMAGE_SUFFIXES},
        {file.stem: file for file in sorted((path / labels).glob("*.png"))},
    )


def link(file: Path, target: Path) -> None:
    """Make a second name for a file, or a copy where the disk cannot do that."""
    try:
        os.link(file.resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(file, target)


def require_new(folder: Path) -> None:
    """Raise InputError if there is something at a place where a folder is to be made."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: exists already: name a new folder")
