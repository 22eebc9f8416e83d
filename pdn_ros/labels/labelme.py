"""`labelme`: LabelMe's JSON, a file for each image; later shapes lie on earlier ones."""

import base64
import binascii
import io
import json
import math
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from pydantic import BaseModel, TypeAdapter

from pdn_ros.errors import InputError
from pdn_ros.labels.files import read_json
from pdn_ros.labels.folder import LabelledFolder
from pdn_ros.labels.polygons import regions
from pdn_ros.labels.rle import Mask
from pdn_ros.labels.shapes import Drawing, Shape, check_size, ellipse
from pdn_ros.labels.source import Categories, Category, Item, Request, Source, left_out

VERSION: Final = "5.5.0"
_LINES: Final = ("line", "linestrip", "point", "points")


class _Shape(BaseModel):
    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"
    mask: str | None = None


class _File(BaseModel):
    shapes: list[_Shape]
    imagePath: str  # noqa: N815 - the format's name
    imageHeight: int  # noqa: N815
    imageWidth: int  # noqa: N815


_FILE = TypeAdapter(_File)


def read(request: Request) -> Source:
    """Read the JSON files of a folder, or one file.

    Raises:
        InputError: There are none, or one does not fit the format.
    """
    path = request.path
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: no JSON files in it: give LabelMe's folder")
    categories = Categories()
    items, lines, empty = [], 0, 0
    for name in files:
        file = read_json(name, _FILE)
        check_size(file.imageWidth, file.imageHeight, str(name))
        shapes = []
        for i, shape in enumerate(file.shapes):
            if shape.shape_type in _LINES:
                lines += 1
                continue
            place = f"{name}: shape {i} ({shape.label})"
            category = categories.add(Category(shape.label, place=place))
            shapes.append(_shape(shape, category, place))
        if shapes:
            size = (file.imageWidth, file.imageHeight)
            items.append(
                Item(file.imagePath, name, Drawing(*size, categories.background(), tuple(shapes)))
            )
        else:
            empty += 1
    return Source(categories.all(), tuple(items), left_out(lines, empty))


def write(data: LabelledFolder, out: Path, tolerance: float) -> None:
    """Write NAME.json beside its image; polygons in the order in which they are drawn."""
    for name, label in data.read_labels():
        shapes = [
            {
                "label": data.name_of(value),
                "points": points.tolist(),
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
            }
            for value, points in regions(label, tolerance)
        ]
        image = data.link_image(name, out)
        text = {
            "version": VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": image.name,
            "imageData": None,
            "imageHeight": label.shape[0],
            "imageWidth": label.shape[1],
        }
        (out / f"{name}.json").write_text(json.dumps(text), encoding="utf-8")


def _shape(shape: _Shape, category: int, place: str) -> Shape:
    points = shape.points
    if shape.shape_type == "mask" and len(points) == 2 and shape.mask is not None:
        corner = (round(points[0][0]), round(points[0][1]))
        return Shape(category, place, mask=partial(_read_mask, shape.mask), corner=corner)
    if shape.shape_type == "polygon" and len(points) >= 3:
        return Shape(category, place, (points,))
    if shape.shape_type == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return Shape(category, place, ([(x0, y0), (x1, y0), (x1, y1), (x0, y1)],))
    if shape.shape_type == "circle" and len(points) == 2:
        radius = math.dist(*points)
        return Shape(category, place, (ellipse(*points[0], radius, radius),))
    raise InputError(
        f"{place}: a {shape.shape_type} with {len(points)} points: polygon, rectangle, circle and"
        " mask are known"
    )


def _read_mask(text: str) -> Mask:
    """Return the mask in a base64 PNG."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            return np.asarray(picture.convert("L")) > 0
    except (OSError, SyntaxError, binascii.Error) as error:
        raise InputError(f"its mask is damaged ({error})") from error
