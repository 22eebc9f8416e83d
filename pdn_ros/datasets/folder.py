"""`folder:DIR`: images and palette labels side by side.

`DIR/{split}/images/NAME.jpg`, `DIR/{split}/labels/NAME.png` and `DIR/dataset.yaml` (`name`,
`classes` in id order, `hidden`).

`folder:DIR?only=PREFIX,PREFIX` takes only the images whose names start so (a city, a sequence),
`?without=PREFIX` all others. `folder:DIR?images=OTHER` pairs `DIR/{split}_labels_only/NAME.png`,
labels without an image of their size, with the images of the same names in `OTHER/{split}/images`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets.base import IdTable, ImageFiles, Pair, hidden_in, no_options
from pdn_ros.errors import InputError
from pdn_ros.files import read_yaml

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class Description(BaseModel):
    """The file `dataset.yaml`: class names in id order, and classes labeled as another."""

    name: str = ""
    classes: Annotated[list[str], Field(min_length=1, max_length=VOID)]
    hidden: dict[str, str] = {}


def open_split(
    folder: Path, split: str, classes: ClassSet, options: Mapping[str, str]
) -> ImageFiles:
    """List one split of a folder.

    Raises:
        InputError: The folder lacks `dataset.yaml` or the split, or images and labels don't match.
    """
    no_options("folder", options, ("images", "only", "without"))
    description = read_yaml(folder / "dataset.yaml", Description)
    name = description.name or folder.name
    if "images" in options:
        labels = folder / f"{split}_labels_only"
        images = Path(options["images"]) / split / "images"
    else:
        labels = folder / split / "labels"
        images = folder / split / "images"
    return ImageFiles(
        name=name,
        classes=classes.names,
        pairs=_picked(_pairs(images, labels), options),
        read_label=IdTable(name, dict(enumerate(description.classes)), classes),
        hidden=hidden_in(classes, description.hidden),
    )


def _picked(pairs: tuple[Pair, ...], options: Mapping[str, str]) -> tuple[Pair, ...]:
    """Keep the names that the options `only` and `without` leave."""
    only, without = (
        tuple(filter(None, options.get(k, "").split(","))) for k in ("only", "without")
    )
    kept = tuple(
        p
        for p in pairs
        if (not only or p.name.startswith(only)) and not (without and p.name.startswith(without))
    )
    if not kept:
        raise InputError(f"folder: only={options.get('only', '')} leaves no image; check the names")
    return kept


def _pairs(images: Path, labels: Path) -> tuple[Pair, ...]:
    """Match labels and images by name, in order of the names."""
    for part in (images, labels):
        if not part.is_dir():
            raise InputError(f"{part}: no such folder; name a split that the data set has")
    by_name = {p.stem: p for p in images.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES}
    stems = sorted(p.stem for p in labels.glob("*.png"))
    if not stems:
        raise InputError(f"{labels}: no labels (NAME.png) in it")
    missing = [stem for stem in stems if stem not in by_name]
    if missing:
        raise InputError(f"{images}: {len(missing)} labels have no image, {missing[0]} among them")
    return tuple(Pair(stem, by_name[stem], labels / f"{stem}.png") for stem in stems)
