"""`pdn labels import`: from a labeling format to a folder that `pdn train` reads."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from pdn_ros.classes import VOID, ClassSet, load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import atomic
from pdn_ros.labels import folder
from pdn_ros.labels.formats import find_format
from pdn_ros.labels.images import Images
from pdn_ros.labels.names import class_file, make_classes, match
from pdn_ros.labels.source import Ids, Item, Request, Source
from pdn_ros.visualization import save_mask

_ASPECT: Final = 0.01
"""Label and image cover the same field of view if their shapes agree within this share."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What was written.

    Attributes:
        classes: The class set.
        made: Whether it was made from what was found.
        shares: Share of the pixels of each class, then of void.
        images: Number of images.
        notes: Lines for the user.
    """

    classes: ClassSet
    made: bool
    shares: NDArray[np.float64]
    images: int
    notes: tuple[str, ...]


def import_labels(
    kind: str,
    path: Path,
    out: Path,
    *,
    classes: Path | str | None = None,
    images: Path | None = None,
    table: Path | None = None,
    void: tuple[str, ...] = (),
    report: Callable[[int, int], None],
) -> Imported:
    """Write labels and their images as an unsplit folder.

    Args:
        kind: The format, one of `FORMATS`.
        path: File or folder of the labels.
        out: Folder to make.
        classes: Class file; without, the classes are those that are found.
        images: Folder of the images; without, they are looked for below and beside the labels.
        table: Names of the colors of masks.
        void: Names and colors that become void.
        report: Called with the images done and their number.

    Raises:
        InputError: The labels cannot be read, do not fit the class set or have no images, or `out`
            exists already.
    """
    folder.require_new(out)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder: give the labels")
    known = load_classes(classes) if classes else None
    source = find_format(kind).read(Request(path, known, table, void))
    if not source.items:
        raise InputError(f"{path}: no labels in it")
    pictures = Images(path, images, [item.file for item in source.items])
    found = [pictures.find(item.image, item.file) for item in source.items]
    names = _names(found, source)
    made = known or make_classes(source, _count(source).tolist(), out.name, void)
    ids = match(source, made, void)
    shares = np.zeros(256, dtype=np.int64)
    done = 0
    with atomic(out) as part:
        for name in (folder.IMAGES, folder.LABELS):
            (part / name).mkdir(parents=True)
        for item, image, name in zip(source.items, found, names, strict=True):
            label = ids[item.read()]
            shares += np.bincount(label.ravel(), minlength=256)
            _place(image, part / folder.IMAGES / f"{name}{image.suffix.lower()}", label, item)
            save_mask(part / folder.LABELS / f"{name}.png", label, made)
            done += 1
            report(done, len(found))
        if not shares[:VOID].any():
            raise InputError(f"{path}: every pixel is void; there is nothing to learn from")
        _describe(part, made, out.name)
        _keep_times(part, found)
    counted = np.append(shares[: len(made.names)], shares[-1]) / max(1, shares.sum())
    return Imported(made, known is None, counted, len(found), source.notes)


def _count(source: Source) -> NDArray[np.int64]:
    """Return the pixels of each category and, last, of void."""
    counts = np.zeros(256, dtype=np.int64)
    for item in source.items:
        counts += np.bincount(item.read().ravel(), minlength=256)
    return counts


def _names(images: Sequence[Path], source: Source) -> list[str]:
    """Return a name for each image: the file's, with as many folders' as make it the only one."""
    first: dict[Path, Item] = {}
    for image, item in zip(images, source.items, strict=True):
        if image in first:
            raise InputError(
                f"{image}: has two labels, in {first[image].file} and {item.file}: keep one"
            )
        first[image] = item
    for folders in range(max(len(image.parts) for image in images)):
        names = ["_".join((*i.parent.parts[-folders:][:folders], i.stem)) for i in images]
        if len(set(names)) == len(names):
            return names
    raise InputError(f"{images[0].parent}: images of one name, in .jpg and .png: rename them")


def _place(image: Path, target: Path, label: Ids, item: Item) -> None:
    """Link or copy an image; one that its EXIF data turns is written as labeling tools show it.

    Raises:
        InputError: It is damaged, or its shape is not the label's.
    """
    height, width = label.shape
    try:
        with Image.open(image) as picture:
            size = picture.size
            turned = picture.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)
            if turned and size != (width, height):
                upright = ImageOps.exif_transpose(picture)
                size = upright.size
                upright.save(target, quality=95)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{image}: damaged or not an image ({error}): replace it") from error
    if abs(size[0] * height / (size[1] * width) - 1) > _ASPECT:
        raise InputError(
            f"{item.file}: label of {width}x{height} pixels, but {image} has {size[0]}x{size[1]}:"
            " give the image that was labeled"
        )
    if not target.exists():
        folder.link(image, target)


def _describe(out: Path, classes: ClassSet, name: str) -> None:
    """Write what the data set is called and what its ids mean."""
    text = yaml.safe_dump({"name": name, "classes": list(classes.names)}, sort_keys=False)
    (out / folder.DATASET).write_text(text, encoding="utf-8")
    (out / folder.CLASSES).write_text(class_file(classes), encoding="utf-8")


def _keep_times(out: Path, images: Sequence[Path]) -> None:
    """Copy the list of frames that `pdn frames` wrote beside the images."""
    for place in (images[0].parent, images[0].parent.parent):
        if (place / folder.FRAMES).is_file():
            shutil.copyfile(place / folder.FRAMES, out / folder.FRAMES)
            return
