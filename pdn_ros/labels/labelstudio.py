"""`labelstudio`: Label Studio's JSON: brushes, polygons, ellipses; later ones lie on top."""

import json
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from pydantic import BaseModel, TypeAdapter

from pdn_ros.datasets.folder import IMAGE_SUFFIXES
from pdn_ros.errors import InputError
from pdn_ros.labels.files import one_file, read_json
from pdn_ros.labels.folder import LabelledFolder
from pdn_ros.labels.rle import read_label_studio, write_label_studio
from pdn_ros.labels.shapes import Drawing, Shape, check_size, ellipse
from pdn_ros.labels.source import Categories, Category, Item, Request, Source, left_out

_LOCAL: Final = "/data/local-files/?d="


class _Value(BaseModel):
    brushlabels: list[str] = []
    polygonlabels: list[str] = []
    ellipselabels: list[str] = []
    rle: list[int] = []
    points: list[tuple[float, float]] = []
    x: float = 0
    y: float = 0
    radiusX: float = 0  # noqa: N815 - the format's names
    radiusY: float = 0  # noqa: N815


class _Result(BaseModel):
    id: str = ""
    type: str = ""
    original_width: int = 0
    original_height: int = 0
    value: _Value = _Value()


class _Annotation(BaseModel):
    result: list[_Result] = []
    was_cancelled: bool = False


class _Task(BaseModel):
    id: int = 0
    data: dict[str, Any]
    annotations: list[_Annotation]


_FILE = TypeAdapter(list[_Task])


def read(request: Request) -> Source:
    """Read an export of the kind `JSON`; of several annotations of a task the last one counts.

    Raises:
        InputError: The file does not fit the format, or an annotation is damaged.
    """
    path = one_file(request.path, ".json", "JSON file")
    categories = Categories()
    items, empty, without_area = [], 0, 0
    for task in read_json(path, _FILE):
        place = f"{path}: task {task.id}"
        finished = [a for a in task.annotations if not a.was_cancelled]
        shapes: list[Shape] = []
        width = height = 0
        for result in finished[-1].result if finished else ():
            shape = _shape(result, f"{place}: annotation {result.id}", categories)
            if shape is None:
                without_area += 1
                continue
            width, height = result.original_width, result.original_height
            shapes.append(shape)
        if shapes:
            drawing = Drawing(width, height, categories.background(), tuple(shapes))
            items.append(Item(_image_name(task, place), path, drawing))
        else:
            empty += 1
    return Source(categories.all(), tuple(items), left_out(without_area, empty))


def write(data: LabelledFolder, out: Path, tolerance: float) -> None:  # noqa: ARG001
    """Write tasks.json with a brush for each class of an image, images/ and interface.xml.

    The tasks find the images when Label Studio's LOCAL_FILES_DOCUMENT_ROOT is this folder.
    """
    tasks = []
    for name, label in data.read_labels():
        image = data.link_image(name, out / "images")
        height, width = label.shape
        result = [
            {
                "id": f"{name}_{value}",
                "type": "brushlabels",
                "from_name": "tag",
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {
                    "format": "rle",
                    "rle": write_label_studio(label == value),
                    "brushlabels": [data.name_of(value)],
                },
            }
            for value in data.drawn(label)
        ]
        address = f"{_LOCAL}images/{image.name}"
        tasks.append({"data": {"image": address}, "annotations": [{"result": result}]})
    (out / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", {"name": "image", "value": "$image", "zoom": "true"})
    brushes = ElementTree.SubElement(view, "BrushLabels", {"name": "tag", "toName": "image"})
    for info in data.classes.classes:
        color = info.hex_color
        ElementTree.SubElement(brushes, "Label", {"value": info.name, "background": color})
    ElementTree.indent(view)
    ElementTree.ElementTree(view).write(out / "interface.xml", encoding="utf-8")


def _shape(result: _Result, place: str, categories: Categories) -> Shape | None:
    """Return an annotation's shape; None if it has no area."""
    value, width, height = result.value, result.original_width, result.original_height
    names = value.brushlabels or value.polygonlabels or value.ellipselabels
    if not names:
        return None
    check_size(width, height, place)
    category = categories.add(Category(names[0], place=f"{place} ({names[0]})"))
    if value.brushlabels:
        return Shape(category, place, mask=partial(read_label_studio, value.rle, height, width))
    # The rest is in percent of the image's size.
    if value.polygonlabels:
        points = [(x * width / 100, y * height / 100) for x, y in value.points]
        return Shape(category, place, (points,))
    x, y = value.x * width / 100, value.y * height / 100
    half = value.radiusX * width / 100, value.radiusY * height / 100
    return Shape(category, place, (ellipse(x, y, *half),))


def _image_name(task: _Task, place: str) -> str:
    """Return the file name in a task's address: a URL, an upload or a local file."""
    for address in task.data.values():
        if isinstance(address, str):
            parts = urlsplit(address)
            path = unquote(parts.query.removeprefix("d=") or parts.path)
            if path.lower().endswith(IMAGE_SUFFIXES):
                return path
    raise InputError(f"{place}: no address of an image in its data")
