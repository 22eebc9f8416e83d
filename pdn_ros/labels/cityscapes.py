"""`cityscapes`: Cityscapes' files, `NAME_gtFine_labelIds.png` or `NAME_gtFine_polygons.json`.

Where both are there, the ids count. A later polygon lies on earlier ones.
"""

import json
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, TypeAdapter

from pdn_ros.classes import VOID
from pdn_ros.datasets import cityscapes
from pdn_ros.datasets.base import read_ids
from pdn_ros.errors import InputError
from pdn_ros.labels.files import read_json
from pdn_ros.labels.folder import LabelledFolder, link
from pdn_ros.labels.polygons import regions
from pdn_ros.labels.shapes import Drawing, Shape, check_size
from pdn_ros.labels.source import Categories, Category, Ids, Item, Request, Source

NAMES: Final = (
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground",
    "road", "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail",
    "bridge", "tunnel", "pole", "polegroup", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "caravan", "trailer", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
"""The classes in the order of their ids; 255 (-1) is the license plate."""

NO_CLASS: Final = (*NAMES[:4], "license plate")
_IDS, _POLYGONS = "_gtFine_labelIds.png", "_gtFine_polygons.json"
_GROUP: Final = "group"


class _Object(BaseModel):
    label: str
    polygon: list[tuple[float, float]]


class _File(BaseModel):
    imgHeight: int  # noqa: N815 - the format's names
    imgWidth: int  # noqa: N815
    objects: list[_Object]


_FILE = TypeAdapter(_File)


def read(request: Request) -> Source:
    """List the labels in a folder and below it.

    Raises:
        InputError: There are none, or one is damaged.
    """
    path = request.path
    if not path.is_dir():
        raise InputError(f"{path}: no folder: give that of the labels (gtFine)")
    ids = {f.name.removesuffix(_IDS): f for f in sorted(path.rglob(f"*{_IDS}"))}
    polygons = {f.name.removesuffix(_POLYGONS): f for f in sorted(path.rglob(f"*{_POLYGONS}"))}
    if not ids and not polygons:
        raise InputError(f"{path}: no NAME{_IDS} and no NAME{_POLYGONS} in it or below")
    categories = Categories()
    items = [_item_of_ids(name, file, categories) for name, file in ids.items()]
    others = sorted(polygons.keys() - ids.keys())
    items += [_item_of_polygons(name, polygons[name], categories) for name in others]
    return Source(
        categories.all(),
        tuple(items),
        synonyms={name: cityscapes.NAMES.get(i, "void") for i, name in enumerate(NAMES)},
    )


def write(data: LabelledFolder, out: Path, tolerance: float) -> None:
    """Write leftImg8bit/train/own/ and gtFine/train/own/ with polygons; names stay ours."""
    images, labels = (out / part / "train" / "own" for part in ("leftImg8bit", "gtFine"))
    for folder in (images, labels):
        folder.mkdir(parents=True)
    for name, label in data.read_labels():
        image = data.images[name]
        link(image, images / f"{name}_leftImg8bit{image.suffix}")
        objects = [
            {
                "label": "unlabeled" if value == VOID else data.name_of(value),
                "polygon": points.tolist(),
            }
            for value, points in regions(label, tolerance)
        ]
        height, width = label.shape
        text = {"imgHeight": height, "imgWidth": width, "objects": objects}
        (labels / f"{name}{_POLYGONS}").write_text(json.dumps(text), encoding="utf-8")


def _item_of_ids(name: str, file: Path, categories: Categories) -> Item:
    ids = read_ids(file)
    codes = np.full(256, VOID, dtype=np.uint8)
    for value in np.unique(ids).tolist():
        if value == VOID:
            continue
        y, x = divmod(int(np.argmax(ids.ravel() == value)), ids.shape[1])
        place = f"{file}: pixel x={x} y={y}"
        if value >= len(NAMES):
            raise InputError(f"{place}: id {value} is none of Cityscapes' {len(NAMES)}: correct it")
        if NAMES[value] not in NO_CLASS:
            codes[value] = categories.add(Category(NAMES[value], place=place))
    return Item(name, file, partial(_read, file, codes))


def _read(file: Path, codes: Ids) -> Ids:
    return codes[read_ids(file)]


def _item_of_polygons(name: str, file: Path, categories: Categories) -> Item:
    found = read_json(file, _FILE)
    check_size(found.imgWidth, found.imgHeight, str(file))
    shapes = []
    for i, thing in enumerate(found.objects):
        label = thing.label
        if label.removesuffix(_GROUP) in NAMES and label not in NAMES:
            label = label.removesuffix(_GROUP)  # some that cannot be told apart
        place = f"{file}: object {i} ({thing.label})"
        category = VOID if label in NO_CLASS else categories.add(Category(label, place=place))
        shapes.append(Shape(category, place, (thing.polygon,)))
    return Item(name, file, Drawing(found.imgWidth, found.imgHeight, VOID, tuple(shapes)))
