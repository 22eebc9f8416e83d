"""Labeled images behind one small interface; one file per layout.

A new layout is a file with a function like `folder.open_split` and a line in `LAYOUTS`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from pdn_ros.classes import ClassSet
from pdn_ros.datasets import (
    a2d2,
    ade20k,
    bdd100k,
    cityscapes,
    coco,
    comma10k,
    drive,
    folder,
    rellis,
    vistas,
)
from pdn_ros.datasets.base import LabelledImages, Sample
from pdn_ros.errors import InputError

__all__ = ["LAYOUTS", "LabelledImages", "Sample", "open_dataset"]

Opener = Callable[[Path, str, ClassSet, Mapping[str, str]], LabelledImages]

LAYOUTS: Final[Mapping[str, Opener]] = {
    "folder": folder.open_split,
    "cityscapes": cityscapes.open_split,
    "comma10k": comma10k.open_split,
    "drive": drive.open_split,
    "ade20k": ade20k.open_split,
    "coco": coco.open_split,
    "vistas": vistas.open_split,
    "rellis": rellis.open_split,
    "a2d2": a2d2.open_split,
    "bdd100k": bdd100k.open_split,
}


def open_dataset(spec: str, split: str, classes: ClassSet) -> LabelledImages:
    """Open one split of a data set, with labels in the ids of `classes`.

    Args:
        spec: `LAYOUT:PATH[?OPTION=VALUE&...]`, for example `folder:data/camvid`.
        split: `train`, `val` or another split of the data set.
        classes: The class set.

    Raises:
        InputError: Unknown layout or option, or the files do not match the layout.
    """
    layout, colon, rest = spec.partition(":")
    if not colon or layout not in LAYOUTS:
        known = ", ".join(f"{name}:PATH" for name in LAYOUTS)
        raise InputError(f"data set {spec!r}: unknown layout; give one of {known}")
    path, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    folder_path = Path(path).expanduser()
    if not path or not folder_path.exists():
        raise InputError(f"data set {spec!r}: {path or 'the path'} does not exist")
    return LAYOUTS[layout](folder_path, split, classes, options)
