"""`folder:DIR`: images and palette labels side by side.

`DIR/{split}/images/NAME.jpg`, `DIR/{split}/labels/NAME.png` and `DIR/dataset.yaml` (`name`,
`classes` in id order, `hidden`).

A set without a split is `DIR/images/NAME.jpg`, `DIR/labels/NAME.png` and `DIR/dataset.yaml`. Its
splits `train` and `val` are made by time: that of `DIR/frames.csv` (`name`, `stamp_ns`) if there is
one, else by the natural order of the names. Its split `all` is every image with a label; images
without a label are left out.

`folder:DIR?only=PREFIX,PREFIX` takes only the images whose names start so (a city, a sequence),
`?without=PREFIX` all others. `folder:DIR?images=OTHER` pairs `DIR/{split}_labels_only/NAME.png`,
labels without an image of their size, with the images of the same names in `OTHER/{split}/images`.
"""

import csv
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets.base import IdTable, ImageFiles, Pair, hidden_in, no_options, read_ids
from pdn_ros.datasets.split import PLENTY, split_by_time
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
        pairs = _pairs(Path(options["images"]) / split / "images", labels)
    elif is_unsplit(folder):
        pairs = in_time_order(_pairs(folder / "images", folder / "labels"), folder / "frames.csv")
        pairs = _part(pairs, split, folder)
    else:
        pairs = _pairs(folder / split / "images", folder / split / "labels")
    return ImageFiles(
        name=name,
        classes=classes.names,
        pairs=_picked(pairs, options),
        read_label=IdTable(name, dict(enumerate(description.classes)), classes),
        hidden=hidden_in(classes, description.hidden),
    )


def is_unsplit(folder: Path) -> bool:
    """Return whether the images of a folder are not split yet."""
    return (folder / "labels").is_dir()


def in_time_order(pairs: tuple[Pair, ...], stamps: Path) -> tuple[Pair, ...]:
    """Sort by the times in the file `stamps`, or naturally by name where there is no such file.

    Raises:
        InputError: The file cannot be read, or lacks an image.
    """
    if not stamps.is_file():
        return tuple(sorted(pairs, key=lambda pair: _natural(pair.name)))
    try:
        with stamps.open(newline="", encoding="utf-8") as file:
            times = {_stem(row["name"]): int(row["stamp_ns"]) for row in csv.DictReader(file)}
    except KeyError as error:
        raise InputError(f"{stamps}: no column {error}; it needs name and stamp_ns") from error
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{stamps}: cannot be read ({error}); mend or remove it") from error
    if absent := [pair.name for pair in pairs if pair.name not in times]:
        raise InputError(f"{stamps}: no line for image {absent[0]}; add it or remove the file")
    return tuple(sorted(pairs, key=lambda pair: (times[pair.name], _natural(pair.name))))


def _stem(name: str) -> str:
    """Return an image's name without its suffix, if it has one: stamps may have dots, too."""
    path = Path(name)
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else name


def _natural(name: str) -> list[tuple[str, int]]:
    """Sort key by which frame2 comes before frame10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]


def _part(pairs: tuple[Pair, ...], split: str, folder: Path) -> tuple[Pair, ...]:
    """Return one split of the images of an unsplit folder, in the order of time."""
    if split == "all":
        return pairs
    if split not in ("train", "val"):
        raise InputError(f"{folder}: no split {split!r}; it has train, val and all")
    train, val = split_by_time(_contents(tuple(pair.label for pair in pairs)))
    return tuple(pairs[i] for i in (train if split == "train" else val))


@lru_cache(maxsize=8)
def _contents(labels: tuple[Path, ...]) -> tuple[frozenset[int], ...]:
    """Read which ids occur in each label file, where the split depends on it."""
    if len(labels) >= PLENTY:
        return (frozenset(),) * len(labels)
    return tuple(frozenset(np.unique(read_ids(path)).tolist()) - {VOID} for path in labels)


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
