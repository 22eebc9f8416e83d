"""`a2d2:DIR`: Audi's A2D2 (Geyer et al., 2020), DIR is camera_lidar_semantic.

`DIR/DRIVE/camera/CAMERA/TIME_camera_NAME_NUMBER.png`, `DIR/DRIVE/label/CAMERA/TIME_label_...png`
in the colors of `DIR/class_list.json`. It has no splits of its own: `val` is every fifth drive, or
the last one of fewer. `a2d2:DIR?camera=cam_front_center` takes one camera.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from pdn_ros.classes import ClassSet
from pdn_ros.datasets.base import ColorTable, ImageFiles, Pair, as_named, no_options
from pdn_ros.errors import InputError

STREET: Final[Mapping[str, str]] = {
    "Sky": "sky",
    "Buildings": "building",
    "Poles": "pole",
    "Nature object": "vegetation",
    **dict.fromkeys(
        ("RD normal street", "RD restricted area", "Drivable cobblestone", "Slow drive area",
         "Parking area", "Speed bumper"),
        "road",
    ),
    **dict.fromkeys(("Sidewalk", "Curbstone"), "sidewalk"),
    **dict.fromkeys(
        ("Solid line", "Dashed line", "Zebra crossing", "Painted driv. instr."), "lane_marking"
    ),
    **dict.fromkeys(
        ("Traffic signal", "Traffic sign", "Signal corpus", "Electronic traffic",
         "Irrelevant signs"),
        "sign",
    ),
    **dict.fromkeys(("Sidebars", "Grid structure"), "fence"),
    **dict.fromkeys(("Car", "Truck", "Utility vehicle", "Tractor"), "vehicle"),
    **dict.fromkeys(("Bicycle", "Small vehicles"), "cyclist"),
    "Pedestrian": "pedestrian",
}  # fmt: skip
"""Our street class of A2D2's classes, those of objects without the number of the instance."""

_COLORS: Final = TypeAdapter(dict[str, str])


def open_split(
    folder: Path, split: str, classes: ClassSet, options: Mapping[str, str]
) -> ImageFiles:
    """List one split. Raises InputError if the folder does not have this layout."""
    no_options("a2d2", options, ("camera",))
    if split not in ("train", "val"):
        raise InputError(f"a2d2: no split {split!r}; it has train and val")
    published = _colors(folder / "class_list.json")
    drives = sorted(drive.parent for drive in folder.glob("*/label"))
    held_out = drives[4::5] or drives[-1:]
    pairs = []
    for drive in drives:
        if (drive in held_out) == (split == "val"):
            for label in sorted(drive.glob(f"label/{options.get('camera', '*')}/*.png")):
                name = label.name.replace("_label_", "_camera_")
                image = drive / "camera" / label.parent.name / name
                pairs.append(Pair(label.stem.replace("_label_", "_"), image, label))
    if not pairs:
        raise InputError(
            f"{folder}: no {split} labels (DRIVE/label/CAMERA/*.png) in it; name the folder"
            " camera_lidar_semantic with two drives or more"
        )
    return ImageFiles(
        name="a2d2",
        classes=classes.names,
        pairs=tuple(pairs),
        read_label=ColorTable("a2d2", as_named(published, STREET, classes), classes),
    )


def _colors(path: Path) -> dict[int, str]:
    """Return the class of each color (0xRRGGBB), without the number of the instance."""
    try:
        names = _COLORS.validate_json(path.read_bytes())
        return {
            int(color.lstrip("#"), 16): name.rstrip(" 0123456789") for color, name in names.items()
        }
    except (OSError, ValueError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: no list of A2D2's colors ({line})") from error
