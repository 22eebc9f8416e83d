"""`vistas:DIR`: Mapillary Vistas 1.2 and 2.0 (Neuhold et al., ICCV 2017).

`DIR/{training,validation}/images/NAME.jpg`, labels in `v2.0/labels`, `v1.2/labels` or `labels`
beside them, and their classes in `DIR/config_v2.0.json`, `config_v1.2.json` or `config.json`.
The newest version that is there is taken; `vistas:DIR?version=1.2` takes another one. Its names
are long, `construction--flat--road`; `train` and `val` name the splits.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from pdn_ros.classes import ClassSet
from pdn_ros.datasets.base import IdTable, ImageFiles, Pair, as_named, no_options
from pdn_ros.errors import InputError

STREET: Final[Mapping[str, str]] = {
    "construction--barrier--curb": "sidewalk",
    "construction--barrier--wall": "building",
    "construction--barrier--": "fence",
    "construction--flat--curb-cut": "sidewalk",
    "construction--flat--pedestrian-area": "sidewalk",
    "construction--flat--sidewalk": "sidewalk",
    "construction--flat--traffic-island": "sidewalk",
    "construction--flat--rail-track": "",
    "construction--flat--": "road",
    "construction--structure--": "building",
    "human--person": "pedestrian",
    "human--rider": "cyclist",
    "marking": "lane_marking",
    "nature--sky": "sky",
    "nature--terrain": "vegetation",
    "nature--vegetation": "vegetation",
    "object--manhole": "road",
    "object--pothole": "road",
    "object--street-light": "pole",
    "object--support--traffic-sign-frame": "sign",
    "object--support--": "pole",
    "object--traffic-light": "sign",
    "object--traffic-sign": "sign",
    "object--vehicle--bicycle": "cyclist",
    "object--vehicle--motorcycle": "cyclist",
    "object--vehicle--boat": "",
    "object--vehicle--": "vehicle",
}
"""Our street class by how a name starts; the first that fits counts, "" and all others are void."""

SPLITS: Final = {"train": "training", "val": "validation"}
PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "2.0": ("config_v2.0.json", "v2.0/labels"),
    "1.2": ("config_v1.2.json", "v1.2/labels"),
    "": ("config.json", "labels"),
}
"""The classes' file and the labels' folder of each version; the first releases name none."""


class _Label(BaseModel):
    name: str


class _Config(BaseModel):
    labels: list[_Label]


def open_split(
    folder: Path, split: str, classes: ClassSet, options: Mapping[str, str]
) -> ImageFiles:
    """List one split. Raises InputError if the folder does not have this layout."""
    no_options("vistas", options, ("version",))
    part = folder / SPLITS.get(split, split)
    version = options.get("version")
    for name, (config, labels) in PLACES.items():
        files = sorted((part / labels).glob("*.png"))
        if version in (None, name) and files and (folder / config).is_file():
            break
    else:
        raise InputError(
            f"{folder}: no Vistas {version or '2.0 or 1.2'} in it (config_v2.0.json and"
            f" {part.name}/v2.0/labels, or alike); name its root folder, and the split train or val"
        )
    published = dict(enumerate(_names(folder / config)))
    street = {long: _street(long) for long in published.values()}
    return ImageFiles(
        name="vistas",
        classes=classes.names,
        pairs=tuple(Pair(f.stem, part / "images" / f"{f.stem}.jpg", f) for f in files),
        read_label=IdTable("vistas", as_named(published, street, classes), classes),
    )


def _names(config: Path) -> list[str]:
    """Return the names of the ids."""
    try:
        return [label.name for label in _Config.model_validate_json(config.read_bytes()).labels]
    except (OSError, ValidationError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(f"{config}: no list of Vistas' labels ({line})") from error


def _street(name: str) -> str:
    """Return our street class of a long name; the name itself where there is none."""
    starts = (ours for start, ours in STREET.items() if name.startswith(start))
    return next(starts, "") or name
