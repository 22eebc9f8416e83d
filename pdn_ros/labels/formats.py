"""The labeling formats by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pdn_ros.errors import InputError
from pdn_ros.labels import cityscapes, coco, colors, cvat, labelme, labelstudio, voc
from pdn_ros.labels.folder import LabelledFolder
from pdn_ros.labels.source import Request, Source


class Format(NamedTuple):
    """A labeling format: how its labels are read and written (folder, target, tolerance)."""

    read: Callable[[Request], Source]
    write: Callable[[LabelledFolder, Path, float], None]


FORMATS: Final[Mapping[str, Format]] = {
    "colors": Format(colors.read, colors.write),
    "voc": Format(voc.read, voc.write),
    "coco": Format(coco.read, coco.write),
    "cvat": Format(cvat.read, cvat.write),
    "labelstudio": Format(labelstudio.read, labelstudio.write),
    "labelme": Format(labelme.read, labelme.write),
    "cityscapes": Format(cityscapes.read, cityscapes.write),
}


def find_format(name: str) -> Format:
    """Return the format of a name; raises InputError if there is none."""
    if name not in FORMATS:
        raise InputError(f"format {name!r}: give one of {', '.join(FORMATS)}")
    return FORMATS[name]
