"""`coco`: COCO's JSON, panoptic or with polygons and run-length codes (instances, stuff)."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, Field, TypeAdapter

from pdn_ros.classes import VOID
from pdn_ros.errors import InputError
from pdn_ros.labels.files import read_json
from pdn_ros.labels.folder import LabelledFolder
from pdn_ros.labels.rle import read_coco, write_coco
from pdn_ros.labels.shapes import Drawing, Shape, box, check_size
from pdn_ros.labels.source import Categories, Category, Ids, Item, Request, Source, left_out
from pdn_ros.messages.compressed import read_image_file


class _Category(BaseModel):
    id: int
    name: str
    color: tuple[int, int, int] | None = None


class _Image(BaseModel):
    id: int
    file_name: str
    width: int
    height: int


class _Runs(BaseModel):
    size: tuple[int, int]
    counts: str | list[int]


class _Segment(BaseModel):
    id: int
    category_id: int


class _Annotation(BaseModel):
    id: int = 0
    image_id: int
    category_id: int = 0
    segmentation: list[Annotated[list[float], Field(min_length=6)]] | _Runs | None = None
    area: float = 0
    file_name: str = ""
    segments_info: list[_Segment] | None = None


class _File(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


_FILE = TypeAdapter(_File)


def read(request: Request) -> Source:
    """Read one JSON file; PNG files of a panoptic one lie in the folder of its name beside it.

    Raises:
        InputError: The file does not fit the format, or an annotation names an image or a
            category that is not in it.
    """
    path = _json_file(request.path)
    file = read_json(path, _FILE)
    names = {c.id: c for c in file.categories}
    categories = Categories(Category(c.name, c.color) for c in file.categories)
    images = {image.id: image for image in file.images}
    found: dict[int, list[_Annotation]] = defaultdict(list)
    for annotation in file.annotations:
        if annotation.image_id not in images:
            raise InputError(
                f"{path}: annotation {annotation.id}: no image {annotation.image_id} in the file"
            )
        found[annotation.image_id].append(annotation)

    def index(category: int, place: str) -> int:
        if category not in names:
            raise InputError(f"{place}: no category {category} in the file")
        return categories.add(Category(names[category].name, place=place))

    items, boxes = [], 0
    for image in file.images:
        check_size(image.width, image.height, f"{path}: image {image.id}")
        shapes: list[Shape] = []
        panoptic = [a for a in found[image.id] if a.segments_info is not None]
        # The format has no order of drawing: what is small lies on what is large.
        for annotation in sorted(found[image.id], key=lambda a: -a.area):
            place = f"{path}: annotation {annotation.id}"
            if annotation.segmentation:
                i = index(annotation.category_id, place)
                shapes.append(_shape(i, place, annotation.segmentation))
            elif not panoptic:
                boxes += 1
        if panoptic:
            items.append(_panoptic_item(path, image, panoptic[0], index))
        elif shapes:
            drawing = Drawing(image.width, image.height, categories.background(), tuple(shapes))
            items.append(Item(image.file_name, path, drawing))
    return Source(categories.all(), tuple(items), left_out(boxes, len(file.images) - len(items)))


def write(data: LabelledFolder, out: Path, tolerance: float) -> None:  # noqa: ARG001
    """Write stuff.json (a run-length code for each class of an image), panoptic.json, panoptic/."""
    images: list[dict[str, Any]] = []
    masks: list[dict[str, Any]] = []
    segments: list[dict[str, Any]] = []
    (out / "panoptic").mkdir()
    for number, (name, label) in enumerate(data.read_labels(), start=1):
        image = data.link_image(name, out / "images")
        height, width = label.shape
        images.append({"id": number, "file_name": image.name, "width": width, "height": height})
        present = []
        for value in data.drawn(label):
            mask = label == value
            area = {"area": int(mask.sum()), "bbox": list(box(mask)), "iscrowd": 0}
            found = {"category_id": value + 1, **area}
            runs = {"size": [height, width], "counts": write_coco(mask)}
            at = {"id": len(masks) + 1, "image_id": number}
            masks.append({**at, **found, "segmentation": runs})
            if value != VOID:
                present.append({"id": value + 1, **found})
        segments.append({"image_id": number, "file_name": f"{name}.png", "segments_info": present})
        codes = np.zeros((height, width, 3), dtype=np.uint8)  # id = red + 256 green + ...; 0 void
        codes[..., 0] = np.where(label == VOID, 0, label + 1)
        Image.fromarray(codes).save(out / "panoptic" / f"{name}.png")
    categories = [
        {"id": value + 1, "name": data.name_of(value), "isthing": 0, "supercategory": ""}
        for value in (*range(len(data.classes.names)), VOID)
    ]
    for file, annotations in (("stuff.json", masks), ("panoptic.json", segments)):
        text = {"images": images, "annotations": annotations, "categories": categories}
        (out / file).write_text(json.dumps(text), encoding="utf-8")


def _json_file(path: Path) -> Path:
    """Return the file itself, or the one in a folder; of several, the panoptic one."""
    if path.is_file():
        return path
    found = sorted(path.glob("*.json")) or sorted(path.glob("annotations/*.json"))
    panoptic = [file for file in found if file.stem.startswith("panoptic")]
    chosen = panoptic if len(panoptic) == 1 else found
    if len(chosen) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise InputError(f"{path}: give one of the JSON files in it; there are: {names}")
    return chosen[0]


def _shape(category: int, place: str, code: list[list[float]] | _Runs) -> Shape:
    if isinstance(code, _Runs):
        height, width = code.size
        check_size(width, height, place)
        return Shape(category, place, mask=partial(read_coco, code.counts, height, width))
    if any(len(part) % 2 for part in code):
        raise InputError(f"{place}: a polygon with an odd number of coordinates: correct it")
    return Shape(category, place, tuple(np.reshape(part, (-1, 2)) for part in code))


def _panoptic_item(
    path: Path, image: _Image, annotation: _Annotation, index: Callable[[int, str], int]
) -> Item:
    picture = path.with_suffix("") / annotation.file_name
    codes = {0: VOID}
    for segment in annotation.segments_info or ():
        place = f"{picture}: segment {segment.id}"
        codes[segment.id] = index(segment.category_id, place)
    return Item(image.file_name, picture, partial(_read_panoptic, picture, codes))


def _read_panoptic(picture: Path, codes: Mapping[int, int]) -> Ids:
    bgr = read_image_file(picture).astype(np.uint32)
    segments, places = np.unique(
        bgr[..., 2] | (bgr[..., 1] << 8) | (bgr[..., 0] << 16), return_inverse=True
    )
    for segment in segments.tolist():
        if segment not in codes:
            here = places.reshape(bgr.shape[:2]) == np.searchsorted(segments, segment)
            y, x = np.argwhere(here)[0].tolist()
            raise InputError(
                f"{picture}: pixel x={x} y={y}: segment {segment} is not in the JSON file"
            )
    table = np.array([codes[segment] for segment in segments.tolist()], dtype=np.uint8)
    return np.asarray(table[places.reshape(bgr.shape[:2])])
