"""`cvat`: CVAT for images 1.1, one XML file."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import numpy as np

from pdn_ros.errors import InputError
from pdn_ros.labels.files import one_file
from pdn_ros.labels.folder import LabelledFolder
from pdn_ros.labels.rle import Mask, from_runs, runs
from pdn_ros.labels.shapes import Drawing, Shape, box, check_size, ellipse
from pdn_ros.labels.source import Categories, Category, Color, Item, Request, Source, left_out

_SHAPES: Final = ("polygon", "mask", "ellipse")


def read(request: Request) -> Source:
    """Read one XML file.

    Raises:
        InputError: The file is no such XML, or an annotation is damaged.
    """
    path = one_file(request.path, ".xml", "XML file")
    try:
        root = ElementTree.fromstring(path.read_bytes())
    # An unknown encoding is a LookupError or a ValueError.
    except (OSError, LookupError, ValueError, ElementTree.ParseError) as error:
        raise InputError(f"{path}: cannot be read ({error}): give CVAT's XML file") from error
    images = root.findall("image")
    if root.tag != "annotations" or not images:
        raise InputError(f"{path}: no images in it: export as `CVAT for images 1.1`")
    categories = Categories(
        Category(label.findtext("name", ""), _color(label.findtext("color", "")))
        for label in root.iterfind("meta//labels/label")
    )
    items, without_area, empty = [], 0, 0
    for image in images:
        name, place = image.get("name", ""), f"{path}: image {image.get('name', '')!r}"
        width, height = (int(_number(image, key, place)) for key in ("width", "height"))
        check_size(width, height, place)
        found = [(i, e) for i, e in enumerate(image) if e.tag in _SHAPES]
        without_area += sum(e.tag in ("box", "polyline", "points", "cuboid") for e in image)
        found.sort(key=lambda entry: _number(entry[1], "z_order", place, "0"))  # stable
        shapes = []
        for i, element in found:
            label = element.get("label", "")
            where = f"{place}: {element.tag} {i} ({label})"
            shapes.append(_shape(element, categories.add(Category(label, place=where)), where))
        if shapes:
            drawing = Drawing(width, height, categories.background(), tuple(shapes))
            items.append(Item(name, path, drawing))
        else:
            empty += 1
    return Source(categories.all(), tuple(items), left_out(without_area, empty))


def write(data: LabelledFolder, out: Path, tolerance: float) -> None:  # noqa: ARG001
    """Write annotations.xml with a mask for each class of an image, and images/."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    labels = ElementTree.SubElement(task, "labels")
    for info in data.classes.classes:
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = info.name
        ElementTree.SubElement(label, "color").text = info.hex_color
    for number, (name, ids) in enumerate(data.read_labels()):
        file = data.link_image(name, out / "images").name
        size = {"width": str(ids.shape[1]), "height": str(ids.shape[0])}
        image = ElementTree.SubElement(root, "image", {"id": str(number), "name": file, **size})
        for value in data.drawn(ids):
            mask = ids == value
            left, top, width, height = box(mask)
            part = mask[top : top + height, left : left + width]
            attributes = {
                "label": data.name_of(value),
                "source": "file",
                "occluded": "0",
                "rle": ", ".join(map(str, runs(part.ravel()))),
                "left": str(left),
                "top": str(top),
                "width": str(width),
                "height": str(height),
                "z_order": "0",
            }
            ElementTree.SubElement(image, "mask", attributes)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(
        out / "annotations.xml", encoding="utf-8", xml_declaration=True
    )


def _shape(element: ElementTree.Element, category: int, place: str) -> Shape:
    if element.tag == "polygon":
        numbers = _numbers(element.get("points", ""), place)
        if len(numbers) % 2 or len(numbers) < 6:
            raise InputError(f"{place}: {len(numbers)} coordinates are no polygon: correct it")
        return Shape(category, place, (np.reshape(numbers, (-1, 2)),))
    if element.tag == "ellipse":
        x, y, a, b = (_number(element, key, place) for key in ("cx", "cy", "rx", "ry"))
        return Shape(category, place, (ellipse(x, y, a, b),))
    left, top, width, height = (
        int(_number(element, key, place)) for key in ("left", "top", "width", "height")
    )
    check_size(width, height, place)
    lengths = [int(number) for number in _numbers(element.get("rle", ""), place)]
    size = (height, width)
    return Shape(category, place, mask=partial(_mask, lengths, size), corner=(left, top))


def _mask(lengths: Sequence[int], size: tuple[int, int]) -> Mask:
    return from_runs(lengths, size[0] * size[1]).reshape(size)


def _numbers(text: str, place: str) -> list[float]:
    try:
        found = [float(part) for part in re.split(r"[,;\s]+", text.strip()) if part]
    except ValueError as error:
        raise InputError(f"{place}: {error}: correct or remove it") from error
    if not np.isfinite(found).all():
        raise InputError(f"{place}: a number is not finite: correct or remove it")
    return found


def _number(element: ElementTree.Element, key: str, place: str, default: str = "") -> float:
    numbers = _numbers(element.get(key, default), place)
    if len(numbers) != 1:
        raise InputError(f"{place}: no {key}: correct or remove it")
    return numbers[0]


def _color(text: str) -> Color | None:
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        return None
    value = int(text[1:], 16)
    return value >> 16, value >> 8 & 255, value & 255
